"""Every step adds its ingredient and nothing else; what it did is judged more strictly than one comparison."""

import math
from itertools import pairwise

import numpy as np
import pytest

from core import ladder, stats
from core.config import applying_fields, differences
from core.errors import UserError
from core.models import MODELS
from core.presets import PRESETS

STEPS = ladder.steps("cifar10", 0.125, 20)


def preset(name, **changed):
    return {**PRESETS[name].recipe.to_dict(), **changed}


def layers(step):
    """What the network consists of; dropout of nothing is nothing."""
    rows = MODELS[step.recipe.model].describe(step.recipe, 10)
    return [(row.kind, row.shape, row.weights) for row in rows if row.kind != "dropout 0"]


def test_ladder_leads_from_the_reports_baseline_to_its_improved_recipe():
    for dataset, width, epochs, size in (("cifar10", 1.0, 60, 32), ("folder:x", 0.25, 3, 48)):
        same = {"dataset": dataset, "width": width, "epochs": epochs, "image_size": size}
        first, *_, last = ladder.steps(dataset, width, epochs, size)
        baseline, improved = (
            type(first.recipe).from_dict(preset(name, **same))
            for name in ("report-baseline", "report-improved")
        )
        assert not differences(first.recipe, baseline)
        assert first.recipe.digest("x") == baseline.digest("x")
        assert last.recipe == improved and last.recipe.digest("x") == improved.digest("x")


def test_every_step_changes_the_fields_of_its_ingredient_only():
    assert not STEPS[0].changed
    for before, after in pairwise(STEPS):
        assert after.changed == differences(before.recipe, after.recipe), after.title
        old, new = before.recipe.to_dict(), after.recipe.to_dict()
        assert {name for name in old if old[name] != new[name]} == {*after.changed}
    changed = [name for step in STEPS for name in step.changed]
    assert len(changed) == len({*changed}), "a field changes twice"
    assert all(len(step.changed) == 1 for step in STEPS[2:6]) and "epochs" not in changed


def test_step_to_another_model_adds_batch_normalisation_only():
    before, after = layers(STEPS[0]), layers(STEPS[1])
    assert STEPS[1].changed == {"model": ("baseline", "improved"), "batch_norm": (False, True)}
    assert [row for row in after if row[0] != "batch normalisation"] == before
    assert len(after) == len(before) + 2


def test_later_steps_add_to_the_network_what_they_are_called_after():
    hidden, dropout = layers(STEPS[2]), layers(STEPS[3])
    assert len(hidden) == len(layers(STEPS[1])) + 2
    assert [row for row in dropout if row[0] != "dropout 0.5"] == hidden
    assert all(layers(step) == dropout for step in STEPS[4:])


def test_no_two_steps_share_a_name_in_the_store():
    assert len({step.recipe.digest("x") for step in STEPS}) == len(STEPS) == 9
    assert len({step.title for step in STEPS}) == 9


def test_changed_fields_do_something_after_the_step():
    for step in STEPS:
        assert {*step.changed} <= {*applying_fields(step.recipe)}


def test_width_that_no_recipe_may_have_is_refused():
    with pytest.raises(UserError):
        ladder.steps("cifar10", 0.0, 4)


# What the steps did


def sweep(accuracies, seeds=5, images=2000, seed=0):
    """Steps of such accuracies; every run errs on images of its own."""
    generator = np.random.default_rng(seed)
    return [generator.random((seeds, images)) < accuracy for accuracy in accuracies]


def test_large_step_up_is_better_and_large_step_down_worse():
    found = ladder.compare_ladder(sweep([0.6, 0.8, 0.8, 0.7]))
    assert [step.word for step in found] == ["better", "not shown", "worse"]
    assert found[0].comparison.difference == pytest.approx(0.2, abs=0.02)


def test_p_of_each_step_is_raised_for_all_steps():
    correct = sweep([0.70, 0.71, 0.715, 0.70])
    found = ladder.compare_ladder(correct)
    means = [runs.mean(axis=1) for runs in correct]
    p = np.array([stats.welch_p(after, before) for before, after in pairwise(means)])
    assert [step.holm_p for step in found] == pytest.approx(stats.holm(p))
    assert min(step.holm_p for step in found) >= 2.9 * p.min()


def test_step_that_would_pass_alone_fails_among_many():
    """Welch's p between 0.05/8 and 0.05, in a ladder of eight steps."""
    base = np.arange(1000) < np.array([700, 704, 708, 712, 716])[:, None]
    lifted = np.arange(1000) < np.array([711, 715, 719, 723, 727])[:, None]
    alone, *_ = ladder.compare_ladder([base, lifted])
    assert alone.word == "better" and 0.05 / 8 < alone.holm_p < 0.05
    among, *rest = ladder.compare_ladder([base, lifted, *[lifted] * 7])
    assert among.word == "not shown" and len(rest) == 7


def test_two_seeds_are_never_enough():
    (found,) = ladder.compare_ladder(sweep([0.5, 0.9], seeds=2, images=20_000))
    assert found.holm_p < 0.05 and found.word == "not shown"


def test_gain_that_other_images_could_undo_is_not_shown():
    """Every seed gains the same one image of twenty: the seeds are sure, the images are not."""
    before = np.tile(np.arange(20) < 10, (5, 1))
    after = np.tile(np.arange(20) < 11, (5, 1))
    (found,) = ladder.compare_ladder([before, after])
    assert found.holm_p == 0 and found.word == "not shown"


def test_step_that_is_missing_or_has_one_seed_counts_among_the_comparisons():
    correct = sweep([0.6, 0.8, 0.8])
    first, second = ladder.compare_ladder([*correct[:2], correct[2][:1]])
    assert math.isnan(second.holm_p) and second.word == "not shown"
    assert first.holm_p == pytest.approx(2 * first.comparison.welch_p)
    early = ladder.compare_ladder([*correct[:2], None, None])
    assert early[1:] == [None, None]
    assert early[0].holm_p == pytest.approx(3 * first.comparison.welch_p)


def test_equal_recipes_seldom_show_a_step():
    """At most 5 % of ladders of six useless ingredients may show any."""
    generator = np.random.default_rng(4)
    alarms = 0
    for _ in range(60):
        difficulty = generator.random(300)
        correct = [generator.random((5, 300)) < difficulty for _ in range(7)]
        alarms += any(step.word != "not shown" for step in ladder.compare_ladder(correct))
    assert alarms <= 8  # even at a true 5 %, 99 of 100 such counts stay there


def test_ladder_of_one_step_has_nothing_to_compare():
    assert ladder.compare_ladder(sweep([0.5])) == [] == ladder.compare_ladder([])
