"""What is read once and shared by all sessions. Everything here is bounded."""

import functools
import gc
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

import core.study
from core import stats, sweep
from core.asking import Asker
from core.config import Recipe
from core.datasets import ImageData, source
from core.decoding import Decoder
from core.errors import UserError
from core.estimate import Estimate, estimate
from core.history import History
from core.index import Row, RunIndex
from core.paths import runs_dir
from core.stats import Comparison
from core.store import RunStore
from core.study import Study
from core.sweep import Sweep


def store() -> RunStore:
    """The runs of this dashboard; never stale. One for all, as it remembers what it read of the queue."""
    return _store(str(runs_dir()))


@st.cache_resource(max_entries=4, show_spinner=False)
def _store(runs: str) -> RunStore:
    return RunStore(Path(runs))


ESTIMATE_SECONDS_OLD = 10.0
"""What was known so long ago is good enough to tell how fast this machine is."""


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


def examine_index() -> dict[str, Any]:
    """Compare what is remembered of the runs with the runs themselves; made anew where it is wrong."""
    shared = _index(str(runs_dir()))
    with shared.lock:
        found = shared.index.examine()
        shared.rows = None
    return found


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


def sweeps() -> list[Sweep]:
    """All runs by recipe, the newest first."""
    return sweep.sweeps(store(), rows())


def estimated(recipe: Recipe, fingerprint: str) -> Estimate | None:
    """How long one run of a recipe takes alone on this machine; None before anything was measured."""
    data = images(recipe.dataset, recipe.image_size, fingerprint)
    known = rows(ESTIMATE_SECONDS_OLD)
    return estimate(store(), recipe, len(data.classes), len(data.train), len(data.test), known)


def study(of: Sweep) -> Study:
    """The finished runs of a sweep, image by image.

    Raises:
        UserError: predictions that are gone or damaged.
    """
    return _study(_key(of), _Rows(of.finished))


class _Rows(list):
    """What `st.cache_resource` is not to hash."""


@st.cache_resource(
    max_entries=64, show_spinner="Putting the seeds together …", hash_funcs={_Rows: lambda rows: 0}
)
def _study(key: str, rows: _Rows) -> Study:
    return core.study.study(rows)


def _key(of: Sweep) -> str:
    """Other predictions, other key: of these runs, as they lie on the disk now."""
    return f"{runs_dir()} {core.study.stamp(of.finished)}"


def compare(a: Sweep, b: Sweep, threshold: float) -> Comparison:
    """Two sweeps on the same test images; `threshold` is the smallest difference that matters, a fraction."""
    return _compare(_key(a) + _key(b), threshold, _Rows([a, b]))


@st.cache_data(max_entries=200, show_spinner=False, hash_funcs={_Rows: lambda rows: 0})
def _compare(key: str, threshold: float, pair: _Rows) -> Comparison:
    a, b = pair
    return stats.compare(study(a).correct, study(b).correct, threshold)


def judged_images(of: Sweep) -> ImageData:
    """The data set that a sweep was judged on.

    Raises:
        UserError: it is gone, or other images are in its place.
    """
    recipe = of.recipe
    if source(recipe.dataset, recipe.image_size).ready_fingerprint() != of.data_fingerprint:
        raise UserError("The images of this data set have changed since these runs, so they can't be shown.")
    return images(recipe.dataset, recipe.image_size, of.data_fingerprint)


def class_names(of: Sweep) -> tuple[str, ...]:
    """Of a sweep with a finished run; none before."""
    started = history(of.finished[0].run.id).started if of.finished else None
    return tuple(started.classes) if started else ()


def asker() -> Asker:
    """The process that classifies for all sessions of this dashboard."""
    return _asker(str(runs_dir()))


@st.cache_resource(max_entries=2, show_spinner=False)
def _asker(runs: str) -> Asker:
    return Asker(RunStore(Path(runs)))


@st.cache_resource(show_spinner=False)
def decoder() -> Decoder:
    """The process that decodes images for all sessions."""
    return Decoder()


@functools.cache
def warm_up() -> None:
    """Do while somebody reads the first page what the next ones would have them wait for; once a process.

    With this and `live_chart.load_ahead` the first visit to Data takes 1.0 s in place of 3.8 s on two busy cores
    (`python -m benchmarks.pages`).
    """
    threading.Thread(target=_warm, name="warm-up", daemon=True).start()


def _warm() -> None:
    import pandas  # noqa: F401
    import scipy.stats  # noqa: F401

    if fingerprint := source("shapes").ready_fingerprint():
        _ = images("shapes", Recipe().image_size, fingerprint).channel_statistics


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
