import dataclasses
import itertools

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from core.events import EpochEnd, Started, to_line
from core.index import RunIndex
from core.predictions import Predictions
from core.side_by_side import (
    AXES,
    differing,
    positions,
    share_difference,
    short_names,
    values,
    varying_fields,
)
from core.side_figures import Curve, confusion_difference, overlay

PASSPORT = {"device_name": "CPU A", "precision": "fp32", "threads": 1, "torch": "2.14"}


def epoch(number: int, seconds: float, accuracy: float = 0.5) -> EpochEnd:
    return EpochEnd(number, number * 125, 1.0, 0.4, 1.1, accuracy, 0.01, seconds, 2000.0)


@pytest.fixture
def make(store, tiny_recipe):
    def run(seed=1, passport=PASSPORT, data="data", **fields):
        made, _ = store.open(dataclasses.replace(tiny_recipe, **fields), seed, data)
        started = Started(1.0, 0, 4, 125, 4000, 1000, ["a", "b"], [0.5] * 3, [0.2] * 3, passport)
        events = (started, epoch(1, 2.0), epoch(2, 3.0), epoch(3, 2.5))
        made.events_path.write_text("".join(map(to_line, events)))
        return next(row for row in RunIndex(store).rows() if row.run.id == made.id)

    return run


def told(name, value):
    return f"{value}"


def test_epochs_lie_where_each_axis_has_them(make):
    history = make().run.history()
    assert positions(history, "epoch").tolist() == [1, 2, 3]
    assert positions(history, "step").tolist() == [125, 250, 375]
    assert positions(history, "images").tolist() == [4000, 8000, 12000]
    assert positions(history, "seconds").tolist() == [2, 5, 7.5]
    assert values(history, "validation_accuracy").tolist() == [0.5] * 3


def test_run_that_has_not_begun_has_no_curve(store, tiny_recipe):
    history = store.open(tiny_recipe, 1, "data")[0].history()
    assert all(len(positions(history, axis)) == 0 for axis in AXES)


def test_only_what_differs_is_told_and_what_does_nothing_is_empty(make):
    other = {**PASSPORT, "device_name": "GPU B"}
    rows = [make(), make(optimizer="adam", passport=other), make(seed=2, data="other data")]
    found = differing(rows, [row.run.history() for row in rows])
    assert found == {
        "optimizer": ["sgd", "adam", "sgd"],
        "momentum": [0.9, None, 0.9],
        "nesterov": [False, None, False],
        "seed": [1, 1, 2],
        "data_fingerprint": ["data", "data", "other data"],
        "device_name": ["CPU A", "GPU B", "CPU A"],
    }


def test_runs_that_are_alike_differ_in_nothing(make):
    row = make()
    assert differing([row, row], [row.run.history()] * 2) == {}


def test_names_are_short_and_tell_all_runs_apart(make):
    seeds = [make(seed) for seed in (1, 2)]
    assert short_names(seeds, told) == ["seed 1", "seed 2"]
    rates = [make(learning_rate=rate) for rate in (0.1, 0.2)]
    assert short_names(rates, told) == ["learning rate 0.1", "learning rate 0.2"]
    both = short_names([*rates, make(3, optimizer="adam", learning_rate=0.1)], told)
    assert len(set(both)) == 3 and all("seed" in name for name in both)
    many = [make(seed, width=w, dropout=0.1 * seed) for seed, w in itertools.product((1, 2), (0.125, 0.25))]
    many += [make(7, model="improved", optimizer="adam", cutout=4, flip=True)]
    assert len(set(short_names(many, told))) == 5
    images = [make(), make(data="other")]
    assert len(set(short_names(images, told))) == 2


def test_attempts_at_one_seed_are_told_apart(make, store):
    first = make()
    spec = first.run.spec
    second, _ = store.open(spec.recipe, spec.seed, "data", again=True)
    assert second.id == first.run.id  # it had not ended: the same run goes on
    later = dataclasses.replace(first.run.spec, attempt=2)
    twin = dataclasses.replace(first, run=type(first.run)(first.run.folder, later))
    assert short_names([first, twin], told) == ["seed 1, attempt 1", "seed 1, attempt 2"]


