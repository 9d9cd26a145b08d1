import dataclasses
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.errors import UserError
from core.events import Failed, Started, Step, to_line
from core.locks import FileLock
from core.store import RunState, RunStore

STARTED = Started(1.0, 0, 4, 125, 4000, 1000, ["a"], [0.5] * 3, [0.2] * 3, {})


@pytest.fixture
def run(store, tiny_recipe):
    return store.open(tiny_recipe, 1, "data")[0]


def test_same_recipe_and_seed_open_one_run(store, tiny_recipe):
    first, made = store.open(tiny_recipe, 1, "data")
    second, made_again = store.open(tiny_recipe, 1, "data")
    assert made and not made_again and first.id == second.id
    assert store.open(tiny_recipe, 2, "data")[0].id != first.id
    assert store.open(tiny_recipe, 1, "other data")[0].id != first.id


def test_sixteen_starts_at_once_make_one_run(store, tiny_recipe):
    with ThreadPoolExecutor(16) as pool:
        opened = list(pool.map(lambda _: store.open(tiny_recipe, 1, "data"), range(16)))
    assert len({run.id for run, _ in opened}) == 1
    assert sum(made for _, made in opened) == 1
    assert not list(store.folder.glob(".new-*"))


def test_run_is_read_back_as_it_was_made(store, tiny_recipe):
    run, _ = store.open(tiny_recipe, 7, "data")
    assert store.get(run.id).spec == run.spec
    assert run.spec.recipe == tiny_recipe and run.spec.seed == 7


def test_state_follows_queue_lock_events_and_markers(store, run):
    assert run.state() is RunState.INTERRUPTED
    store.enqueue(run)
    assert run.state() is RunState.QUEUED
    lock = FileLock(run.lock_path)
    lock.acquire()
    assert run.state() is RunState.RUNNING
    run.mark("cancel")
    assert run.state() is RunState.STOPPING
    lock.release()
    assert run.state() is RunState.CANCELLED
    run.unmark("cancel")
    run.mark("pause")
    assert run.state() is RunState.PAUSED
    run.unmark("pause")
    run.events_path.write_text(to_line(STARTED))
    assert run.state() is RunState.RESUMING
    store.dequeue(run)
    assert run.state() is RunState.INTERRUPTED


@pytest.mark.parametrize(("reason", "state"), [("diverged", RunState.DIVERGED), ("error", RunState.FAILED)])
def test_failure_has_a_name(run, reason, state):
    run.events_path.write_text(to_line(STARTED) + to_line(Failed(2.0, reason, "why")))
    assert run.state() is state and run.state().ended


def test_half_written_end_is_no_end(run):
    run.events_path.write_text(to_line(STARTED) + to_line(Failed(2.0, "error", "why"))[:-10])
    assert not run.state().ended


def test_finished_run_is_found_and_opened_again(store, finished_run):
    spec = finished_run.spec
    assert store.find(spec.digest, spec.seed).id == finished_run.id
    run, made = store.open(spec.recipe, spec.seed, spec.data_fingerprint)
    assert run.id == finished_run.id and not made


def test_training_again_makes_one_new_attempt_however_often_it_is_asked_for(store, finished_run):
    spec = finished_run.spec
    again, made = store.open(spec.recipe, spec.seed, spec.data_fingerprint, again=True)
    assert made and again.spec.attempt == 2
    store.enqueue(again)
    twice, made = store.open(spec.recipe, spec.seed, spec.data_fingerprint, again=True)
    assert not made and twice.id == again.id


def test_open_and_find_give_the_same_run_after_a_second_attempt(store, finished_run):
    spec = finished_run.spec
    again, _ = store.open(spec.recipe, spec.seed, spec.data_fingerprint, again=True)
    shutil.copy(finished_run.events_path, again.events_path)
    opened, made = store.open(spec.recipe, spec.seed, spec.data_fingerprint)
    assert not made and opened.id == store.find(spec.digest, spec.seed).id == again.id


def test_queue_forgets_a_run_whose_folder_was_deleted(store, tiny_recipe):
    run, _ = store.open(tiny_recipe, 1, "data")
    store.enqueue(run)
    shutil.rmtree(run.folder)
    assert store.queue() == []
    assert not store.open(tiny_recipe, 1, "data")[0].queued


def test_failed_run_is_left_and_a_new_attempt_made(store, tiny_recipe, run):
    run.events_path.write_text(to_line(STARTED) + to_line(Failed(2.0, "out_of_memory", "why")))
    other, made = store.open(tiny_recipe, 1, "data")
    assert made and other.spec.attempt == 2 and run.state() is RunState.FAILED


def test_queue_is_first_come_first_served(store, tiny_recipe):
    runs = [store.open(tiny_recipe, seed, "data")[0] for seed in (3, 1, 2)]
    for run in runs:
        store.enqueue(run)
    store.enqueue(runs[0])  # again: keeps its place
    assert [run.spec.seed for run in store.queue()] == [3, 1, 2]
    store.dequeue(runs[1])
    assert [run.spec.seed for run in store.queue()] == [3, 2]


@pytest.mark.parametrize("run_id", ["", "..", "../../etc/passwd", "0" * 31, "0" * 32, "G" * 32, "0" * 5000])
def test_id_that_is_none_opens_nothing(store, run_id):
    with pytest.raises(UserError, match="no such run"):
        store.get(run_id)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 99}', '{"format": 1}', '{"format": 1, "recipe": 3}']
)
def test_damaged_run_is_left_out_and_listed(store, run, content):
    damaged = store.folder / ("f" * 32)
    damaged.mkdir()
    (damaged / "run.json").write_text(content)
    assert [found.id for found in store.runs()] == [run.id]
    assert store.damaged() == [damaged]


def test_run_of_an_unknown_field_is_damaged_not_misread(store, run):
    values = json.loads((run.folder / "run.json").read_text())
    values["recipe"]["mood"] = "good"
    (run.folder / "run.json").write_text(json.dumps(values))
    assert store.runs() == [] and len(store.damaged()) == 1


def test_looks_at_test_figures_are_counted(run):
    assert run.looks() == 0
    assert run.look("here") == 1 and run.look("there") == 2 == run.looks()


def test_store_without_a_folder_is_empty(tmp_path):
    store = RunStore(tmp_path / "none")
    assert store.runs() == [] == store.queue() and store.damaged() == []


def test_unwritable_folder_is_said_in_a_sentence(tmp_path, tiny_recipe):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="TENFOLD_RUNS"):
        RunStore(tmp_path / "file" / "runs").open(tiny_recipe, 1, "data")


def test_run_folder_can_be_copied_elsewhere(tmp_path, finished_run):
    other = RunStore(tmp_path / "other")
    shutil.copytree(finished_run.folder, other.folder / finished_run.id)
    assert other.get(finished_run.id).state() is RunState.FINISHED


def test_newest_run_comes_first(store, tiny_recipe):
    for seed in range(3):
        store.open(dataclasses.replace(tiny_recipe), seed, "data")
    assert [run.spec.seed for run in store.runs()] == [2, 1, 0]


def test_step_after_start_does_not_end_a_run(run):
    run.events_path.write_text(to_line(STARTED) + to_line(Step(1, 1, 2.0, 0.1)))
    assert not run.state().ended
