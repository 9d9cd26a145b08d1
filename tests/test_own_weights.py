"""Weights that somebody brings: hostile files are refused in a sentence, before anything runs or grows."""

import io
import json
import os
import pickle
import random
import resource
import subprocess
import sys
import zipfile

import pytest
import safetensors.torch
import torch

from core.checkpoints import to_bytes
from core.config import Recipe
from core.models import MODELS
from core.own_weights import WeightsRefused, network, read_header, read_weights
from core.own_weights_fit import explain_difference, shapes_of
from core.paths import ROOT

TINY = {"baseline": 0.03125, "improved": 0.03125, "residual": 0.25, "fast": 0.0625}
NAMES = list(MODELS)


def recipe(model: str = "baseline", **more) -> Recipe:
    return Recipe(**{"model": model, "width": TINY[model], "depth": 8, **more})


def state(wanted: Recipe, classes: int = 10) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return MODELS[wanted.model].build(wanted, classes).state_dict()


def refusal(content: bytes, wanted: Recipe | None = None) -> str:
    with pytest.raises(WeightsRefused) as refused:
        read_weights(content, wanted or recipe(), 10)
    sentence = str(refused.value)
    assert sentence[0].isalnum() and sentence.endswith(".") and "\n" not in sentence and len(sentence) < 400
    return sentence


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def saved(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def with_header(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


# ---- what is let in


@pytest.mark.parametrize("model", NAMES)
def test_both_formats_come_back_bit_by_bit(model):
    own = state(recipe(model))
    for content in (safetensors.torch.save(own), to_bytes(own)):
        found = read_weights(content, recipe(model), 10)
        assert list(found) and all(torch.equal(found[name], value) for name, value in own.items())
        network(recipe(model), 10, found)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_converted(kind):
    half = {name: value.to(kind) for name, value in state(recipe()).items()}
    for content in (safetensors.torch.save(half), to_bytes(half)):
        found = read_weights(content, recipe(), 10)
        assert all(torch.equal(found[name], value.float()) for name, value in half.items())
        assert all(value.dtype == torch.float32 for value in found.values())


def test_checkpoints_and_wrapped_networks_are_unpacked():
    own = state(recipe())
    wrapped = {f"module._orig_mod.{name}": value for name, value in own.items()}
    found = read_weights(saved({"epoch": 3, "model_state_dict": wrapped}), recipe(), 10)
    assert all(torch.equal(found[name], value) for name, value in own.items())


def test_tensors_that_share_memory_or_are_transposed_come_through():
    own = state(recipe())
    own["fc1.weight"] = own["fc1.weight"].t().contiguous().t()
    found = read_weights(saved(own), recipe(), 10)
    assert torch.equal(found["fc1.weight"], own["fc1.weight"])


# ---- the layer that differs


@pytest.mark.parametrize("form", [safetensors.torch.save, to_bytes])
def test_refusal_says_which_layer_differs_and_what_to_choose(form):
    content = form(state(recipe(width=0.0625)))
    assert refusal(content, recipe(width=0.125)) == (
        "features.conv1.weight is 16 × 3 × 3 × 3, this network has 32 × 3 × 3 × 3: choose width 0.0625."
    )


def test_far_wider_weights_are_told_by_their_shapes_too():
    sentence = refusal(to_bytes(state(recipe(width=0.5))), recipe())
    assert "128 × 3 × 3 × 3, this network has 8 × 3 × 3 × 3: choose width 0.5" in sentence


@pytest.mark.parametrize(
    ("mine", "chosen", "advice"),
    [
        (recipe("residual", depth=20), recipe("residual"), "choose depth 20"),
        (recipe("improved", width=0.25), recipe("baseline"), "choose model improved, width 0.25"),
        (recipe("fast"), recipe("baseline"), "choose model fast, width 0.0625"),
        (recipe("improved", hidden=False), recipe("improved"), "choose hidden off"),
        (recipe("improved", batch_norm=False), recipe("improved"), "choose batch norm off"),
    ],
)
def test_another_network_is_recognised(mine, chosen, advice):
    assert refusal(safetensors.torch.save(state(mine)), chosen).endswith(f": {advice}.")


def test_other_number_of_classes_is_named():
    content = safetensors.torch.save(state(recipe(), 7))
    assert "this network has 10 × 36: choose 7 classes" in refusal(content)


@pytest.mark.parametrize("model", NAMES)
def test_network_of_its_own_shapes_has_no_difference(model):
    assert explain_difference(shapes_of(recipe(model), 10), recipe(model), 10) is None


def test_missing_and_extra_layers_are_named():
    own = state(recipe())
    fewer = {name: value for name, value in own.items() if name != "fc1.bias"}
    assert "fc1.bias is missing" in refusal(safetensors.torch.save(fewer))
    assert "extra.weight is in this file" in refusal(
        safetensors.torch.save({**own, "extra.weight": torch.ones(2)})
    )
    hostile = refusal(safetensors.torch.save({**own, "<script>" + "x" * 5000: torch.ones(2)}))
    assert "script" not in hostile and "no plain word" in hostile


@pytest.mark.parametrize("form", [safetensors.torch.save, to_bytes])
def test_other_kinds_of_numbers_are_named(form):
    double = {name: value.double() for name, value in state(recipe()).items()}
    assert "features.conv1.weight holds numbers of the kind F64" in refusal(form(double))
    whole = {name: value.long() for name, value in state(recipe()).items()}
    assert "I64" in refusal(form(whole))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_found(value):
    own = state(recipe())
    own["features.conv3.bias"][2] = value
    for content in (safetensors.torch.save(own), to_bytes(own)):
        assert "features.conv3.bias holds numbers that are not finite" in refusal(content)


def test_negative_variance_is_found():
    own = state(recipe("fast"))
    own["groups.group1.norm1.running_var"][0] = -1
    assert "running_var holds negative" in refusal(safetensors.torch.save(own), recipe("fast"))


# ---- hostile safetensors


def entry(kind="F32", shape=(2,), offsets=(0, 8)) -> dict:
    return {"dtype": kind, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        b"\0" * 100,
        with_header({}, length=2**63),
        with_header({"a": entry()}, b"\0" * 8, length=10**7),
        with_header({"a": entry()}, b"\0" * 7),
        with_header({"a": entry()}, b"\0" * 9),
        with_header({"a": entry(), "b": entry()}, b"\0" * 8),
        with_header({"a": entry(), "b": entry(offsets=(4, 12))}, b"\0" * 12),
        with_header({"a": entry(), "b": entry(offsets=(12, 20))}, b"\0" * 20),
        with_header({"a": entry(offsets=(8, 0))}, b"\0" * 8),
        with_header({"a": entry(offsets=(-8, 0))}, b""),
        with_header({"a": entry(offsets=(0, 8, 16))}, b"\0" * 8),
        with_header({"a": entry(offsets=(0.0, 8.0))}, b"\0" * 8),
        with_header({"a": entry(shape=(-2,))}, b"\0" * 8),
        with_header({"a": entry(shape=(2**62, 2**62))}, b"\0" * 8),
        with_header({"a": entry(shape=[1] * 1000)}, b"\0" * 8),
        with_header({"a": entry(shape=[True, 2])}, b"\0" * 8),
        with_header({"a": entry(shape="ab")}, b"\0" * 8),
        with_header({"a": entry(kind="F31")}, b"\0" * 8),
        with_header({"a": entry(kind=["F32"])}, b"\0" * 8),
        with_header({"a": {"dtype": "F32"}}),
        with_header({"a": 3}),
        with_header(b'{"a": ' + b"[" * 100_000),
        with_header(b'{"a": ' + b"9" * 100_000 + b"}"),
        with_header(b'{"\xff": 1}'),
        with_header(b'{"a": NaN}'),
        with_header(b'{"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}, "a": 1}'),
        b"\x80\x02" + pickle.dumps({"a": 1})[2:],
    ],
    ids=range(29),
)
def test_broken_safetensors_are_refused(content):
    refusal(content)


def test_file_cut_anywhere_is_refused():
    for content in (safetensors.torch.save(state(recipe())), to_bytes(state(recipe()))):
        for tenth in range(10):
            refusal(content[: len(content) * tenth // 10])


def test_flipped_bits_in_a_header_never_change_what_is_read():
    own = state(recipe())
    content = safetensors.torch.save(own)
    length, drawn = int.from_bytes(content[:8], "little"), random.Random(1)
    for _ in range(300):
        changed = bytearray(content)
        changed[drawn.randrange(8 + length)] ^= 1 << drawn.randrange(8)
        try:
            found = read_weights(bytes(changed), recipe(), 10)
        except WeightsRefused:
            continue
        assert all(torch.equal(found[name], value) for name, value in own.items())


def test_header_is_checked_without_the_memory_it_claims():
    huge = with_header({"features.conv1.weight": entry(shape=(2**30, 2**9), offsets=(0, 2**41))}, b"\0" * 8)
    assert "shorter or longer" in refusal(huge)
    with pytest.raises(WeightsRefused):
        read_header(huge)


# ---- hostile pickles


class Runs:
    """Unpickled without care, makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_a_pickle_never_runs(tmp_path):
    made = tmp_path / "made"
    for value in (Runs(str(made)), {**state(recipe()), "x": Runs(str(made))}):
        assert "never run here" in refusal(saved(value))
    whole = archive({"archive/data.pkl": pickle.dumps(Runs(str(made))), "archive/version": b"3\n"})
    refusal(whole)
    refusal(pickle.dumps(Runs(str(made))))
    torch.load(io.BytesIO(saved(Runs(str(made)))), weights_only=False)
    assert made.exists()  # it would have


def test_whole_network_is_no_state_dict():
    assert "never run here" in refusal(saved(MODELS["baseline"].build(recipe(), 10)))


def test_compressed_archive_is_refused_before_it_grows():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bomb = archive({"archive/data/0": b"\0" * 200_000_000}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 400_000
    after_making = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "compressed" in refusal(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - max(before, after_making) < 20_000  # kB


def test_archive_that_only_claims_to_be_stored_is_refused():
    content = bytearray(archive({"archive/data/0": b"\0" * 1000}))
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = (2**31 - 1).to_bytes(4, "little")  # its size, says the directory
    refusal(bytes(content))


def test_archive_of_many_entries_is_refused():
    assert "more than 10,000 entries" in refusal(b"PK\x03\x04" + b"PK\x01\x02" * 10_001)


def test_one_number_repeated_without_end_takes_no_memory():
    own = {name: torch.zeros(1).expand(10**7, 10**5) for name in state(recipe())}
    assert "10000000 × 100000, this network has" in refusal(saved(own))


def test_same_shapes_with_much_else_are_refused():
    own = {**state(recipe()), "optimizer": torch.zeros(10**6)}
    assert "optimizer is in this file" in refusal(saved(own))


@pytest.mark.parametrize(
    "value",
    [
        [],
        3,
        {},
        {"a": 1},
        {1: torch.ones(2)},
        {"a": torch.ones(2).to_sparse()},
        {"a": torch.ones(2, device="meta")},
    ],
    ids=str,
)
def test_pickle_without_tensors_is_refused(value):
    refusal(saved(value))


def test_flipped_bits_in_an_archive_are_noticed():
    own = state(recipe())
    content, drawn, silent = to_bytes(own), random.Random(2), 0
    for place in [drawn.randrange(len(content)) for _ in range(12)]:
        changed = bytearray(content)
        changed[place] ^= 1
        try:
            found = read_weights(bytes(changed), recipe(), 10)
        except WeightsRefused:
            continue
        silent += not all(torch.equal(found[name], value) for name, value in own.items())
    assert silent == 0


def test_file_of_another_format_is_refused():
    for content in (b"GIF89a" + b"\0" * 100, b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"PK\x05\x06" + b"\0" * 18):
        refusal(content)


def test_far_too_large_file_is_refused(monkeypatch):
    monkeypatch.setattr("core.own_weights.MOST_BYTES", 1000)
    assert "larger than" in refusal(b"\0" * 1001)


def test_child_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr("core.own_weights.CHILD_SECONDS", 0.05)
    assert "memory and time" in refusal(to_bytes(state(recipe())))


def test_child_may_take_so_much_memory_and_no_more():
    command = "from core.own_weights_child import _bound; _bound(200_000_000); bytearray({})"
    ends = [
        subprocess.run([sys.executable, "-c", command.format(n)], cwd=ROOT, capture_output=True, text=True)
        for n in (100_000_000, 300_000_000)
    ]
    assert ends[0].returncode == 0 and "MemoryError" in ends[1].stderr
