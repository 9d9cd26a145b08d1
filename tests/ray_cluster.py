"""A real Ray cluster on this machine: a head and nodes that pass for machines of their own.

Started as the README says, by `ray start`, in processes that can be killed; ports are free ones, so that nobody's
own Ray is in the way.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from core.locks import is_held, last_holder
from core.runner import LOCK_NAME
from core.store import RunStore

STARTING_SECONDS = 90.0
TRIES = 3

HASTY = {
    "RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES": "200000000",
    "RAY_worker_niceness": "0",  # else whatever else the machine does goes first
    # A node that is dead is noticed within some 5 s in place of 20: less to wait for.
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class RayNode:
    """`ray start --block`, with all processes that belong to it."""

    def __init__(self, arguments: list[str], log_path: Path, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
        command += [
            "--min-worker-port=0",
            "--max-worker-port=0",
            f"--dashboard-agent-listen-port={free_port()}",
        ]
        self._log_path = log_path
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                command + arguments,
                env={**os.environ, **environment, **HASTY},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def started(self) -> bool:
        """Waits until it is up; False if it gave up, as Ray does after some seconds on a busy machine."""
        deadline = time.monotonic() + STARTING_SECONDS
        while time.monotonic() < deadline:
            if "Ray runtime started" in self._log_path.read_text():
                return True
            if self._process.poll() is not None:
                return False
            time.sleep(0.1)
        return False

    def family(self) -> list[psutil.Process]:
        """Its processes, those of tasks included."""
        with contextlib.suppress(psutil.Error):
            parent = psutil.Process(self._process.pid)
            return [*parent.children(recursive=True), parent]
        return []

    def kill(self, spare_tasks: bool = False) -> None:
        """SIGKILL for all of it at once, as when the power fails.

        Args:
            spare_tasks: let the processes that train live on, as on a node that lost its network.
        """
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                if not (spare_tasks and "ray::" in " ".join(process.cmdline())[:10]):
                    process.send_signal(signal.SIGKILL)
        self._process.wait()


class RayCluster:
    """A head and nodes. `address` is that of its Jobs API."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment = folder, environment
        # Ray's sockets lie below, and their paths must be short.
        self._temporary = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
        self._port, dashboard = free_port(), free_port()
        self._head_arguments = [
            "--head",
            f"--port={self._port}",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={dashboard}",
            f"--ray-client-server-port={free_port()}",
            f"--temp-dir={self._temporary}",
        ]
        self.address = f"http://127.0.0.1:{dashboard}"
        self.nodes: list[RayNode] = []

    def start_head(self, cpus: int, gpus: int = 0) -> RayNode:
        node = self._start([*self._head_arguments, f"--num-cpus={cpus}", f"--num-gpus={gpus}"])
        self._wait()
        return node

    def add(self, cpus: int, gpus: int = 0) -> RayNode:
        return self._start([f"--address=127.0.0.1:{self._port}", f"--num-cpus={cpus}", f"--num-gpus={gpus}"])

    def _start(self, arguments: list[str]) -> RayNode:
        for _ in range(TRIES):
            node = RayNode(arguments, self._folder / f"node{len(self.nodes)}.log", self._environment)
            self.nodes.append(node)
            if node.started():
                return node
            node.kill()
        raise TimeoutError(f"Ray did not start; see {self._folder}")

    def _wait(self) -> None:
        """Until the Jobs API answers."""
        from ray.job_submission import JobSubmissionClient

        deadline = time.monotonic() + STARTING_SECONDS
        while True:
            try:
                JobSubmissionClient(self.address).list_jobs()
                return
            except (ConnectionError, RuntimeError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def end(self) -> None:
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self._temporary, ignore_errors=True)


@contextlib.contextmanager
def ray_cluster(folder: Path, environment: dict[str, str]) -> Iterator[RayCluster]:
    cluster = RayCluster(folder, environment)
    try:
        yield cluster
    finally:
        cluster.end()


def end_link(store: RunStore) -> None:
    """End the process that speaks with the cluster, where there is one."""
    lock = store.folder / LOCK_NAME
    process = last_holder(lock)
    if process and is_held(lock):
        with contextlib.suppress(psutil.Error):
            link = psutil.Process(process)
            link.kill()
            link.wait(10)
