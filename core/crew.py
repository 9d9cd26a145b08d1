"""The workers of this machine: processes that outlive the runner which starts them, each in its places.

`core.runner` sees to what shall be trained when; where and how workers are started is a crew's matter. The other
crew, of a cluster, is in `core.executors.ray_crew`.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Protocol

import psutil

from core.launches import count_launch, write_note
from core.locks import last_holder
from core.machine import gpus, places_for, slots
from core.paths import ROOT
from core.store import Run, RunStore


class Worker(Protocol):
    """Something that trains a run, or waits for its place to do so."""

    run: Run
    """What it has now: a worker may go on with another run."""
    places: int
    asked_to_stop: float | None
    """When, by the monotonic clock."""

    def poll(self) -> int | None:
        """None while it works; then a `core.runner.WorkerExit`, or how it died."""

    def terminate(self) -> None:
        """Ask it to leave."""

    def kill(self) -> None:
        """Make it leave."""


class Crew(Protocol):
    """Starts workers, somewhere."""

    def places(self) -> int:
        """How many there are."""

    def needs(self, run: Run) -> int:
        """How many of the places a run takes."""

    def launch(self, store: RunStore, run: Run) -> Worker:
        """Have a run trained; raises OSError where its folder is gone or full."""

    def is_starting(self, run: Run) -> bool:
        """Whether a worker that an earlier runner started is still on its way to this run."""

    def worker_at(self, run: Run, workers: Iterable[Worker]) -> Worker | None:
        """Which of these works on a run that is being trained; None if another one does."""


class LocalWorker:
    """A child process of ours."""

    def __init__(self, run: Run, process: subprocess.Popen, places: int, gpu: str | None) -> None:
        self.run, self.process, self.places, self.gpu = run, process, places, gpu
        self.asked_to_stop: float | None = None

    def poll(self) -> int | None:
        return self.process.poll()

    def terminate(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()


class LocalCrew:
    """`python -m core.worker` for each run that finds its worker's places free."""

    def __init__(self) -> None:
        self._workers: list[LocalWorker] = []

    def places(self) -> int:
        return slots()

    def needs(self, run: Run) -> int:
        return places_for(run.spec.recipe)

    def launch(self, store: RunStore, run: Run) -> LocalWorker:
        count_launch(run)
        gpu = self._free_gpu()
        environment = dict(os.environ) if gpu is None else {**os.environ, "CUDA_VISIBLE_DEVICES": gpu}
        with run.log_path.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "core.worker", str(store.folder), run.id],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # outlives this runner
            )
        worker = LocalWorker(run, process, self.needs(run), gpu)
        self._workers.append(worker)
        with contextlib.suppress(psutil.Error):  # ended already
            born = psutil.Process(process.pid).create_time()
            write_note(run, {**run.runner_note(), "worker": process.pid, "born": born})
        return worker

    def is_starting(self, run: Run) -> bool:
        """That takes seconds. A runner that took the place of a dead one would start another besides, and
        count launches that were none, until a run counts as given up that never had a chance.
        """
        note = run.runner_note()
        try:
            worker = psutil.Process(note["worker"])
            lives = worker.create_time() == note["born"] and worker.status() != psutil.STATUS_ZOMBIE
        except (KeyError, TypeError, ValueError, psutil.Error):
            return False
        return lives and not run.attended

    def worker_at(self, run: Run, workers: Iterable[LocalWorker]) -> LocalWorker | None:
        """By the signature in the run's lock."""
        process = last_holder(run.lock_path)
        return next((worker for worker in workers if worker.process.pid == process), None)

    def _free_gpu(self) -> str | None:
        """The first GPU that no worker of ours uses; None on a machine without."""
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = visible.split(",") if visible else [str(index) for index in range(gpus())]
        used = {worker.gpu for worker in self._workers}
        return next((name for name in names if name not in used), None)