def _predictions(labels, answers, classes):
    return Predictions(np.eye(classes, dtype=np.float32)[answers], np.asarray(labels))


def test_difference_is_that_of_the_row_shares_of_scikit_learn():
    draws = np.random.default_rng(1)
    pairs = [draws.integers(0, 5, (2, 400)), draws.integers(0, 5, (2, 300))]
    shares = [confusion_matrix(*pair, normalize="true") for pair in pairs]
    found = share_difference(*(_predictions(*pair, 5) for pair in pairs))
    np.testing.assert_allclose(found, shares[1] - shares[0], atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-12)


def test_class_without_images_has_no_difference():
    found = share_difference(_predictions([0] * 4, [0, 0, 0, 1], 2), _predictions([0, 0, 1], [0, 1, 1], 2))
    assert found[0].tolist() == [-0.25, 0.25] and np.isnan(found[1]).all()


def test_figure_says_which_images_it_is_of_and_shows_no_markup():
    figure = confusion_difference(
        ["<b>x</b>", "y"], np.array([[0.1, -0.1], [np.nan] * 2]), ("A", "<i>"), "test"
    )
    text = repr(figure)
    assert (
        "<b>" not in text
        and "<i>" not in text
        and "test: &lt;i&gt; minus A" in text
        and "on test images" in text
    )
    assert figure["data"][1]["text"] == ["+10.0", "-10.0"]


def test_runs_keep_their_colour_and_symbol_and_no_two_share_both():
    x = np.arange(3.0)
    curves = [Curve(f"run {n}", str(n), x, x, x) for n in range(12)]
    solid = [t for t in overlay("loss", curves, "epochs")["data"] if t["uid"].endswith("solid")]
    dashed = [t for t in overlay("loss", curves, "epochs")["data"] if t["uid"].endswith("dashed")]
    assert len({(t["line"]["color"], t["marker"]["symbol"]) for t in solid}) == 12
    assert [t["line"]["color"] for t in solid] == [t["line"]["color"] for t in dashed]
    assert all("dash" not in t["line"] for t in solid) and {t["line"]["dash"] for t in dashed} == {"dash"}


@pytest.mark.parametrize("quantity", ["loss", "accuracy"])
def test_axis_of_curves_says_which_are_of_validation(quantity):
    x = np.arange(2.0)
    title = overlay(quantity, [Curve("a", "a", x, x, x)], "epochs")["layout"]["xaxis"]["title"]["text"]
    assert "solid: validation" in title and "dashed: training" in title


def test_diverging_run_does_not_press_the_others_to_the_floor():
    x = np.arange(1.0, 9.0)
    usual, wild = 2 / x, 10.0**x
    wild[-1] = np.inf
    curves = [Curve(str(n), str(n), x, usual, usual) for n in range(4)] + [
        Curve("w", "w", x, wild[:0], usual)
    ]
    axis = overlay("loss", [*curves[:4], dataclasses.replace(curves[4], validation=wild)], "epochs")["layout"]
    assert "clipmax" in axis["yaxis"]["autorangeoptions"]
    clip = overlay("loss", curves, "epochs")["layout"]["yaxis"]["autorangeoptions"]["clipmax"]
    assert 2 < clip < 3
    empty = [Curve("none", "n", x[:0], x[:0], x[:0])]
    assert overlay("loss", empty, "epochs")["layout"]["yaxis"]["rangemode"] == "tozero"


def test_rates_far_apart_get_a_logarithmic_axis():
    x = np.arange(3.0)
    for rates, kind in (([0.1, 0.1, 0.05], None), ([1.0, 1e-4, 0.0], "log")):
        y = np.array(rates)
        assert (
            overlay("learning rate", [Curve("a", "a", x, y, y[:0])], "e")["layout"]["yaxis"].get("type")
            == kind
        )


def test_fields_that_vary_are_those_that_can_change_a_result(make):
    rows = [make(), make(learning_rate=0.5, log_every=7), make(optimizer="adam", momentum=0.5)]
    assert varying_fields(rows) == ["learning_rate", "optimizer"]
