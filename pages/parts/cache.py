"""What is read once and shared by all sessions. Everything here is bounded."""

import gc
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from core.datasets import ImageData, source
from core.history import History
from core.index import Row, RunIndex
from core.paths import runs_dir
from core.store import RunStore


def store() -> RunStore:
    """The runs of this dashboard; cheap, and never stale."""
    return RunStore(runs_dir())


@dataclass
class _Index:
    """One for the whole process, and what it said last."""

    index: RunIndex
    lock: threading.Lock = field(default_factory=threading.Lock)
    rows: list[Row] | None = None
    read_at: float = 0.0


def rows(seconds_old: float = 0.0) -> list[Row]:
    """Every run as a table shows it, newest first.

    Looking whether anything changed takes 0.15 s with ten thousand runs: who does not need to know what
    happened just now says how old the answer may be.
    """
    shared = _index(str(runs_dir()))
    with shared.lock:
        if shared.rows is None:
            with st.spinner("Reading the runs …"):
                shared.rows = _first_rows(shared.index)
        elif time.monotonic() - shared.read_at >= seconds_old:
            shared.rows = shared.index.rows()
        else:
            return shared.rows
        shared.read_at = time.monotonic()
        return shared.rows


def _first_rows(index: RunIndex) -> list[Row]:
    """Out of the garbage collector's way while they come and, as in `freeze_imports`, ever after."""
    gc.disable()
    try:
        return index.rows()
    finally:
        gc.freeze()
        gc.enable()


@st.cache_resource(max_entries=4, show_spinner=False)
def _index(runs: str) -> _Index:
    return _Index(RunIndex(RunStore(Path(runs))))


def images(dataset: str, image_size: int, fingerprint: str) -> ImageData:
    """A prepared data set; its arrays are read-only, and one copy serves everybody.

    `fingerprint` is part of the key: when the images change on disk, they are read again.
    """
    return _images(dataset, image_size, fingerprint)


@st.cache_resource(max_entries=4, show_spinner="Reading the images …")
def _images(dataset: str, image_size: int, fingerprint: str) -> ImageData:
    return source(dataset, image_size).load()


def history(run_id: str) -> History:
    """The curves of a run up to now; only what is new since the last call is read from disk."""
    lock, found = _history(str(runs_dir()), run_id)
    with lock:
        found.read_new()
        return found.copy()


@st.cache_resource(max_entries=2000, show_spinner=False)
def _history(runs: str, run_id: str) -> tuple[threading.Lock, History]:
    return threading.Lock(), History(RunStore(runs_dir()).get(run_id).events_path)


@st.cache_resource(show_spinner=False)
def freeze_imports() -> None:
    """Take what was imported out of the garbage collector's way; once a process, before the first tick.

    Streamlit collects garbage after every run of a script and every tick of a fragment, and looks at
    all modules each time: 73 ms of server CPU for a tick that draws nothing, 10 ms afterwards
    (`python benchmarks/live_tick.py`, two cores without a GPU).
    """
    import pandas  # noqa: F401  (a table would bring it later, unfrozen)

    gc.collect()
    gc.freeze()
