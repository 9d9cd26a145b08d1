"""Whom the campaign of kills kills, and when: processes of a store, a real dashboard, the moments of writing."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.sync.client import connect

from core.locks import is_held, last_holder
from core.paths import ROOT
from core.store import Run


class Dashboard:
    """The real `streamlit run`, and a page of it that somebody has open."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "streamlit", "run", "dashboard.py", f"--server.port={self.port}"]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, "--server.headless=true"], cwd=ROOT, stdout=output, stderr=output
            )
        deadline = time.monotonic() + 60
        while not self.answers():
            assert time.monotonic() < deadline, "the dashboard did not start"
            time.sleep(0.1)

    def answers(self) -> bool:
        with socket.socket() as probe:
            return self._process.poll() is None and probe.connect_ex(("127.0.0.1", self.port)) == 0

    def open_page(self) -> None:
        """Connect as a browser does, and wait until the first messages of the Overview come."""
        address = f"ws://127.0.0.1:{self.port}/_stcore/stream"
        self._page = connect(address, subprotocols=["streamlit"], legacy=True)
        message = BackMsg()
        message.rerun_script.query_string = ""
        self._page.send(message.SerializeToString())
        for _ in range(3):
            self._page.recv(timeout=30)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def process_of(process_id: int | None, module: str) -> psutil.Process | None:
    """The living process of this id, if it runs this module."""
    try:
        process = psutil.Process(process_id) if process_id else None
        return process if process and module in process.cmdline() else None
    except psutil.Error:
        return None


def worker_of(run: Run, moment: str) -> psutil.Process | None:
    """Who trains a run now; for the moment "start", who is about to."""
    if moment == "start":
        on_its_way = not run.state().ended and not is_held(run.lock_path)
        return process_of(run.runner_note().get("worker"), "core.worker") if on_its_way else None
    return process_of(last_holder(run.lock_path), "core.worker") if is_held(run.lock_path) else None


def await_moment(moment: str, run: Run, chance: random.Random) -> bool:
    """Sleep until the moment has come; False if it did not within 3 s.

    "start" and "any" come after a random time. The others are the moments at which a file appears or
    grows: a checkpoint under its temporary name, one under its own ("commit": its event is still to be
    written), the events, the final files.
    """
    if moment in ("any", "start"):
        time.sleep(chance.uniform(0, 1.0))
        return True

    def seen() -> object:
        names = os.listdir(run.folder)  # noqa: PTH208, the moment is shorter than making paths takes
        return {
            "checkpoint": lambda: [name for name in names if name.startswith(".checkpoint-")],
            "commit": lambda: sorted(name for name in names if name.startswith("checkpoint-"))[-1:],
            "event": lambda: run.events_path.stat().st_size if "events.jsonl" in names else 0,
            "end": lambda: [name for name in names if "weights.pt" in name or "predictions.npz" in name],
        }[moment]()

    first = seen()
    if not _until(lambda: seen() != first, 3.0):
        return False
    delay = chance.choice((0.0, 0.0, chance.uniform(0, 0.001), chance.uniform(0, 0.005)))
    end = time.perf_counter() + delay
    while time.perf_counter() < end:
        pass
    return True


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.0002)  # or the campaign would take the core that it waits for
    return False


def kill(process: psutil.Process) -> bool:
    """SIGKILL; True once it is gone, False if it had gone by itself."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return False
    deadline = time.monotonic() + 10
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "SIGKILL did not end it"
        time.sleep(0.005)
    return True
