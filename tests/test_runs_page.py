"""The Runs page: its table, what people write on runs, the trash, and runs side by side."""

import dataclasses
import shutil
import time

import pytest

from core import trash
from core.errors import UserError
from core.labels import Labels, change_labels, read_labels
from core.locks import FileLock
from core.store import id_of
from tests.many_runs import make_runs
from tests.test_pages import fresh_caches, no_probe, text, visit  # noqa: F401  (fixtures)


@pytest.fixture
def runs(store, finished_run):
    """The finished run, a copy of it with another seed, and one of another recipe; the newest first."""
    spec, copies = finished_run.spec, []
    for seed, recipe in ((7, spec.recipe), (8, dataclasses.replace(spec.recipe, learning_rate=0.03))):
        digest = recipe.digest(spec.data_fingerprint)
        run, _ = store.open(recipe, seed, spec.data_fingerprint)
        assert run.id == id_of(digest, seed, 1)
        for name in ("events.jsonl", "predictions.npz", "weights.pt"):
            shutil.copy(finished_run.folder / name, run.folder)
        copies.insert(0, run)
    return [*copies, finished_run]


def marked(app, *places):
    """Mark rows of the table, as a click on their boxes does."""
    key = f"runs-{app.session_state['runs.table']}"
    app.session_state[key] = {"selection": {"rows": list(places), "columns": [], "cells": []}}
    app.run()
    assert not app.exception, app.exception
    return app


def charts(app) -> str:
    return "".join(str(chart.proto) for chart in app.get("bidi_component"))


def shown_seeds(app) -> list[int]:
    return list(app.dataframe[0].value["seed"]) if app.dataframe else []


def test_one_marked_row_is_shown_in_depth_and_two_side_by_side(app, runs):
    visit(app, "pages/runs.py")
    assert shown_seeds(app) == [8, 7, 42]
    marked(app, 1)
    assert "1 run marked" in text(app) and f"live-{runs[1].id}" in charts(app)
    marked(app, 0, 2)
    assert "2 runs marked" in text(app) and "Validation accuracy of 2 runs" in charts(app)
    assert f"live-{runs[1].id}" not in charts(app)


def test_link_marks_its_run_once(app, runs):
    visit(app, "pages/runs.py", run=runs[1].id)
    assert "1 run marked" in text(app) and f"live-{runs[1].id}" in charts(app)
    marked(app, 0)
    assert f"live-{runs[0].id}" in charts(app)
    app.query_params["run"] = runs[2].id
    app.run()
    assert f"live-{runs[2].id}" in charts(app) and "1 run marked" in text(app)


def test_marks_belong_to_runs_and_not_to_places(app, runs, store):
    visit(app, "pages/runs.py")
    marked(app, 1)
    app.text_input(key="runs.words").set_value('"seed 7"').run()
    assert "1 run marked" in text(app) and app.session_state["runs.marked"] == [runs[1].id]
    store.open(runs[0].spec.recipe, 99, runs[0].spec.data_fingerprint)
    app.text_input(key="runs.words").set_value("").run()
    assert shown_seeds(app)[0] == 99 and app.session_state["runs.marked"] == [runs[1].id]
    app.text_input(key="runs.words").set_value('"sgd 0.03,"').run()
    assert app.session_state["runs.marked"] == [] and "marked:" not in text(app)


def test_search_and_filters_narrow_the_table_and_can_be_cleared(app, runs):
    change_labels([runs[1].folder], lambda old: Labels(("class 9b",), True, "odd curve"))
    visit(app, "pages/runs.py")
    for words, seeds in (("odd", [7]), ('"sgd 0.03,"', [8]), ("nothing like this", []), ("", [8, 7, 42])):
        app.text_input(key="runs.words").set_value(words).run()
        assert shown_seeds(app) == seeds and not app.exception
    app.multiselect(key="runs.tags").set_value(["class 9b"]).run()
    assert shown_seeds(app) == [7] and "1 of 3 runs match" in text(app)
    change_labels([runs[1].folder], lambda old: Labels())
    app.run()
    assert shown_seeds(app) == [8, 7, 42] and not app.exception  # the tag is gone, and with it its filter
    app.toggle(key="runs.starred").set_value(True).run()
    assert shown_seeds(app) == [] and "No run matches" in text(app)
    app.button(key="runs.clear").click().run()
    assert shown_seeds(app) == [8, 7, 42]


def test_star_archive_and_back_for_all_marked_runs(app, runs):
    visit(app, "pages/runs.py")
    marked(app, 0, 1)
    app.button(key="runs.star").click().run()
    assert list(app.dataframe[0].value["star"]) == ["★", "★", ""]
    assert app.button(key="runs.star").label == "No star"
    app.button(key="runs.archive").click().run()
    assert shown_seeds(app) == [42] and "2 archived hidden" in text(app)
    app.toggle(key="runs.archived").set_value(True).run()
    assert shown_seeds(app) == [8, 7, 42]
    marked(app, 0, 1)
    app.button(key="runs.archive").click().run()
    app.button(key="runs.star").click().run()
    assert all(read_labels(run.folder) == Labels() for run in runs)


