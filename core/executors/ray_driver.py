"""The driver: a Ray job, `python -m core.executors.ray_driver RUNS_FOLDER TOKEN`, which gives a store's queue to Ray.

It runs on the cluster's head, one a store. As the local runner does on one machine, it takes queued runs in their
order and draws the conclusion when one has ended (`core.runner`, the same code); where a run is trained, and that it
is started again when its node dies, is Ray's matter (`core.executors.ray_crew`). Its death costs what is being
trained the epochs since the last checkpoint: another driver finds everything in the run folders.
"""

import json
import os
import sys
import time
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from core import cluster
from core.cluster import Driver
from core.executors.ray_crew import RayCrew
from core.executors.ray_settings import Share
from core.lease import LEASE_SECONDS, Lease
from core.runner import TICK_SECONDS, Runner
from core.store import RunStore

IDLE_SECONDS = 120.0
"""As long as this it waits for more: the next person's run starts a few seconds sooner."""

CHECK_SECONDS = 5.0
"""So often nodes are looked at."""

PATIENCE_SECONDS = 20.0
"""So long a node has to say whether it sees the store."""

UNSEEN = "The cluster's {node} can't see {folder}: put the runs on storage that all nodes see, and set TENFOLD_RUNS to it."


@ray.remote(num_cpus=0, max_retries=0)
def sees(path: str) -> bool:
    """Whether the node of this task sees a file."""
    return Path(path).exists()


class Nodes:
    """Which nodes see the store; a new one is asked once."""

    def __init__(self, store: RunStore, mark: Path, crew: RayCrew) -> None:
        self._store, self._mark, self._crew = store, mark, crew
        self._sees: dict[str, bool] = {}
        self._asked_at = -CHECK_SECONDS
        self._told: Driver | None = None

    def check(self) -> None:
        """Ask new nodes; tell the crew and the store what was found."""
        if time.monotonic() - self._asked_at < CHECK_SECONDS:
            return
        alive = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
        asked = {
            node: sees.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
                str(self._mark)
            )
            for node in alive
            if node not in self._sees
        }
        if asked:
            ready, _ = ray.wait(list(asked.values()), num_returns=len(asked), timeout=PATIENCE_SECONDS)
            for node, answer in asked.items():
                if answer in ready:  # else it is asked again
                    self._sees[node] = _answer(answer)
        blind = [node for node in alive if self._sees.get(node) is False]
        self._crew.unseeing = tuple(blind)
        message = self._crew.lacking()
        if blind:
            message = UNSEEN.format(
                node=f"node {', '.join(sorted({alive[node] for node in blind}))}", folder=self._store.folder
            )
        self._tell(Driver(message, tuple(blind)))
        self._asked_at = time.monotonic()

    def _tell(self, found: Driver) -> None:
        if found != self._told:
            cluster.write_driver(self._store, found)
            self._told = found


def _answer(answer: ray.ObjectRef) -> bool:
    try:
        return ray.get(answer)
    except ray.exceptions.RayError:
        return False


def drive(store: RunStore, crew: RayCrew, mark: Path) -> None:
    """Until nothing is left to do for a while."""
    runner, nodes = Runner(store, crew), Nodes(store, mark, crew)
    idle_since = time.monotonic()
    while time.monotonic() - idle_since < IDLE_SECONDS and mark.exists():
        nodes.check()
        if runner.tick():
            idle_since = time.monotonic()
        time.sleep(TICK_SECONDS)


def main(arguments: list[str]) -> int:
    """A sentence is printed, as the last line, where a person must do something."""
    folder, token, asked = arguments
    told = json.loads(asked)
    store = RunStore(Path(folder))
    mark = cluster.folder(store) / token
    if not mark.exists():
        print(UNSEEN.format(node="head", folder=folder))
        return 1
    ray.init(address="auto", logging_level="warning", log_to_driver=False)
    node = ray.get_runtime_context().get_node_id()
    lease = Lease(cluster.folder(store), node, leave=lambda: os._exit(1))
    if not lease.acquire(patience_seconds=2 * LEASE_SECONDS):
        return 0  # another driver is at work
    try:
        drive(store, RayCrew(Share(**told["share"]), told["environment"]), mark)
    finally:
        lease.release()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
