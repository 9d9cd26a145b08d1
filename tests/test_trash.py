import contextlib
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core import trash
from core.errors import UserError
from core.events import Failed, to_line
from core.index import RunIndex
from core.locks import FileLock
from core.paths import ROOT
from core.store import RunState
from core.sweep import settle_plan, sweeps
from core.trash import delete, deleted, empty, names, size_bytes, trash_bytes, undo


def _content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_deleted_run_is_gone_for_everybody_and_comes_back_whole(store, finished_run):
    spec, before = finished_run.spec, _content(finished_run.folder)
    settle_plan(store, spec.digest, [spec.seed], [])
    store.enqueue(finished_run)
    name = delete(store, finished_run)
    assert store.find(spec.digest, spec.seed) is None and store.runs() == [] == store.damaged()
    assert store.queue() == [] == store.queued_ids()
    assert RunIndex(store).rows() == [] == sweeps(store, RunIndex(store).rows())
    with pytest.raises(UserError, match="no such run"):
        store.get(finished_run.id)
    (found,) = deleted(store)
    assert found.name == name and found.run.spec == spec and abs(found.time - time.time()) < 60
    assert undo(store, name).state() is RunState.FINISHED
    after = _content(finished_run.folder)
    after.pop("lock"), before.pop("lock", None)
    assert after == before and names(store) == []
    assert store.find(spec.digest, spec.seed).id == finished_run.id


def test_sweep_loses_the_seed_and_keeps_it_in_its_plan(store, finished_run):
    spec = finished_run.spec
    other = store.open(spec.recipe, 7, spec.data_fingerprint)[0]
    settle_plan(store, spec.digest, [spec.seed, 7], [])
    delete(store, finished_run)
    (sweep,) = sweeps(store, RunIndex(store).rows())
    assert sweep.runs[spec.seed] is None and sweep.runs[7].run.id == other.id
    assert sweep.halted.get("not started") == 1 and not sweep.finished


def test_run_of_the_same_recipe_and_seed_is_made_anew_and_undo_says_so(store, finished_run):
    spec = finished_run.spec
    name = delete(store, finished_run)
    again, made = store.open(spec.recipe, spec.seed, spec.data_fingerprint)
    assert made and again.id == finished_run.id and again.spec.attempt == 1
    with pytest.raises(UserError, match="trained again meanwhile"):
        undo(store, name)
    assert names(store) == [name] and store.get(again.id).state() is RunState.INTERRUPTED
    second = delete(store, again)
    assert sorted(names(store)) == sorted([name, second]) and second != name
    assert [one.run.spec.seed for one in deleted(store)] == [spec.seed] * 2
    assert undo(store, name).state() is RunState.FINISHED
    with pytest.raises(UserError, match="trained again meanwhile"):
        undo(store, second)
    assert trash_bytes(store) > 0


def test_undo_never_replaces_a_folder_that_is_empty(store, finished_run):
    name = delete(store, finished_run)
    finished_run.folder.mkdir()
    with pytest.raises(UserError, match="Nothing was lost"):
        undo(store, name)
    assert names(store) == [name]


def test_later_attempts_answer_though_an_earlier_one_was_deleted(store, finished_run):
    spec = finished_run.spec
    second, _ = store.open(spec.recipe, spec.seed, spec.data_fingerprint, again=True)
    shutil.copy(finished_run.events_path, second.events_path)
    delete(store, finished_run)
    assert store.find(spec.digest, spec.seed).id == second.id
    third, made = store.open(spec.recipe, spec.seed, spec.data_fingerprint, again=True)
    assert made and third.spec.attempt == 3


@pytest.mark.parametrize("kind", ["queued", "trained", "proven", "exported"])
def test_run_that_is_on_its_way_is_refused(store, queued_run, finished_run, kind):
    run = queued_run if kind == "queued" else finished_run
    (run.folder / "exports").mkdir()
    names_of_locks = {"trained": "lock", "proven": "proof.lock", "exported": "exports/onnx.lock"}
    lock = FileLock(run.folder / names_of_locks.get(kind, "x"))
    if kind == "trained":
        run.events_path.unlink()
    assert lock.acquire()
    with pytest.raises(UserError, match="then delete it"):
        delete(store, run)
    lock.release()
    assert run.folder.is_dir() and names(store) == []


