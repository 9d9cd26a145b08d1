"""The benchmark of sweeps, on trainings of a second; its figures mean nothing here."""

import os

import pytest

from benchmarks import sweep as benchmark
from core.datasets import source


@pytest.fixture
def images():
    return source("shapes").load()


def test_sweep_goes_through_the_queue_and_leaves_nothing_behind(tiny_recipe, images, tmp_path, monkeypatch):
    monkeypatch.setenv("TENFOLD_SLOTS", "1")
    assert 0 < benchmark.sweep(tiny_recipe, [1, 2], images) < 60
    assert list((tmp_path / "runs").iterdir()) == []


def test_overhead_sets_a_sweep_against_every_training_once(tiny_recipe, images, monkeypatch):
    seeds = []
    monkeypatch.setattr(
        benchmark, "bare", lambda recipe, some, images: seeds.extend(some) or 10.0 * len(some)
    )
    monkeypatch.setattr(benchmark, "sweep", lambda *arguments: 33.0)
    assert benchmark.overhead(tiny_recipe, 3, images)["overhead"] == pytest.approx(0.1)
    assert seeds == [3, 0, 1, 2]  # the first for warming up


def test_narrow_ratio_is_that_of_runs_an_hour(tiny_recipe, images, monkeypatch):
    monkeypatch.setattr(benchmark, "cores", lambda: 2)
    seconds = {"1": 20.0, "2": 30.0}
    monkeypatch.setattr(benchmark, "sweep", lambda *arguments: seconds[os.environ["TENFOLD_THREADS"]])
    result = benchmark.narrow_ratio(tiny_recipe, 4, 3, images)
    assert result["narrow_ratio"] == pytest.approx(1.5) and len(result["narrow_ratios"]) == 3
