"""What is read once and shared by all sessions. Everything here is bounded."""

import gc
import threading
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


def rows() -> list[Row]:
    """Every run as a table shows it, newest first; what is known of those that ended is not read again."""
    lock, index = _index(str(runs_dir()))
    with lock:
        return index.rows()


@st.cache_resource(max_entries=4, show_spinner="Reading the runs …")
def _index(runs: str) -> tuple[threading.Lock, RunIndex]:
    index = RunIndex(RunStore(Path(runs)))
    index.rows()  # here, under the spinner: the first time takes longest
    return threading.Lock(), index


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
