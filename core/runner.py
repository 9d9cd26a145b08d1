"""The local queue: one detached process a store, `python -m core.runner RUNS_FOLDER`.

Started when a run is queued, gone when nothing is left to do. It takes queued runs first come first
served, keeps as many workers going as there are places, restarts a run whose worker died from its
last checkpoint, and obeys the markers that people leave. Its death costs nothing: workers go on, and
the next runner finds everything in the run folders. No torch here: it has to be up within a moment.

A worker whose run ended well takes the next one of the queue by itself (`core.worker`), in the place
that it has; the runner learns which by the worker's signature in the lock of that run.
"""

import contextlib
import enum
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

from core.crew import Crew, LocalCrew, Worker
from core.launches import LAUNCHES, count_launch, take_launch_back, write_note
from core.locks import FileLock
from core.store import DISK_IS_FULL, Run, RunState, RunStore

LOCK_NAME = ".runner.lock"
LOG_NAME = ".runner.log"
TICK_SECONDS = 0.2
IDLE_SECONDS = 5.0
KILL_SECONDS = 10.0
LOOK_AHEAD = 50
"""So many of the queue are looked at each tick, or twice as many as there are places; all of them every `WHOLE_TICKS`: with thousands waiting
that is a second of CPU."""
WHOLE_TICKS = 25
UNBORN_SECONDS = 600.0
"""A run's folder gets its name within moments; an older one without has no maker any more."""

ROOM_BYTES = 200_000_000
"""A run that stopped on a full disk goes on when this much is free."""


_NO_MEMORY = re.compile(
    "Thread creation failed|allocate memory|bad_alloc|out of memory|low on memory|MemoryError", re.IGNORECASE
)
"""What libraries print that end the process where memory is lacking, instead of raising an error."""

_TEMPORARY = (".checkpoint-", ".weights.pt.", ".predictions.npz.", ".progress.json.", ".runner.json.")
"""How the temporary files begin that only workers and runners write; those of pages are left alone."""


class WorkerExit(enum.IntEnum):
    """With which status a worker leaves; any other means that it died."""

    DONE = 0  # its runs have ended, their events say how
    BUSY = 3  # another worker has it
    STOPPED = 4  # a person asked for it
    DISK_FULL = 5
    UNWRITABLE = 6  # its folder, or a file in it


