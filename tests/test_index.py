import dataclasses
import json
import os
import shutil
import sqlite3
import statistics
import time
from collections import Counter

import pytest

from core import index, index_records, index_rows
from core import store as store_module
from core.config import Recipe
from core.errors import UserError
from core.events import EpochEnd, Failed, Finished, Started, Step, to_line
from core.executors import stop
from core.index import INDEX_NAME, RunIndex
from core.locks import FileLock
from core.store import RunState, RunStore, recipe_of
from tests.counting import count_calls
from tests.many_runs import make_runs

STARTED = Started(1.0, 0, 4, 125, 4000, 1000, ["a"], [0.5] * 3, [0.2] * 3, {"device_name": "x"})


@pytest.fixture(autouse=True)
def settled_at_once(monkeypatch):
    """A file is believed as soon as it was read, as one is in practice that is two seconds old."""
    monkeypatch.setattr(index, "SETTLING_SECONDS", -1.0)


def epoch(number: int, accuracy: float) -> EpochEnd:
    return EpochEnd(number, number * 125, 1.0, 0.5, 1.1, accuracy, 0.01, 2.5, 2000.0)


def finished(accuracy: float) -> Finished:
    return Finished(9.0, 0.4, accuracy, 0.4, accuracy - 0.01, 1.2, 5.0, 1900.0, {}, 1)


def write(run, *events) -> None:
    run.events_path.write_text("".join(map(to_line, events)))


def truth(store: RunStore) -> list[tuple]:
    """What the runs themselves say, newest first, as rows say it."""
    found = []
    for run in store.runs():
        history = run.history()
        end, last = history.end, history.epochs[-1] if history.epochs else None
        done, failed = isinstance(end, Finished), isinstance(end, Failed)
        validation = end.validation_accuracy if done else last and last.validation_accuracy
        figures = (
            validation,
            end.test_accuracy if done else None,
            sum(e.train_seconds for e in history.epochs),
        )
        more = (
            end.images_per_second if done else None,
            history.started and history.started.passport.get("device_name"),
        )
        why = (end.reason, end.message) if failed else (None, None)
        counts = (run.looks(), len(history.epochs))
        found.append((run.id, run.folder, run.spec, run.state(), *counts, *figures, *more, *why))
    return found


def told(found: list[index.Row]) -> list[tuple]:
    return [
        (
            row.run.id,
            row.run.folder,
            row.run.spec,
            row.state,
            *[getattr(row, name) for name in index_rows.FIGURES],
        )
        for row in found
    ]


@pytest.fixture
def every_kind(store, tiny_recipe, finished_run) -> RunStore:
    """A store with a run in each state."""

    def run(seed, *events, queued=False):
        made, _ = store.open(dataclasses.replace(tiny_recipe, epochs=4), seed, "data")
        if events:
            write(made, *events)
        if queued:
            store.enqueue(made)
        return made

    begun = (STARTED, Step(1, 5, 2.0, 0.3), epoch(1, 0.6))
    run(1, queued=True)
    stop(store, run(2, *begun, queued=True))
    run(3, *begun).mark("pause")
    run(4, *begun)
    run(5, *begun, queued=True)
    run(6, *begun, Failed(3.0, "diverged", "The loss became infinite."))
    run(7, *begun, Failed(3.0, "error", "It broke."))
    (run(8, *begun).folder / "runner.json").write_text(json.dumps({"failure": "It died four times."}))
    run(
        9, *begun, epoch(2, 0.7), dataclasses.replace(STARTED, resumed_from=1), epoch(2, 0.65), finished(0.66)
    )
    run(10, *begun, finished(float("nan")))
    damaged = run(11, *begun, finished(0.7)).events_path
    damaged.write_text(damaged.read_text() + "garbage\n")
    run(12, *begun).mark("cancel")
    finished_run.look("here")
    (store.folder / ("e" * 32)).mkdir()
    return store


def test_index_says_what_the_runs_say(every_kind):
    states = {row[3] for row in truth(every_kind)}
    assert states == set(RunState) - {RunState.RUNNING, RunState.STARTING, RunState.STOPPING}
    shared = RunIndex(every_kind)
    for source in (shared, shared, RunIndex(every_kind)):  # read, remembered, and from the file
        assert repr(told(source.rows())) == repr(truth(every_kind))  # by repr: NaN is not equal to itself


