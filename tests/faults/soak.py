"""Fifty browsers on all pages while a sweep runs: `python -m tests.faults.soak --minutes 60`.

The same sweep trains with nobody watching, with the browsers, and so on in turns, so that what else the machine
does weighs on both alike. Printed: answers that did not come, exceptions on pages, the share of a core that the
dashboard took, its memory from beginning to end, and the speed of training with and without the browsers.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from core.config import Recipe
from core.datasets import source
from core.executors import stop
from core.executors.local import Local
from core.launch import start_sweep
from core.locks import is_held
from core.paths import ROOT
from core.runner import LOCK_NAME
from core.store import RunStore
from tests.chromium import served
from tests.faults.clients import Client

PAGES = ("", *sorted(path.stem for path in (ROOT / "pages").glob("*.py")))
SETTLING_SECONDS = 20.0
"""After all have connected: pages learn the new pace at their next ticks."""

MOVE_SECONDS = 60.0
"""So often a browser goes to another page, when it soaks for longer."""


@dataclass
class Phase:
    """One turn: `images_per_second` has the speed of each epoch that ended in it."""

    watched: bool
    cpu_share: float = 0.0
    seconds: float = 0.0
    ticks: int = 0
    visits: int = 0
    own_cpu_share: float = 0.0
    images_per_second: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)


@dataclass
class Outcome:
    """What the whole soak showed."""

    clients: int
    phases: list[Phase] = field(default_factory=list)
    visits: list[float] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    intervals: list[float] = field(default_factory=list)

    def speed(self, watched: bool) -> float:
        """Median images a second of the epochs that ended in such phases; 0 without any."""
        found = [
            value for phase in self.phases if phase.watched is watched for value in phase.images_per_second
        ]
        return statistics.median(found) if found else 0.0

    @property
    def slowdown(self) -> float:
        """The share of its speed that training lost to the browsers."""
        return 1 - self.speed(True) / self.speed(False) if self.speed(False) else 0.0

    @property
    def cpu_share(self) -> float:
        """Cores that the dashboard took while it was watched."""
        return self._share("cpu_share")

    def _share(self, name: str) -> float:
        watched = [phase for phase in self.phases if phase.watched]
        seconds = sum(phase.seconds for phase in watched)
        return sum(getattr(phase, name) * phase.seconds for phase in watched) / seconds if seconds else 0.0

    def _rate(self, name: str) -> float:
        watched = [phase for phase in self.phases if phase.watched]
        return sum(getattr(phase, name) for phase in watched) / max(
            1e-9, sum(phase.seconds for phase in watched)
        )

    @property
    def memory_mb(self) -> list[float]:
        return [value for phase in self.phases if phase.watched for value in phase.memory_mb]

    def summary(self) -> dict[str, object]:
        memory = self.memory_mb
        third = max(1, len(memory) // 3)
        return {
            "clients": self.clients,
            "minutes watched": round(sum(p.seconds for p in self.phases if p.watched) / 60, 1),
            "visits": len(self.visits),
            "ticks": len(self.ticks),
            "unanswered or wrong": len(self.faults),
            "slowest visit, s": round(max(self.visits, default=0.0), 2),
            "median tick, s": round(statistics.median(self.ticks), 3) if self.ticks else None,
            "slowest tick, s": round(max(self.ticks, default=0.0), 2),
            "cores taken": round(self.cpu_share, 3),
            "cores taken by the browsers' stand-in": round(self._share("own_cpu_share"), 3),
            "ticks and visits a second": [round(self._rate(what), 2) for what in ("ticks", "visits")],
            "intervals, s": sorted(set(self.intervals)),
            "memory, MB, by thirds": [round(statistics.median(part)) for part in _thirds(memory, third)],
            "images/s alone": round(self.speed(False), 1),
            "images/s watched": round(self.speed(True), 1),
            "epochs alone, watched": [
                sum(len(p.images_per_second) for p in self.phases if p.watched is watched)
                for watched in (False, True)
            ],
            "slowdown": round(self.slowdown, 3),
        }


def _thirds(values: list[float], size: int) -> list[list[float]]:
    return [part for part in (values[:size], values[size:-size], values[-size:]) if part]


async def soak(
    address: str, server: psutil.Process, store: RunStore, clients: int, seconds: float, turns: int
) -> Outcome:
    """Watch a running dashboard in `turns` phases of `seconds`, each after one of nobody watching."""
    outcome = Outcome(clients)
    for _ in range(turns):
        if turns > 1:
            outcome.phases.append(await _phase(Phase(False), server, store, seconds))
        await _watched(address, server, store, outcome, seconds)
    return outcome


async def _watched(
    address: str, server: psutil.Process, store: RunStore, outcome: Outcome, seconds: float
) -> None:
    async with crowd_of(address, outcome) as browsers:
        await asyncio.sleep(min(SETTLING_SECONDS, seconds))
        before = _counts(browsers)
        moving = asyncio.create_task(_move(browsers))
        phase = await _phase(Phase(True), server, store, seconds)
        moving.cancel()
        phase.ticks, phase.visits = (now - then for now, then in zip(_counts(browsers), before, strict=True))
        outcome.phases.append(phase)
        outcome.intervals += [value for browser in browsers for value in browser.intervals.values()]


@contextlib.asynccontextmanager
async def crowd_of(address: str, outcome: Outcome) -> AsyncIterator[list[Client]]:
    """Browsers on all pages, as many as the outcome says; at the end it is added to it what they saw."""
    browsers = [Client(address) for _ in range(outcome.clients)]
    try:
        await asyncio.gather(*(browser.__aenter__() for browser in browsers))
        await asyncio.gather(*(b.visit(PAGES[place % len(PAGES)]) for place, b in enumerate(browsers)))
        yield browsers
    finally:
        await asyncio.gather(*(browser.__aexit__() for browser in browsers))
    for browser in browsers:
        outcome.visits += browser.seen.visits
        outcome.ticks += browser.seen.ticks
        outcome.faults += browser.seen.lost + browser.seen.exceptions


def _counts(browsers: list[Client]) -> tuple[int, int]:
    return sum(len(b.seen.ticks) for b in browsers), sum(len(b.seen.visits) for b in browsers)


async def _move(browsers: list[Client]) -> None:
    """All the while somebody goes to another page: each browser once in `MOVE_SECONDS`."""
    turn = 0
    while True:
        await asyncio.sleep(MOVE_SECONDS / len(browsers))
        await browsers[turn % len(browsers)].visit(PAGES[(turn + turn // len(browsers) + 1) % len(PAGES)])
        turn += 1


async def _phase(phase: Phase, server: psutil.Process, store: RunStore, seconds: float) -> Phase:
    before = await asyncio.to_thread(_epochs, store)
    begin, cpu, own = time.monotonic(), _cpu(server), time.process_time()
    while time.monotonic() - begin < seconds:
        await asyncio.sleep(min(2.0, seconds / 10))
        phase.memory_mb.append(server.memory_info().rss / 1e6)
    phase.seconds = time.monotonic() - begin
    phase.cpu_share = (_cpu(server) - cpu) / phase.seconds
    phase.own_cpu_share = (time.process_time() - own) / phase.seconds
    after = await asyncio.to_thread(_epochs, store)
    phase.images_per_second = [speed for epoch, speed in after.items() if epoch not in before]
    return phase


def _cpu(server: psutil.Process) -> float:
    times = server.cpu_times()
    return times.user + times.system


def _epochs(store: RunStore) -> dict[tuple[str, int], float]:
    """The speed of each epoch of each run so far."""
    return {
        (run.id, epoch.epoch): epoch.images_per_second
        for run in store.runs()
        for epoch in run.history().epochs
    }


def begin_sweep(store: RunStore, recipe: Recipe, seeds: int) -> None:
    """Queue a sweep on the shapes, which are drawn and need nothing."""
    source(recipe.dataset).load()
    start_sweep(store, [recipe], list(range(seeds)), [])


def end_sweep(store: RunStore, patience_seconds: float = 30.0) -> None:
    """Stop what is left of it, and wait until its runner has left."""
    for run in store.runs():
        stop(store, run)
    Local().wake(store)
    deadline = time.monotonic() + patience_seconds
    while is_held(store.folder / LOCK_NAME) or any(is_held(run.lock_path) for run in store.runs()):
        if time.monotonic() > deadline:
            raise TimeoutError("the runner or a worker is still there")
        time.sleep(0.1)


def long_recipe() -> Recipe:
    """Epochs of a few seconds on one thread, and many of them: the soak ends before it does."""
    return Recipe(width=0.125, epochs=200, batch_size=128, learning_rate=0.02, log_every=5)


def main(arguments: list[str]) -> int:
    """Print what a soak showed as JSON; 1 if it broke a promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="with browsers; without takes as long again"
    )
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=50)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        os.environ |= {
            "TENFOLD_RUNS": str(home / "runs"),
            "TENFOLD_DATA": str(home / "data"),
            "TENFOLD_DEVICE": "cpu",
        }
        store = RunStore(home / "runs")
        with served("dashboard.py", ROOT, home / "server.log", {}) as address:
            server = serving(address)
            begin_sweep(store, long_recipe(), options.seeds)
            try:
                seconds = options.minutes * 60 / options.turns
                outcome = asyncio.run(soak(address, server, store, options.clients, seconds, options.turns))
            finally:
                end_sweep(store)
        log = (home / "server.log").read_text()
    print(json.dumps({**outcome.summary(), "tracebacks in the log": log.count("Traceback")}, indent=1))
    for fault in sorted(set(outcome.faults))[:20]:
        print(fault, file=sys.stderr)
    kept = (
        not outcome.faults and outcome.cpu_share <= 0.2 and outcome.slowdown < 0.1 and "Traceback" not in log
    )
    return 0 if kept else 1


def serving(address: str) -> psutil.Process:
    """The process that listens at an address of this machine."""
    port = int(address.rpartition(":")[2])
    for child in psutil.Process().children(recursive=True):
        if any(item.laddr and item.laddr.port == port for item in child.net_connections("inet")):
            return child
    raise LookupError(f"no child of ours listens at {address}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
