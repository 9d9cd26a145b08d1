"""The plain script trains the same recipe without this project: same network, same split, every field acts."""

import dataclasses
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from core.config import KNOBS, Recipe, applying_fields
from core.datasets import source
from core.datasets.split import split_indices
from core.errors import UserError
from core.evaluate import Normalise
from core.models import MODELS
from core.optim import one_cycle, warmup_and_decay
from core.plain_script import COVERED, Facts, plain_script
from core.presets import PRESETS
from core.seeds import derive, generator
from core.worker import work

FACTS = Facts(10, [0.49, 0.48, 0.45], [0.25, 0.24, 0.26], "0123456789abcdef")
WIDTHS = {"baseline": 0.03125, "improved": 0.03125, "residual": 0.25, "fast": 0.0625}
MOST_LINES = 250


def script(recipe: Recipe, seed: int = 42) -> str:
    return plain_script(recipe, seed, FACTS)


def loaded(recipe: Recipe, seed: int = 42) -> dict:
    """What the script defines, without running it."""
    names = {"__name__": "train", "__file__": "train.py"}
    before = torch.are_deterministic_algorithms_enabled()
    exec(compile(script(recipe, seed), "train.py", "exec"), names)
    torch.use_deterministic_algorithms(before)
    return names


@pytest.mark.parametrize("name", PRESETS)
def test_script_of_each_preset_is_short_and_names_nothing_of_ours(name):
    text = script(PRESETS[name].recipe)
    assert len(text.splitlines()) <= MOST_LINES
    assert not re.search(r"^\s*(from|import) (core|pages)", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 125


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("model", MODELS)
def test_network_is_ours_with_the_same_initial_weights_and_answers(model, skip):
    recipe = Recipe(model=model, width=WIDTHS[model], depth=14, skip=skip, batch_norm=skip, hidden=skip)
    torch.manual_seed(5)
    ours = MODELS[model].build(recipe, 10).eval()
    torch.manual_seed(5)
    theirs = loaded(recipe)["Network"]().eval()
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    images = torch.rand(4, 3, 32, 32)
    if model == "fast":
        ours.adapt(images)
        theirs.adapt(images)
    for name, value in ours.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name]), name
    with torch.no_grad():
        torch.testing.assert_close(theirs(images), ours(images), atol=1e-6, rtol=0)


def test_random_streams_are_ours():
    names = loaded(Recipe(vary_order=False), seed=9)
    assert names["seed_of"]("weights", "weights") == derive(9, "weights")
    order = names["random"]("order", "order", 3).permutation(50)
    np.testing.assert_array_equal(order, generator(0, "order", 3).permutation(50))
    shuffled = names["random"]("split", "split").permutation(100)
    np.testing.assert_array_equal(np.sort(shuffled[20:]), split_indices(100, 0.2, 9)[0])


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.25])
def test_schedules_are_ours(warmup):
    steps = 40
    linear = loaded(Recipe(schedule="linear", warmup=warmup))["rate_at"]
    cycle = loaded(Recipe(schedule="one-cycle", warmup=warmup))["rate_at"]
    for step in range(steps):
        assert linear(step, steps) == pytest.approx(warmup_and_decay(steps, warmup)(step), abs=1e-12)
        assert 0.3 * cycle(step, steps) == pytest.approx(one_cycle(steps, warmup, 0.3)(step), abs=1e-12)


def test_images_are_normalised_as_ours():
    images = torch.rand(3, 3, 32, 32)
    ours = Normalise(np.array(FACTS.mean), np.array(FACTS.std), torch.device("cpu"))(images)
    torch.testing.assert_close(loaded(Recipe())["on_device"](images).cpu(), ours)
    assert torch.equal(loaded(Recipe(normalisation="none"))["on_device"](images).cpu(), images)


def test_alternating_flip_shows_both_sides_in_any_two_epochs():
    images = torch.arange(8 * 3 * 32 * 32).remainder(251).to(torch.uint8).view(8, 3, 32, 32)
    batches = loaded(Recipe(flip=True, alternate_flip=True, normalisation="none", batch_size=8))["batches"]
    labels = torch.arange(8)
    shown = []
    for epoch in (1, 2):
        ((batch, named),) = batches(images, labels, epoch)
        shown.append(batch[named.argsort()])
    torch.testing.assert_close(shown[0].flip(-1), shown[1])


def test_cutout_greys_at_most_its_square():
    names = loaded(Recipe(cutout=6))
    changed = torch.stack([names["augment"](torch.ones(3, 32, 32)) for _ in range(50)])
    grey = (changed == 0.5).sum((1, 2, 3)) / 3
    assert grey.max() == 36 and grey.min() >= 9 and ((changed == 0.5) | (changed == 1)).all()


