"""What is drawn is what came in, in the units that the axis says, and told apart at any number."""

import json
import re

import numpy as np
import pytest

from core import seed_figures, stats
from core.seed_traces import dots

NAN = np.nan


def recipes(number, seeds, generator):
    return {f"recipe {index}": generator.normal(0.7, 0.01, seeds) for index in range(number)}


def strip(number, seeds):
    values = recipes(number, seeds, np.random.default_rng(0))
    ends = {name: stats.mean_interval(part) if seeds > 1 else None for name, part in values.items()}
    return values, seed_figures.seed_strip(
        values, ends, {name: np.arange(100, 100 + seeds) for name in values}, "test accuracy"
    )


def growing(number, seeds, epochs=5):
    generator = np.random.default_rng(1)
    return {f"recipe {index}": generator.random((seeds, epochs)) for index in range(number)}


def looks(traces):
    """Colour with symbol."""
    return {
        (trace["marker"].get("color") or trace["line"]["color"], trace["marker"]["symbol"])
        for trace in traces
    }


# One recipe in a row


@pytest.mark.parametrize(("number", "seeds"), [(1, 1), (1, 100), (3, 10), (50, 2)])
def test_strip_has_a_dot_for_every_seed_of_every_recipe(number, seeds):
    values, figure = strip(number, seeds)
    clouds = [trace for trace in figure["data"] if "customdata" in trace]
    assert len(clouds) == number and len(looks(clouds)) == number
    for row, (trace, part) in enumerate(zip(clouds, values.values(), strict=True)):
        assert trace["x"].tolist() == part.tolist()
        assert trace["customdata"].tolist() == list(range(100, 100 + seeds))
        assert (abs(trace["y"] - row) < 0.5).all()


def test_equal_accuracies_stay_separate_dots():
    trace = dots(np.full(100, 0.9), 0, "red", "circle", "")
    assert len({round(float(height), 6) for height in trace["y"]}) == 100


def test_dots_lie_where_they_lay_whatever_the_order_of_the_seeds():
    values = np.array([0.3, 0.1, 0.2])
    there = dict(zip(values, dots(values, 0, "red", "circle", "")["y"], strict=True))
    again = values[::-1]
    assert there == dict(zip(again, dots(again, 0, "red", "circle", "")["y"], strict=True))


def test_bar_of_the_mean_ends_where_the_interval_does():
    values, figure = strip(2, 5)
    diamonds = [trace for trace in figure["data"] if "diamond" in trace["marker"]["symbol"]]
    for diamond, part in zip(diamonds, values.values(), strict=True):
        low, high = stats.mean_interval(part)
        (mean,), bar = diamond["x"], diamond["error_x"]
        assert mean == pytest.approx(part.mean())
        assert (mean - bar["arrayminus"][0], mean + bar["array"][0]) == pytest.approx((low, high))
        assert f"{low:.2%} to {high:.2%}" in diamond["hovertemplate"]


def test_single_seed_has_an_open_diamond_without_a_bar():
    _, figure = strip(1, 1)
    assert figure["data"][1]["marker"]["symbol"] == "diamond-open" and "error_x" not in figure["data"][1]


def test_recipe_without_a_seed_keeps_its_row():
    empty = np.array([])
    figure = seed_figures.seed_strip({"a": empty}, {"a": None}, {"a": empty}, "test accuracy")
    assert figure["layout"]["yaxis"]["ticktext"] == ["a"] and len(figure["data"]) == 1


def test_axis_of_a_lone_accuracy_is_not_200_percent_long():
    _, figure = strip(1, 1)
    low, high = figure["layout"]["xaxis"]["range"]
    assert low < figure["data"][0]["x"][0] < high and high - low < 0.03
    for n in (2, 10):  # as far again to either side as the dots reach, and not beyond 0 and 100 %
        _, figure = strip(1, n)
        dots = figure["data"][0]["x"]
        low, high = figure["layout"]["xaxis"]["range"]
        room = max(dots.max() - dots.min(), 0.01)
        assert low == pytest.approx(max(-0.002, dots.min() - room))
        assert high == pytest.approx(min(1.002, dots.max() + room))


