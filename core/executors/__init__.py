"""The table of executors: what starts workers. `TENFOLD_EXECUTOR` chooses one, "local" unless set."""

import os
from typing import Protocol

from core.errors import UserError
from core.specs import ExecutorSpec, resolve
from core.store import Run, RunState, RunStore

EXECUTORS = {
    spec.name: spec
    for spec in (
        ExecutorSpec("local", "This machine, in the background", "core.executors.local:Local"),
        ExecutorSpec("inline", "Inside the calling process", "core.executors.inline:Inline"),
        ExecutorSpec("ray", "A Ray cluster", "core.executors.ray:Ray"),
    )
}


class Executor(Protocol):
    """Starts the same worker, somewhere."""

    def start(self, store: RunStore, runs: list[Run]) -> None:
        """See to it that these runs are trained; called twice, they are trained once."""

    def wake(self, store: RunStore) -> None:
        """Go on with what waits in the store, after a restart of the machine or the dashboard."""


def executor() -> Executor:
    """The executor of this machine.

    Raises:
        UserError: `TENFOLD_EXECUTOR` names none of the table.
    """
    name = os.environ.get("TENFOLD_EXECUTOR") or "local"
    if name not in EXECUTORS:
        raise UserError(f"TENFOLD_EXECUTOR is {name!r}: choose one of {', '.join(EXECUTORS)}.")
    return resolve(EXECUTORS[name].target)()


def enqueue(store: RunStore, run: Run) -> None:
    """Take back a stop or a pause and put the run at the end of the queue, if it is not in it."""
    take_back(run)
    store.enqueue(run)


def take_back(run: Run) -> None:
    """Forget that the run was to stop or pause, and how often its worker died before."""
    for name in ("cancel", "pause", "runner.json"):
        run.unmark(name)


def pause(store: RunStore, run: Run) -> None:
    """Ask a run to wait until `start` is called for it again; it goes on then from its last checkpoint.

    One that waits in the queue leaves it at once, and joins at the end when it goes on. One that trains
    stops at its next logged step and is told as running until then.
    """
    if not run.state().ended:
        run.mark("pause")  # obeyed by the worker
        if run.state() is RunState.PAUSED:  # no worker trains it: done already
            store.dequeue(run)


def stop(store: RunStore, run: Run) -> None:
    """Ask for the end of a run; its last checkpoint stays, and starting it again goes on from there."""
    if not run.state().ended:
        run.mark("cancel")  # obeyed by the worker itself, and by a runner, which is less patient
        if run.state() is RunState.CANCELLED:  # no worker has it: done already
            store.dequeue(run)
