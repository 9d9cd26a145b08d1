"""Runs, trained to their ends in this process: `python -m core.worker RUNS_FOLDER ID`.

The only writer of a run's events, checkpoints and weights; it holds the run's lock (on a cluster, its lease) while it trains it.
It may be killed at any moment: the next worker goes on from the last commit.
After that run it takes the next ones of the queue (`core.shift`).
"""

import contextlib
import dataclasses
import errno
import functools
import io
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from core import checkpoints
from core.device import Compute, passport_changes
from core.errors import UserError
from core.evaluate import fit_temperature, logits, loss_and_accuracy
from core.events import EpochEnd, Event, Failed, Finished, Progress, Started, to_line
from core.features import first_filters
from core.filters import NAME as FILTERS
from core.filters import to_bytes
from core.history import History
from core.lease import Lease, LostLease, is_leased
from core.locks import FileLock, is_held
from core.opening import Load, load_images, open_training
from core.paths import write_atomically, write_json
from core.runner import WorkerExit
from core.shift import run_after_run
from core.store import Run, RunStore
from core.train import (
    Diverged,
    Learner,
    TrainingData,
    steps_per_epoch,
    train,
)

_NO_MEMORY = re.compile(
    r"(can.t|cannot) allocate memory|not enough memory|out of memory|failed to map segment"
    r"|error return without exception set|without setting an exception",
    re.IGNORECASE,
)
"""What torch says on Linux, on other systems and on GPUs; the loader of libraries; and Python itself, where
it could not even make the error."""

Listener = Callable[[Event], None]


class Stopped(Exception):
    """A person asked for it; the last checkpoint stays."""