def test_first_row_is_on_top_and_a_long_name_is_broken():
    name = "baseline × 0.125, SGD 0.003, batch 32, 4 epochs"
    empty = np.array([])
    axis = seed_figures.seed_strip({name: empty, "b": empty}, {}, {name: empty, "b": empty}, "")["layout"][
        "yaxis"
    ]
    assert axis["range"][0] > axis["range"][1]
    assert "<br>" in axis["ticktext"][0] and axis["ticktext"][0].replace("<br>", " ") == name


# Curves


@pytest.mark.parametrize(("number", "seeds"), [(1, 1), (2, 100), (50, 3)])
def test_band_figure_has_three_traces_a_recipe_however_many_seeds(number, seeds):
    figure = seed_figures.curve_band("validation accuracy", growing(number, seeds))
    assert len(figure["data"]) == 3 * number
    uids = {trace["uid"] for trace in figure["data"]}
    assert len(uids) == 3 * number and all(
        re.fullmatch(r"[a-z][\w-]+", uid) for uid in uids
    )  # safe in a selector
    means = [trace for trace in figure["data"] if "name" in trace]
    assert len(looks(means)) == number and len({trace["name"] for trace in means}) == number
    assert all(trace["name"].endswith(f"(n = {seeds})") for trace in means)


def test_thin_lines_of_two_seeds_are_not_joined():
    thin, _, _ = seed_figures.curve_band("accuracy", {"a": np.array([[0.1, 0.2], [0.3, 0.4]])})["data"]
    np.testing.assert_array_equal(thin["y"], [0.1, 0.2, NAN, 0.3, 0.4, NAN])
    assert thin["x"].tolist()[:2] == thin["x"].tolist()[3:5] == [1, 2]


def test_band_goes_round_the_interval_of_each_epoch():
    curves = np.array([[0.5, 0.6, 0.8], [0.4, 0.7, NAN]])
    _, area, mean = seed_figures.curve_band("accuracy", {"a": curves})["data"]
    band = stats.pointwise_band(curves)
    assert area["x"].tolist() == [1, 2, 2, 1, 1]
    assert area["y"].tolist() == [*band.high[:2], *band.low[:2][::-1], band.high[0]]
    # A gap where the second seed ends: the mean's jump there is no learning.
    assert mean["x"][[0, 1, 3]].tolist() == [1, 2, 3] and np.isnan(mean["x"][2])
    assert mean["y"][[0, 1, 3]].tolist() == band.mean.tolist() and np.isnan(mean["y"][2])
    assert mean["text"][0].endswith(" (n = 2)") and mean["text"][3] == " (n = 1)"
    assert mean["name"] == "a (n = 2, 1 from epoch 3 on)"


def test_band_with_a_hole_is_two_areas():
    curves = np.array([[0.5, NAN, 0.8, 0.9], [0.4, NAN, 0.7, 0.6]])
    _, area, _ = seed_figures.curve_band("accuracy", {"a": curves})["data"]
    assert np.isnan(area["y"]).sum() == np.isnan(area["x"]).sum() == 1


def test_growing_curve_does_not_move_its_axis():
    half_way = np.where(np.arange(5) < 2, 0.5, NAN)[None]
    ranges = [
        seed_figures.curve_band("accuracy", {"a": curves})["layout"]["xaxis"]["range"]
        for curves in (half_way, np.full((1, 5), 0.5))
    ]
    assert ranges[0] == ranges[1] and ranges[0][1] > 5


def test_one_diverging_seed_does_not_stretch_the_axis_of_the_loss():
    curves = np.ones((5, 3))
    curves[4, 1] = 1e6
    axis = seed_figures.curve_band("validation loss", {"a": curves})["layout"]["yaxis"]
    assert axis["autorangeoptions"]["clipmax"] == 2 and "nats" in axis["title"]["text"]