def test_state_follows_lock_and_markers_of_a_run_whose_events_stay(every_kind):
    shared = RunIndex(every_kind)
    run = next(row.run for row in shared.rows() if row.run.spec.seed == 5)
    lock = FileLock(run.lock_path)
    lock.acquire()
    assert repr(told(shared.rows())) == repr(truth(every_kind))
    run.mark("cancel")
    assert {row.run.id: row.state for row in shared.rows()}[run.id] is RunState.STOPPING
    lock.release()
    every_kind.dequeue(run)
    for source in (shared, RunIndex(every_kind)):
        assert {row.run.id: row.state for row in source.rows()}[run.id] is RunState.CANCELLED


def test_run_that_ended_is_not_read_again(every_kind, monkeypatch):
    before = told(RunIndex(every_kind).rows())
    read = []
    original = index_rows.read_history
    monkeypatch.setattr(
        index_rows, "read_history", lambda *args, **more: read.append(args) or original(*args, **more)
    )
    assert repr(told(RunIndex(every_kind).rows())) == repr(before) and not read


def test_run_that_goes_on_is_noticed(store, tiny_recipe):
    run, _ = store.open(tiny_recipe, 1, "data")
    shared = RunIndex(store)
    for events in ((STARTED,), (STARTED, epoch(1, 0.5)), (STARTED, epoch(1, 0.5), finished(0.5))):
        write(run, *events)
        assert told(shared.rows()) == truth(store)
    assert shared.rows()[0].state is RunState.FINISHED


def test_file_that_changed_just_now_is_not_believed(store, tiny_recipe, monkeypatch):
    """Two contents of one length may be written within one tick of the file system's clock."""
    monkeypatch.setattr(index, "SETTLING_SECONDS", 60.0)
    monkeypatch.setattr(index, "stamp", lambda path: (1, time.time_ns(), 1) if "looks" not in path else None)
    run, _ = store.open(tiny_recipe, 1, "data")
    shared = RunIndex(store)
    for accuracy in (0.5, 0.7):
        write(run, STARTED, epoch(1, accuracy), finished(accuracy))
        assert shared.rows()[0].validation_accuracy == accuracy


def test_deleted_run_vanishes_and_one_made_anew_is_noticed(store, tiny_recipe):
    runs = [store.open(tiny_recipe, seed, "data")[0] for seed in (1, 2)]
    for run in runs:
        write(run, STARTED, epoch(1, 0.5), finished(0.5))
    shared = RunIndex(store)
    assert len(shared.rows()) == 2
    shutil.rmtree(runs[0].folder)
    assert [row.run.id for row in shared.rows()] == [runs[1].id]
    assert [row.run.id for row in RunIndex(store).rows()] == [runs[1].id]
    again, _ = store.open(dataclasses.replace(tiny_recipe, log_every=50), 1, "data")
    assert again.id == runs[0].id
    for source in (shared, RunIndex(store)):
        assert told(source.rows()) == truth(store)


