import dataclasses
import io
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from core import checkpoints
from core.events import EpochEnd, Failed, Finished
from core.locks import FileLock, is_held
from core.models import MODELS
from core.paths import ROOT
from core.runner import WorkerExit
from core.store import RunState
from core.worker import work

DEADLINE_SECONDS = 60


def start(run) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "core.worker", str(run.folder.parent), run.id], cwd=ROOT)


def wait(what, process=None) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        assert process is None or process.poll() is None, "the worker ended too early"
        time.sleep(0.02)


def digests(run) -> dict[str, str]:
    return run.history().end.sha256


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_killed_worker_is_resumed_bit_by_bit(store, tiny_recipe, shapes_fingerprint, precision):
    """A process killed in the middle of its third epoch and one that ends, against a run nobody disturbed."""
    recipe = dataclasses.replace(tiny_recipe, epochs=4, batch_size=64, precision=precision)
    undisturbed, _ = store.open(recipe, 1, shapes_fingerprint)
    work(undisturbed)
    run, _ = store.open(recipe, 1, shapes_fingerprint, again=True)
    process = start(run)
    wait(lambda: any(step.epoch == 3 for step in run.history().steps), process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not is_held(run.lock_path) and not run.state().ended
    assert start(run).wait(DEADLINE_SECONDS) == WorkerExit.DONE
    history = run.history()
    assert run.state() is RunState.FINISHED and history.launches == 2
    assert [epoch.epoch for epoch in history.epochs] == [1, 2, 3, 4]
    names = {path.name for path in run.folder.iterdir()}
    assert {"weights.pt", "predictions.npz", "checkpoint-0003.pt", "checkpoint-0004.pt"} <= names
    assert digests(run)["weights.pt"] == digests(undisturbed)["weights.pt"]
    with (
        np.load(run.folder / "predictions.npz") as ours,
        np.load(undisturbed.folder / "predictions.npz") as theirs,
    ):
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_cancelled_run_keeps_its_events_and_goes_on_later(store, tiny_recipe, shapes_fingerprint):
    run, _ = store.open(dataclasses.replace(tiny_recipe, epochs=40, batch_size=64), 1, shapes_fingerprint)
    process = start(run)
    wait(lambda: run.history().epochs, process)
    run.mark("cancel")
    assert process.wait(12) == WorkerExit.STOPPED
    assert run.state() is RunState.CANCELLED
    epochs = run.history().epochs
    assert epochs and checkpoints.load_newest(run.folder, epochs)["epoch"] == epochs[-1].epoch
    run.unmark("cancel")
    seen = []

    def stop_soon(event):
        seen.append(event)
        if isinstance(event, EpochEnd):
            run.mark("cancel")

    assert work(run, stop_soon) is WorkerExit.STOPPED
    assert seen[0].resumed_from == epochs[-1].epoch


def test_two_workers_never_train_one_run(queued_run):
    lock = FileLock(queued_run.lock_path)
    lock.acquire()
    assert work(queued_run) is WorkerExit.BUSY
    assert not queued_run.events_path.exists()
    lock.release()


def test_finished_run_is_not_trained_again(finished_run):
    before = finished_run.events_path.read_bytes()
    assert work(finished_run) is WorkerExit.DONE
    assert finished_run.events_path.read_bytes() == before


def test_torn_last_line_is_cut_before_going_on(queued_run):
    work(queued_run, lambda event: queued_run.mark("cancel") if isinstance(event, EpochEnd) else None)
    queued_run.unmark("cancel")
    with queued_run.events_path.open("ab") as file:
        file.write(b'{"event": "step", "epo')
    assert work(queued_run) is WorkerExit.DONE
    lines = queued_run.events_path.read_text().splitlines()
    assert all(line.endswith("}") for line in lines)
    assert queued_run.state() is RunState.FINISHED


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_damaged_checkpoint_is_never_gone_on_from(queued_run, damage):
    """The epoch before it is; the weights at the end are those of an undisturbed run."""
    work(queued_run, lambda event: queued_run.mark("cancel") if getattr(event, "epoch", 0) == 2 else None)
    queued_run.unmark("cancel")
    epochs = queued_run.history().epochs
    path = queued_run.folder / epochs[-1].checkpoint
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content if damage == "flip" else content[:1000])
    started = []
    assert (
        work(queued_run, lambda event: started.append(event) if hasattr(event, "resumed_from") else None) == 0
    )
    assert started[0].resumed_from == epochs[-1].epoch - 1
    assert [epoch.epoch for epoch in queued_run.history().epochs] == [1, 2]


