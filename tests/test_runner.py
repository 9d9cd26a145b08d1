import dataclasses
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from core import crew as crew_module
from core import runner as runner_module
from core.executors import stop
from core.executors.local import Local
from core.launches import LAUNCHES
from core.locks import FileLock, is_held
from core.paths import ROOT
from core.runner import LOCK_NAME, Runner, WorkerExit
from core.store import RunState
from tests.waiting import wait_until

DEADLINE_SECONDS = 60


def wait(what, seconds=DEADLINE_SECONDS):
    wait_until(what, seconds)


@pytest.fixture
def fake_worker(monkeypatch):
    """Workers that only sleep, or leave at once with a status; gives the list of processes."""
    started = []
    real = subprocess.Popen

    def use(code: str):
        def start(command, **options):
            process = real([sys.executable, "-c", code], start_new_session=True)
            started.append(process)
            return process

        monkeypatch.setattr(crew_module.subprocess, "Popen", start)
        return started

    yield use
    for process in started:
        process.kill()
        process.wait()


def queued(store, recipe, seeds, fingerprint="data"):
    runs = [store.open(recipe, seed, fingerprint)[0] for seed in seeds]
    for run in runs:
        store.enqueue(run)
    return runs


def test_killed_worker_is_restarted_by_the_runner(store, tiny_recipe, shapes_fingerprint):
    recipe = dataclasses.replace(tiny_recipe, epochs=5, batch_size=32)
    run, _ = store.open(recipe, 3, shapes_fingerprint)
    Local().start(store, [run])
    wait(lambda: run.history().epochs)
    worker = next(
        process
        for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"]
        and run.id in process.info["cmdline"]
        and "core.worker" in process.info["cmdline"]
    )
    worker.kill()
    wait(lambda: run.state().ended)
    history = run.history()
    assert run.state() is RunState.FINISHED and history.launches == 2
    assert [epoch.epoch for epoch in history.epochs] == list(range(1, 6))


def test_as_many_workers_as_places_and_in_order(store, tiny_recipe, fake_worker, monkeypatch):
    monkeypatch.setenv("TENFOLD_SLOTS", "2")
    started = fake_worker("import time; time.sleep(60)")
    runs = queued(store, tiny_recipe, [5, 3, 4])
    runner = Runner(store)
    runner.tick()
    runner.tick()
    assert len(started) == 2
    assert [worker.run.id for worker in runner.workers] == [runs[0].id, runs[1].id]


def test_wide_network_gets_the_machine_to_itself(store, tiny_recipe, fake_worker, monkeypatch):
    monkeypatch.setenv("TENFOLD_SLOTS", "2")
    monkeypatch.setattr(crew_module, "places_for", lambda recipe: 2 if recipe.width == 1 else 1)
    started = fake_worker("import time; time.sleep(60)")
    queued(store, tiny_recipe, [1])
    queued(store, dataclasses.replace(tiny_recipe, width=1), [1])
    queued(store, tiny_recipe, [2])
    runner = Runner(store)
    runner.tick()
    assert len(started) == 1  # the wide one waits for both places, and nobody overtakes it


def test_worker_that_keeps_dying_is_given_up_with_a_reason(store, tiny_recipe, fake_worker):
    started = fake_worker("import os; os._exit(9)")
    (run,) = queued(store, tiny_recipe, [1])
    runner = Runner(store)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while runner.tick() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(started) == LAUNCHES
    assert run.state() is RunState.FAILED and "log" in run.runner_note()["failure"]
    assert store.queue() == []


