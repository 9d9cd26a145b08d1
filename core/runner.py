"""The local queue: one detached process a store, `python -m core.runner RUNS_FOLDER`.

Started when a run is queued, gone when nothing is left to do. It takes queued runs first come first
served, keeps as many workers going as there are places, restarts a run whose worker died from its
last checkpoint, and obeys the markers that people leave. Its death costs nothing: workers go on, and
the next runner finds everything in the run folders. No torch here: it has to be up within a moment.
"""

import contextlib
import enum
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from core.locks import FileLock
from core.machine import gpus, places_for, slots
from core.paths import ROOT, write_json
from core.store import Run, RunState, RunStore

LOCK_NAME = ".runner.lock"
LOG_NAME = ".runner.log"
TICK_SECONDS = 0.2
IDLE_SECONDS = 5.0
KILL_SECONDS = 10.0
LAUNCHES = 4
"""A run whose worker died is started this often in all: once and three times again."""

ROOM_BYTES = 200_000_000
"""A run that stopped on a full disk goes on when this much is free."""


class WorkerExit(enum.IntEnum):
    """With which status a worker leaves; any other means that it died."""

    DONE = 0  # the run has ended, its events say how
    BUSY = 3  # another worker has it
    STOPPED = 4  # a person asked for it
    DISK_FULL = 5


@dataclass
class Worker:
    """A child process of ours and the places that it takes."""

    run: Run
    process: subprocess.Popen
    places: int
    gpu: str | None
    asked_to_stop: float | None = None


class Runner:
    """One `tick` looks at everything once; `loop` repeats it until nothing is left."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.workers: dict[str, Worker] = {}

    def loop(self) -> None:
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < IDLE_SECONDS:
            if self.tick():
                idle_since = time.monotonic()
            time.sleep(TICK_SECONDS)

    def tick(self) -> bool:
        """Reap, stop, start; False if there is nothing to wait for."""
        for worker in list(self.workers.values()):
            self._look_after(worker)
        taken = sum(worker.places for worker in self.workers.values())
        waiting = []
        for run in self.store.queue():
            if run.id in self.workers:
                continue
            state = run.state()
            if state is RunState.PAUSED and run.runner_note().get("waiting"):
                self._go_on_when_there_is_room(run)
            elif state in (RunState.QUEUED, RunState.STARTING, RunState.RESUMING):
                waiting.append(run)  # also one whose worker died before its first word
            elif state.active:  # a worker that an earlier runner left behind
                taken += places_for(run.spec.recipe)
            else:
                self.store.dequeue(run)
        for run in waiting:
            places = places_for(run.spec.recipe)
            if taken + places > slots():
                break  # first come first served: a small run does not overtake a large one
            self._launch(run, places)
            taken += places
        return bool(self.store.queue())

    def _launch(self, run: Run, places: int) -> None:
        note = run.runner_note()
        write_json(run.folder / "runner.json", {"launches": note.get("launches", 0) + 1})
        gpu = self._free_gpu()
        environment = dict(os.environ) if gpu is None else {**os.environ, "CUDA_VISIBLE_DEVICES": gpu}
        with run.log_path.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "core.worker", str(self.store.folder), run.id],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # outlives this runner
            )
        self.workers[run.id] = Worker(run, process, places, gpu)

    def _look_after(self, worker: Worker) -> None:
        """Stop a worker that shall stop, and draw the conclusion when one has ended."""
        status = worker.process.poll()
        if status is None:
            if worker.run.marked("cancel"):
                self._stop(worker)
            return
        del self.workers[worker.run.id]
        if not worker.run.folder.exists() or status in (WorkerExit.DONE, WorkerExit.BUSY, WorkerExit.STOPPED):
            return
        note = worker.run.runner_note()
        if status == WorkerExit.DISK_FULL:
            note["waiting"] = "The disk is full: the run goes on by itself when there is room."
        elif note.get("launches", 0) >= LAUNCHES and not worker.run.marked("cancel"):
            note["failure"] = f"Its worker ended {LAUNCHES} times without a word; the run's log may say why."
        with contextlib.suppress(OSError):  # on a full disk even this can fail; then it just goes on later
            write_json(worker.run.folder / "runner.json", note)

    def _stop(self, worker: Worker) -> None:
        """SIGTERM, which ends a worker at once; SIGKILL if that did not help."""
        now = time.monotonic()
        if worker.asked_to_stop is None:
            worker.asked_to_stop = now
            worker.process.terminate()
        elif now - worker.asked_to_stop > KILL_SECONDS:
            worker.process.kill()

    def _go_on_when_there_is_room(self, run: Run) -> None:
        if shutil.disk_usage(run.folder).free > ROOM_BYTES:
            write_json(run.folder / "runner.json", {})

    def _free_gpu(self) -> str | None:
        """The first GPU that no worker of ours uses; None on a machine without."""
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = visible.split(",") if visible else [str(index) for index in range(gpus())]
        used = {worker.gpu for worker in self.workers.values()}
        return next((name for name in names if name not in used), None)


def main(arguments: list[str]) -> int:
    """Run the queue of a store, unless another runner does."""
    store = RunStore(Path(arguments[0]))
    if not store.folder.is_dir():
        return 0
    lock = FileLock(store.folder / LOCK_NAME)
    # The other runner may be about to leave: then its lock is free within a tick or two.
    if not lock.acquire(patience_seconds=10 * TICK_SECONDS):
        return 0
    Runner(store).loop()
    lock.release()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
