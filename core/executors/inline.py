"""Trains in the calling process, one run after another: for tests and for looking closely."""

from core.executors import enqueue
from core.store import Run, RunStore


class Inline:
    """`start` returns when the runs have ended."""

    def start(self, store: RunStore, runs: list[Run]) -> None:
        from core.worker import work  # loads torch

        for run in runs:
            enqueue(store, run)
            work(run)
            store.dequeue(run)

    def wake(self, store: RunStore) -> None:
        """Nothing waits: whoever calls `start` is told the end."""