def test_tags_are_given_and_taken_from_all_marked_runs(app, runs):
    change_labels([runs[0].folder], lambda old: old.tagged(["own", "both"]))
    change_labels([runs[1].folder], lambda old: old.tagged(["both"]))
    visit(app, "pages/runs.py")
    marked(app, 0, 1)
    box = next(box for box in app.multiselect if box.key.startswith("runs.tags."))
    assert box.value == ["both"] and set(box.options) == {"both", "own"}
    box.set_value(["own"])
    next(button for button in app.button if button.label == "Keep the tags").click().run()
    assert [read_labels(run.folder).tags for run in runs[:2]] == [("own",), ("own",)]


def test_note_of_one_run_is_changed_and_of_several_added_to(app, runs):
    visit(app, "pages/runs.py")
    marked(app, 0)
    app.text_area[0].set_value("First **bold**\nsecond")
    next(button for button in app.button if button.label == "Keep the note").click().run()
    assert read_labels(runs[0].folder).note == "First **bold**\nsecond"
    assert "First \\*\\*bold\\*\\*" in text(app)
    marked(app, 0, 1)
    assert app.text_area[0].value == ""
    app.text_area[0].set_value("for both")
    next(button for button in app.button if button.label == "Keep the note").click().run()
    assert read_labels(runs[0].folder).note == "First **bold**\nsecond\nfor both"
    assert read_labels(runs[1].folder).note == "for both"


def test_deleting_asks_tells_the_size_and_what_sweeps_lose_and_can_be_undone(app, runs, store):
    visit(app, "pages/runs.py", run=runs[1].id)
    marked(app, 1, 2)
    app.button(key="runs.delete").click().run()
    taken = sum(trash.size_bytes(run.folder) for run in runs[1:])
    assert f"{taken / 1e6:.1f} MB on the disk" in text(
        app
    ) or f"{-(-taken // 1000):,} kB on the disk" in text(app)
    assert "loses seeds 7, 42 of its 2" in text(app).replace("\\", "")
    assert len(store.runs()) == 3
    app.button(key="runs.delete.sure").click().run()
    app.run()
    assert shown_seeds(app) == [8] and len(trash.names(store)) == 2 and not app.error
    assert "Deleted 2 runs" in text(app)
    app.button(key="runs.undo").click().run()
    assert shown_seeds(app) == [8, 7, 42] and trash.names(store) == []
    assert "Deleted" not in text(app)


def test_last_run_can_be_deleted_and_put_back_from_the_trash(app, finished_run, store):
    visit(app, "pages/runs.py")
    marked(app, 0)
    app.button(key="runs.delete").click().run()
    app.button(key="runs.delete.sure").click().run()
    app.run()
    app.button(key="runs.undo.close").click().run()
    app.session_state["runs.trash"] = True
    app.run()
    assert "There are no runs yet" in text(app)
    app.multiselect(key="runs.trash.chosen").set_value(trash.names(store)).run()
    app.button(key="runs.trash.back").click().run()
    assert shown_seeds(app) == [42] and not app.error and not app.exception


def test_run_that_was_trained_again_meanwhile_stays_in_the_trash_and_says_so(app, finished_run, store):
    spec = finished_run.spec
    name = trash.delete(store, finished_run)
    store.open(spec.recipe, spec.seed, spec.data_fingerprint)
    app.session_state["runs.trash"] = True
    visit(app, "pages/runs.py")
    app.multiselect(key="runs.trash.chosen").set_value([name]).run()
    app.button(key="runs.trash.back").click().run()
    assert "trained again meanwhile" in app.error[0].value and trash.names(store) == [name]


def test_emptying_the_trash_asks_and_tells_the_space(app, runs, store):
    trash.delete(store, runs[0])
    taken = trash.trash_bytes(store)
    app.session_state["runs.trash"] = True
    visit(app, "pages/runs.py")
    app.button(key="runs.trash.empty").click().run()
    assert f"frees **{taken / 1e6:.1f} MB**" in text(app) or f"frees **{-(-taken // 1000):,} kB**" in text(
        app
    )
    assert len(trash.names(store)) == 1
    app.button(key="runs.trash.sure").click().run()
    app.run()
    assert trash.names(store) == [] and "Trash" not in str([e.label for e in app.expander])


