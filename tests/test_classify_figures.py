import numpy as np
import plotly.graph_objects as go
import pytest

from core.classify_figures import class_bars, probability_along

CLASSES = ("cat", "<b>dog</b>", "ship")


def test_bars_are_means_with_whiskers_from_lowest_to_highest_seed():
    seeds = np.array([[0.1, 0.7, 0.2], [0.2, 0.5, 0.3]])
    spec = class_bars(CLASSES, {"fast": seeds}, most=2)
    go.Figure(spec)
    (bar,) = spec["data"]
    assert bar["y"] == ["&lt;b&gt;dog&lt;/b&gt;", "ship"] and bar["x"] == pytest.approx([0.6, 0.25])
    assert bar["error_x"]["array"] == pytest.approx([0.1, 0.05])
    assert bar["error_x"]["arrayminus"] == pytest.approx([0.1, 0.05])
    assert spec["layout"]["yaxis"]["autorange"] == "reversed" and "n = 2" in bar["hovertemplate"]


def test_one_network_has_no_whiskers_and_several_differ_by_more_than_colour():
    spec = class_bars(CLASSES, {"a": np.array([0.2, 0.3, 0.5]), "b": np.array([[0.0, 0.1, 0.9]])})
    go.Figure(spec)
    assert all("error_x" not in trace for trace in spec["data"])
    assert all(trace["y"] == ["ship", "&lt;b&gt;dog&lt;/b&gt;", "cat"] for trace in spec["data"])
    patterns = {trace["marker"]["pattern"]["shape"] for trace in spec["data"]}
    assert len(patterns) == 2 and spec["layout"]["showlegend"]


def test_whiskers_never_point_inwards():
    bar = class_bars(("a", "b", "c"), {"x": np.tile([0.1, 0.7, 0.2], (3, 1))})["data"][0]
    assert (bar["error_x"]["array"] >= 0).all() and (bar["error_x"]["arrayminus"] >= 0).all()


def test_line_along_a_slider_marks_start_and_changes():
    values, line = np.array([-30.0, 0, 30, 60]), np.array([0.4, 0.9, 0.6, 0.3])
    spec = probability_along("Rotation", "°", values, {"fast": line}, start=0.0, changes=(None, 60.0))
    go.Figure(spec)
    curve, cross = spec["data"]
    assert np.array_equal(curve["y"], line) and cross["x"] == [60.0] and cross["y"] == [0.3]
    assert spec["layout"]["shapes"][0]["x0"] == 0 and not spec["layout"]["showlegend"]
    assert spec["layout"]["xaxis"]["title"]["text"] == "Rotation (°)"
    assert len(probability_along("Noise", "", values, {"a": line, "b": line})["data"]) == 2
