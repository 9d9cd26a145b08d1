import pytest
import torch

from core.config import Recipe
from core.device import choose_compute, passport, passport_changes, prepare_process


def papers() -> dict:
    return passport(choose_compute(Recipe()), "x")


def test_passport_tells_which_units_of_the_processor_multiply(monkeypatch):
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    before = papers()
    assert {type(before[name]) for name in ("avx512_bf16", "amx_bf16")} == {bool}
    assert passport_changes(before, papers()) == []
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
    assert passport_changes(before, papers()) == ["onednn max cpu isa:  before, AVX512_CORE_BF16 now"]
    other = {**before, "amx_bf16": not before["amx_bf16"]}
    assert [change.partition(":")[0] for change in passport_changes(before, other)] == ["amx bf16"]


def test_passport_of_an_older_version_differs_only_in_what_it_records():
    old = {key: value for key, value in papers().items() if key not in ("amx_bf16", "cudnn")}
    assert passport_changes(old, papers()) == []


def test_commit_and_numpy_are_compared_where_somebody_asks():
    before = {**papers(), "commit": "a", "numpy": "1"}
    now = {**before, "commit": "b", "numpy": "2"}
    assert passport_changes(before, now) == []
    assert passport_changes(before, now, ("commit", "numpy")) == [
        "commit: a before, b now",
        "numpy: 1 before, 2 now",
    ]


@pytest.mark.parametrize("precisions", [("tf32", "fp32"), ("fp32", "tf32")], ids="-".join)
def test_both_ways_to_ask_for_tf32_can_be_read(precisions):
    """torch.compile reads by both, and each raises where they contradict each other."""
    for precision in precisions:
        prepare_process(Recipe(precision=precision))
        fast = precision == "tf32"
        assert torch.get_float32_matmul_precision() == ("high" if fast else "highest")
        assert torch.backends.cuda.matmul.allow_tf32 is torch.backends.cudnn.allow_tf32 is fast
        assert (torch.backends.cuda.matmul.fp32_precision == "tf32") is fast
        assert (torch.backends.cudnn.conv.fp32_precision == "tf32") is fast
    prepare_process(Recipe())
