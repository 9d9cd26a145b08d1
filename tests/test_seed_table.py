"""The seed table: every figure under its own name, nobody left out, seeds under their recipe."""

import dataclasses

import numpy as np
import pytest

from core.events import Failed, to_line
from core.index import RunIndex
from core.naming import distinct_names
from core.seed_table import SORTS, Entry, recipe_row, table
from core.stats import mean_interval, sd_interval, wilson_interval
from core.study import Robustness, robustness, study
from core.sweep import settle_plan, sweeps
from tests.test_study import write
from tests.test_sweep import finish

ACCURACIES = [0.70, 0.72, 0.72]


@pytest.fixture
def sweep(store, tiny_recipe):
    for seed, accuracy in enumerate(ACCURACIES):
        finish(store.open(tiny_recipe, seed, "data")[0], accuracy)
    store.open(tiny_recipe, 3, "data")[0].events_path.write_text(to_line(Failed(1.0, "diverged", "It did.")))
    (found,) = sweeps(store, RunIndex(store).rows())
    return found


def test_covered_table_tells_validation_only(sweep):
    rows = table([Entry("a", sweep, revealed=False)])
    assert rows[0]["judged_on"] == "validation"
    assert rows[0]["mean"] == pytest.approx(np.mean(ACCURACIES))
    test = {round(accuracy - 0.01, 6) for accuracy in ACCURACIES}
    assert not test & {round(value, 6) for row in rows for value in row.values() if isinstance(value, float)}


def test_row_of_a_recipe_holds_the_statistics_of_its_test_accuracies(sweep):
    row = recipe_row(Entry("a", sweep, revealed=True))
    values = np.array(ACCURACIES) - 0.01
    assert row["n"] == 3 and row["lost"] == 1
    assert row["mean"] == pytest.approx(values.mean()) and row["sd"] == pytest.approx(values.std(ddof=1))
    assert row["mean_interval"] == pytest.approx(mean_interval(values))
    assert row["sd_interval"] == pytest.approx(sd_interval(values))
    assert (row["low"], row["median"], row["high"]) == pytest.approx((0.69, 0.71, 0.71))
    assert "3 finished" in row["state"] and "1 diverged" in row["state"]


def test_each_seed_stands_under_its_recipe_with_an_interval_over_images(sweep):
    figures = Robustness(1000, [0, 1, 0], [0.5, 0.4, 0.6], 0.7)
    rows = table([Entry("a", sweep, True, figures, ("cat", "dog"))])
    assert [row["seed"] for row in rows] == ["0–3", "0", "1", "2", "3"]
    assert rows[1]["mean_interval"] == pytest.approx(wilson_interval(0.69, 1000))
    assert [row.get("worst_class") for row in rows[1:]] == ["cat", "dog", "cat", None]
    assert rows[4]["mean"] is None and rows[4]["state"] == "diverged"


def test_figures_over_images_reach_the_row(store, tiny_recipe):
    for seed in range(2):
        write(store.open(tiny_recipe, seed, "data")[0], [0, seed, 1, 1, 2, 0])
    (found,) = sweeps(store, RunIndex(store).rows())
    figures = robustness(study(found.finished))
    entry = Entry("a", found, True, figures, ("x", "y", "z"))
    row = recipe_row(entry)
    assert row["churn"] == pytest.approx(1 / 6) and row["ensemble"] == figures.ensemble_accuracy
    assert (row["worst_class"], row["worst_recall"]) == ("z", 0.5)  # as in seed 0, the first of equals
    assert recipe_row(dataclasses.replace(entry, revealed=False))["churn"] is None


@pytest.mark.parametrize("sort", SORTS)
def test_order_moves_recipes_and_keeps_their_seeds(store, tiny_recipe, sort):
    for epochs, accuracies in ((1, [0.5, 0.5]), (2, [0.8, 0.9, 0.7]), (3, [])):
        recipe = dataclasses.replace(tiny_recipe, epochs=epochs)
        for seed, accuracy in enumerate(accuracies or [None]):
            run = store.open(recipe, seed, "data")[0]
            if accuracy:
                finish(run, accuracy)
    found = sweeps(store, RunIndex(store).rows())
    entries = [Entry(f"{sweep.recipe.epochs} epochs", sweep, False) for sweep in found]
    rows = table(entries, sort)
    names = [row["recipe"] for row in rows]
    assert names == sorted(names, key=lambda name: names.index(name))  # each recipe's rows are together
    order = list(dict.fromkeys(names))
    if sort == "mean":
        assert order == ["2 epochs", "1 epochs", "3 epochs"]  # none comes last
    if sort == "standard deviation":
        assert order == ["1 epochs", "2 epochs", "3 epochs"]


def test_seeds_added_later_and_runs_apart_are_told(store, tiny_recipe):
    digest = tiny_recipe.digest("data")
    settle_plan(store, digest, [0], [])
    finish(store.open(tiny_recipe, 0, "data")[0])
    finish(store.open(tiny_recipe, 9, "data")[0])
    settle_plan(store, digest, [0, 1], RunIndex(store).rows())
    (found,) = sweeps(store, RunIndex(store).rows())
    rows = table([Entry("a", found, False)])
    assert "1 added after 2 results were known" in rows[0]["state"]
    assert "1 more trained apart" in rows[0]["state"]
    assert rows[0]["n"] == 1 and "not in the sweep" in rows[-1]["state"]
    assert rows[-1]["mean"] == 0.5  # on validation
    assert table([Entry("a", found, True)])[-1]["mean"] is None  # nobody revealed it


def test_names_tell_recipes_apart_that_look_alike_in_a_line(tiny_recipe):
    decayed = dataclasses.replace(tiny_recipe, weight_decay=0.001)
    other = dataclasses.replace(tiny_recipe, epochs=9)
    names = distinct_names([tiny_recipe, decayed, other])
    assert len(set(names)) == 3
    elsewhere = dataclasses.replace(tiny_recipe, dataset="folder:/somewhere/cats")
    assert "cats" in distinct_names([tiny_recipe, elsewhere])[1]
    assert len(set(distinct_names([tiny_recipe, tiny_recipe]))) == 2  # on images that changed
    assert "weight decay 0.001" in names[1] and "weight decay 0" in names[0] and "weight" not in names[2]
