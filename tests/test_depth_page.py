"""One run in depth on the Runs page: what each view shows, what stays covered, and what is said when images are gone."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from core import judge
from core.events import from_line, to_line
from core.predictions import read_predictions
from core.settings import write_settings

VIEWS = ("Confusion", "Classes", "Mistakes", "Calibration")


@pytest.fixture(autouse=True)
def fresh_caches(monkeypatch):
    import streamlit as st

    monkeypatch.setattr("core.launch.begin_probe", lambda store: None)
    st.cache_data.clear()
    st.cache_resource.clear()


def opened(app, tab, **state):
    app.run()
    app.session_state["runs.tab"] = tab
    for key, value in state.items():
        app.session_state[key.replace("__", ".")] = value
    app.switch_page("pages/runs.py").run()
    assert not app.exception, app.exception
    return app


def text(app) -> str:
    parts = [*app.markdown, *app.caption, *app.error, *app.info, *app.warning]
    return " ".join(part.value for part in parts).replace("\\", "")


def components(app) -> list[dict]:
    """What travels to the browser for each component of ours."""
    found = [json.loads(element.proto.json) for element in app.get("bidi_component") if element.proto.json]
    return [part[0] if isinstance(part, list) else part for part in found]


def everything(app) -> str:
    return text(app) + str(components(app))


def cards(app) -> list[dict]:
    return [card for part in components(app) if "cards" in part for card in part["cards"]]


@pytest.mark.parametrize("view", VIEWS)
def test_view_is_about_validation_until_test_is_revealed(app, finished_run, view):
    opened(app, view)
    assert not app.error and "validation images" in everything(app)
    app.segmented_control(key="depth.part").set_value("test").run()
    assert "Test is covered" in text(app) and finished_run.looks() == 0
    assert "test images" not in everything(app)
    app.button(key=f"reveal-{finished_run.id}").click().run()
    assert not app.exception and not app.error
    assert finished_run.looks() == 1 and "Looked at 1 time" in text(app)
    assert "test images" in everything(app) and "validation images" not in everything(app)
    app.run()
    assert finished_run.looks() == 1


def test_without_the_cover_test_is_shown_at_once_and_each_run_counts_as_looked_at(app, store, finished_run):
    write_settings(store.folder, cover_test=False)
    opened(app, "Recipe")
    assert finished_run.looks() == 0  # nothing of test was shown
    opened(app, "Results")
    assert f"{finished_run.history().end.test_accuracy:.1%}" in [metric.value for metric in app.metric]
    assert finished_run.looks() == 1 and list(app.dataframe[0].value["looks"]) == [1]


def test_without_the_cover_a_sweep_is_shown_at_once_and_its_runs_count_as_looked_at(app, store, finished_run):
    write_settings(store.folder, cover_test=False)
    app.run()
    app.switch_page("pages/seeds.py").run()
    assert not app.exception and not [button for button in app.button if button.key == "reveal"]
    assert finished_run.looks() == 1


def test_cover_that_was_switched_off_covers_nothing_and_counts_the_look(app, store, finished_run):
    write_settings(store.folder, cover_test=False)
    opened(app, "Results")
    assert "covered" not in [metric.value for metric in app.metric]
    assert finished_run.looks() == 1


def test_cell_that_is_chosen_shows_its_images_and_no_others(app, finished_run):
    found = read_predictions(finished_run, "validation")
    matrix = judge.confusion_matrix(found.labels, found.answers, 10)
    truth, answer = judge.most_confused(matrix)[0]
    opened(app, "Confusion")
    shown = {card["index"] for card in cards(app)}
    inside = set(np.flatnonzero((found.labels == truth) & (found.answers == answer)).tolist())
    assert shown and shown <= inside and len(shown) == min(24, len(inside))
    other = judge.most_confused(matrix)[1]
    app.selectbox(key=f"depth.cell.{finished_run.id}.validation").set_value(other).run()
    labels = {int(found.labels[card["index"]]) for card in cards(app)}
    assert labels == {other[0]} and {int(found.answers[card["index"]]) for card in cards(app)} == {other[1]}


def test_empty_cell_says_that_there_is_no_image(app, finished_run):
    found = read_predictions(finished_run, "validation")
    matrix = judge.confusion_matrix(found.labels, found.answers, 10)
    empty = tuple(int(place) for place in np.argwhere(matrix == 0)[0])
    opened(app, "Confusion", **{f"depth__cell__{finished_run.id}__validation": empty})
    assert not cards(app) and "There is none." in text(app)


def test_shown_images_are_those_of_the_validation_split(app, finished_run, tiny_recipe):
    from pages.parts.judged import _verified_images

    found = read_predictions(finished_run, "validation")
    opened(app, "Mistakes")
    spec = finished_run.spec
    data = _verified_images("shapes", 32, spec.data_fingerprint)
    from core.datasets.split import split_indices

    rows = split_indices(len(data.train), spec.recipe.validation_share, 42)[1]
    assert np.array_equal(data.train.labels[rows], found.labels)
    worst = judge.worst_mistakes(
        judge.probabilities(found.logits, finished_run.history().end.temperature), found.labels
    )
    assert [card["index"] for card in cards(app)] == worst[:24].tolist()


def test_mistakes_are_filtered_by_class_and_sorted_by_margin(app, finished_run):
    found = read_predictions(finished_run, "validation")
    opened(app, "Mistakes")
    app.segmented_control(key="depth.which").set_value("All").run()
    app.segmented_control(key="depth.sort").set_value("Least certain first").run()
    app.selectbox(key=f"depth.truth.{finished_run.id}").set_value(3).run()
    shown = [card["index"] for card in cards(app)]
    assert {int(found.labels[index]) for index in shown} == {3}
    shares = judge.probabilities(found.logits, finished_run.history().end.temperature)
    assert (np.diff(judge.margins(shares)[shown]) >= 0).all()


def test_image_that_was_clicked_is_shown_with_every_class(app, finished_run):
    found = read_predictions(finished_run, "validation")
    worst = judge.worst_mistakes(
        judge.probabilities(found.logits, finished_run.history().end.temperature), found.labels
    )
    opened(app, "Mistakes", depth__image=(finished_run.id, "validation", int(worst[0])))
    assert "tab “Filters”" in text(app)


@pytest.mark.parametrize("view", ["Confusion", "Mistakes"])
def test_figures_stay_when_the_images_are_gone_and_a_sentence_says_why(app, finished_run, view):
    path = finished_run.folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data_fingerprint": "0" * 64}))
    opened(app, view)
    assert "have changed since this run" in text(app) and not cards(app)
    if view == "Confusion":
        assert any("Confusion matrix of" in part.get("alt", "") for part in components(app))


def test_damaged_predictions_are_said_in_a_sentence_on_each_view(app, finished_run):
    (finished_run.folder / "predictions.npz").write_bytes(b"PK")
    for view in (*VIEWS, "Results"):
        opened(app, view)
        assert view.startswith("Results") or "can't be read" in text(app)


def test_filters_are_drawn_from_the_run_and_without_them_from_its_weights(
    app, store, finished_run, monkeypatch
):
    from core.answering import Answerer
    from pages.parts import cache

    def ask(what, subject, arrays=None, **values):
        return Answerer(store).answer({"what": what, "subject": subject, **values}, arrays or {})

    monkeypatch.setattr(
        cache, "asker", lambda: SimpleNamespace(ask=ask)
    )  # in this process: no child to wait for
    opened(app, "Filters")
    assert "read from its weights" not in text(app) and len(app.get("image")) == 1
    app.toggle(key="depth.maps").set_value(True).run()
    assert not app.exception and not app.error
    assert len(app.get("image")) == 1 + 1 + 10  # mosaic, the image, ten layers of the baseline
    *lines, end = finished_run.events_path.read_text().splitlines(keepends=True)
    old = from_line(end)
    kept = {name: digest for name, digest in old.sha256.items() if name != "filters.npz"}
    finished_run.events_path.write_text("".join([*lines, to_line(dataclasses.replace(old, sha256=kept))]))
    opened(app, "Filters")
    assert "read from its weights" in text(app) and not app.error


def test_class_names_from_folders_are_shown_as_they_are(app, store, finished_run):
    *lines, end = finished_run.events_path.read_text().splitlines(keepends=True)
    events = [from_line(line) for line in lines]
    hostile = ["<img src=x>", "=1+1", "![a](http://b)", *"defghij"]
    events[0] = dataclasses.replace(events[0], classes=hostile)
    finished_run.events_path.write_text("".join([*map(to_line, events), end]))
    for view in VIEWS:
        opened(app, view)
        drawn = [part["data"] for part in components(app) if "cards" not in part]  # the rest is set as text
        assert not app.error and "<img src=x>" not in json.dumps(drawn)
    opened(app, "Classes")
    assert "'=1+1" in list(app.dataframe[1].value["class"])