class EventLog:
    """Appends events, whole lines at a time; a line torn by a kill is cut when the log is opened."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab+")
        self._file.seek(0)
        whole = self._file.read().rfind(b"\n") + 1
        self._file.truncate(whole)

    def append(self, event: Event, durable: bool = False) -> None:
        """Write one event, whole or not at all; `durable` waits until it would survive a power cut.

        Raises:
            OSError: the disk is full; the log ends as before.
        """
        line, before = to_line(event).encode(), os.fstat(self._file.fileno()).st_size
        if os.write(self._file.fileno(), line) < len(line):
            self._file.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if durable:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def work(
    run: Run,
    listener: Listener = lambda event: None,
    load: Load = load_images,
    lease: Lease | None = None,
) -> WorkerExit:
    """Train a run to its end, or from where it was interrupted.

    Args:
        listener: called with each event, after it is recorded.
        load: gives the images; one that remembers them spares the next run the loading.
        lease: on the run, to take in place of its lock where other machines may want it.
    """
    try:
        with _custody(run, lease) as ours:
            return _work(run, listener, load, lease) if ours else WorkerExit.BUSY
    except LostLease:  # whoever has it now goes on from the last checkpoint
        return WorkerExit.BUSY
    except OSError as error:  # at a place where no event could be written
        if (status := _hindrance(error, run)) is None:
            raise
        return status


@contextlib.contextmanager
def _custody(run: Run, lease: Lease | None) -> Iterator[bool]:
    """Keep all other workers off a run meanwhile; gives False where one has it.

    Each takes its own and then looks for the other kind, so that of two who come together at most one stays.
    """
    lock = FileLock(run.lock_path) if lease is None else lease
    try:
        yield lock.acquire() and not (is_leased(run.folder) if lease is None else is_held(run.lock_path))
    finally:
        lock.release()


def _work(run: Run, listener: Listener, load: Load, lease: Lease | None) -> WorkerExit:
    if run.state().conclusive:
        return WorkerExit.DONE
    if _unwanted(run):
        return WorkerExit.STOPPED
    log = EventLog(run.events_path)
    try:
        return _work_locked(run, log, listener, load, lease.check if lease else lambda: None)
    finally:
        log.close()


def _unwanted(run: Run) -> bool:
    """Whether a person said stop or pause."""
    return run.marked("cancel") or run.marked("pause")


def _work_locked(
    run: Run, log: EventLog, listener: Listener, load: Load, check: Callable[[], None]
) -> WorkerExit:
    """Every way a training can end, each with its name.

    Args:
        check: raises where the run may be somebody else's by now; called before anything of it is written.
    """
    try:
        for event in _events(run, load, check):
            check()
            if isinstance(event, Progress):
                write_json(run.folder / "progress.json", vars(event), durable=False)
            else:
                log.append(event, durable=isinstance(event, EpochEnd | Finished))
            with contextlib.suppress(BrokenPipeError):  # whoever listened has left; the training goes on
                listener(event)
            if _unwanted(run) and not isinstance(event, Finished):
                raise Stopped
        return WorkerExit.DONE
    except Stopped:
        return WorkerExit.STOPPED
    except LostLease:
        raise
    except Diverged as error:
        failure = Failed(time.time(), "diverged", str(error))
    except UserError as error:
        failure = Failed(time.time(), "refused", str(error))
    except (OSError, RuntimeError, MemoryError, checkpoints.DiskFull) as error:
        if (status := _hindrance(error, run)) is not None:
            return status
        failure = _named(error, run)
    except Exception as error:
        failure = _named(error, run)
    check()
    log.append(failure, durable=True)
    listener(failure)
    return WorkerExit.DONE


def _events(run: Run, load: Load, check: Callable[[], None]) -> Iterator[Event]:
    """The events of the whole run, from data to final figures; saves what each one speaks of."""
    recipe, seed = run.spec.recipe, run.spec.seed
    if run.spec.digest != recipe.digest(run.spec.data_fingerprint):
        raise UserError(
            "The record of this run does not agree with itself: it was made by another version of Tenfold, "
            "or damaged on the disk; start it anew from the form."
        )
    training = open_training(run, "start it anew from the form.", load)
    compute, images, data = training.compute, training.images, training.data
    learner = training.new_learner()
    history = run.history()
    state = checkpoints.load_newest(run.folder, history.epochs)
    if state is not None:
        learner.load_state_dict(state)
    del state
    history.epochs = [epoch for epoch in history.epochs if epoch.epoch <= learner.epoch]
    checkpoints.sweep(run.folder, history.epochs)
    run.unmark("progress.json")  # it speaks of steps that were lost
    papers = training.passport()
    yield Started(
        time.time(),
        learner.epoch,
        recipe.epochs,
        steps_per_epoch(len(data.train_labels), recipe.batch_size),
        len(data.train_labels),
        len(data.validation_labels),
        list(images.classes),
        data.normalise.mean.tolist(),
        data.normalise.std.tolist(),
        papers,
        passport_changes(history.started.passport, papers) if history.started else [],
    )
    for event in train(learner, data, recipe, seed, compute):
        check()
        if isinstance(event, EpochEnd):
            name, digest = checkpoints.save(run.folder, event.epoch, learner.state_dict())
            weights, averaged = learner.digests()
            event = dataclasses.replace(
                event, checkpoint=name, sha256=digest, weights_sha256=weights, averaged_sha256=averaged
            )
            history.epochs.append(event)
            yield event
            checkpoints.sweep(run.folder, history.epochs)
        else:
            yield event
    yield _finish(run, data, learner, history, compute, check)


def _finish(
    run: Run,
    data: TrainingData,
    learner: Learner,
    history: History,
    compute: Compute,
    check: Callable[[], None],
) -> Finished:
    """Measure validation and, once, test; write weights, predictions and first filters."""
    model, epoch = learner.chosen(run.spec.recipe)
    both_sides = run.spec.recipe.flip_test
    validation = logits(model, data.validation_images, data.normalise, compute, both_sides)
    test = logits(model, data.test_images, data.normalise, compute, both_sides)
    predictions = io.BytesIO()
    np.savez(
        predictions,
        validation_logits=validation.cpu().numpy(),
        validation_labels=data.validation_labels.cpu().numpy(),
        test_logits=test.cpu().numpy(),
        test_labels=data.test_labels.cpu().numpy(),
    )
    weights = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    files = {"weights.pt": checkpoints.to_bytes(weights), "predictions.npz": predictions.getvalue()}
    filters = first_filters(model)
    if filters is not None:
        files[FILTERS] = to_bytes(filters)
    check()
    for name, content in files.items():
        write_atomically(run.folder / name, content)
    train_seconds = sum(epoch.train_seconds for epoch in history.epochs)
    return Finished(
        time.time(),
        *loss_and_accuracy(validation, data.validation_labels),
        *loss_and_accuracy(test, data.test_labels),
        fit_temperature(validation.cpu().numpy(), data.validation_labels.cpu().numpy()),
        train_seconds,
        len(data.train_labels) * len(history.epochs) / train_seconds,
        {name: checkpoints.sha256(content) for name, content in files.items()},
        epoch,
    )


def _hindrance(error: BaseException, run: Run) -> WorkerExit | None:
    """How to leave where the disk or the folder is to blame, not the training; None where it is not."""
    if not run.folder.exists():
        return WorkerExit.STOPPED  # deleted: nobody is left to be told
    if _is_disk_full(error):
        return WorkerExit.DISK_FULL
    name = getattr(error, "filename", None)  # none of an open file that can't be written any more
    ours = name is None or Path(os.fsdecode(name)).is_relative_to(run.folder)
    forbidden = getattr(error, "errno", None) in (errno.EACCES, errno.EPERM, errno.EROFS)
    return WorkerExit.UNWRITABLE if forbidden and ours else None


def _is_disk_full(error: BaseException) -> bool:
    """torch reports a full disk as a RuntimeError, the rest of Python as an OSError."""
    if isinstance(error, checkpoints.DiskFull):
        return True
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)


def _named(error: BaseException, run: Run) -> Failed:
    """The end of a run that no message of ours foresaw; what torch said goes to the log."""
    with contextlib.suppress(OSError, MemoryError), run.log_path.open("a") as log:
        traceback.print_exception(error, file=log)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or _NO_MEMORY.search(str(error)):
        size = run.spec.recipe.batch_size
        message = f"Not enough memory for batches of {size} images: try a batch size of {max(1, size // 2)}."
        return Failed(time.time(), "out_of_memory", message)
    message = (
        f"The training stopped on a fault that has no name yet ({type(error).__name__}); its log has more."
    )
    return Failed(time.time(), "error", message)


def main(arguments: list[str]) -> int:
    """Work on the run that the runner names and then on the queue; what goes wrong is in events and logs."""
    folder, run_id = arguments
    store = RunStore(Path(folder))
    load = functools.cache(load_images)
    return run_after_run(store, store.get(run_id), lambda run: work(run, load=load))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
