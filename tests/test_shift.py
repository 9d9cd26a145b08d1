"""Several runs in one process, and one detached runner that keeps count of them."""

import dataclasses
import os
import signal
import subprocess
import sys

import psutil
import pytest

from core import shift
from core.executors import pause, stop
from core.executors.local import Local
from core.locks import is_held, last_holder
from core.paths import ROOT
from core.runner import LOCK_NAME, WorkerExit
from core.shift import run_after_run
from core.store import RunState
from tests.test_runner import wait


def sweep(store, recipe, seeds, fingerprint):
    return [store.open(recipe, seed, fingerprint)[0] for seed in seeds]


def processes(runs):
    return [last_holder(run.lock_path) for run in runs]


@pytest.fixture
def longer(tiny_recipe):
    return dataclasses.replace(tiny_recipe, epochs=4, batch_size=64)


@pytest.fixture
def one_place(monkeypatch):
    monkeypatch.setenv("TENFOLD_SLOTS", "1")


def test_one_process_trains_a_sweep_until_a_run_needs_another(
    store, tiny_recipe, shapes_fingerprint, one_place
):
    runs = sweep(store, tiny_recipe, [1, 2, 3], shapes_fingerprint)
    runs += sweep(store, dataclasses.replace(tiny_recipe, precision="fp32"), [1], shapes_fingerprint)
    Local().start(store, runs)
    wait(lambda: not store.queue())
    assert [run.state() for run in runs] == [RunState.FINISHED] * 4
    first, *same, last = processes(runs)
    assert set(same) == {first} != {last}
    assert all(run.history().launches == 1 and run.log_path.exists() for run in runs)


def test_later_runs_of_a_process_have_the_weights_of_fresh_ones(store, tiny_recipe, shapes_fingerprint):
    def worker(run):
        command = [sys.executable, "-m", "core.worker", str(store.folder), run.id]
        subprocess.run(command, cwd=ROOT, check=True, timeout=60)

    augmented = {"flip": True, "rotation": 15, "brightness": 0.2, "hue": 0.05}
    improved = dataclasses.replace(tiny_recipe, model="improved", width=0.0625, batch_size=64, **augmented)
    runs = [store.open(recipe, 1, shapes_fingerprint)[0] for recipe in (improved, tiny_recipe)]
    runs += [store.open(recipe, 2, shapes_fingerprint)[0] for recipe in (improved, tiny_recipe)]
    for run in runs:
        store.enqueue(run)
    worker(runs[0])
    assert len(set(processes(runs))) == 1
    for run in runs[2:]:
        alone, _ = store.open(run.spec.recipe, 2, shapes_fingerprint, again=True)
        worker(alone)
        ours, theirs = run.history(), alone.history()
        assert ours.epochs[0].weights_sha256 == theirs.epochs[0].weights_sha256
        assert ours.end.sha256["weights.pt"] == theirs.end.sha256["weights.pt"]


def test_stop_and_pause_of_some_leave_the_others_going(store, longer, shapes_fingerprint, one_place):
    runs = paused, waiting, stopped, last = sweep(store, longer, [1, 2, 3, 4], shapes_fingerprint)
    Local().start(store, runs)
    wait(lambda: paused.history().epochs)
    pause(store, waiting)
    assert waiting.state() is RunState.PAUSED and not waiting.queued
    pause(store, paused)
    wait(lambda: stopped.history().epochs)
    stop(store, stopped)  # at once: it has three short epochs left
    assert paused.state() is RunState.PAUSED
    wait(lambda: not paused.queued)  # the runner's to see: its process has gone on already
    assert len(set(processes([paused, stopped]))) == 1  # a pause does no harm to its process
    Local().start(store, [paused, waiting])
    wait(lambda: not store.queue())
    assert [run.state() for run in (paused, waiting, last)] == [RunState.FINISHED] * 3
    assert stopped.state() is RunState.CANCELLED
    assert [run.history().launches for run in runs] == [2, 1, 1, 1]
    assert paused.history().started.resumed_from > 0


