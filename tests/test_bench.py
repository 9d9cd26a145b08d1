"""The benchmark on networks so narrow that it ends in seconds; its figures mean nothing here."""

import dataclasses
import json
import math

import pytest
import torch

import core.__main__
from benchmarks import engine
from benchmarks.tutorial import TutorialLoop
from core.config import Recipe
from core.device import choose_compute
from core.gradients import GradientNorms

FIGURES = (
    "improved_ratio",
    "narrow_ratio",
    "fast_ratio",
    "matmul_share",
    "augmentation_ratio",
    "augmentation_share",
    "loop_overhead",
)


@pytest.fixture
def small(monkeypatch):
    for name in ("BASELINE", "IMPROVED", "NARROW", "FAST"):
        recipe = dataclasses.replace(getattr(engine, name), width=0.03125)
        monkeypatch.setattr(engine, name, recipe)
    monkeypatch.setattr(engine, "IMAGES", 4000)


def test_every_figure_comes_with_its_rounds(small):
    result = engine.measure(engine.Form(rounds=2, seconds=0.05, fast_batch=64))
    json.dumps(result, allow_nan=False)
    for name in FIGURES:
        assert result[name] > 0 and math.isfinite(result[name]), name
        assert len(result["samples"][name]) == (1 if name == "loop_overhead" else 2)
    assert result["machine"]["torch"] == torch.__version__ and result["machine"]["device"] == "cpu"
    assert result["fast_batch"] == 64


def test_benchmark_measures_both_sides_on_the_cpu(monkeypatch, capsys):
    monkeypatch.setenv("TENFOLD_DEVICE", "cuda")
    monkeypatch.setattr("sys.argv", ["engine", "--quick"])
    monkeypatch.setattr(
        engine, "measure", lambda form: {"device": choose_compute(engine.BASELINE).device.type}
    )
    engine.main()
    assert json.loads(capsys.readouterr().out) == {"device": "cpu"}


def test_empty_run_looks_at_gradients_like_a_real_one(small, monkeypatch):
    taken = []
    take = GradientNorms.take
    monkeypatch.setattr(GradientNorms, "take", lambda norms: taken.append(take(norms)))
    assert engine._empty_run(engine.random_images(4000), 0) > 0
    assert len(taken) == 100  # every step of 3,200 images in batches of 32


def test_command_line_prints_what_was_measured(monkeypatch, capsys):
    answer = {
        "improved_ratio": 2.5,
        "rounds": 3,
        "machine": {"device_name": "Test CPU"},
        "samples": {"improved_ratio": [2.4, 2.5, 2.6]},
    }
    done = type("Done", (), {"returncode": 0, "stdout": json.dumps(answer)})
    commands = []
    monkeypatch.setattr(
        core.__main__.subprocess, "run", lambda command, **_: commands.append(command) or done
    )
    assert core.__main__.main(["bench", "--quick", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == answer and "--quick" in commands[0]
    assert core.__main__.main(["bench"]) == 0
    assert "2.400 to 2.600" in capsys.readouterr().out and "--quick" not in commands[1]
    monkeypatch.setattr(done, "returncode", 1)
    assert core.__main__.main(["bench"]) == 2


def test_tutorials_loop_learns(small):
    """The reference has to be a training, too."""
    data = engine.random_images(64)
    recipe = Recipe(width=0.125, batch_size=32, learning_rate=0.01)
    loop = TutorialLoop(data.train.images, data.train.labels, recipe)
    before = [parameter.detach().clone() for parameter in loop.model.parameters()]
    assert loop.run(0.5) > 0
    assert all((one != other).any() for one, other in zip(before, loop.model.parameters(), strict=True))


def test_our_loop_goes_on_from_round_to_round(small):
    loop = engine.OurLoop(engine.BASELINE, engine.random_images(4000), choose_compute(engine.BASELINE))
    assert loop.run(0.1) > 0 and loop.run(0.1) > 0