def test_stopped_and_failed_runs_can_be_deleted(store, tiny_recipe):
    stopped, failed = (store.open(tiny_recipe, seed, "data")[0] for seed in (1, 2))
    stopped.mark("cancel")
    failed.events_path.write_text(to_line(Failed(1.0, "error", "It broke.")))
    for run in (stopped, failed):
        delete(store, run)
    assert store.runs() == [] and len(names(store)) == 2


def test_worker_that_waited_for_the_lock_does_not_train_a_deleted_run(store, tiny_recipe):
    """It opened the file before the folder was moved, and gets its lock afterwards."""
    run, _ = store.open(tiny_recipe, 1, "data")
    holder, waiting = FileLock(run.lock_path), FileLock(run.lock_path)
    assert holder.acquire()
    got = []
    thread = threading.Thread(target=lambda: got.append(waiting.acquire(patience_seconds=20)))
    thread.start()
    time.sleep(0.1)
    name = trash._move(store, run)
    again, _ = store.open(tiny_recipe, 1, "data")
    newest = FileLock(again.lock_path)
    assert newest.acquire()
    holder.release()
    thread.join(30)
    assert got == [False] and again.state() is RunState.RUNNING
    newest.release()
    assert name in names(store)


def test_starts_and_deletes_of_one_recipe_and_seed_at_once_lose_nothing(store, tiny_recipe):
    """Each thread deletes what it finds or makes a run: at the end all that was made is here or in the trash."""

    def work(number: int) -> int:
        run, made = store.open(tiny_recipe, 1, "data")
        if number % 2:
            with contextlib.suppress(UserError):  # another thread was quicker, or has its lock
                delete(store, run)
        return made

    with ThreadPoolExecutor(8) as pool:
        made = sum(pool.map(work, range(60)))
    assert made > 1
    assert len(store.runs()) + len(names(store)) == made
    assert not list(store.folder.glob(".new-*"))


def test_deleted_run_is_not_seen_by_a_runner(store, queued_run):
    queued_run.mark("cancel")
    delete(store, queued_run)
    command = [sys.executable, "-c", "import sys; from core import runner; runner.IDLE_SECONDS = 0.1;"]
    command[-1] += "sys.exit(runner.main(sys.argv[1:]))"
    done = subprocess.run([*command, str(store.folder)], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0 and not list((store.folder / trash.FOLDER).rglob("runner.json"))
    assert store.queued_ids() == []


def test_emptying_frees_what_it_told_and_finishes_what_was_cut_short(store, finished_run, tiny_recipe):
    kept, _ = store.open(tiny_recipe, 5, "data")
    size = size_bytes(finished_run.folder)
    assert size > 10_000
    name = delete(store, finished_run)
    half = store.folder / trash.FOLDER / f"{trash._GOING}x"
    half.mkdir()
    (half / "rest").write_bytes(b"x" * 1000)
    told = trash_bytes(store)
    assert empty(store) == told >= size + 1000
    assert names(store) == [] and trash_bytes(store) == 0 and empty(store) == 0
    assert [run.id for run in store.runs()] == [kept.id]
    with pytest.raises(UserError, match="not in the trash any more"):
        undo(store, name)


@pytest.mark.parametrize("name", ["", "..", "../x", "0" * 32, "a" * 31 + "/"])
def test_name_that_is_not_in_the_trash_is_a_sentence(store, finished_run, name):
    with pytest.raises(UserError, match="not in the trash"):
        undo(store, name)


def test_store_without_a_trash_has_an_empty_one(store):
    assert names(store) == [] == deleted(store) and trash_bytes(store) == 0 == empty(store)