def test_full_disk_pauses_a_run_until_there_is_room(store, tiny_recipe, fake_worker, monkeypatch):
    free = 10**6  # for a record, not for a checkpoint
    monkeypatch.setattr(runner_module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    started = fake_worker(f"import os; os._exit({WorkerExit.DISK_FULL})")
    (run,) = queued(store, tiny_recipe, [1])
    runner = Runner(store)
    runner.tick()
    started[0].wait()
    runner.tick()
    assert run.state() is RunState.PAUSED and "disk is full" in run.runner_note()["waiting"]
    runner.tick()
    assert len(started) == 1
    free = 10**12
    runner.tick()
    runner.tick()
    assert len(started) == 2


def test_stop_ends_a_worker_and_frees_its_place(store, tiny_recipe, fake_worker, monkeypatch):
    monkeypatch.setenv("TENFOLD_SLOTS", "1")
    started = fake_worker("import time; time.sleep(60)")
    first, second = queued(store, tiny_recipe, [1, 2])
    runner = Runner(store)
    runner.tick()
    stop(store, second)
    assert second.state() is RunState.CANCELLED and [run.id for run in store.queue()] == [first.id]
    first.mark("cancel")
    runner.tick()
    started[0].wait(5)
    assert not runner.tick()
    assert first.state() is RunState.CANCELLED and len(started) == 1


def test_worker_that_ignores_sigterm_is_killed(store, tiny_recipe, fake_worker, monkeypatch, tmp_path):
    monkeypatch.setattr(runner_module, "KILL_SECONDS", 0.1)
    ready = tmp_path / "ready"
    started = fake_worker(
        f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open({str(ready)!r}, 'w'); time.sleep(60)"
    )
    (run,) = queued(store, tiny_recipe, [1])
    runner = Runner(store)
    runner.tick()
    wait(ready.exists)
    run.mark("cancel")
    runner.tick()
    time.sleep(0.2)
    assert started[0].poll() is None
    runner.tick()
    assert started[0].wait(5) == -signal.SIGKILL


def test_worker_left_behind_by_a_dead_runner_keeps_its_place(store, tiny_recipe, fake_worker, monkeypatch):
    monkeypatch.setenv("TENFOLD_SLOTS", "1")
    started = fake_worker("import time; time.sleep(60)")
    orphan, _ = queued(store, tiny_recipe, [1, 2])
    lock = FileLock(orphan.lock_path)
    lock.acquire()
    assert Runner(store).tick()
    assert started == []
    lock.release()


def test_run_that_a_worker_took_by_itself_is_counted_and_stopped_in_its_place(
    store, tiny_recipe, fake_worker, monkeypatch
):
    """The worker of the first run has the second now; the third gets the other place, the fourth none."""
    monkeypatch.setenv("TENFOLD_SLOTS", "2")
    first, second, third, fourth = queued(store, tiny_recipe, [1, 2, 3, 4])
    take = "import pathlib, sys, time; from core.locks import FileLock; lock = FileLock(pathlib.Path({!r})); "
    started = fake_worker(take.format(str(second.lock_path)) + "print(lock.acquire()); time.sleep(60)")
    runner = Runner(store)
    monkeypatch.setenv("TENFOLD_SLOTS", "1")
    runner.tick()
    wait(lambda: is_held(second.lock_path))
    store.dequeue(first)
    monkeypatch.setenv("TENFOLD_SLOTS", "2")
    runner.tick()
    (worker, other) = runner.workers
    assert worker.run.id == second.id and second.runner_note()["launches"] == 1
    assert other.run.id == third.id and fourth.state() is RunState.QUEUED
    runner.tick()
    assert len(started) == 2 and second.runner_note()["launches"] == 1
    second.mark("cancel")
    runner.tick()
    assert started[0].wait(5) == -signal.SIGTERM


def test_stop_of_a_run_that_just_ended_does_not_reach_its_workers_next(finished_run, store, fake_worker):
    started = fake_worker("import time; time.sleep(60)")
    runner = Runner(store)
    runner.workers.append(runner.crew.launch(store, finished_run))
    finished_run.mark("cancel")
    runner.tick()
    time.sleep(0.2)
    assert started[0].poll() is None
    started[0].kill()
    started[0].wait()
    runner.tick()
    assert not runner.workers and finished_run.state() is RunState.FINISHED


def test_worker_that_came_too_late_is_no_launch(store, tiny_recipe, fake_worker):
    started = fake_worker(f"import os; os._exit({WorkerExit.BUSY})")
    (run,) = queued(store, tiny_recipe, [1])
    runner = Runner(store)
    runner.tick()
    started[0].wait()
    other = FileLock(run.lock_path)
    other.acquire()
    runner.tick()
    assert not runner.workers and not run.runner_note()["launches"]
    other.release()


def test_next_runner_starts_no_second_worker_beside_one_that_is_on_its_way(store, tiny_recipe, fake_worker):
    started = fake_worker("import time; time.sleep(60)")
    (run,) = queued(store, tiny_recipe, [1])
    Runner(store).tick()  # and dies
    successor = Runner(store)
    assert successor.tick() and len(started) == 1 and run.runner_note()["launches"] == 1
    started[0].kill()
    started[0].wait()
    successor.tick()
    assert len(started) == 2 and run.runner_note()["launches"] == 2


def test_worker_of_a_run_that_can_not_be_written_is_given_up_with_a_reason(store, tiny_recipe, fake_worker):
    started = fake_worker(f"import os; os._exit({WorkerExit.UNWRITABLE})")
    (run,) = queued(store, tiny_recipe, [1])
    runner = Runner(store)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while runner.tick() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(started) == LAUNCHES and "can't be written to" in run.runner_note()["failure"]


def test_run_whose_launch_can_not_be_noted_is_not_launched(store, tiny_recipe, fake_worker):
    """Else nothing would count how often its worker died, and it would be started for ever."""
    started = fake_worker("import time; time.sleep(60)")
    (run,) = queued(store, tiny_recipe, [1])
    (run.folder / "runner.json").mkdir()
    assert Runner(store).tick() and started == []


def test_leftovers_of_the_killed_are_removed_and_those_of_the_living_are_not(store, tiny_recipe, monkeypatch):
    monkeypatch.setattr(runner_module, "IDLE_SECONDS", 0.3)
    (run,) = queued(store, tiny_recipe, [1])
    stale, other = run.folder / ".runner.json.0123abcd.tmp", run.folder / ".proof.json.0123abcd.tmp"
    unborn, young = store.folder / ".new-0123", store.folder / ".new-4567"
    for folder in (unborn, young):
        folder.mkdir()
    stale.write_text("{")
    other.write_text("{")
    os.utime(unborn, (1, 1))
    run.mark("pause")
    assert runner_module.main([str(store.folder)]) == 0
    assert not stale.exists() and other.exists()
    assert not unborn.exists() and young.exists()


def test_second_runner_leaves_again(store):
    store.folder.mkdir()
    lock = FileLock(store.folder / LOCK_NAME)
    lock.acquire()
    begin = time.monotonic()
    command = [sys.executable, "-m", "core.runner", str(store.folder)]
    assert subprocess.run(command, cwd=ROOT, check=True, timeout=20).returncode == 0
    assert time.monotonic() - begin < 10
    lock.release()


def test_runner_outlives_the_process_that_started_it(store, tiny_recipe, shapes_fingerprint):
    run, _ = store.open(tiny_recipe, 3, shapes_fingerprint)
    code = (
        "import sys; from pathlib import Path; from core.store import RunStore; "
        "from core.executors.local import Local; store = RunStore(Path(sys.argv[1])); "
        "Local().start(store, store.runs()); import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(store.folder)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    wait(lambda: run.state().ended)
    assert run.state() is RunState.FINISHED


def test_runner_leaves_when_its_folder_is_gone(tmp_path):
    command = [sys.executable, "-m", "core.runner", str(tmp_path / "none")]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, env=os.environ)
    assert "Traceback" not in done.stderr


def test_far_end_of_a_long_queue_is_looked_at_now_and_then(store, tiny_recipe, monkeypatch):
    monkeypatch.setattr("core.runner.LOOK_AHEAD", 2)
    monkeypatch.setattr("core.runner.WHOLE_TICKS", 3)
    monkeypatch.setattr("core.crew.slots", lambda: 0)
    runs = [store.open(tiny_recipe, seed, "data")[0] for seed in range(4)]
    for run in runs:
        store.enqueue(run)
    runner = Runner(store)
    runner.tick()
    runs[0].mark("cancel")
    runs[3].mark("cancel")
    for _ in range(2):
        assert runner.tick()
    assert [run.queued for run in runs] == [False, True, True, True]
    runner.tick()
    assert [run.queued for run in runs] == [False, True, True, False]