OTHER = {  # field -> recipe in which it applies, another value
    "dataset": (Recipe(), "cifar10"),
    "image_size": (Recipe(dataset="folder:pets"), 48),
    "dropout": (Recipe(model="improved"), 0.3),
    "batch_norm": (Recipe(model="improved"), False),
    "hidden": (Recipe(model="improved"), False),
    "depth": (Recipe(model="residual"), 14),
    "skip": (Recipe(model="residual"), False),
    "model": (Recipe(), "residual"),
    "width": (Recipe(), 0.25),
    "warmup": (Recipe(schedule="linear"), 0.4),
    "plateau_factor": (Recipe(schedule="plateau"), 0.3),
    "plateau_patience": (Recipe(schedule="plateau"), 2),
    "alternate_flip": (Recipe(flip=True), True),
    "vary_augmentation": (Recipe(flip=True), False),
}


@pytest.mark.parametrize("name", KNOBS)
def test_each_field_changes_what_the_script_does(name):
    """The words at its head and in its comments do not count."""
    base, value = OTHER.get(name, (Recipe(), None))
    knob, before = KNOBS[name], getattr(base, name)
    if value is None and isinstance(before, bool):
        value = not before
    elif value is None:
        others = knob.choices or (knob.low, knob.high)
        value = type(before)(next(other for other in others if other != before))
    changed = dataclasses.replace(base, **{name: value})
    assert name in applying_fields(base)
    assert acting(changed) != acting(base)


def acting(recipe: Recipe) -> str:
    """The script without docstring and comments. Its mean and deviation are facts of the data, so they follow
    the recipe here."""
    mean, std = {"dataset": ([0.4] * 3, [0.2] * 3), "half": ([0.5] * 3,) * 2, "none": ([0.0] * 3, [1.0] * 3)}[
        recipe.normalisation
    ]
    text = plain_script(recipe, 42, Facts(10, mean, std, "digest"))
    return re.sub(r"#.*", "", text.split('"""', 2)[2])


def test_field_that_the_script_does_not_know_is_refused_by_name(monkeypatch):
    monkeypatch.setattr("core.plain_script.COVERED", COVERED - {"cutout"})
    with pytest.raises(UserError, match="cutout"):
        script(Recipe(cutout=4))


def test_model_that_the_script_does_not_know_is_refused_by_name(monkeypatch):
    monkeypatch.setattr("core.plain_script.environment", lambda **_: _without("network_baseline.py.j2"))
    with pytest.raises(UserError, match="model baseline"):
        script(Recipe())


def _without(missing: str):
    from jinja2 import Environment, FunctionLoader

    return Environment(loader=FunctionLoader(lambda name: None if name == missing else ""))


def test_no_word_of_a_person_becomes_code():
    hostile = Recipe(dataset='folder:/x/"""\nimport shutil; shutil.rmtree("rm")')
    text = script(hostile)
    assert "shutil" not in text and "rm" not in re.findall(r"\w+", text)


def test_script_reaches_the_accuracy_of_the_run_without_this_project(store, tmp_path, shapes_fingerprint):
    """The report's baseline, narrow, on shapes for two epochs: within 2 points."""
    recipe = dataclasses.replace(PRESETS["report-baseline"].recipe, dataset="shapes", width=0.125, epochs=2)
    run, _ = store.open(recipe, 42, shapes_fingerprint)
    work(run)
    history = run.history()
    data = source("shapes").load()
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    parts = {"train": data.train, "test": data.test}
    images = {f"{part}_images": split.images for part, split in parts.items()}
    np.savez(
        folder / "images.npz", **images, **{f"{part}_labels": split.labels for part, split in parts.items()}
    )
    facts = Facts(10, history.started.mean, history.started.std, run.spec.digest)
    (folder / "train.py").write_text(plain_script(recipe, 42, facts))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-I", "train.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"validation accuracy ([\d.]+), test accuracy ([\d.]+)", done.stdout)
    validation, test = map(float, found.groups())
    assert validation == pytest.approx(history.end.validation_accuracy, abs=0.02)
    assert test == pytest.approx(history.end.test_accuracy, abs=0.02)
    assert test > 0.3  # it learned: at random it is 0.1
    ours = torch.load(run.folder / "weights.pt", weights_only=True)
    assert torch.load(folder / "trained.pt", weights_only=True).keys() == ours.keys()