def test_weights_load_with_plain_torch_and_the_snippet_on_the_page(finished_run, monkeypatch):
    recipe = finished_run.spec.recipe
    code = MODELS[recipe.model].loading_code(recipe, 10, "weights.pt")
    monkeypatch.chdir(finished_run.folder)
    names: dict = {}
    exec(code, names)
    assert names["model"](torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_predictions_agree_with_the_recorded_accuracies(finished_run):
    end = finished_run.history().end
    with np.load(finished_run.folder / "predictions.npz") as saved:
        for part in ("validation", "test"):
            outputs, labels = saved[f"{part}_logits"], saved[f"{part}_labels"]
            assert outputs.dtype == np.float32 and len(outputs) == len(labels)
            assert (outputs.argmax(1) == labels).mean() == pytest.approx(getattr(end, f"{part}_accuracy"))


def test_files_have_the_digests_of_the_record(finished_run):
    for name, digest in digests(finished_run).items():
        assert checkpoints.sha256((finished_run.folder / name).read_bytes()) == digest


def test_test_images_are_judged_once_at_the_end(queued_run):
    events = []
    work(queued_run, events.append)
    assert [type(event) for event in events if hasattr(event, "test_accuracy")] == [Finished]
    assert isinstance(events[-1], Finished)


def test_infinite_loss_ends_the_run_by_name(store, tiny_recipe, shapes_fingerprint):
    recipe = dataclasses.replace(tiny_recipe, learning_rate=10.0, weight_decay=1.0, epochs=20)
    run, _ = store.open(recipe, 1, shapes_fingerprint)
    assert work(run) is WorkerExit.DONE
    assert run.state() is RunState.DIVERGED
    assert re.search(r"training or validation loss .* no number.* learning rate", run.history().end.message)
    assert all("NaN" not in line for line in run.events_path.read_text().splitlines())


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "out_of_memory", "batch size of 128"),
        (MemoryError(), "out_of_memory", "batch size of 128"),
        (RuntimeError("DefaultCPUAllocator: not enough memory"), "out_of_memory", "batch size of 128"),
        (
            SystemError("<function f> returned NULL without setting an exception"),
            "out_of_memory",
            "batch size of 128",
        ),
        (ZeroDivisionError("oh"), "error", "ZeroDivisionError"),
    ],
    ids=["cuda", "python", "cpu", "no room for the error itself", "unforeseen"],
)
def test_fault_has_a_name_and_its_traceback_goes_to_the_log(queued_run, monkeypatch, error, reason, words):
    def fail(*arguments):
        raise error

    monkeypatch.setattr("core.worker.train", fail)
    assert work(queued_run) is WorkerExit.DONE
    end = queued_run.history().end
    assert isinstance(end, Failed) and end.reason == reason and words in end.message
    assert "Traceback" in queued_run.log_path.read_text()


def test_torch_without_memory_is_understood_on_this_machine(queued_run, monkeypatch):
    monkeypatch.setattr("core.worker.train", lambda *arguments: torch.empty(2**60))
    work(queued_run)
    assert queued_run.history().end.reason == "out_of_memory"


def test_full_disk_keeps_the_last_checkpoint_and_says_so(queued_run, monkeypatch):
    real = checkpoints.save

    def full_at_two(folder, epoch, state):
        if epoch == 2:
            raise RuntimeError(
                "[enforce fail at inline_container.cc] . PytorchStreamWriter: No space left on device"
            )
        return real(folder, epoch, state)

    monkeypatch.setattr(checkpoints, "save", full_at_two)
    assert work(queued_run) is WorkerExit.DISK_FULL
    assert not queued_run.state().ended
    monkeypatch.undo()
    assert checkpoints.load_newest(queued_run.folder, queued_run.history().epochs)["epoch"] == 1


def test_changed_images_are_not_trained_on_in_silence(store, tiny_recipe):
    run, _ = store.open(tiny_recipe, 1, "another fingerprint")
    work(run)
    assert run.history().end.reason == "refused" and "changed" in run.history().end.message


def test_checkpoint_without_room_is_refused_before_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(checkpoints.DiskFull):
        checkpoints.save(tmp_path, 1, {"weights": torch.zeros(10)})
    assert list(tmp_path.iterdir()) == []


def test_sweep_keeps_the_two_newest_and_removes_leftovers(tmp_path):
    epochs = []
    for number in (1, 2, 3):
        name, digest = checkpoints.save(tmp_path, number, {"epoch": number})
        epochs.append(EpochEnd(number, number, *([0.0] * 7), name, digest))
    (tmp_path / ".checkpoint-0004.pt.abcd.tmp").write_bytes(b"half")
    (tmp_path / "checkpoint-0004.pt").write_bytes(b"never committed")
    checkpoints.sweep(tmp_path, epochs)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-0002.pt", "checkpoint-0003.pt"]
    assert torch.load(io.BytesIO((tmp_path / "checkpoint-0003.pt").read_bytes()), weights_only=True) == {
        "epoch": 3
    }
