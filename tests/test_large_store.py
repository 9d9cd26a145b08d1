"""Three thousand made-up runs: what a later view may look at, counted; and that nothing is missed by looking at less.

Seconds over a hundred thousand are told by `python -m benchmarks.large_store`.
"""

import dataclasses
import json
import math
import os
import shutil
import time
from collections import Counter

import pytest

from core import changes, index, index_records, index_rows, plan_index, sweep, sweep_list, trash
from core.events import from_line, to_line
from core.index import TURN, RunIndex
from core.index_rows import read_row
from core.labels import Labels, change_labels
from core.store import RunState, RunStore
from core.sweep import settle_plan, sweeps
from core.sweep_list import SweepList
from pages.parts import all_runs, runs_table, sweep_choice
from tests.counting import count_calls
from tests.many_runs import make_plans, make_runs
from tests.test_pages import fresh_caches, no_probe, text, visit  # noqa: F401  (fixtures)

RUNS, RECIPES = 3000, 300
FILES = 4


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large") / "runs"
    make_runs(folder, RECIPES, RUNS // RECIPES, short=True)
    make_plans(folder, RECIPES, RUNS // RECIPES)
    return folder


@pytest.fixture(autouse=True)
def settled_at_once(monkeypatch):
    """What was made is taken to be older than two seconds."""
    monkeypatch.setattr(index, "SETTLING_SECONDS", -1.0)
    monkeypatch.setattr(index, "LISTING_SETTLES_SECONDS", -1.0)
    monkeypatch.setattr(plan_index, "SETTLING_SECONDS", -1.0)


@pytest.fixture
def large(made, monkeypatch) -> RunStore:
    """One for all tests of this file that change nothing in it."""
    monkeypatch.setenv("TENFOLD_RUNS", str(made))
    store = RunStore(made)
    RunIndex(store).rows()
    return store


@pytest.fixture
def small(store) -> RunStore:
    """Fifty runs of five recipes, to be changed."""
    make_runs(store.folder, 5, 10, short=True)
    return store


@pytest.fixture
def counted(monkeypatch) -> Counter:
    """How often the things are done that would take seconds if they were done for every run."""
    return count_calls(
        monkeypatch,
        *((index, name) for name in ("stamp", "_places", "read_row")),
        *((index_records, name) for name in ("unpacked", "_run")),
        (sweep_list, "Sweep"),
        (sweep, "answering"),
        (plan_index, "read_plan"),
        (runs_table, "_row"),
    )


def of_ids(rows) -> dict:
    return {row.run.id: row for row in rows}


def write_accuracy(run, accuracy: float) -> None:
    """As a person might do it with an editor: nobody is told."""
    *lines, end = run.events_path.read_text().splitlines(keepends=True)
    values = json.loads(end) | {"validation_accuracy": accuracy}
    run.events_path.write_text("".join(lines) + to_line(from_line(json.dumps(values))))


def test_later_call_looks_at_the_turn_and_the_folder_alone(large, counted):
    shared = RunIndex(large, TURN)
    assert len(shared.rows()) == RUNS
    counted.clear()
    first = shared.rows()
    assert shared.rows() is first
    assert counted == {"stamp": 2 * (FILES * TURN + 1)}


def test_calls_that_follow_each_other_closely_have_one_turn(large, counted):
    shared = RunIndex(large, TURN, turn_seconds=60.0)
    shared.rows()
    counted.clear()
    for _ in range(3):
        shared.rows()
    assert counted == {"stamp": 3}  # of the folder
    shared._turned_at -= 60.0
    shared.rows()
    assert counted == {"stamp": 4 + FILES * TURN}


def test_first_call_reads_no_run_and_unpacks_no_row(large, counted):
    rows = RunIndex(large, TURN).rows()
    assert len(SweepList(large).of(rows)) == RECIPES
    assert counted["read_row"] == counted["unpacked"] == counted["_run"] == 0
    assert rows[7].validation_accuracy > 0.5 and rows[7].looks == 0
    assert counted["unpacked"] == 1


def test_row_out_of_the_file_is_that_of_its_run(large, counted):
    row = RunIndex(large, TURN).rows()[7]
    names = ("id", "dataset", "model", "recipe", "seed", "digest", "data_fingerprint", "created")
    found = [getattr(row, name) for name in names]
    assert counted["_run"] == 0
    read, _ = read_row(large, row.id)
    assert found == [getattr(read, name) for name in names]
    assert [getattr(row, name) for name in index_rows._FIELDS[1:]] == [
        getattr(read, name) for name in index_rows._FIELDS[1:]
    ]
    assert row.run.spec == read.run.spec and row.run.folder == read.run.folder and row.run is row.run
    assert counted["_run"] == 1


PAGES = {  # rows that are unpacked (and whose runs are made, but for an allowance), and drawn, at a first view
    "dashboard.py": (20, 0),
    "pages/train.py": (20, 0),
    "pages/runs.py": (1000, 1000),
    "pages/seeds.py": (100, 0),
    "pages/classify.py": (220, 0),
    "pages/report.py": (60, 0),
    "pages/experiments.py": (20, 0),
}


ALL_SWEEPS = ("pages/classify.py", "pages/report.py")
"""Pages that look for a few among all recipes; the others work out what is shown, or offered, alone."""


@pytest.mark.parametrize("page", PAGES)
def test_page_looks_at_few_runs_however_many_there_are(app, large, counted, page, monkeypatch):
    monkeypatch.setattr("core.asking.Asker.warm", lambda self: None)
    monkeypatch.setattr(
        "core.asking.Asker.ask",
        lambda *a, **b: (
            {"named": {}, "note": "", "parts": None, "title": "", "classes": [], "size": 32},
            {},
        ),
    )
    if page != "dashboard.py":
        app.switch_page(page)
    app.run()
    assert not app.exception and not app.error
    unpacked, drawn = PAGES[page]
    assert counted["read_row"] == 0
    assert counted["unpacked"] <= unpacked and counted["_row"] == drawn
    assert counted["_run"] <= unpacked + 100
    assert counted["Sweep"] in (0, RECIPES)
    assert counted["answering"] <= (RUNS if page in ALL_SWEEPS else 220 * RUNS // RECIPES)
    counted.clear()
    app.run()
    assert counted["read_row"] == counted["Sweep"] == counted["read_plan"] == 0
    assert counted["unpacked"] <= 5 and counted["_places"] == 0 and counted["_row"] == drawn
    assert counted["stamp"] <= 12 * (FILES * TURN + 1)  # no page asks more than so many times


@pytest.mark.parametrize("change", ["accuracy", "damage"])
def test_change_by_hand_of_an_ended_run_is_noticed_within_a_round(small, change):
    turn = 7
    shared = RunIndex(small, turn)
    for row in (shared.rows()[3], shared.rows()[48]):
        if change == "accuracy":
            write_accuracy(row.run, 0.1234)
        else:
            content = bytearray((row.run.folder / "run.json").read_bytes())
            content[content.index(b'"seed"') + 1] ^= 1
            (row.run.folder / "run.json").write_bytes(content)
        for _ in range(math.ceil(50 / turn)):
            shared.rows()
        found = of_ids(shared.rows()).get(row.run.id)
        assert found is None if change == "damage" else found.validation_accuracy == 0.1234
    assert shared.unreadable == (2 if change == "damage" else 0)
    assert RunIndex(small).unreadable == 0 and len(RunIndex(small).rows()) == len(shared.rows())


def test_what_tenfold_changes_is_seen_at_once(small):
    """By the index of this process, and by that of another one on the same store."""
    both = [RunIndex(small, 1), RunIndex(small, 1)]
    runs = [row.run for row in both[0].rows()]
    both[1].rows()
    runs[20].look("here")
    change_labels([runs[30].folder, runs[40].folder], lambda old: Labels(star=True))
    name = trash.delete(small, runs[10])
    for shared in both:
        rows = of_ids(shared.rows())
        assert rows[runs[20].id].looks == 1 and rows[runs[21].id].looks == 0
        assert [row.run.id for row in shared.rows() if row.labels.star] == [runs[30].id, runs[40].id]
        assert runs[10].id not in rows and len(rows) == 49
    trash.undo(small, name)
    assert all(runs[10].id in of_ids(shared.rows()) for shared in both)


def test_mended_run_is_seen_at_once(small):
    from core import doctor

    shared = RunIndex(small, 1)
    run = shared.rows()[25].run
    whole = run.events_path.read_bytes()
    run.events_path.write_bytes(whole + b"no event\n")
    changes.note(run.folder)
    assert of_ids(shared.rows())[run.id].state is RunState.INTERRUPTED
    doctor.repair(small, doctor.examine(small))
    assert of_ids(shared.rows())[run.id].state is RunState.FINISHED


def test_run_that_takes_the_place_of_another_is_seen_at_once(small):
    """Deleted and trained again between two views: the folder has the same name and is another one."""
    shared = RunIndex(small, 1)
    row = shared.rows()[12]
    trash.delete(small, row.run)
    again, _ = small.open(row.run.spec.recipe, row.run.spec.seed, row.run.spec.data_fingerprint)
    assert again.id == row.run.id
    assert of_ids(shared.rows())[again.id].state is RunState.INTERRUPTED


def test_run_on_its_way_is_looked_at_in_every_call(small):
    shared = RunIndex(small, 1)
    known = shared.rows()[0].run.spec
    run, _ = small.open(known.recipe, 77, known.data_fingerprint)
    assert shared.rows()[0].run.id == run.id
    for state in (RunState.QUEUED, RunState.CANCELLED):
        small.enqueue(run) if state is RunState.QUEUED else run.mark("cancel")
        assert shared.rows()[0].state is state
    shutil.copy(shared.rows()[5].run.events_path, run.events_path)
    assert shared.rows()[0].state is RunState.FINISHED


def test_error_on_the_way_loses_no_run(small, monkeypatch):
    """A run that can't be looked at for a moment, be it new, noted as changed or both at once."""
    shared, known = RunIndex(small, 1), RunIndex(small).rows()[7].run
    shared.rows()
    known.look("here")
    runs = [small.open(known.spec.recipe, seed, known.spec.data_fingerprint)[0] for seed in range(70, 80)]
    original, broken = index._stamps, runs[4].id

    def failing(folder, run_id):
        if run_id == broken:
            raise PermissionError(13, "Permission denied")
        return original(folder, run_id)

    monkeypatch.setattr(index, "_stamps", failing)
    with pytest.raises(PermissionError):
        shared.rows()
    monkeypatch.setattr(index, "_stamps", original)
    rows = of_ids(shared.rows())
    assert len(rows) == 60 and rows[known.id].looks == 1


def test_notes_of_changes_may_be_cut_deleted_and_never_grow_large(small, monkeypatch):
    monkeypatch.setattr(changes, "MOST_BYTES", 100)
    shared, path = RunIndex(small, 1), small.folder / changes.NAME
    runs = [row.run for row in shared.rows()]
    for number, run in enumerate(runs[:20], start=1):
        run.look("here")
        assert of_ids(shared.rows())[run.id].looks == 1
        if number == 7:
            path.unlink(missing_ok=True)
        if number == 9:
            path.write_text("no id\n" + "f" * 32 + "\nhalf")
        assert not path.exists() or path.stat().st_size <= 200
    path.unlink(missing_ok=True)
    path.mkdir()
    runs[30].look("here")  # where nothing can be noted the look counts all the same
    assert runs[30].looks() == 1 and len(shared.rows()) == 50


def test_doctor_finds_what_lies_outside_the_turn(small):
    shared = RunIndex(small, 1)
    run = shared.rows()[33].run
    write_accuracy(run, 0.1)
    assert shared.examine()["state"] == "in order"
    assert of_ids(shared.rows())[run.id].validation_accuracy == 0.1


def test_sweeps_are_those_of_all_runs_whatever_changes(small):
    shared, found = RunIndex(small), SweepList(small)

    def compare() -> list[sweep.Sweep]:
        now = found.of(shared.rows())
        assert now == sweeps(small, shared.rows()) and now is found.of(shared.rows())
        return now

    first = compare()
    digest = first[2].digest
    settle_plan(small, digest, list(range(12)), first[2].rows)
    planned = compare()
    assert next(one for one in planned if one.digest == digest).halted == {"not started": 2}
    assert sum(one is other for one in first for other in planned) == 4
    write_accuracy(planned[0].rows[3].run, 0.2)
    assert sum(one is other for one in planned for other in compare()) == 4
    trash.delete(small, planned[1].rows[0].run)
    assert sum(one is other for one in planned for other in compare()) == 3
    path = small.folder / sweep.FOLDER / f"{digest}.json"
    status = path.stat()
    path.write_text(path.read_text().replace("11", "13"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert 13 in next(one for one in compare() if one.digest == digest).runs
    path.write_text("{")
    assert next(one for one in compare() if one.digest == digest).plan_unreadable
    path.unlink()
    assert next(one for one in compare() if one.digest == digest).plan is None


def test_first_reading_shows_a_bar_that_moves(app, large, monkeypatch):
    (large.folder / index.INDEX_NAME).unlink()
    monkeypatch.setattr(all_runs, "NO_BAR_SECONDS", 0.0)
    monkeypatch.setattr(all_runs, "BAR_SECONDS", 0.005)
    shown, original = [], all_runs.st.progress

    def progress(value, words):
        bar = original(value, words)
        moving, bar.progress = bar.progress, lambda value, words: shown.append(words) or moving(value, words)
        return bar

    monkeypatch.setattr(all_runs.st, "progress", progress)
    app.run()
    assert not app.exception
    assert len(set(shown)) > 2 and shown[-1].endswith(f"of {RUNS:,}")
    assert (large.folder / index.INDEX_NAME).exists()


def test_page_that_is_left_leaves_the_reading_to_whoever_comes_next(large, monkeypatch):
    class Left(Exception):
        """As Streamlit's own, which ends a script that nobody looks at."""

    def leave(*_):
        raise Left

    monkeypatch.setattr(all_runs, "NO_BAR_SECONDS", 0.0)
    shared, reading, original = all_runs.AllRuns(large), [], RunIndex.rows

    def slow(self, report=None):
        reading.append(1)
        time.sleep(0.2)
        return original(self, report)

    monkeypatch.setattr(RunIndex, "rows", slow)
    monkeypatch.setattr(all_runs.st, "progress", leave)
    with pytest.raises(Left):
        shared.rows()
    monkeypatch.setattr(all_runs, "NO_BAR_SECONDS", 30.0)
    assert len(shared.rows(seconds_old=60)) == RUNS and len(reading) == 1


def test_folder_that_can_not_be_read_is_an_error_that_does_not_stay(large, monkeypatch):
    shared, original = all_runs.AllRuns(large), RunIndex.rows

    def refuse(self, report=None):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(RunIndex, "rows", refuse)
    with pytest.raises(PermissionError):
        shared.rows()
    monkeypatch.setattr(RunIndex, "rows", original)
    assert len(shared.rows()) == RUNS


def _marked(app, *places):
    key = f"runs-{app.session_state['runs.table']}"
    app.session_state[key] = {"selection": {"rows": list(places), "columns": [], "cells": []}}
    return app.run()


def test_table_of_runs_has_pages_on_which_marks_stay(app, small, monkeypatch):
    monkeypatch.setattr(runs_table, "PAGE_ROWS", 20)
    ids = [row.run.id for row in RunIndex(small).rows()]
    visit(app, "pages/runs.py")
    assert len(app.dataframe[0].value) == 20 and "1 to 20 of 50 runs" in text(app)
    _marked(app, 1)
    app.pagination(key="runs.page").set_value(3).run()
    assert len(app.dataframe[0].value) == 10 and "1 run marked on other pages" in text(app)
    _marked(app, 9)
    assert app.session_state["runs.marked"] == [ids[1], ids[49]] and "2 runs marked:" in text(app)
    app.text_input(key="runs.words").set_value(ids[49]).run()
    assert app.session_state["runs.marked"] == [ids[49]] and len(app.pagination) == 0
    app.text_input(key="runs.words").set_value("").run()
    assert app.pagination(key="runs.page").value == 1 and not app.exception


def test_order_is_that_of_all_runs_and_not_of_a_page(app, small, monkeypatch):
    monkeypatch.setattr(runs_table, "PAGE_ROWS", 20)
    known = sorted((row.validation_accuracy for row in RunIndex(small).rows()), reverse=True)
    visit(app, "pages/runs.py")
    app.pagination(key="runs.page").set_value(2).run()
    app.selectbox(key="runs.order").set_value("best validation accuracy first").run()
    assert list(app.dataframe[0].value["validation"]) == known[:20]
    app.selectbox(key="runs.order").set_value("lowest validation accuracy first").run()
    assert list(app.dataframe[0].value["validation"]) == known[:-21:-1]


def test_link_opens_the_page_of_its_run(app, small, monkeypatch):
    monkeypatch.setattr(runs_table, "PAGE_ROWS", 20)
    wanted = RunIndex(small).rows()[33].run
    visit(app, "pages/runs.py", run=wanted.id)
    assert app.pagination(key="runs.page").value == 2 and app.session_state["runs.marked"] == [wanted.id]
    assert "1 run marked:" in text(app) and "other pages" not in text(app)


def test_recipes_beyond_those_offered_are_found_by_words_and_by_link(app, small, monkeypatch):
    monkeypatch.setattr(sweep_choice, "MOST_OFFERED", 3)
    found = sweeps(small, RunIndex(small).rows())
    visit(app, "pages/seeds.py", recipes=found[4].digest)
    box = app.multiselect(key="seeds.recipes")
    assert box.value == [found[4].digest] and len(box.options) == 4
    wanted = found[3].recipe
    app.text_input(key="seeds.words").set_value(f"{wanted.width:g} {wanted.batch_size}").run()
    box = app.multiselect(key="seeds.recipes")
    assert box.value == [found[4].digest] and len(box.options) == 2 and not app.exception


def test_recipe_that_is_found_by_a_word_shows_it(app, small, monkeypatch):
    """Its usual line leaves the momentum out, which is named where another recipe differs in that alone."""
    monkeypatch.setattr(sweep_choice, "MOST_OFFERED", 1)
    known = RunIndex(small).rows()[-1].run.spec
    other = dataclasses.replace(known.recipe, momentum=0.8)
    small.open(other, 3, known.data_fingerprint)
    small.open(
        dataclasses.replace(known.recipe, epochs=3), 3, known.data_fingerprint
    )  # newer: offered without words
    visit(app, "pages/seeds.py")
    app.text_input(key="seeds.words").set_value("momentum 0.8").run()
    assert any("momentum 0.8" in option for option in app.multiselect(key="seeds.recipes").options)
