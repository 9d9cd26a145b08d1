"""A worker process and the runs that it trains, one after another.

After the run that it was started for it takes the next ones of the queue, so that a sweep pays once
for imports and images. Only after a run that ended well or was paused (whatever else ends one, such as a
lack of memory, may have harmed the process), and only if the first in line can be trained here as it would
be in a process of its own; else the process leaves, and the runner starts another.
"""

import contextlib
import gc
import os
import sys
import threading
from collections.abc import Callable

import torch

from core.demands import demands
from core.runner import WorkerExit
from core.store import Run, RunState, RunStore

STOP_SECONDS = 1.0

Work = Callable[[Run], WorkerExit]


def run_after_run(store: RunStore, first: Run, work: Work) -> WorkerExit:
    """Work on a run, and on those in the queue until one is not for this process.

    Returns:
        How the last one ended; DONE where another process was quicker.
    """
    status, done = attend(first, work), first
    while _unharmed(status, done) and (run := _next(store, first)):
        begin_anew(run)
        before, status = status, attend(run, work)
        if status is WorkerExit.BUSY:  # another worker was quicker: look again
            status = before
        else:
            done = run
    return status


def _unharmed(status: WorkerExit, run: Run) -> bool:
    """A search pauses most of its runs: a process for each would spend more on its start than on training."""
    if status is WorkerExit.STOPPED:
        return run.marked("pause") and not run.marked("cancel")
    return status is WorkerExit.DONE and run.state().conclusive


def _next(store: RunStore, first: Run) -> Run | None:
    """The first run that waits for a worker, if this process can train it as one of its own would.

    Never one behind it: first come, first served. One that the runner has launched already, or that
    died, is the runner's to look after.
    """
    for run in store.queue():
        state = run.state()
        if state is RunState.QUEUED or (state is RunState.RESUMING and not run.runner_note().get("launches")):
            return run if demands(run) == demands(first) else None
    return None


def begin_anew(run: Run) -> None:
    """Free what the last run left in memory, and print into this run's log from now on."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if run.spec.recipe.compile:
        torch.compiler.reset()  # or it would give up compiling after a few networks of one kind
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with run.log_path.open("ab") as log:
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)


def attend(run: Run, work: Work, last_word: Callable[[], None] = lambda: None) -> WorkerExit:
    """Work on a run while a thread watches for its stop.

    Args:
        last_word: called before the process is ended because of that.
    """
    over = threading.Event()
    with contextlib.suppress(RuntimeError):  # no memory for a thread: the training will say so by name
        threading.Thread(target=_leave_when_stopped, args=(run, over, last_word), daemon=True).start()
    try:
        return work(run)
    finally:
        over.set()


def _leave_when_stopped(run: Run, over: threading.Event, last_word: Callable[[], None]) -> None:
    """End this process soon after a person said stop, even in the middle of a long evaluation.

    The runner sends SIGTERM for this, but it may be dead; and a worker may die at any moment.

    Args:
        over: set when the run is; what a person says of it later is not meant for the next one.
    """
    while not run.marked("cancel"):
        if over.wait(STOP_SECONDS):
            return
    # The loop of the training notices first, as a rule, and closes its files.
    if not over.wait(STOP_SECONDS):
        last_word()
        os._exit(WorkerExit.STOPPED)