def test_run_that_is_trained_is_kept_while_the_others_go(app, runs, store):
    (runs[0].folder / "events.jsonl").unlink()
    lock = FileLock(runs[0].lock_path)
    assert lock.acquire()
    try:
        visit(app, "pages/runs.py")
        marked(app, 0, 1)
        app.button(key="runs.delete").click().run()
        assert "can't be deleted" in app.warning[-1].value
        app.button(key="runs.delete.sure").click().run()
        assert [run.id for run in store.runs()] == [runs[0].id, runs[2].id]
    finally:
        lock.release()


def test_what_can_not_be_deleted_is_said_in_a_sentence(app, runs, monkeypatch):
    def refuse(store, run):
        raise UserError("It has just been taken up by a worker.")

    monkeypatch.setattr("pages.parts.label_bar.delete", refuse)
    visit(app, "pages/runs.py")
    marked(app, 0, 1)
    app.button(key="runs.delete").click().run()
    app.button(key="runs.delete.sure").click().run()
    assert "taken up by a worker" in app.error[0].value and "1 more were kept" in app.error[0].value
    assert shown_seeds(app) == [8, 7, 42]


@pytest.mark.parametrize("axis", ["epoch", "step", "seconds", "images"])
def test_curves_are_drawn_against_each_axis(app, runs, axis):
    app.session_state["side.axis"] = axis
    visit(app, "pages/runs.py")
    marked(app, 0, 1, 2)
    assert not app.error and "Validation loss of 3 runs" in charts(app)


def test_only_what_differs_is_in_the_table(app, runs):
    app.session_state["side.tab"] = "What differs"
    visit(app, "pages/runs.py")
    marked(app, 0, 1, 2)
    table = app.dataframe[1].value
    assert list(table) == ["run", "validation", "Learning rate", "Seed"]
    assert list(table["Learning rate"]) == ["0.03", "0.02", "0.02"]


def test_confusions_of_test_stay_covered_until_both_runs_are_revealed(app, runs):
    app.session_state["side.tab"] = "Confusion matrices"
    visit(app, "pages/runs.py")
    marked(app, 0, 1, 2)
    assert "Difference of two confusion matrices on validation" in charts(app)
    app.segmented_control(key="side.part").set_value("test").run()
    for run in runs[:2]:
        assert "Difference" not in charts(app) and "Test is covered" in text(app)
        app.button(key=f"reveal-{run.id}").click().run()
    assert "on test images" in charts(app) and "the same 1,000 test images" in text(app)
    assert [run.looks() for run in runs] == [1, 1, 0]


def test_lost_predictions_are_a_sentence(app, runs):
    (runs[0].folder / "predictions.npz").unlink()
    app.session_state["side.tab"] = "Confusion matrices"
    visit(app, "pages/runs.py")
    marked(app, 0, 1)
    assert "can't be read" in app.error[0].value.replace("\\", "")


def test_more_runs_than_can_be_told_apart_are_said_to_be_left_out(app, store, runs):
    make_runs(store.folder, recipes=5, seeds=3)
    visit(app, "pages/runs.py")
    marked(app, *range(15))
    assert "first 12 of 15 marked runs" in text(app) and "Validation accuracy of 12 runs" in charts(app)
    app.session_state["side.tab"] = "What differs"
    app.run()
    assert len(app.dataframe[1].value) == 15 and not app.exception


def test_fields_are_drawn_over_the_runs_that_match(app, store, runs):
    make_runs(store.folder, recipes=30, seeds=1)
    app.session_state["fields"] = True
    visit(app, "pages/runs.py")
    assert "of 33 runs" in charts(app) and "Learning rate" in charts(app)
    app.selectbox(key="fields.y").set_value("batch_size").run()
    assert "Batch size; validation accuracy as the colour" in charts(app)
    app.text_input(key="runs.words").set_value("0.0015").run()
    assert not app.exception and "of 10 runs" in charts(
        app
    )  # all of one learning rate: another field is taken
    assert app.selectbox(key="fields.x").value != "learning_rate"


def test_thousand_runs_are_searched_in_less_than_a_second(app, store):
    """0.3 s on two cores that do nothing else."""
    make_runs(store.folder, recipes=200, seeds=5)
    visit(app, "pages/runs.py")
    begin = time.perf_counter()
    app.text_input(key="runs.words").set_value("made 0.00").run()
    app.text_input(key="runs.words").set_value("baseline").run()
    assert len(app.dataframe[0].value) == 1000
    assert (time.perf_counter() - begin) / 2 < 1.0


def test_command_line_lists_archived_runs_with_their_labels_and_no_deleted_ones(runs, store, capsys):
    import json

    from core.__main__ import main

    change_labels([runs[0].folder], lambda old: Labels(("a",), True, "n", True))
    trash.delete(store, runs[1])
    assert main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert len(lines) == 2 and lines[0].endswith("archived") and not lines[1].endswith("archived")
    assert main(["runs", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["archived"] for one in found] == [True, False]
    assert found[0]["tags"] == ["a"] and found[0]["star"] and found[0]["note"] == "n"