def test_changed_content_is_noticed_though_its_times_were_set_back(store, tiny_recipe):
    run, _ = store.open(tiny_recipe, 1, "data")
    write(run, STARTED, epoch(1, 0.5), finished(0.5))
    shared = RunIndex(store)
    shared.rows()
    status = run.events_path.stat()
    time.sleep(0.05)  # several ticks of the clock of any file system that has a change time
    write(run, STARTED, epoch(1, 0.7), finished(0.7))
    os.utime(run.events_path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run.events_path.stat().st_size == status.st_size
    assert shared.rows()[0].validation_accuracy == 0.7


def test_run_whose_file_is_damaged_later_is_left_out(store, finished_run):
    shared = RunIndex(store)
    assert len(shared.rows()) == 1
    (finished_run.folder / "run.json").write_text("{")
    assert shared.rows() == [] == RunIndex(store).rows()


@pytest.mark.parametrize("settling", [-1.0, 60.0])
def test_look_is_counted_without_reading_the_events_again(store, finished_run, monkeypatch, settling):
    shared = RunIndex(store)
    shared.rows()
    monkeypatch.setattr(index_rows, "read_history", None)
    if settling > 0:  # the looks are young, the rest is not
        monkeypatch.setattr(index, "SETTLING_SECONDS", 0.0)
        monkeypatch.setattr(index, "stamp", _young(index.stamp, "looks.jsonl"))
    for looks in (1, 2, 3):
        finished_run.look("here")
        assert shared.rows()[0].looks == looks
        assert RunIndex(store).rows()[0].looks == looks


def _young(stamp, end):
    """Stamps as they are, but for files with names that end so: those are being written now."""

    def young(path):
        found = stamp(path)
        return (found[0], time.time_ns() + 10**9, found[2]) if found and path.endswith(end) else found

    return young


@pytest.fixture
def counted(monkeypatch) -> Counter:
    """How often the folder of runs is listed, and a recipe checked."""
    return count_calls(monkeypatch, (index, "_places"), (index_records, "recipe_of"))


@pytest.fixture
def quiet(every_kind, monkeypatch, counted) -> RunStore:
    """A store whose folder has been believed and written down as it is."""
    monkeypatch.setattr(index, "LISTING_SETTLES_SECONDS", -1.0)
    (every_kind.folder / ("e" * 32)).rmdir()  # unreadable: then each process lists the folder
    first = RunIndex(every_kind)
    for _ in range(3):  # the file itself is new in the folder
        first.rows()
    counted.clear()
    return every_kind


def change_file(store: RunStore, statement: str) -> None:
    """By hand, so that the folder of runs stays as it is."""
    before = index.stamp(str(store.folder))
    connection = sqlite3.connect(store.folder / INDEX_NAME)
    connection.execute("PRAGMA journal_mode = PERSIST")
    with connection:
        connection.execute(statement)
    connection.close()
    assert index.stamp(str(store.folder)) == before


def test_next_process_lists_no_folder_that_has_not_changed(quiet, counted):
    assert repr(told(RunIndex(quiet).rows())) == repr(truth(quiet))
    assert counted["_places"] == 0
    shutil.rmtree(quiet.runs()[0].folder)
    assert repr(told(RunIndex(quiet).rows())) == repr(truth(quiet))
    assert counted["_places"] == 1


def test_training_run_keeps_no_process_from_trusting_the_folder(quiet, counted, monkeypatch):
    run = next(run for run in quiet.runs() if run.state() is RunState.QUEUED)
    monkeypatch.setattr(index, "stamp", _young(index.stamp, f"{run.id}/events.jsonl"))
    finished = next(run for run in quiet.runs() if run.state() is RunState.FINISHED)
    for number in (2, 3):
        finished.look("here")  # is written down, with a claim
        write(run, STARTED, *(epoch(1 + place, 0.5) for place in range(number)))
        assert repr(told(RunIndex(quiet).rows())) == repr(truth(quiet))
    assert counted["_places"] == 0


def test_records_that_are_gone_from_the_file_or_too_many_are_noticed(quiet, counted):
    change_file(quiet, "DELETE FROM recipes WHERE rowid = (SELECT MIN(rowid) FROM recipes)")
    assert repr(told(RunIndex(quiet).rows())) == repr(truth(quiet))
    assert counted["_places"] == 1


def test_writer_puts_back_what_another_one_dropped_before_it_claims_all(quiet, counted):
    """A run is away for a moment, and one of two processes sees that."""
    stale, run_id = RunIndex(quiet), quiet.runs()[0].id
    stale.rows()
    (quiet.folder / run_id).rename(quiet.folder / "away")
    RunIndex(quiet).rows()
    (quiet.folder / "away").rename(quiet.folder / run_id)
    stale.rows()
    counted.clear()
    assert repr(told(RunIndex(quiet).rows())) == repr(truth(quiet))
    assert counted["_places"] == 0


def test_records_of_two_writers_stand_beside_each_other(store, tiny_recipe, counted):
    """Seeds of one recipe share a record; who writes one of them leaves the others as they are."""
    both = [RunIndex(store), RunIndex(store)]
    runs = [store.open(tiny_recipe, seed, "data")[0] for seed in range(6)]
    for place, run in enumerate(runs):
        write(run, STARTED, epoch(1, 0.5), finished(0.5 + place / 100))
        both[place % 2].rows()
    (_, groups), read = index.IndexFile(store.folder / INDEX_NAME, index.VERSION).read(), []
    assert [len(group.ids.split("\n")) for group in groups] == [6]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "read_row", lambda *args: read.append(args))
        assert told(RunIndex(store).rows()) == truth(store) and not read


