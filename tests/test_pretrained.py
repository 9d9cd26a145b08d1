"""The networks that come with Tenfold, and how one is made of a run."""

import dataclasses
import io
import json
import shlex

import pytest
import torch

import core.pretrained
from core.__main__ import _parser
from core.datasets import source
from core.errors import UserError
from core.models import MODELS
from core.presets import PRESETS
from core.pretrained import FOLDER, cards
from core.pretrained.alarm import with_alarm
from core.pretrained.export import export

CARDS = cards()


def load(card) -> torch.nn.Module:
    model = MODELS[card.recipe.model].build(card.recipe, len(card.classes))
    model.load_state_dict(torch.load(io.BytesIO(card.content()), weights_only=True))
    return model.eval()


def test_fast_network_and_a_narrow_baseline_are_there():
    assert {card.recipe.model for card in CARDS.values()} >= {"fast", "baseline"}
    assert next(iter(CARDS.values())).recipe.model == "fast"  # the most accurate one comes first


def test_files_are_small_and_none_is_without_its_card():
    files = {path.name for path in FOLDER.glob("*.pt")}
    assert files == {f"{name}.pt" for name in CARDS}
    assert sum((FOLDER / name).stat().st_size for name in files) <= 8_000_000


@pytest.mark.parametrize("name", CARDS)
def test_shipped_network_loads_and_answers(name):
    card = CARDS[name]
    with torch.no_grad():
        answers = load(card)(torch.randn(4, 3, 32, 32))
    assert answers.shape == (4, 10) and answers.isfinite().all()


@pytest.mark.parametrize("name", CARDS)
def test_card_says_what_was_measured_and_how(name):
    card = CARDS[name]
    assert "JPEG copy" in card.data and card.command.startswith("python -m core train --preset ")
    assert 0.3 < card.test_accuracy < 1 and abs(card.test_accuracy - card.run_test_accuracy) < 0.005
    assert card.images_seen > 0 and card.temperature > 0
    assert card.alarm["below"] < card.alarm["above"] and 0 < card.alarm["false_alarms"] <= 0.05
    for fact in ("device_name", "torch", "commit", "threads"):
        assert card.passport[fact], fact
    assert "/" not in card.recipe.dataset  # no place on anybody's machine


def test_damaged_weights_are_refused(tmp_path, monkeypatch):
    card = next(iter(CARDS.values()))
    content = bytearray(card.content())
    content[len(content) // 2] ^= 1
    monkeypatch.setattr(core.pretrained, "FOLDER", tmp_path)
    with pytest.raises(UserError, match="damaged"):
        card.content()  # missing
    (tmp_path / f"{card.name}.pt").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        card.content()


def test_finished_run_becomes_a_card(finished_run, tmp_path, monkeypatch):
    for module in ("core.pretrained", "core.pretrained.alarm"):
        monkeypatch.setattr(f"{module}.FOLDER", tmp_path)
    card = export(finished_run, "tiny", "quick", "shapes, drawn here")
    end = finished_run.history().end
    assert cards() == {"tiny": card} and card.path.stat().st_size > 0
    assert card.run_test_accuracy == end.test_accuracy
    assert card.test_accuracy == pytest.approx(end.test_accuracy, abs=0.02)
    state = torch.load(io.BytesIO(card.content()), weights_only=True)
    assert all(value.dtype == torch.float16 for value in state.values() if value.is_floating_point())
    assert "width=0.03125" in card.command and card.command.endswith("--seed 42")
    assert finished_run.looks() == 1
    before, images = card.path.with_suffix(".json").read_bytes(), source("shapes").load()
    assert with_alarm("tiny", images) == card and card.path.with_suffix(".json").read_bytes() == before
    with pytest.raises(UserError, match="other images"):
        with_alarm("tiny", dataclasses.replace(images, fingerprint="0"))


def test_card_names_the_data_set_of_the_run_whatever_its_title(finished_run, tmp_path, monkeypatch):
    for module in ("core.pretrained", "core.pretrained.alarm"):
        monkeypatch.setattr(f"{module}.FOLDER", tmp_path)
    assert export(finished_run, "one", "quick", "CIFAR-10, says its title").recipe.dataset == "shapes"
    assert export(finished_run, "two", "quick", "a copy", "cifar10").recipe.dataset == "cifar10"
    recipe = dataclasses.replace(finished_run.spec.recipe, dataset="folder:/somewhere")
    finished_run.spec = dataclasses.replace(finished_run.spec, recipe=recipe)
    with pytest.raises(UserError, match="--dataset"):
        export(finished_run, "three", "quick", "my own")


def test_run_that_has_not_finished_is_not_shipped(queued_run):
    with pytest.raises(UserError, match="not finished"):
        export(queued_run, "x", "quick", "shapes")


@pytest.mark.parametrize("name", CARDS)
def test_command_of_a_card_makes_its_recipe(name):
    card = CARDS[name]
    options = _parser().parse_args(shlex.split(card.command)[3:])
    recipe = PRESETS[options.preset].recipe.changed(options.set)
    assert dataclasses.replace(recipe, dataset=card.recipe.dataset) == card.recipe
    assert options.seed == card.seed


@pytest.mark.parametrize("name", CARDS)
def test_every_field_of_a_card_is_read(name):
    """A field that was renamed since would be dropped, or take its default, in silence."""
    stored = json.loads(CARDS[name].path.with_suffix(".json").read_text())["recipe"]
    read = CARDS[name].recipe.to_dict()
    assert {field: read.get(field) for field in stored} == stored
