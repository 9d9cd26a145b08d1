"""The report beside our own runs: what is near it, what is missing, and that test stays covered."""

import dataclasses

import numpy as np
import pytest

from core import report
from core.config import Recipe
from core.index import RunIndex
from core.presets import PRESETS
from core.store import RunStore
from core.sweep import sweeps
from tests.fake_runs import finished
from tests.test_pages import fresh_caches, no_probe, text, visit  # noqa: F401  (fixtures)

BASELINE, IMPROVED, TEN, HALF = report.NUMBERS
TEST = {42: 0.7501, **{seed: 0.75 + 0.001 * seed for seed in range(10)}}


def fake(store: RunStore, recipe: Recipe, seeds: list[int], fingerprint: str = "photographs") -> list[str]:
    """Ids of finished runs with known accuracies on test."""
    runs = finished(store, recipe, {seed: (0.7, TEST[seed]) for seed in seeds}, fingerprint)
    return [run.id for run in runs]


def nearest(store: RunStore, number: report.Number, dataset: str = "cifar10"):
    return report.nearest(number, sweeps(store, RunIndex(store).rows()), dataset)


def test_numbers_are_the_reports():
    assert [(n.accuracy, n.sd) for n in report.NUMBERS] == [
        (0.7536, None),
        (0.83, None),
        (0.7591, 0.0034),
        (0.85, None),
    ]
    assert [figure.number for figure in report.FIGURES] == [1, 2, 3, 4, 5, 6]


def test_recipes_hold_what_the_sources_say():
    baseline = report.recipe_of(BASELINE)
    assert baseline == PRESETS["report-baseline"].recipe
    assert (baseline.learning_rate, baseline.momentum, baseline.batch_size, baseline.epochs) == (
        0.003,
        0.9,
        32,
        4,
    )
    half = report.recipe_of(HALF)
    assert (half.normalisation, half.epochs) == ("half", 100)
    assert len(TEN.seeds) == 10


def test_intervals_of_the_ten_seeds_are_those_of_printed_tables():
    implied = report.of_ten_seeds(TEN)
    assert np.allclose(np.array(implied.mean_interval) * 100, (75.67, 76.15), atol=0.005)
    assert np.allclose(np.array(implied.sd_interval) * 100, (0.23, 0.62), atol=0.005)
    with pytest.raises(ValueError, match="one run"):
        report.of_ten_seeds(BASELINE)


def test_nearest_is_the_reports_own_recipe_where_it_was_trained(store):
    own = report.recipe_of(BASELINE)
    fake(store, dataclasses.replace(own, width=0.5), [42])
    fake(store, dataclasses.replace(own, log_every=10), [42])
    found = nearest(store, BASELINE, dataset="shapes")
    assert found.recipe.width == 1 and not report.differing(BASELINE, found.recipe)


def test_nearest_is_half_as_wide_rather_than_changed_in_more(store):
    own = report.recipe_of(BASELINE)
    fake(store, dataclasses.replace(own, width=0.25), [42])
    fake(store, dataclasses.replace(own, width=0.5), [42])
    fake(store, dataclasses.replace(own, epochs=8, learning_rate=0.01), [42])
    assert nearest(store, BASELINE).recipe.width == 0.5
    assert report.differing(BASELINE, nearest(store, BASELINE).recipe) == {"width": (1.0, 0.5)}


def test_all_epochs_of_a_narrow_network_are_nearer_than_one_of_a_wide(store):
    own = report.recipe_of(IMPROVED)
    fake(store, dataclasses.replace(own, epochs=1), [42])
    fake(store, dataclasses.replace(own, width=0.125), [42])
    assert nearest(store, IMPROVED).recipe.epochs == nearest(store, HALF).recipe.epochs == 60


def test_ten_narrow_seeds_stand_for_ten_rather_than_one_wide_one(store):
    own = report.recipe_of(TEN)
    fake(store, own, [42])
    fake(store, dataclasses.replace(own, width=0.25), list(range(10)))
    found = nearest(store, TEN)
    assert found.recipe.width == 0.25 and len(report.answering(TEN, found)) == 10
    assert nearest(store, BASELINE).recipe.width == 1


