"""docs/scale.md says what its benchmark computes."""

from benchmarks.scale import H100_OPERATIONS, cost
from core.paths import ROOT

PAGE = (ROOT / "docs" / "scale.md").read_text()


def test_table_of_the_page_is_what_the_benchmark_computes():
    for reached in (0.1, 0.2, 0.4):
        found = cost("report-baseline", seeds=1000, gpus=8, reached=reached, beside_seconds=3.0, at_once=2)
        row = (
            f"| {reached:.0%} | {found.arithmetic_seconds:.1f} s | {found.sweep_seconds / 60:.0f} min | "
            f"{found.gpu_hours:.1f} |"
        )
        assert row.replace("%", " %", 1) in PAGE


def test_operations_and_bytes_of_the_page_are_computed():
    found = cost("report-baseline", seeds=1000, gpus=8, reached=0.2, beside_seconds=3.0, at_once=2)
    assert f"{found.training / 1e15:.3f} · 10¹⁵ operations of training" in PAGE
    assert f"{found.judging / 1e15:.3f} · 10¹⁵ of judging" in PAGE
    assert f"{found.written / 1e9:.0f} GB are written" in PAGE
    assert f"{found.kept / 1e9:.0f} GB stay" in PAGE
    assert f"{round(found.written / found.sweep_seconds / 1e6, -1):.0f} MB a second" in PAGE
    assert f"{1e3 * (found.training / 5000) / H100_OPERATIONS:.2f} milliseconds of arithmetic" in PAGE


def test_runs_side_by_side_on_a_gpu_hide_what_is_not_arithmetic_and_no_more():
    one = cost("report-baseline", 1000, 8, 0.2, beside_seconds=3.0, at_once=1)
    many = cost("report-baseline", 1000, 8, 0.2, beside_seconds=3.0, at_once=8)
    assert many.sweep_seconds == many.arithmetic_seconds * 1000 / 8
    assert one.sweep_seconds == (one.arithmetic_seconds + 3.0) * 1000 / 8