@pytest.mark.parametrize("change", ["DELETE FROM members", f"UPDATE members SET id = '{'f' * 32}'"])
def test_members_that_are_not_those_of_the_groups_are_noticed(quiet, counted, change):
    change_file(quiet, f"{change} WHERE id = (SELECT MIN(id) FROM members)")
    assert repr(told(RunIndex(quiet).rows())) == repr(truth(quiet))
    assert counted["_places"] == 1
    for _ in range(2):  # the file itself is new in the folder
        found = RunIndex(quiet)
        found.rows()
    assert found.examine()["state"] == "in order" and not found._file.remade


def test_recipes_are_checked_once_by_new_rules_and_then_whole(quiet, counted, monkeypatch):
    """As after an update that adds a field: texts of before lack it, and are gone afterwards."""
    monkeypatch.setattr(index_records, "RULES", "of before")
    monkeypatch.setattr(Recipe, "to_dict", _without_hue(Recipe.to_dict))
    index_records._shared_text.cache_clear()
    (quiet.folder / INDEX_NAME).unlink()
    RunIndex(quiet).rows()
    monkeypatch.undo()
    index_records._shared_text.cache_clear()
    checked = []
    monkeypatch.setattr(index_records, "recipe_of", lambda text: checked.append(text) or recipe_of(text))
    for _ in range(3):
        recipes = [row.run.spec.recipe for row in RunIndex(quiet).rows()]
        assert all(vars(recipe) == vars(Recipe.from_dict(recipe.to_dict())) for recipe in recipes)
        assert len(checked) == len(set(recipes))
    connection = sqlite3.connect(quiet.folder / INDEX_NAME)
    groups = {name for (name,) in connection.execute("SELECT name FROM recipes")}
    assert groups == {name for (name,) in connection.execute("SELECT name FROM members")}


def _without_hue(to_dict):
    return lambda recipe: {name: value for name, value in to_dict(recipe).items() if name != "hue"}


def test_recipe_that_new_rules_refuse_is_left_out_for_good(quiet, monkeypatch):
    monkeypatch.setattr(index_records, "RULES", "others")
    for module in (index_records, store_module):
        monkeypatch.setattr(module, "recipe_of", refusing)
    for _ in range(2):
        assert RunIndex(quiet).rows() == []
    connection = sqlite3.connect(quiet.folder / INDEX_NAME)
    for table in ("recipes", "members"):
        assert connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (0,)


def refusing(text):
    raise UserError("This recipe is none any more.")


def test_run_that_comes_back_at_the_very_moment_is_looked_at_next_time(quiet, monkeypatch):
    shared = RunIndex(quiet, 1)
    shared.rows()
    run_id = quiet.runs()[0].id
    (quiet.folder / run_id).rename(quiet.folder / "away")
    listed = shared._list

    def list_and_restore():
        found = listed()
        (quiet.folder / "away").rename(quiet.folder / run_id)
        return found

    shared._list = list_and_restore
    shared._turns._round = iter([run_id])  # its turn
    shared.rows()
    assert repr(told(RunIndex(quiet).rows())) == repr(truth(quiet))


def _flip_a_bit(path):
    content = bytearray(path.read_bytes())
    place = content.rindex(b'1900.0, "x"')  # within the figures of a row, where SQLite notices nothing
    content[place] ^= 1
    path.write_bytes(content)


def _wipe_a_page(path):
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(4096) + content[8192:])


def _other_version(path):
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE recipes")
    connection.execute("PRAGMA user_version = 999999")
    connection.close()


def _without(table):
    def drop(path):
        connection = sqlite3.connect(path)
        connection.execute(f"DROP TABLE {table}")
        connection.close()

    return drop


