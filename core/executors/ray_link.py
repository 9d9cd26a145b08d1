"""The link to a Ray cluster: a detached process a store, `python -m core.executors.ray_link RUNS_FOLDER`.

It stands where the local runner stands, under the same lock, and speaks to the cluster over HTTP alone (Ray's Jobs
API): whoever opens a Ray connection of another kind is ended with it, which no dashboard should be. It sees to it
that a driver (`core.executors.ray_driver`) works for the store, and notes for pages how the cluster is.

The mark is a file that only this store has: who sees it from elsewhere sees the store. It is removed when the link
leaves because the store is gone, and the driver leaves with it.
"""

import json
import secrets
import shlex
import sys
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core import cluster
from core.cluster import Link, Node, Phase
from core.errors import UserError
from core.executors import ray_settings
from core.locks import FileLock
from core.paths import ROOT
from core.runner import LOCK_NAME
from core.store import RunStore

IDLE_SECONDS = 120.0
TICK_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""Between two tries to start a driver that fails each time."""

METADATA = "tenfold_runs"
EXCLUDED = [
    "/.git/",
    "/.venv/",
    "/venv/",
    "/runs/",
    "/data/",
    "/docs/",
    "/tests/",
    "/benchmarks/",
    "__pycache__",
]
"""Of the code's folder, what no worker needs."""


class RayLink:
    """One `tick` looks at everything once."""

    def __init__(self, store: RunStore, address: str, share: ray_settings.Share) -> None:
        self._store, self._share = store, share
        self._client: Any = None
        self._job: str | None = None
        self._failures, self._again_at = 0, 0.0
        self._link = Link(address, Phase.CONNECTING, since=time.time())

    def loop(self) -> None:
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < IDLE_SECONDS and self._store.folder.is_dir():
            self.tick()
            if self._store.queue(most=1):
                idle_since = time.monotonic()
            time.sleep(TICK_SECONDS)

    def tick(self) -> None:
        """Connect if need be, have a driver, note how things are."""
        try:
            self._look_after_driver()
        except Exception as error:  # of every kind: HTTP, JSON, Ray's own, when the head goes or comes
            if _is_lasting(error):
                raise
            self._client = self._job = None
            self._tell(
                Phase.CONNECTING,
                f"No Ray answers at {self._link.address}: start it there, or set TENFOLD_RAY_ADDRESS to where it runs. "
                "Tried again every second; runs wait meanwhile.",
                (),
            )

    def _look_after_driver(self) -> None:
        if self._client is None:
            self._tell(Phase.CONNECTING, "", ())
            from ray.job_submission import JobSubmissionClient

            self._client = JobSubmissionClient(self._link.address)
        nodes = _nodes(self._link.address)
        if self._job is None:
            self._job = self._driver_at_work()
        if self._job is None:
            if time.monotonic() >= self._again_at:
                self._submit(nodes)
            return
        info = self._client.get_job_info(self._job)
        if info.status.is_terminal():
            self._conclude(info.status == "SUCCEEDED", nodes)
        elif cluster.holder(cluster.folder(self._store)):
            self._failures = 0
            self._tell(Phase.READY, cluster.read_driver(self._store).message, nodes)
        else:
            self._tell(Phase.STARTING, "", nodes)

    def _driver_at_work(self) -> str | None:
        """One that an earlier link started, or another machine's."""
        ours = [
            job
            for job in self._client.list_jobs()
            if (job.metadata or {}).get(METADATA) == str(self._store.folder) and not job.status.is_terminal()
        ]
        return ours[0].submission_id if ours else None

    def _submit(self, nodes: tuple[Node, ...]) -> None:
        self._tell(Phase.SUBMITTING, "", nodes)
        told = {"share": asdict(self._share), "environment": ray_settings.passed_on()}
        arguments = [str(self._store.folder), self._mark(), json.dumps(told)]
        # The python of this machine where the head has it, too: its PATH may name one without Ray.
        python = f'P={shlex.quote(sys.executable)}; [ -x "$P" ] || P=python3; exec "$P"'
        self._job = self._client.submit_job(
            entrypoint=f"{python} -m core.executors.ray_driver {shlex.join(arguments)}",
            runtime_env={"working_dir": str(ROOT), "excludes": EXCLUDED},
            metadata={METADATA: str(self._store.folder)},
        )

    def _conclude(self, went_well: bool, nodes: tuple[Node, ...]) -> None:
        """The driver has left: say why, and when it is tried again."""
        lines = self._client.get_job_logs(self._job).strip().splitlines()
        self._job = None
        if went_well:
            self._failures = 0
            return
        self._failures += 1
        pause = min(2.0**self._failures, LONGEST_PAUSE_SECONDS)
        self._again_at = time.monotonic() + pause
        last = lines[-1] if lines else "it said nothing"
        self._tell(Phase.FAILED, f"{last} Tried again in {pause:.0f} seconds.", nodes)

    def _mark(self) -> str:
        """The name of the store's mark, made if need be."""
        folder = cluster.folder(self._store)
        folder.mkdir(exist_ok=True)
        names = [path.name for path in folder.glob("mark-*")]
        if not names:
            names = [f"mark-{secrets.token_hex(8)}"]
            (folder / names[0]).touch()
        return names[0]

    def _tell(self, phase: Phase, message: str, nodes: tuple[Node, ...]) -> None:
        now = time.time()
        since = self._link.since if phase is self._link.phase else now
        self._link = replace(self._link, phase=phase, message=message, nodes=nodes, since=since, time=now)
        with suppress(OSError):
            cluster.folder(self._store).mkdir(exist_ok=True)
            cluster.write_link(self._store, self._link)


def _is_lasting(error: Exception) -> bool:
    return isinstance(error, UserError | ImportError)


def _nodes(address: str) -> tuple[Node, ...]:
    from ray.util.state import list_nodes

    return tuple(
        Node(
            one.node_id,
            one.node_ip,
            bool(one.is_head_node),
            one.state == "ALIVE",
            one.resources_total.get("CPU", 0.0),
            one.resources_total.get("GPU", 0.0),
        )
        for one in list_nodes(address=address)
    )


def main(arguments: list[str]) -> int:
    """Look after the store's place in the cluster, unless another process does."""
    store = RunStore(Path(arguments[0]))
    store.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(store.folder / LOCK_NAME)
    if not lock.acquire():
        return 0
    link = Link(ray_settings.ADDRESS, Phase.FAILED, since=time.time(), time=time.time())
    try:
        link = replace(link, address=ray_settings.address())
        RayLink(store, link.address, ray_settings.share()).loop()
    except UserError as error:
        _leave_word(store, replace(link, message=str(error)))
    except ImportError:
        _leave_word(
            store,
            replace(
                link,
                message="Ray is not installed here: pip install -r requirements-ray.txt, then start again.",
            ),
        )
    finally:
        lock.release()
    return 0


def _leave_word(store: RunStore, link: Link) -> None:
    with suppress(OSError):
        cluster.folder(store).mkdir(exist_ok=True)
        cluster.write_link(store, link)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
