import dataclasses
import math

import pytest

from core.config import KNOBS, Recipe, applying_fields, differences, in_words
from core.errors import UserError
from core.knobs import GROUPS
from core.presets import PRESETS

REFUSED = {
    "learning_rate=99": "between",
    "learning_rate=nan": "between",
    "epochs=2.5": "whole number",
    "epochs=0": "between 1 and 200",
    "flip=maybe": "true or false",
    "model=alexnet": "one of",
    "dataset=imagenet": "no data set",
    "image_size=64": "32 × 32",
    "depth=21": "take 20 or 26",
    "depth=9": "take 8 or 14",
    "label_smoothing=0.9": "between",
    "learnin_rate=0.1": "did you mean learning_rate",
    "epochs": "field=value",
}


@pytest.mark.parametrize("setting", REFUSED)
def test_bad_setting_is_refused_in_one_sentence(setting):
    with pytest.raises(UserError, match=REFUSED[setting]) as refusal:
        Recipe().changed([setting])
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.1", True, None])
def test_learning_rate_takes_finite_numbers_only(value):
    with pytest.raises(UserError):
        Recipe(learning_rate=value)


def test_recipe_survives_its_own_dictionary():
    recipe = Recipe(width=1, flip=True, rotation=15)
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_digest_covers_every_field_that_changes_the_result():
    changed = {
        "image_size": 64,
        "normalisation": "half",
        "validation_share": 0.1,
        "model": "improved",
        "width": 0.25,
        "activation": "gelu",
        "dropout": 0.1,
        "epochs": 5,
        "learning_rate": 0.1,
        "batch_size": 64,
        "optimizer": "adam",
        "momentum": 0.5,
        "weight_decay": 0.01,
        "schedule": "plateau",
        "plateau_factor": 0.1,
        "plateau_patience": 1,
        "flip": True,
        "rotation": 10.0,
        "shift": 2,
        "brightness": 0.1,
        "contrast": 0.1,
        "saturation": 0.1,
        "hue": 0.1,
        "cutout": 4,
        "precision": "fp32",
        "depth": 26,
        "skip": False,
        "nesterov": True,
        "warmup": 0.1,
        "label_smoothing": 0.1,
        "averaging": 0.99,
        "early_stop": 3,
        "keep": "best",
        "alternate_flip": True,
        "flip_test": True,
        "compile": True,
        "deterministic": False,
        "vary_weights": False,
        "vary_order": False,
        "vary_augmentation": False,
        "vary_split": False,
        "batch_norm": False,
        "hidden": False,
    }
    assert {*changed, "dataset", "log_every"} == {*KNOBS}
    everything_on = Recipe(dataset="folder:x", model="improved", schedule="plateau")
    bases = {
        "model": Recipe(dataset="folder:x"),
        "schedule": Recipe(),
        "depth": Recipe(model="residual"),
        "skip": Recipe(model="residual"),
        "warmup": Recipe(schedule="linear"),
        "alternate_flip": Recipe(flip=True),
    }
    for name, value in changed.items():
        base = bases.get(name, everything_on)
        assert dataclasses.replace(base, **{name: value}).digest("x") != base.digest("x"), name


def test_digest_ignores_what_does_nothing():
    plain = Recipe()  # neither augmentation nor dropout
    assert dataclasses.replace(plain, vary_augmentation=False).digest("x") == plain.digest("x")
    recipe = Recipe()
    assert recipe.digest("x") == dataclasses.replace(recipe, dropout=0.1, plateau_patience=1).digest("x")
    assert recipe.digest("x") == dataclasses.replace(recipe, log_every=10).digest("x")


def test_digest_follows_the_images_and_not_their_place():
    here, there = Recipe(dataset="folder:/a"), Recipe(dataset="folder:/b")
    assert here.digest("same") == there.digest("same") != here.digest("other")


def test_recipe_of_the_first_version_keeps_its_digest():
    """Fields that came later count only where they are used, so that old runs are found again."""
    assert PRESETS["report-baseline"].recipe.digest("x") == "cb10ecd826ca35fe"
    assert PRESETS["report-improved"].recipe.digest("x") == "36d308f85b38b941"


def test_variants_of_the_improved_recipe_differ_as_the_report_says():
    improved, gelu, half = (
        PRESETS[name].recipe for name in ("report-improved", "report-improved-gelu", "report-improved-half")
    )
    assert differences(improved, gelu) == {"activation": ("relu", "gelu")}
    assert differences(improved, half) == {"normalisation": ("dataset", "half"), "epochs": (60, 100)}


def test_report_presets_hold_the_reports_figures():
    baseline, improved = PRESETS["report-baseline"].recipe, PRESETS["report-improved"].recipe
    assert (baseline.optimizer, baseline.learning_rate, baseline.momentum) == ("sgd", 0.003, 0.9)
    assert (baseline.batch_size, baseline.epochs, baseline.log_every, baseline.width) == (32, 4, 300, 1.0)
    assert (improved.optimizer, improved.learning_rate, improved.weight_decay) == ("adam", 0.0005, 1e-4)
    assert (improved.schedule, improved.plateau_factor, improved.plateau_patience) == ("plateau", 0.5, 5)
    assert (improved.epochs, improved.dropout, improved.rotation, improved.flip) == (60, 0.5, 15, True)
    assert baseline.validation_share == improved.validation_share == 0.2


def test_differences_name_both_values():
    assert differences(Recipe(), Recipe(epochs=9)) == {"epochs": (4, 9)}
    assert "momentum" not in differences(Recipe(optimizer="adam"), Recipe(optimizer="adam", momentum=0.1))


def test_every_field_can_be_explained():
    for name, knob in KNOBS.items():
        assert knob.group in GROUPS and knob.label and knob.help.endswith("."), name
        assert all(knob.low <= tick <= knob.high for tick in knob.ticks), name


def test_judging_both_sides_is_no_augmentation():
    assert "augmented" not in in_words(Recipe(flip_test=True))
    assert "augmented" in in_words(Recipe(flip=True))


def test_older_recipes_keep_their_name_and_the_fast_ones_that_train_otherwise_do_not():
    """The names of the release before; `fast` gives other weights since."""
    small = {"width": 0.03125, "epochs": 2, "batch_size": 32, "learning_rate": 0.02}
    assert Recipe(**small).digest("x") == "b8a34eb8ec27c04d"
    one_cycle = Recipe(**{**small, "epochs": 3}, schedule="one-cycle", warmup=0.3)
    assert one_cycle.digest("x") == "91f28b12af87378e"
    fast = Recipe(**{**small, "epochs": 5}, model="fast", schedule="one-cycle")
    assert fast.digest("x") != "294083ca7bde91fe"


@pytest.mark.parametrize("name", PRESETS)
def test_preset_is_told_in_words(name):
    recipe = PRESETS[name].recipe
    assert recipe.model in in_words(recipe) and str(recipe.epochs) in in_words(recipe)
    assert "model" in applying_fields(recipe)


def test_what_a_network_lacks_is_told_in_words():
    assert "no hidden layer" in in_words(Recipe(model="improved", hidden=False))
    assert "no hidden layer" not in in_words(Recipe(model="baseline", hidden=False))
