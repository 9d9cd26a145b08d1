import dataclasses
import time
from types import SimpleNamespace

import pytest

from core import proof
from core.errors import UserError
from core.events import EpochEnd, from_line, to_line
from core.locks import FileLock
from core.prover import main, prove
from core.worker import work


@pytest.fixture
def two_epochs(queued_run, store):
    work(queued_run)
    store.dequeue(queued_run)
    return queued_run


def rewritten(run, change):
    """The run with its epochs recorded otherwise."""
    lines = []
    for line in run.events_path.read_text().splitlines():
        event = from_line(line)
        lines.append(to_line(change(event) if isinstance(event, EpochEnd) else event))
    run.events_path.write_text("".join(lines))


def test_run_is_proven_from_the_beginning_and_after_a_resume(two_epochs):
    assert main([str(two_epochs.folder.parent), two_epochs.id]) == 0
    found = proof.status(two_epochs)
    assert found.holds and found.resumed and (found.repeated, found.differs) == (2, 0)
    assert found.digest == two_epochs.history().epochs[-1].weights_sha256
    assert found.done == found.total and found.changes == []


def test_other_weights_are_noticed_with_their_epoch(two_epochs):
    rewritten(
        two_epochs,
        lambda e: dataclasses.replace(e, weights_sha256="0" * 64) if e.epoch == 2 else e,
    )
    found = prove(two_epochs)
    assert not found.holds and found.differs == 2


def test_run_of_an_older_version_is_refused_in_a_sentence(two_epochs):
    rewritten(two_epochs, lambda e: dataclasses.replace(e, weights_sha256=""))
    assert proof.epochs_to_repeat(two_epochs.history().epochs) == 0
    with pytest.raises(UserError, match="train it again"):
        prove(two_epochs)
    assert main([str(two_epochs.folder.parent), two_epochs.id]) == 1
    assert "train it again" in proof.status(two_epochs).error


def test_only_as_much_is_repeated_as_takes_a_minute():
    def epochs(seconds, n):
        return [
            EpochEnd(k, k, 1.0, 0.5, 1.0, 0.5, 0.1, seconds, 1.0, weights_sha256="x") for k in range(1, n + 1)
        ]

    assert proof.epochs_to_repeat(epochs(10.0, 20)) == 6
    assert proof.epochs_to_repeat(epochs(1.0, 3)) == 3
    assert proof.epochs_to_repeat(epochs(500.0, 4)) == 1
    assert proof.epochs_to_repeat([]) == 0


def test_proof_that_died_says_so(two_epochs, monkeypatch):
    proof.write(two_epochs, proof.Proof(time.time()))
    assert proof.status(two_epochs).running  # it may just be starting
    monkeypatch.setattr(proof, "STARTING_SECONDS", 0.0)
    found = proof.status(two_epochs)
    assert not found.running and not found.holds and "again" in found.error


def test_proof_gives_way_to_a_training(two_epochs, store, monkeypatch):
    store.enqueue(two_epochs)
    seen = []

    def someone_trains_for_a_while(seconds):
        seen.append(proof.status(two_epochs).waiting)
        store.dequeue(two_epochs)

    clock = SimpleNamespace(time=time.time, sleep=someone_trains_for_a_while)
    monkeypatch.setattr("core.prover.time", clock)  # the prover's alone: other threads sleep, too
    assert prove(two_epochs).holds
    assert seen == [True]


def test_second_proof_leaves_the_first_alone(two_epochs):
    lock = FileLock(two_epochs.folder / "proof.lock")
    assert lock.acquire()
    assert main([str(two_epochs.folder.parent), two_epochs.id]) == 0
    assert proof.status(two_epochs) is None
    lock.release()