def test_sd_by_epoch_is_in_points_and_starts_at_two_seeds():
    curves = np.array([[0.50, 0.6], [0.52, NAN]])
    (line,) = seed_figures.sd_by_epoch({"a": curves})["data"]
    assert line["y"][0] == pytest.approx(100 * np.std([0.50, 0.52], ddof=1)) and np.isnan(line["y"][1])


# Heat maps


def test_churn_is_in_percent_and_blank_on_the_diagonal():
    matrix = np.array([[0, 0.123], [0.123, 0]])
    (cells,) = seed_figures.churn_matrix([42, 7], matrix)["data"]
    np.testing.assert_allclose(cells["z"], [[NAN, 12.3], [12.3, NAN]])
    assert cells["text"] == [["", "12.3"], ["12.3", ""]] and cells["x"] == ["42", "7"]
    assert matrix[0, 0] == 0


@pytest.mark.parametrize(("seeds", "numbered"), [(12, True), (13, False)])
def test_cells_carry_numbers_only_where_they_are_few(seeds, numbered):
    (cells,) = seed_figures.churn_matrix(range(seeds), np.zeros((seeds, seeds)))["data"]
    assert ("text" in cells) == numbered


def test_hardest_class_is_on_top_and_one_without_images_last():
    recalls = np.array([[0.9, NAN, 0.5], [0.8, NAN, 0.7]])
    figure = seed_figures.class_by_seed(["cat", "dog", "<b>"], [1, 2], recalls)
    (cells,) = figure["data"]
    assert cells["y"] == ["&lt;b&gt;", "cat", "dog"] and figure["layout"]["yaxis"]["autorange"] == "reversed"
    np.testing.assert_allclose(cells["z"], [[50, 70], [90, 80], [NAN, NAN]])


# Bars


def test_bar_of_images_that_are_never_wrong_does_not_hide_the_rest():
    figure = seed_figures.wrong_in_k(np.array([9000, 400, 100, 500]))
    assert figure["layout"]["yaxis"]["range"] == [0, 750]
    assert "cut" in figure["layout"]["yaxis"]["title"]["text"]
    assert figure["data"][0]["text"] == ["9,000", "400", "100", "500"]
    assert figure["data"][0]["y"].tolist() == [9000, 400, 100, 500]


@pytest.mark.parametrize("counts", [[10], [10, 0, 0], [100, 90, 80], [0, 3]])
def test_bars_that_hide_nothing_are_not_cut(counts):
    axis = seed_figures.wrong_in_k(np.array(counts))["layout"]["yaxis"]
    assert "range" not in axis and axis["title"]["text"] == "images"


def test_difference_is_in_points_beside_a_line_at_zero():
    figure = seed_figures.difference_intervals([("a", 0.003, (-0.001, 0.007)), ("b", -0.01, None)])
    first, second = figure["data"]
    assert first["x"] == pytest.approx([0.3]) and first["error_x"]["array"] == pytest.approx([0.4])
    assert "+0.30 points, interval -0.10 to +0.70 points" in first["hovertemplate"]
    assert second["marker"]["symbol"] == "diamond-open"
    (line,) = figure["layout"]["shapes"]
    assert line["x0"] == line["x1"] == 0 and figure["layout"]["xaxis"]["rangemode"] == "tozero"


def test_ladder_joins_the_means_from_top_to_bottom():
    steps = ["baseline", "+ flip", "+ Adam"]
    values = [np.array([0.7, 0.8]), np.array([]), np.array([0.9])]
    figure = seed_figures.ladder(steps, values, [(0.6, 0.9), None, None])
    path = figure["data"][0]
    np.testing.assert_allclose(path["x"], [0.75, NAN, 0.9])
    assert list(path["y"]) == sorted(path["y"]) and figure["layout"]["yaxis"]["ticktext"] == steps
    assert sum(trace["marker"]["symbol"] == "circle" for trace in figure["data"][1:]) == 3


