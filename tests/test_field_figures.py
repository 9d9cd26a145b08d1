import numpy as np
import pytest

from core.config import KNOBS
from core.field_figures import (
    choice_scale,
    field_scatter,
    is_logarithmic,
    numeric_scale,
    parallel,
)


def scale(values, logarithmic=False, label="Field"):
    return numeric_scale(label, values, logarithmic, [f"{v:g}" if v is not None else "none" for v in values])


def test_fields_whose_sliders_grow_by_factors_are_logarithmic():
    found = {name for name in KNOBS if is_logarithmic(name)}
    assert {"learning_rate", "weight_decay", "batch_size", "width", "epochs"} <= found
    assert not found & {"depth", "averaging", "dropout", "momentum", "rotation", "dataset"}


def test_logarithmic_places_grow_by_one_with_each_factor_of_ten():
    found = scale([1.0, 0.1, 0.001], True)
    np.testing.assert_allclose(found.places, [0, -1, -3])
    assert list(found.ticks.values()) == ["0.001", "0.1", "1"]


def test_zero_and_what_does_not_apply_lie_below_all_others_and_say_so():
    found = scale([0.0, 1e-4, 1e-2, None], True)
    none, zero = found.places[3], found.places[0]
    assert none < zero < -4 and np.isfinite(found.places).all()
    assert list(found.ticks.values()) == ["none", "0", "0.0001", "0.01"]
    linear = scale([0.0, 0.5, None])
    assert linear.places[:2].tolist() == [0, 0.5] and linear.places[2] < 0
    assert list(linear.ticks.values()) == ["none", "0", "0.5"]


@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize("values", [[0.0], [None, None], [0.0, None], [3.0], [3.0, 3.0]])
def test_few_values_still_have_places(values, logarithmic):
    found = scale(values, logarithmic)
    assert np.isfinite(found.places).all() and len(found.places) == len(values)


def test_many_values_get_round_ticks_that_stay_apart():
    draws = np.random.default_rng(0)
    found = scale(list(10 ** draws.uniform(-4, 0, 300)), True)
    places = sorted(found.ticks)
    assert 4 <= len(places) <= 10
    assert min(np.diff(places)) > 0.04 * (places[-1] - places[0])
    assert "0.001" in found.ticks.values()
    assert scale(list(draws.uniform(0, 1, 300))).ticks == {}


def test_values_that_are_close_are_not_written_over_each_other():
    found = scale([0.001, 0.00101, 0.00102, 1.0], True)
    assert list(found.ticks.values()) == ["0.001", "1"]


def test_words_have_a_place_each_and_long_ones_are_cut_without_becoming_one():
    found = choice_scale("Data set", ["b", "a", "b"])
    assert found.places.tolist() == [1, 0, 1] and found.ticks == {0.0: "a", 1.0: "b"}
    long = choice_scale("Data set", ["x" * 50 + "1", "x" * 50 + "2"])
    assert len(set(long.ticks.values())) == 2 and max(map(len, long.ticks.values())) < 26


def test_scatter_shows_each_run_at_its_accuracy_and_no_markup():
    accuracies = np.array([0.5, 0.75])
    x, y = scale([0.1, 0.2], label="<b>"), choice_scale("Model", ["<i>", "z"])
    one, two = field_scatter(x, None, accuracies, ["<s>", "r"]), field_scatter(x, y, accuracies, ["<s>", "r"])
    assert one["data"][0]["y"].tolist() == [0.5, 0.75] and two["data"][0]["y"].tolist() == [0, 1]
    assert one["layout"]["yaxis"]["title"]["text"] == "validation accuracy"
    assert two["data"][0]["marker"]["colorbar"]["title"]["text"] == "validation accuracy"
    for figure in (one, two):
        assert not any(tag in repr(figure) for tag in ("<b>", "<i>", "<s>"))


def test_parallel_lines_end_at_validation_accuracy():
    accuracies = np.array([0.5, 0.75])
    figure = parallel([scale([1.0, 100.0], True, "<b>"), choice_scale("Model", ["b", "a"])], accuracies)
    (lines,) = figure["data"]
    assert [d["label"] for d in lines["dimensions"]] == ["&lt;b&gt;", "Model", "validation accuracy"]
    assert lines["dimensions"][-1]["values"] is accuracies is lines["line"]["color"]
    assert lines["dimensions"][0]["values"].tolist() == [0, 2]
    assert len(parallel([], accuracies)["data"][0]["dimensions"]) == 1