DAMAGES = [
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"not a database, but long enough to look at" * 99),
    lambda path: path.write_bytes(path.read_bytes()[:5000]),
    _flip_a_bit,
    _wipe_a_page,
    _other_version,
    *map(_without, ("claims", "recipes", "members")),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_file_is_made_anew(every_kind, damage):
    RunIndex(every_kind).rows()
    damage(every_kind.folder / INDEX_NAME)
    fresh = RunIndex(every_kind)
    assert repr(told(fresh.rows())) == repr(truth(every_kind))
    fresh.rows()
    found = RunIndex(every_kind).examine()
    assert found["state"] == "in order" and found["runs"] == len(every_kind.runs())


@pytest.mark.parametrize("damage", [*DAMAGES, lambda path: path.unlink()])
def test_file_that_is_damaged_while_it_is_in_use_is_made_anew(every_kind, damage):
    shared = RunIndex(every_kind)
    run = shared.rows()[0].run
    damage(every_kind.folder / INDEX_NAME)
    for _ in range(3):
        run.look("here")
        assert repr(told(shared.rows())) == repr(truth(every_kind))
    RunIndex(every_kind).examine()
    assert RunIndex(every_kind).examine()["state"] == "in order"


def test_doctor_finds_the_file_in_order_while_a_run_is_being_written(every_kind, monkeypatch):
    RunIndex(every_kind).rows()
    run = next(run for run in every_kind.runs() if run.state() is RunState.QUEUED)
    monkeypatch.setattr(index, "stamp", _young(index.stamp, f"{run.id}/events.jsonl"))
    write(run, STARTED, epoch(1, 0.5))
    assert RunIndex(every_kind).examine()["state"] == "in order"


def test_file_that_cannot_be_written_is_done_without(every_kind):
    (every_kind.folder / INDEX_NAME).mkdir()
    shared = RunIndex(every_kind)
    for _ in range(2):
        assert repr(told(shared.rows())) == repr(truth(every_kind))
    assert "in memory only" in shared.examine()["state"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder_is_no_error(every_kind):
    every_kind.folder.chmod(0o555)
    try:
        assert repr(told(RunIndex(every_kind).rows())) == repr(truth(every_kind))
    finally:
        every_kind.folder.chmod(0o755)


def test_file_that_somebody_has_locked_is_done_without(every_kind):
    RunIndex(every_kind).rows()
    connection = sqlite3.connect(every_kind.folder / INDEX_NAME, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    assert repr(told(RunIndex(every_kind).rows())) == repr(truth(every_kind))
    connection.close()
    assert RunIndex(every_kind).examine()["state"] == "in order"


def test_store_without_a_folder_has_no_rows_and_gets_no_folder(tmp_path):
    assert RunIndex(RunStore(tmp_path / "none")).rows() == []
    assert not (tmp_path / "none").exists()


def test_doctor_makes_a_wrong_file_anew(store, finished_run, monkeypatch):
    """As if an earlier version had derived something else from the same events."""
    monkeypatch.setattr(index.Row, "__init__", _lying(index.Row.__init__))
    RunIndex(store).rows()
    monkeypatch.undo()
    monkeypatch.setattr(index, "SETTLING_SECONDS", -1.0)
    assert RunIndex(store).rows()[0].epochs == 77
    assert "made anew" in RunIndex(store).examine()["state"]
    assert told(RunIndex(store).rows()) == truth(store)


def _lying(init):
    return lambda self, **values: init(self, **{**values, "epochs": 77})


def test_thousands_of_runs_are_listed_in_a_moment(tmp_path):
    """0.1 s for 2,000 with the file and 0.05 s without, on two cores that do nothing else."""
    store = RunStore(tmp_path / "many")
    make_runs(store.folder, recipes=200, seeds=10)
    RunIndex(store).rows()

    def seconds(source) -> float:
        begin = time.perf_counter()
        assert len(source.rows()) == 2000
        return time.perf_counter() - begin

    assert statistics.median(seconds(RunIndex(store)) for _ in range(5)) < 1.0
    warm = RunIndex(store)
    warm.rows()
    assert statistics.median(seconds(warm) for _ in range(5)) < 0.5
