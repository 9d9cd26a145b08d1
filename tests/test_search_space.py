"""Which fields a search may vary, and over which values."""

import dataclasses
import json

import pytest

from core.config import Recipe
from core.errors import UserError
from core.presets import PRESETS
from core.search_space import (
    FIRST_FIELDS,
    Range,
    Search,
    domain,
    first_range,
    parse_range,
    searchable,
)

QUICK = PRESETS["quick"].recipe


def plan(*texts: str, recipe: Recipe = QUICK, **more) -> Search:
    return Search(recipe, tuple(parse_range(text, recipe) for text in texts), **more)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_value_of_every_searchable_field_makes_a_valid_recipe(preset):
    recipe = PRESETS[preset].recipe
    for name in searchable(recipe):
        for value in domain(name, recipe):
            assert getattr(dataclasses.replace(recipe, **{name: value}), name) == value


@pytest.mark.parametrize("preset", PRESETS)
def test_first_ranges_hold_the_recipe_s_own_value_and_go_both_ways(preset):
    recipe = PRESETS[preset].recipe
    for name in FIRST_FIELDS:
        values = first_range(name, recipe).values
        assert len(values) >= 2 and values[0] <= getattr(recipe, name) <= values[-1]
        assert values == tuple(sorted(values))


def test_fields_that_change_what_is_judged_are_not_searched():
    assert not {"dataset", "image_size", "validation_share", "log_every", "vary_split", "precision"} & set(
        searchable(QUICK)
    )
    assert {"learning_rate", "batch_size", "width", "momentum", "flip"} <= set(searchable(QUICK))
    assert "dropout" not in searchable(QUICK)  # the baseline has none


def test_ranges_are_read_as_they_are_typed():
    assert parse_range("learning_rate=0.001:0.01", QUICK).values == (0.001, 0.002, 0.003, 0.005, 0.007, 0.01)
    assert parse_range("batch_size=64,16, 32", QUICK).values == (16, 32, 64)
    assert parse_range("learning_rate=0.0004,0.0008", QUICK).values == (0.0004, 0.0008)  # no ticks, yet valid
    assert parse_range("optimizer=sgd,adam", QUICK).values == ("sgd", "adam")
    assert parse_range("nesterov", QUICK).values == (False, True)
    assert parse_range("momentum=0.8:0.9", QUICK).values[:2] == (0.8, 0.81)
    assert parse_range("batch_size", QUICK).values == (8, 16, 32, 64, 128)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "speed",
        "dataset",
        "learning_rate=",
        "learning_rate=1:0.1",
        "learning_rate=0.0011:0.0012",
        "learning_rate=0.1",
        "learning_rate=nan:1",
        "batch_size=0.5:3",
        "batch_size=32,99999",
        "optimizer=sgd:adam",
        "optimizer=sgd,unheard-of",
        "flip=yes,maybe",
    ],
)
def test_what_is_no_range_is_a_sentence(text):
    with pytest.raises(UserError) as refused:
        parse_range(text, QUICK)
    assert str(refused.value)[-1] == "." and len(str(refused.value)) < 900


@pytest.mark.parametrize(
    "more",
    [
        {"minutes": 0},
        {"minutes": float("nan")},
        {"minutes": float("inf")},
        {"most_runs": 0},
        {"most_runs": 10**6},
        {"seed": -1},
        {"method": "magic"},
    ],
    ids=str,
)
def test_plan_out_of_bounds_is_a_sentence(more):
    with pytest.raises(UserError):
        plan("width", **more)


def test_plan_needs_fields_each_once_that_do_something():
    with pytest.raises(UserError, match="at least one"):
        plan()
    with pytest.raises(UserError, match="once"):
        plan("width", "width=0.5,1")
    with pytest.raises(UserError, match="does nothing"):
        plan("plateau_factor")
    plan("plateau_factor", "schedule=constant,plateau")  # with another field's value it does something


def test_plan_comes_back_from_json_as_it_was():
    for search in (
        plan("learning_rate", "width", "optimizer", "flip", "shift", method="random", halving=True),
        plan("weight_decay", recipe=PRESETS["fast"].recipe, minutes=0.5, most_runs=7, seed=3),
    ):
        again = Search.from_dict(json.loads(json.dumps(search.to_dict())))
        assert again == search and hash(again) == hash(search)


def test_size_counts_combinations():
    assert plan("batch_size=16,32", "flip", "optimizer").size == 2 * 2 * 3


def test_range_drops_values_that_come_twice():
    assert Range("width", (1.0, 0.5, 1.0)).values == (0.5, 1.0)
