import dataclasses
import time
from types import SimpleNamespace

import pytest

from core import proof
from core.checkpoints import from_bytes
from core.errors import UserError
from core.estimate import START_SECONDS
from core.events import EpochEnd, from_line, to_line
from core.locks import FileLock
from core.paths import write_json
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


@pytest.fixture
def another(store, tiny_recipe, shapes_fingerprint):
    run, _ = store.open(tiny_recipe, 77, shapes_fingerprint)
    store.enqueue(run)
    return run


def test_proof_gives_way_to_a_training(two_epochs, another, monkeypatch):
    training = FileLock(another.lock_path)
    assert training.acquire()
    seen = []

    def someone_trains_for_a_while(seconds):
        seen.append(proof.status(two_epochs).waiting)
        training.release()

    clock = SimpleNamespace(time=time.time, sleep=someone_trains_for_a_while)
    monkeypatch.setattr("core.prover.time", clock)  # the prover's alone: other threads sleep, too
    assert prove(two_epochs).holds
    assert seen == [True]


def test_proof_does_not_wait_for_a_run_that_waits_for_room_on_the_disk(two_epochs, another, monkeypatch):
    write_json(another.folder / "runner.json", {"waiting": "The disk is full."})
    monkeypatch.setattr("core.prover.time", SimpleNamespace(time=time.time, sleep=None))  # waiting would fail
    assert prove(two_epochs).holds


def test_proof_can_be_stopped_and_begun_again(two_epochs, monkeypatch):
    proof.stop(two_epochs)
    assert main([str(two_epochs.folder.parent), two_epochs.id]) == 0
    found = proof.status(two_epochs)
    assert found.stopped and not found.running and not found.holds
    monkeypatch.setattr(proof, "spawn", lambda module, *arguments, log: main([*arguments]))
    proof.begin(two_epochs)
    assert proof.status(two_epochs).holds


def test_expected_length_counts_the_epoch_after_the_resume():
    epochs = [
        EpochEnd(
            k, k, 1.0, 0.5, 1.0, 0.5, 0.1, 10.0 * k, 1.0, weights_sha256="x", compile_seconds=5.0 * (k == 1)
        )
        for k in (1, 2, 3)
    ]
    assert proof.expected_seconds(epochs) == START_SECONDS + 2 * 5 + 10 + 20 + 30 + 20
    assert proof.expected_seconds(epochs[:1]) == START_SECONDS + 5 + 10


@pytest.mark.parametrize("more", [{"averaging": 0.9}, {"deterministic": False}], ids=str)
def test_run_with_an_average_or_without_the_promise_is_proven(
    store, tiny_recipe, shapes_fingerprint, more, capsys
):
    recipe = dataclasses.replace(tiny_recipe, epochs=2, schedule="plateau", **more)
    run, _ = store.open(recipe, 5, shapes_fingerprint)
    work(run)
    capsys.readouterr()
    found = prove(run)
    assert found.holds and found.resumed
    epochs, log = run.history().epochs, capsys.readouterr().out
    assert bool(epochs[0].averaged_sha256) is ("averaging" in more)
    for epoch in epochs:
        assert epoch.weights_sha256 in log and epoch.averaged_sha256 in log
    if "averaging" in more:
        rewritten(run, lambda e: dataclasses.replace(e, averaged_sha256="0" * 64) if e.epoch == 2 else e)
        assert prove(run).differs == 2
        rewritten(run, lambda e: dataclasses.replace(e, averaged_sha256=""))  # an older record
        assert prove(run).holds


def test_resume_is_proven_from_the_bytes_of_a_checkpoint(two_epochs, monkeypatch):
    """A state that changes on its way through a file must not pass."""

    def damaged(content):
        state = from_bytes(content)
        next(iter(state["model"].values())).add_(1)
        return state

    monkeypatch.setattr("core.prover.from_bytes", damaged)
    found = prove(two_epochs)
    assert found.differs == 0 and found.resumed is False and not found.holds


def test_other_code_is_named_before_training_is_blamed(two_epochs):
    lines = [from_line(line) for line in two_epochs.events_path.read_text().splitlines()]
    papers = {**lines[0].passport, "commit": "long ago", "numpy": "0.1"}
    lines[0] = dataclasses.replace(lines[0], passport=papers)
    two_epochs.events_path.write_text("".join(map(to_line, lines)))
    two_epochs.spec = dataclasses.replace(two_epochs.spec, digest="of another version")
    changes = prove(two_epochs).changes
    assert [change.partition(":")[0] for change in changes] == ["numpy", "commit", "training"]


def test_second_proof_leaves_the_first_alone(two_epochs):
    lock = FileLock(two_epochs.folder / "proof.lock")
    assert lock.acquire()
    assert main([str(two_epochs.folder.parent), two_epochs.id]) == 0
    assert proof.status(two_epochs) is None
    lock.release()
