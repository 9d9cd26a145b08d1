import dataclasses

import pytest

from core.index import RunIndex
from core.labels import change_labels
from core.run_filter import Filter, choices, matching


@pytest.fixture
def rows(store, tiny_recipe):
    """Four runs, the newest first: seeds 4, 3 (archived), 2 (a folder), 1 (tagged, starred, with a note)."""
    folder = dataclasses.replace(tiny_recipe, dataset="folder:/home/anna/my birds", model="improved")
    adam = dataclasses.replace(tiny_recipe, optimizer="adam", learning_rate=0.07)
    recipes = (tiny_recipe, folder, tiny_recipe, adam)
    runs = [store.open(recipe, seed, "data")[0] for seed, recipe in enumerate(recipes, 1)]
    change_labels([runs[0].folder], lambda old: dataclasses.replace(old, star=True, note="Looks ODD\nto Ben"))
    change_labels([runs[0].folder], lambda old: old.tagged(["warm-up", "Class 9b"]))
    change_labels([runs[2].folder], lambda old: dataclasses.replace(old.tagged(["warm-up"]), archived=True))
    return RunIndex(store).rows()


def seeds(rows, **wanted):
    return [row.run.spec.seed for row in matching(rows, Filter(**wanted))]


def test_archived_runs_are_hidden_until_they_are_asked_for(rows):
    assert seeds(rows) == [4, 2, 1]
    assert seeds(rows, archived=True) == [4, 3, 2, 1]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", [4, 2, 1]),
        ("adam", [4]),
        ("ADAM 0.07", [4]),
        ("adam 0.08", []),
        ("shapes", [4, 1]),
        ("birds", [2]),
        ("anna", []),  # the rest of a folder's path is not shown, so it is not found
        ("odd ben", [1]),
        ("9B warm", [1]),
        ('"seed 4"', [4]),
        ('"seed 4" adam', [4]),
        ('"seed 4', [4, 1]),  # a quotation mark without its other half is none
        ('""', [4, 2, 1]),
        ("improved", [2]),
    ],
)
def test_every_word_is_found_somewhere(rows, words, found):
    assert seeds(rows, words=words) == found


def test_run_is_found_by_the_first_digits_of_its_id(rows):
    assert rows[0].run.id in [row.run.id for row in matching(rows, Filter(words=rows[0].run.id[:12].upper()))]


def test_choices_of_one_kind_add_up_and_kinds_narrow(rows):
    assert seeds(rows, models=("baseline", "improved")) == [4, 2, 1]
    assert seeds(rows, models=("baseline",), datasets=("folder:/home/anna/my birds",)) == []
    assert seeds(rows, tags=("warm-up",)) == [1]
    assert seeds(rows, tags=("warm-up",), archived=True) == [3, 1]
    assert seeds(rows, starred=True) == [1]
    assert seeds(rows, states=("finished",)) == [] and seeds(rows, states=("interrupted",)) == [4, 2, 1]


def test_choices_are_what_there_is(rows):
    there = choices(rows)
    assert there.models == ["baseline", "improved"] and there.tags == ["Class 9b", "warm-up"]
    assert there.states == ["interrupted"]
    assert there.datasets == ["folder:/home/anna/my birds", "shapes"]