def test_leads_are_counted_completely_and_marked_at_the_threshold():
    by_n = {1: np.array([0.0, 0.01, 0.02, 0.005]), 3: np.array([0.0, 0.001])}
    figure = seed_figures.leads(by_n, 0.005)
    assert [trace["y"].sum() for trace in figure["data"]] == pytest.approx([1, 1])
    assert figure["layout"]["shapes"][0]["x0"] == pytest.approx(0.5)
    assert (
        " 75.0%" in figure["layout"]["annotations"][0]["text"]
        and " 0.0%" in figure["layout"]["annotations"][1]["text"]
    )
    domains = [figure["layout"][axis]["domain"] for axis in ("yaxis", "yaxis2")]
    assert domains[0][0] > domains[1][1] and domains[1][0] >= 0


def test_leads_of_recipes_without_noise_still_have_an_axis():
    figure = seed_figures.leads({3: np.zeros(5)}, 0.0)
    assert figure["layout"]["xaxis"]["range"][1] > 0 and figure["data"][0]["y"][0] == 1


def test_markup_in_a_name_is_shown_as_it_is():
    ugly = "<b>&"
    one = np.array([0.5])
    figures = (
        seed_figures.seed_strip({ugly: one}, {ugly: None}, {ugly: one}, ugly),
        seed_figures.curve_band(ugly, {ugly: one[:, None]}),
        seed_figures.sd_by_epoch({ugly: one[:, None]}),
        seed_figures.class_by_seed([ugly], [1], one[None]),
        seed_figures.difference_intervals([(ugly, 0.1, None)]),
        seed_figures.ladder([ugly], [one], [None]),
    )
    for figure in figures:
        for trace in figure["data"]:
            trace.pop("uid", None)  # never shown
        assert ugly not in json.dumps(figure, default=str)
        assert "&lt;b&gt;&amp;" in json.dumps(figure, default=str)


# One look for one recipe


def test_validation_is_solid_for_every_recipe():
    for line in seed_figures.sd_by_epoch(growing(9, 3))["data"]:
        assert "dash" not in line["line"]
    assert not any(
        "dash" in one["line"] for one in seed_figures.curve_band("accuracy", growing(9, 3))["data"]
    )


def test_recipe_keeps_its_look_where_others_are_left_out():
    curves, places = growing(3, 4), {"recipe 0": 5, "recipe 1": 0, "recipe 2": 3}
    (alone,) = seed_figures.sd_by_epoch({"recipe 2": curves["recipe 2"]}, places)["data"]
    among = seed_figures.curve_band("accuracy", curves, places)["data"][-1]
    accuracies = {"recipe 2": np.array([0.5])}
    dot = seed_figures.seed_strip(
        accuracies, {"recipe 2": None}, {"recipe 2": np.array([1])}, "accuracy", places
    )
    assert looks([alone]) == looks([among]) == looks(dot["data"][:1])
    assert dot["data"][0]["y"][0] < 1, "its row is the first all the same"


def test_recipes_keep_their_colour_in_a_session_and_those_side_by_side_differ(monkeypatch):
    from pages.parts import colours

    monkeypatch.setattr(colours.st, "session_state", {})
    assert colours.colour_places(["a", "b"]) == [0, 1]
    assert colours.colour_places(["b", "a"]) == [1, 0], "they stay, whatever the order"
    many = colours.colour_places([*"cdefghijkl"])
    assert len(set(many)) == 10 and colours.colour_places([*"cdefghijkl"]) == many
    same = next(name for name, place in zip("cdefghijkl", many, strict=True) if place == 7)
    a, other = colours.colour_places(["a", same])
    assert a == 0 and other % 7 != 0, "they meet: one of two blue ones gives way"
    assert colours.colour_places([same]) == [7]
