"""Fifty browsers at once, for seconds: the short form of `python -m tests.faults.soak`."""

import asyncio
import time

import pytest

from core.datasets import source
from core.paths import ROOT
from core.store import RunStore
from pages.parts import pace
from tests.chromium import served
from tests.faults.clients import Client
from tests.faults.soak import Outcome, Phase, _phase, begin_sweep, crowd_of, end_sweep, long_recipe, serving

pytestmark = pytest.mark.faults

CLIENTS = 50
NEEDED_SECONDS = CLIENTS * pace.TICK_CPU_SECONDS / pace.SHARE
SECONDS = pace.STEP * NEEDED_SECONDS + 2.0  # the longest pause there can be: each browser ticks once
PATIENCE_SECONDS = 90.0


def paused(browsers: list[Client]) -> set[float]:
    return {interval for browser in browsers for interval in browser.intervals.values()}


async def crowd(address: str, store: RunStore) -> tuple[Outcome, set[float]]:
    outcome, server = Outcome(CLIENTS), serving(address)
    async with crowd_of(address, outcome) as browsers:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while min(paused(browsers), default=0.0) < NEEDED_SECONDS and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        outcome.phases.append(await _phase(Phase(True), server, store, SECONDS))
        intervals = paused(browsers)
    return outcome, intervals


def test_fifty_browsers_are_answered_and_leave_the_cores_to_the_sweep(tmp_path, store, monkeypatch):
    monkeypatch.setenv("TENFOLD_EXECUTOR", "local")
    monkeypatch.setenv("TENFOLD_SLOTS", "1")
    source("shapes").load()
    with served("dashboard.py", ROOT, tmp_path / "server.log", {}) as address:
        begin_sweep(store, long_recipe(), 3)
        try:
            outcome, intervals = asyncio.run(crowd(address, store))
        finally:
            end_sweep(store)
    assert outcome.faults == []
    assert len(outcome.visits) == CLIENTS and outcome.ticks
    assert intervals and min(intervals) >= NEEDED_SECONDS
    assert (
        outcome.cpu_share <= 0.4
    )  # 0.2 is kept over minutes (README.md here); these seconds hold all first visits
    (phase,) = outcome.phases
    assert max(phase.memory_mb) - min(phase.memory_mb) < 30
    assert "Traceback" not in (tmp_path / "server.log").read_text()