class Runner:
    """One `tick` looks at everything once; `loop` repeats it until nothing is left."""

    def __init__(self, store: RunStore, crew: Crew | None = None) -> None:
        self.store = store
        self.crew = crew or LocalCrew()
        self.workers: list[Worker] = []
        self._ticks = 0
        self.without_room: set[str] = set()  # ids; kept here too, as their notes may not fit on the disk

    def loop(self) -> None:
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < IDLE_SECONDS:
            if self.tick():
                idle_since = time.monotonic()
            time.sleep(TICK_SECONDS)

    def tick(self) -> bool:
        """Reap, stop, start; False if there is nothing to wait for."""
        for worker in list(self.workers):
            self._look_after(worker)
        most = max(LOOK_AHEAD, 2 * self.crew.places()) if self._ticks % WHOLE_TICKS else None
        self._ticks += 1
        queue = [(run, run.state()) for run in self.store.queue(most)]
        self._follow(queue)
        attended = {worker.run.id for worker in self.workers}
        taken = sum(worker.places for worker in self.workers)
        waiting = []
        for run, state in queue:
            if run.id in attended:
                continue
            if run.id in self.without_room or (state is RunState.PAUSED and run.hindrance()):
                self._go_on_when_there_is_room(run, state)
            elif not state.ended and self.crew.is_starting(run):
                taken += self.crew.needs(run)  # an earlier runner started it a moment ago
            elif state in (RunState.QUEUED, RunState.STARTING, RunState.RESUMING):
                waiting.append(run)  # also one whose worker died before its first word
            elif state.active:  # a worker that an earlier runner left behind
                taken += self.crew.needs(run)
            else:
                self._let_go(run)
        for run in waiting:
            places = self.crew.needs(run)
            if taken + places > self.crew.places():
                break  # first come first served: a small run does not overtake a large one
            try:
                self.workers.append(self.crew.launch(self.store, run))
            except (
                OSError
            ):  # its folder was deleted, or no log fits on the disk: tried again at the next tick
                continue
            taken += places
        return any(run.queued for run, _ in queue)  # those not let go just now

    def _let_go(self, run: Run) -> None:
        """Take a run out of the queue, unless a person said "go on" at this very moment."""
        self.store.dequeue(run)
        if run.state() is RunState.INTERRUPTED:
            self.store.enqueue(run)
        elif not run.attended:
            _tidy(run)

    def _follow(self, queue: list[tuple[Run, RunState]]) -> None:
        """Note which run each worker has now, so that its places are counted once, and its stops reach it."""
        for run, state in queue:
            if state in (RunState.RUNNING, RunState.STOPPING):
                worker = self.crew.worker_at(run, self.workers)
                if worker and worker.run.id != run.id:
                    worker.run, worker.asked_to_stop = run, None
                    with contextlib.suppress(OSError):
                        count_launch(run)

    def _look_after(self, worker: Worker) -> None:
        """Stop a worker that shall stop, and draw the conclusion when one has ended.

        Neither touches a run that has ended: its worker may have taken the next one in this very moment.
        """
        status, ended = worker.poll(), worker.run.state().ended
        if status is None:
            if worker.run.marked("cancel") and not ended:
                self._stop(worker)
            return
        self.workers.remove(worker)
        if ended or not worker.run.folder.exists() or status in (WorkerExit.DONE, WorkerExit.STOPPED):
            return
        if status == WorkerExit.BUSY:
            take_launch_back(worker.run)
            return
        note = worker.run.runner_note()
        if status == WorkerExit.DISK_FULL:
            self.without_room.add(worker.run.id)
            note["waiting"] = DISK_IS_FULL
        elif status == WorkerExit.UNWRITABLE and not os.access(worker.run.folder, os.W_OK):
            return  # the run's state follows from its folder; it goes on when that can be written to
        elif note.get("launches", 0) >= LAUNCHES and not worker.run.marked("cancel"):
            note["failure"] = _why_it_died(worker.run, status)
        write_note(worker.run, note)

    def _stop(self, worker: Worker) -> None:
        """SIGTERM, which ends a worker at once; SIGKILL if that did not help."""
        now = time.monotonic()
        if worker.asked_to_stop is None:
            worker.asked_to_stop = now
            worker.terminate()
        elif now - worker.asked_to_stop > KILL_SECONDS:
            worker.kill()

    def _go_on_when_there_is_room(self, run: Run, state: RunState) -> None:
        if state in (RunState.CANCELLED, RunState.FAILED) or state.conclusive:
            self.without_room.discard(run.id)
            self._let_go(run)
            return
        largest = max((path.stat().st_size for path in run.folder.glob("checkpoint-*.pt")), default=0)
        room = shutil.disk_usage(run.folder).free > max(ROOM_BYTES, 3 * largest)
        if room and os.access(run.folder, os.W_OK):
            self.without_room.discard(run.id)
            write_note(run, {})


def _tidy(run: Run) -> None:
    """Remove what killed workers and runners left half-written in the folder of a run that nobody has."""
    with contextlib.suppress(OSError):
        for path in run.folder.glob(".*.tmp"):
            if path.name.startswith(_TEMPORARY):
                path.unlink(missing_ok=True)


def _why_it_died(run: Run, status: int) -> str:
    """A sentence from the exit status; Linux kills whoever holds most memory when there is none left."""
    if status == WorkerExit.UNWRITABLE:
        return "A file in its folder can't be written to: see to whom it belongs, then train it again."
    if status == -signal.SIGKILL:
        size = run.spec.recipe.batch_size
        return (
            f"Its worker was killed {LAUNCHES} times, as happens when memory runs out: "
            f"try a batch size of {max(1, size // 2)} in place of {size}."
        )
    with contextlib.suppress(OSError):
        if _NO_MEMORY.search(run.log_path.read_bytes()[-4000:].decode(errors="replace")):
            size = run.spec.recipe.batch_size
            return f"Not enough memory for batches of {size} images: try a batch size of {max(1, size // 2)}."
    return f"Its worker ended {LAUNCHES} times without a word; the run's log may say why."


def _sweep_unborn(store: RunStore) -> None:
    """Remove folders of runs whose maker was killed before they got their names."""
    now = (store.folder / LOCK_NAME).stat().st_mtime  # signed just now, by the file system's own clock
    for folder in store.folder.glob(".new-*"):
        with contextlib.suppress(OSError):
            if now - folder.stat().st_mtime > UNBORN_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Run the queue of a store, unless another runner does."""
    store = RunStore(Path(arguments[0]))
    if not store.folder.is_dir():
        return 0
    lock = FileLock(store.folder / LOCK_NAME)
    # The other runner may be about to leave: then its lock is free within a tick or two.
    if not lock.acquire(patience_seconds=10 * TICK_SECONDS):
        return 0
    _sweep_unborn(store)
    Runner(store).loop()
    lock.release()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
