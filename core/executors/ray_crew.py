"""The workers of a cluster: one Ray task a run. Ray queues them, places them, and starts them again.

Only imported where Ray is at work: by the driver (`core.executors.ray_driver`) and by Ray's own processes.
"""

import contextlib
import functools
import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

import ray
from ray.exceptions import RayError

from core.datasets import ImageData, source
from core.demands import demands
from core.executors.ray_settings import Share
from core.launches import LAUNCHES, count_launch
from core.lease import Lease
from core.machine import threads_for
from core.runner import WorkerExit
from core.store import Run, RunStore

DIED = -1
"""In place of an exit status: Ray says that the process of a task is gone, and has started it often enough."""

NODES_SECONDS = 2.0

LARGEST_BACKLOG = 16
"""So many more tasks than there is room for are with Ray; the rest waits in the store, where it is stopped at no cost."""


class RayWorker:
    """A task of ours, waiting or at work."""

    places = 1

    def __init__(self, run: Run, task: ray.ObjectRef) -> None:
        self.run, self._task = run, task
        self.asked_to_stop: float | None = None

    def poll(self) -> int | None:
        done, _ = ray.wait([self._task], timeout=0)
        if not done:
            return None
        try:
            return ray.get(self._task)
        except RayError as error:
            with contextlib.suppress(OSError), self.run.log_path.open("a") as log:
                log.write(f"{error}\n")
            return DIED

    def terminate(self) -> None:
        """Nothing to do: a worker sees for itself that its run shall stop."""

    def kill(self) -> None:
        ray.cancel(self._task, force=True)


class RayCrew:
    """Tasks for runs, wherever there is room on nodes that see the store."""

    def __init__(self, share: Share, environment: dict[str, str]) -> None:
        """
        Args:
            environment: what workers are told where their node says nothing else.
        """
        self._share, self._environment = share, environment
        self._nodes: list[dict] = []
        self._asked_at = -NODES_SECONDS
        self.unseeing: tuple[str, ...] = ()
        """Nodes that get no runs."""

    def places(self) -> int:
        """What Ray is given at once: what there is room for, and some to wait."""
        room = sum(_room(node, self._asked(threads=1)) for node in self._alive())
        return room + LARGEST_BACKLOG

    def needs(self, run: Run) -> int:
        return 1

    def launch(self, store: RunStore, run: Run) -> RayWorker:
        asked = self._asked(threads_for(run.spec.recipe))
        selector = {"ray.io/node-id": f"!in({','.join(self.unseeing)})"} if self.unseeing else None
        task = train.options(
            **asked,
            max_retries=LAUNCHES - 1,  # of a task whose process or node is gone
            label_selector=selector,
            # Processes are used again for runs that ask for the same, and only for those.
            runtime_env={"env_vars": {"TENFOLD_DEMANDS": _demands(run)}},
            name=f"seed {run.spec.seed} {run.id[:8]}",
        ).remote(str(store.folder), run.id, self._environment)
        return RayWorker(run, task)

    def is_starting(self, run: Run) -> bool:
        return False  # tasks end with the driver that made them

    def worker_at(self, run: Run, workers: Iterable[RayWorker]) -> None:
        """A task has one run."""

    def lacking(self) -> str:
        """A sentence where no node has what a run asks for, else empty: Ray would wait without end."""
        asked = self._asked(threads=1)
        if any(_room(node, asked) for node in self._alive()):
            return ""
        wanted = f"{asked['num_gpus']:g} GPU and {asked['num_cpus']:g} CPU"
        return (
            f"No node of the cluster has {wanted} for a run: add one, or ask for less with TENFOLD_RAY_GPUS and "
            "TENFOLD_RAY_CPUS."
        )

    def _asked(self, threads: int) -> dict[str, float]:
        resources = [node["Resources"] for node in self._alive()]
        gpus = self._share.gpus
        if gpus is None:
            gpus = 1.0 if any(found.get("GPU") for found in resources) else 0.0
        cpus = self._share.cpus
        if cpus is None:
            largest = max((found.get("CPU", 0.0) for found in resources), default=1.0)
            cpus = 1.0 if gpus else min(float(threads), max(1.0, largest))
        return {"num_gpus": gpus, "num_cpus": cpus}

    def _alive(self) -> list[dict]:
        """Asked for at each turn of the runner, and of Ray now and then."""
        if time.monotonic() - self._asked_at >= NODES_SECONDS:
            self._nodes = [node for node in ray.nodes() if node["Alive"]]
            self._asked_at = time.monotonic()
        return self._nodes


def _room(node: dict, asked: dict[str, float]) -> int:
    """How many such runs a node has room for."""
    wanted = {"GPU": asked["num_gpus"], "CPU": asked["num_cpus"]}
    counts = [int(node["Resources"].get(kind, 0.0) / each + 1e-9) for kind, each in wanted.items() if each]
    return min(counts, default=1)


def _demands(run: Run) -> str:
    """The same for runs that one process can train after each other (`core.shift`)."""
    return hashlib.sha256(json.dumps(demands(run)).encode()).hexdigest()[:16]


@ray.remote
def train(folder: str, run_id: str, environment: dict[str, str]) -> int:
    """Train a run in this process, as `core.worker` does; called again by Ray where its process or node died."""
    for name, value in environment.items():
        os.environ.setdefault(name, value)
    run = RunStore(Path(folder)).get(run_id)
    if run.marked("cancel") or run.marked("pause"):  # before it waits for torch
        return int(WorkerExit.STOPPED)
    count_launch(run)  # before what may end the process, or nothing would ever end a loop
    from core.shift import attend, begin_anew
    from core.worker import work

    begin_anew(run)
    node = ray.get_runtime_context().get_node_id()
    lease = Lease(run.folder, node, leave=lambda: os._exit(WorkerExit.BUSY))
    return int(attend(run, lambda run: work(run, load=_load, lease=lease), last_word=lease.release))


def _load(dataset: str, image_size: int) -> ImageData:
    """Kept for the next run of this process, unless the images have changed since."""
    return _loaded(dataset, image_size, source(dataset, image_size).ready_fingerprint())


@functools.lru_cache(maxsize=1)
def _loaded(dataset: str, image_size: int, fingerprint: str | None) -> ImageData:
    return source(dataset, image_size).load()
