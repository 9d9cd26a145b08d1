import subprocess
import sys
import threading
import time

import pytest

from core import lease as lease_module
from core.errors import UserError
from core.events import Started, from_line
from core.executors import stop
from core.lease import Lease, LostLease, holder, is_leased
from core.locks import FileLock
from core.paths import ROOT
from core.runner import WorkerExit
from core.store import RunState
from core.trash import delete
from core.worker import work


@pytest.fixture
def brief(monkeypatch):
    """Leases that run out within moments."""
    monkeypatch.setattr(lease_module, "LEASE_SECONDS", 0.9)
    monkeypatch.setattr(lease_module, "HELD_SECONDS", 0.6)
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.1)


def never() -> None:
    raise AssertionError("the lease was lost")


def taken(folder, node="one", leave=never) -> Lease:
    lease = Lease(folder, node, leave)
    assert lease.acquire(0)
    return lease


def test_lease_has_one_holder_until_it_is_released(tmp_path, brief):
    first, second = taken(tmp_path), Lease(tmp_path, "two", never)
    assert not second.acquire(patience_seconds=2.0)  # over twice as long as an abandoned one lasts
    first.check()
    assert holder(tmp_path).node == "one" and holder(tmp_path).beat > 2
    first.release()
    assert not is_leased(tmp_path)
    begun = time.monotonic()
    assert second.acquire(0) and time.monotonic() - begun < 0.3
    assert holder(tmp_path).node == "two"
    second.release()


def test_abandoned_lease_is_taken_after_its_time_and_not_before(tmp_path, brief):
    code = (
        "import sys, os, time; from pathlib import Path; from core.lease import Lease;"
        f"Lease(Path({str(tmp_path)!r}), 'dead', print).acquire(0); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert holder(tmp_path).node == "dead"
    begun = time.monotonic()
    lease = Lease(tmp_path, "next", never)
    assert lease.acquire()
    assert time.monotonic() - begun >= 0.9
    lease.release()


def test_of_many_who_wait_for_an_abandoned_lease_one_gets_it(tmp_path, brief):
    taken(tmp_path)._over.set()  # renews no more, and never says so
    found, leases = [], [Lease(tmp_path, str(number), never) for number in range(12)]
    threads = [threading.Thread(target=lambda one=one: found.append(one.acquire(1.5))) for one in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False] * 11 + [True]
    for one in leases:
        one.release()


def test_holder_that_can_not_renew_stops_before_anybody_may_take_it(tmp_path, brief):
    left = threading.Event()
    lease = taken(tmp_path, leave=left.set)
    begun = time.monotonic()
    (tmp_path / "leases").rename(tmp_path / "gone")  # the storage
    assert left.wait(5) and time.monotonic() - begun < 0.9
    with pytest.raises(LostLease):
        lease.check()


def test_holder_that_was_overtaken_leaves_and_writes_no_more(tmp_path, brief):
    left = threading.Event()
    lease = taken(tmp_path, leave=left.set)
    (tmp_path / "leases" / "000002").write_text("{}")  # by somebody whose clock runs wild
    assert left.wait(5)
    with pytest.raises(LostLease):
        lease.check()


def test_clocks_of_two_machines_are_not_compared(tmp_path, brief, monkeypatch):
    first = taken(tmp_path)
    monkeypatch.setattr(lease_module.time, "time", lambda: 4e9)  # the other's clock is years ahead
    assert not is_leased(tmp_path)  # what a page says, and no more
    assert not Lease(tmp_path, "two", never).acquire(patience_seconds=1.5)
    first.release()


def test_worker_with_a_lease_and_worker_with_a_lock_keep_off_each_other(queued_run):
    lease = taken(queued_run.folder)
    assert queued_run.state() is RunState.RUNNING and work(queued_run) is WorkerExit.BUSY
    lease.release()
    lock = FileLock(queued_run.lock_path)
    assert lock.acquire()
    assert work(queued_run, lease=Lease(queued_run.folder, "node", never)) is WorkerExit.BUSY
    lock.release()
    assert work(queued_run, lease=Lease(queued_run.folder, "node", never)) is WorkerExit.DONE
    assert queued_run.state() is RunState.FINISHED and not is_leased(queued_run.folder)


def test_worker_that_lost_its_lease_records_nothing_more(queued_run):
    lease = Lease(queued_run.folder, "node", lambda: None)

    def lose(event) -> None:
        lease._good_until = 0.0

    assert work(queued_run, lose, lease=lease) is WorkerExit.BUSY
    lines = queued_run.events_path.read_text().splitlines()
    assert len(lines) == 1 and isinstance(from_line(lines[0]), Started)
    assert not list(queued_run.folder.glob("checkpoint-*"))


def test_run_with_a_lease_is_neither_deleted_nor_told_as_stopped(store, queued_run):
    lease = taken(queued_run.folder)
    stop(store, queued_run)
    assert queued_run.state() is RunState.STOPPING and queued_run.attended
    store.dequeue(queued_run)
    with pytest.raises(UserError, match="stop it first"):
        delete(store, queued_run)
    lease.release()
    assert queued_run.state() is RunState.CANCELLED
    assert delete(store, queued_run) == queued_run.id
