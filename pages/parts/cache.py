"""What is read once and shared by all sessions. Everything here is bounded."""

import functools
import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from core.asking import Asker
from core.config import Recipe
from core.datasets import ImageData, source
from core.decoding import Decoder
from core.errors import UserError
from core.estimate import Estimate, estimate, probed_device
from core.history import History
from core.index import Row
from core.paths import runs_dir
from core.store import RunStore
from core.sweep import Sweep
from pages.parts import all_runs

if TYPE_CHECKING:  # takes long to import: only where a statistic is computed
    from core.stats import Comparison
    from core.study import Study

Found = TypeVar("Found")


def store() -> RunStore:
    """The runs of this dashboard; never stale. One for all, as it remembers what it read of the queue."""
    return _store(str(runs_dir()))


@st.cache_resource(max_entries=4, show_spinner=False)
def _store(runs: str) -> RunStore:
    return RunStore(Path(runs))


def examine_index() -> dict[str, Any]:
    """Compare what is remembered of the runs with the runs themselves; made anew where it is wrong."""
    return all_runs.shared().examine()


def rows(seconds_old: float = 0.0) -> list[Row]:
    """Every run as a table shows it, newest first: see `pages.parts.all_runs`."""
    return all_runs.shared().rows(seconds_old)


def unreadable() -> int:
    """How many runs there are besides that can't be read here."""
    return all_runs.shared().unreadable


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
    """All runs by recipe, the newest first: the very same list as long as nothing has changed."""
    return all_runs.shared().sweeps()


def of(source: list[Any], work: Callable[..., Found], *args: object) -> Found:
    """`work(source, *args)`, as `of_rows`, of rows or sweeps that a page has at hand: whatever changed meanwhile."""
    return all_runs.shared().of(source, work, *args)


def of_rows(work: Callable[..., Found], *args: object) -> Found:
    """`work(rows, *args)`, worked out anew only when a run has changed.

    Args:
        work: a function of a module that is imported, not one of a page's script, which is another at each view.
        args: a few different ones.
    """
    return all_runs.shared().of_rows(work, *args)


def of_sweeps(work: Callable[..., Found], *args: object) -> Found:
    """`work(sweeps, *args)`, as `of_rows`."""
    return all_runs.shared().of_sweeps(work, *args)


def estimated(recipe: Recipe, fingerprint: str) -> Estimate | None:
    """How long one run of a recipe takes alone on this machine; None before anything was measured."""
    data = images(recipe.dataset, recipe.image_size, fingerprint)
    speeds = all_runs.shared().speeds(probed_device(store()))
    return estimate(store(), recipe, len(data.classes), len(data.train), len(data.test), speeds)


def study(of: Sweep) -> "Study":
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
def _study(key: str, rows: _Rows) -> "Study":
    import core.study

    return core.study.study(rows)


def _key(of: Sweep) -> str:
    """Other predictions, other key: of these runs, as they lie on the disk now."""
    import core.study

    return f"{runs_dir()} {core.study.stamp(of.finished)}"


def compare(a: Sweep, b: Sweep, threshold: float) -> "Comparison":
    """Two sweeps on the same test images; `threshold` is the smallest difference that matters, a fraction."""
    return _compare(_key(a) + _key(b), threshold, _Rows([a, b]))


@st.cache_data(max_entries=200, show_spinner=False, hash_funcs={_Rows: lambda rows: 0})
def _compare(key: str, threshold: float, pair: _Rows) -> "Comparison":
    from core import stats

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