def test_two_places_share_the_queue_and_train_nothing_twice(
    store, tiny_recipe, shapes_fingerprint, monkeypatch
):
    monkeypatch.setenv("TENFOLD_SLOTS", "2")
    runs = sweep(store, tiny_recipe, range(6), shapes_fingerprint)
    Local().start(store, runs)
    wait(lambda: not store.queue())
    assert [run.state() for run in runs] == [RunState.FINISHED] * 6
    assert [run.history().launches for run in runs] == [1] * 6
    assert len(set(processes(runs))) == 2


def test_worker_outlives_its_runner_and_killed_in_its_third_run_loses_no_other(
    store, longer, shapes_fingerprint, one_place
):
    runs = sweep(store, longer, [1, 2, 3, 4], shapes_fingerprint)
    Local().start(store, runs)
    wait(lambda: runs[0].history().epochs)
    psutil.Process(last_holder(store.folder / LOCK_NAME)).kill()
    wait(lambda: not is_held(store.folder / LOCK_NAME))
    wait(lambda: runs[1].history().epochs)
    Local().wake(store)  # the next runner finds a worker that is none of its children
    wait(lambda: runs[2].history().epochs)
    os.kill(last_holder(runs[2].lock_path), signal.SIGKILL)
    wait(lambda: not store.queue())
    assert [run.state() for run in runs] == [RunState.FINISHED] * 4
    assert [run.history().launches for run in runs] == [1, 1, 2, 1]
    first, second, third, fourth = processes(runs)
    assert first == second != third == fourth


@pytest.fixture
def no_redirect(monkeypatch):
    monkeypatch.setattr(shift, "begin_anew", lambda run: None)


@pytest.mark.parametrize("end", [WorkerExit.STOPPED, WorkerExit.DISK_FULL])
def test_process_whose_run_did_not_end_well_takes_no_other(store, queued_run, no_redirect, end):
    asked = []
    assert run_after_run(store, queued_run, lambda run: asked.append(run.id) or end) is end
    assert asked == [queued_run.id]


def test_process_whose_run_was_paused_takes_the_next_one_unless_it_was_stopped_too(
    store, queued_run, tiny_recipe, shapes_fingerprint, no_redirect
):
    (behind,) = sweep(store, tiny_recipe, [2], shapes_fingerprint)
    store.enqueue(behind)
    for marks, expected in ((("pause", "cancel"), []), (("pause",), [behind.id])):
        queued_run.unmark("cancel")
        asked = []

        def work(run, marks=marks, asked=asked):
            asked.append(run.id)
            for mark in marks:
                queued_run.mark(mark)
            return WorkerExit.STOPPED if run.id == queued_run.id else WorkerExit.DONE

        run_after_run(store, queued_run, work)
        assert asked == [queued_run.id, *expected]


def test_process_that_was_too_late_for_a_run_takes_the_one_behind(
    store, finished_run, tiny_recipe, shapes_fingerprint, no_redirect
):
    runs = sweep(store, tiny_recipe, [1, 2], shapes_fingerprint)
    for run in runs:
        store.enqueue(run)
    asked = []

    def work(run):
        asked.append(run.id)
        store.dequeue(run)
        return WorkerExit.BUSY if run.id == runs[0].id else WorkerExit.DONE

    assert run_after_run(store, finished_run, work) is WorkerExit.DONE
    assert asked == [finished_run.id, runs[0].id, runs[1].id]


def test_run_behind_one_that_does_not_fit_is_left_alone(
    store, finished_run, tiny_recipe, shapes_fingerprint, no_redirect
):
    for run in (
        *sweep(store, tiny_recipe, [1], "other images"),
        *sweep(store, tiny_recipe, [1], shapes_fingerprint),
    ):
        store.enqueue(run)
    asked = []
    run_after_run(store, finished_run, lambda run: asked.append(run.id) or WorkerExit.DONE)
    assert asked == [finished_run.id]


def test_stop_that_comes_after_the_end_of_a_run_leaves_the_process_alone(finished_run):
    finished_run.mark("cancel")
    over = shift.threading.Event()
    over.set()
    said = []
    shift._leave_when_stopped(finished_run, over, last_word=lambda: said.append("leaving"))
    assert not said
