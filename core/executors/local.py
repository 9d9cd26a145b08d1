"""Trains on this machine, in processes that outlive the dashboard; see `core.runner`."""

from core.detached import spawn
from core.executors import enqueue
from core.locks import is_held
from core.runner import LOCK_NAME, LOG_NAME
from core.store import Run, RunStore


class Local:
    """`start` returns at once; one detached process a store does the rest."""

    module = "core.runner"
    """It leaves when it finds another at work in the store."""

    def start(self, store: RunStore, runs: list[Run]) -> None:
        for run in runs:
            enqueue(store, run)
        self._launch(store)

    def wake(self, store: RunStore) -> None:
        if store.queue(most=1):
            self._launch_unless_there(store)

    def _launch_unless_there(self, store: RunStore) -> None:
        if not is_held(store.folder / LOCK_NAME):
            self._launch(store)

    def _launch(self, store: RunStore) -> None:
        spawn(self.module, str(store.folder), log=store.folder / LOG_NAME)
