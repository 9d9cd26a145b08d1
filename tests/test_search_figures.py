"""Figures of a search draw what they are given, once each."""

import numpy as np

from core.figures import plain
from core.search_figures import Dot, best_so_far, importance_bars, slice_plot, trial_curves


def dot(number: int, accuracy: float, finished: bool = True, best: bool = False, minute=None) -> Dot:
    return Dot(number, accuracy, finished, best, number / 2 if minute is None else minute, f"run {number}")


DOTS = [dot(1, 0.5), dot(2, 0.9, finished=False), dot(4, 0.8, best=True), dot(3, 0.4)]


def named(spec, name: str):
    return next(trace for trace in spec["data"] if trace["name"] == name)


def test_line_of_the_best_is_the_running_maximum_of_finished_runs_in_order_of_time():
    late = dot(5, 0.1, finished=False)
    line = named(best_so_far([*DOTS, late], 5.0), "best so far")
    assert line["x"].tolist() == [0.5, 1.5, 2.0, 2.5]  # up to the last end of any run
    assert line["y"].tolist() == [0.5, 0.5, 0.8, 0.8]
    assert line["line"]["shape"] == "hv"


def test_every_run_is_one_dot_of_the_kind_that_it_is():
    for spec in (best_so_far(DOTS, 5.0), slice_plot("Width", ["1", "2"], [(each, 0) for each in DOTS])):
        assert named(spec, "best")["y"].tolist() == [0.8]
        assert named(spec, "ended early")["y"].tolist() == [0.9]
        assert sorted(named(spec, "finished")["y"].tolist()) == [0.4, 0.5]
        assert named(spec, "ended early")["marker"]["symbol"] == "circle-open"


def test_axis_covers_the_budget_and_what_came_after_it():
    assert best_so_far(DOTS, 5.0)["layout"]["xaxis"]["range"][1] > 5
    assert best_so_far([dot(1, 0.5, minute=9.0)], 5.0)["layout"]["xaxis"]["range"][1] > 9


def test_runs_of_one_value_stay_apart_and_near_it():
    many = [(dot(number, 0.5), 3) for number in range(40)]
    x = named(slice_plot("Width", [str(place) for place in range(6)], many), "finished")["x"]
    assert len(set(x.tolist())) == 40 and np.abs(x - 3).max() < 0.3


def test_long_ranges_have_few_labels_at_their_own_places():
    labels = [f"{place / 100}" for place in range(95)]
    axis = slice_plot("Momentum", labels, [])["layout"]["xaxis"]
    assert len(axis["tickvals"]) <= 10
    assert axis["ticktext"] == [labels[place] for place in axis["tickvals"]]


def test_curves_are_kept_apart_by_gaps_and_the_best_is_alone():
    curves = [(DOTS[0], (0.1, 0.2)), (DOTS[2], (0.5, 0.7, 0.8)), (DOTS[3], (0.3,)), (DOTS[1], ())]
    spec = trial_curves(curves, 7)
    others = named(spec, "other runs")
    assert np.array_equal(others["y"], [0.1, 0.2, np.nan, 0.3, np.nan], equal_nan=True)
    assert others["x"].tolist() == [1, 2, 2, 1, 1] and len(others["text"]) == 5
    assert named(spec, "the best run")["y"].tolist()[:3] == [0.5, 0.7, 0.8]


def test_nothing_to_draw_is_an_empty_figure():
    for spec in (best_so_far([], 1.0), slice_plot("x", ["a", "b"], []), trial_curves([], 3)):
        assert all(len(trace["x"]) == 0 for trace in spec["data"])


def test_names_are_no_markup():
    wild = "<b>&"
    spec = importance_bars([wild], [1.0])
    assert spec["data"][0]["y"] == [plain(wild)] and "<" not in spec["data"][0]["y"][0]
    assert "<" not in slice_plot(wild, [wild, "x"], [])["layout"]["xaxis"]["title"]["text"]