def test_runs_on_the_chosen_images_are_nearer_than_runs_on_others(store):
    fake(store, Recipe(width=0.0625), [42], "shapes")
    fake(store, dataclasses.replace(report.recipe_of(BASELINE), width=0.5), [42])
    assert nearest(store, BASELINE, "shapes").recipe.dataset == "shapes"
    assert nearest(store, BASELINE, "cifar10").recipe.dataset == "cifar10"


def test_another_network_stands_for_no_number(store):
    fake(store, report.recipe_of(BASELINE), [42])
    assert nearest(store, IMPROVED) is None


def test_page_without_runs_says_what_is_missing_and_offers_to_make_it(app):
    visit(app, "pages/report.py")
    words = text(app)
    assert not app.error
    assert "**Missing:** Baseline, Improved network, Baseline over ten seeds, Earlier variant" in words
    assert "Shapes are drawings" in words
    assert sum(metric.value == "missing" for metric in app.metric) == 4
    assert {"75.36%", "83%", "75.91 ± 0.34%", "85%"} <= {metric.value for metric in app.metric}
    assert not app.button(key="report-make-baseline-1").disabled


def test_page_names_what_differs_and_covers_test(app, store):
    fake(store, dataclasses.replace(report.recipe_of(BASELINE), width=0.25), [42])
    visit(app, "pages/report.py")
    words = text(app).replace("\\", "")
    assert "Another experiment, not the report's" in words
    assert "Width: 1× in the report, here 0.25×" in words
    assert "75.01" not in words and "covered" in words
    assert "(seed 42, 1 of 10)" in words  # what stands beside the ten


def test_half_the_width_is_near_and_a_quarter_is_another_experiment(store):
    own = report.recipe_of(BASELINE)
    assert report.is_near(BASELINE, dataclasses.replace(own, width=0.5, dataset="folder:/photographs"))
    assert not report.is_near(BASELINE, dataclasses.replace(own, width=0.25))
    assert not report.is_near(BASELINE, dataclasses.replace(own, dataset="shapes"))


def test_reveal_shows_the_difference_and_counts_the_look(app, store):
    (run_id,) = fake(store, report.recipe_of(BASELINE), [42])
    visit(app, "pages/report.py")
    assert "report's recipe on the same data set" in text(app)
    app.button(key="report-reveal-baseline").click().run()
    assert not app.exception
    assert {"75.01%", "-0.35 points"} <= {metric.value for metric in app.metric}
    assert store.get(run_id).looks() == 1
    app.run()
    assert store.get(run_id).looks() == 1


def test_page_with_every_run_misses_nothing(app, store):
    for number in (IMPROVED, TEN, HALF):
        fake(store, report.recipe_of(number), list(number.seeds))
    fake(store, report.recipe_of(BASELINE), [42])
    visit(app, "pages/report.py")
    words = text(app)
    assert "**Missing:** nothing" in words
    assert "- **The report's own experiment:** Baseline, Improved" in words
    app.button(key="report-reveal-ten-seeds").click().run()
    values = {metric.value for metric in app.metric}
    assert "75.45 ± 0.30%" in values and "-0.46 points" in values


def test_button_starts_the_ten_seeds_and_a_second_click_no_more(app, store, monkeypatch):
    started = []
    monkeypatch.setattr(
        "core.launch.executor", lambda: type("X", (), {"start": lambda self, _, runs: started.extend(runs)})()
    )
    visit(app, "pages/report.py")
    app.button(key="report-make-ten-seeds-1").click().run()
    assert sorted(run.spec.seed for run in started) == list(range(10))
    recipe = started[0].spec.recipe
    assert recipe == report.recipe_of(TEN, "shapes")
    app.button(key="report-make-ten-seeds-1").click().run()
    assert len(store.runs()) == 10


def test_narrower_network_is_offered_where_the_reports_would_take_hours(app, monkeypatch):
    monkeypatch.setattr(
        "pages.parts.sweep_form.run_seconds", lambda recipe, fingerprint: 30_000 * recipe.width**2
    )
    monkeypatch.setattr(
        "pages.parts.report_numbers.run_seconds", lambda recipe, fingerprint: 30_000 * recipe.width**2
    )
    visit(app, "pages/report.py")
    assert "a quarter as wide" in app.button(key="report-make-baseline-0.25").label
    assert "an eighth as wide" not in app.button(key="report-make-baseline-0.25").label
    assert app.button(key="report-make-ten-seeds-0.0625")
