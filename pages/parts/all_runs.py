"""All runs of the store, as every page sees them: read once a process, looked after from then on.

Where the file of the index is not there, reading a hundred thousand runs takes minutes. That is a thread's work,
while the page shows a bar that can be left; whoever comes meanwhile sees the same bar.
"""

import gc
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st

from core.estimate import Work, learned_speeds
from core.index import TURN, Row, RunIndex
from core.paths import runs_dir
from core.store import RunStore
from core.sweep import Sweep
from core.sweep_list import SweepList

ESTIMATE_SECONDS_OLD = 10.0
"""What was known so long ago is good enough to tell how fast this machine is."""

MOST_KEPT = 64
"""Of what was worked out of all runs."""

NO_BAR_SECONDS = 0.3
"""Who reads no longer than this shows no bar."""

BAR_SECONDS = 0.2
"""Between two steps of the bar."""

TURN_SECONDS = 0.5
"""Calls within so long, as the several ones of a later view, look at no more of the ended runs than one."""

Found = TypeVar("Found")


class AllRuns:
    """The runs and sweeps of one store, for all sessions."""

    def __init__(self, store: RunStore) -> None:
        self._index = RunIndex(store, TURN, TURN_SECONDS)
        self._sweeps = SweepList(store)
        self._lock = threading.RLock()
        self._rows: list[Row] | None = None
        self._read_at = 0.0
        self._first: _FirstReading | None = None
        self._kept: OrderedDict[tuple[object, ...], tuple[list[Any], Any]] = OrderedDict()

    def rows(self, seconds_old: float = 0.0) -> list[Row]:
        """Every run, newest first; the very same list as long as nothing has changed.

        Args:
            seconds_old: an answer as old as this will do.

        Raises:
            OSError: the folder of runs can't be read.
        """
        if self._rows is None:
            self._read_first()
        with self._lock:
            if self._rows is None or time.monotonic() - self._read_at >= seconds_old:
                self._rows = self._index.rows()
                self._read_at = time.monotonic()
            return self._rows

    @property
    def unreadable(self) -> int:
        """How many runs there are besides that can't be read here."""
        return self._index.unreadable

    def sweeps(self) -> list[Sweep]:
        """All runs by recipe, the newest first; the very same list as long as nothing has changed."""
        rows = self.rows()
        with self._lock:
            return self._sweeps.of(rows)

    def of_rows(self, work: Callable[..., Found], *args: object) -> Found:
        """`work(rows, *args)`, kept until a run has changed."""
        return self.of(self.rows(), work, *args)

    def of_sweeps(self, work: Callable[..., Found], *args: object) -> Found:
        """`work(sweeps, *args)`, kept until a run or a plan has changed."""
        return self.of(self.sweeps(), work, *args)

    def speeds(self, device: str | None) -> dict[Work, float]:
        """What finished runs tell of this machine, perhaps as of some seconds ago."""
        return self.of(self.rows(ESTIMATE_SECONDS_OLD), learned_speeds, device)

    def examine(self) -> dict[str, Any]:
        """Compare what is remembered of the runs with the runs themselves; made anew where it is wrong."""
        self.rows()
        with self._lock:
            found = {**self._index.examine(), "plans": self._sweeps.examine()}
            self._rows = self._index.rows()
        return found

    def of(self, source: list[Any], work: Callable[..., Found], *args: object) -> Found:
        """`work(source, *args)`, kept until it is asked of another list."""
        # By the place of the function, as one that is made anew at each view must not be taken for another one.
        key = (work.__module__, work.__qualname__, *args)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept[0] is not source:
                self._kept[key] = kept = (source, work(source, *args))
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return kept[1]

    def _read_first(self) -> None:
        """Wait until the runs are read, with a bar where that takes longer."""
        with self._lock:
            if self._first is None:
                self._first = _FirstReading(self._index)
            first = self._first
        first.wait()
        with self._lock:
            if first.error:
                self._first = None  # whoever comes next tries again
                raise first.error
            if self._rows is None:
                self._rows, self._read_at = first.rows, time.monotonic()


class _FirstReading:
    """A thread that reads all runs. It outlives the page that began it, and knows nothing of pages."""

    def __init__(self, index: RunIndex) -> None:
        self.rows: list[Row] | None = None
        self.error: Exception | None = None
        self._done = self._total = 0
        self._thread = threading.Thread(target=self._read, args=(index,), daemon=True)
        self._thread.start()

    def _read(self, index: RunIndex) -> None:
        """Out of the garbage collector's way while they come and, as in `cache.freeze_imports`, ever after."""
        gc.disable()
        try:
            self.rows = index.rows(self._report)
        except Exception as error:
            self.error = error
        finally:
            gc.freeze()
            gc.enable()

    def _report(self, done: int, total: int) -> None:
        self._done, self._total = done, total

    def wait(self) -> None:
        """Until it has ended. Each step of the bar lets the session go where somebody leaves the page."""
        self._thread.join(NO_BAR_SECONDS)
        if not self._thread.is_alive():
            return
        bar = st.progress(0.0, "Reading the runs …")
        while self._thread.is_alive():
            if self._total:
                words = f"Reading the runs, once: {self._done:,} of {self._total:,}"
                bar.progress(self._done / self._total, words)
            self._thread.join(BAR_SECONDS)
        bar.empty()


def shared() -> AllRuns:
    """The one of this dashboard's folder of runs."""
    return _shared(str(runs_dir()))


@st.cache_resource(max_entries=4, show_spinner=False)
def _shared(runs: str) -> AllRuns:
    return AllRuns(RunStore(Path(runs)))
