"""What a table of runs shows of each run, remembered, so that ten thousand of them open at once.

The run folders are the truth. What was read from one is kept in memory and in `.index.sqlite` beside
the runs, together with the inode, change time and size of the files that it was read from, and is
believed only as long as these are the same. The file may be deleted at any time; one that is damaged,
or of another version, is made anew; where it can't be written, the memory does alone.
"""

import contextlib
import functools
import json
import os
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from core.config import Recipe
from core.errors import UserError
from core.events import Failed, Finished
from core.history import read_history
from core.index_file import IndexFile
from core.labels import Labels, labels_of, read_labels
from core.store import FORMAT, RECIPES_KEPT, Run, RunSpec, RunState, RunStore, recipe_of

INDEX_NAME = ".index.sqlite"
VERSION = 1000 * FORMAT + 2
"""Raised with each change of what is stored here, or of how a state or a history is derived from a run."""

SETTLING_SECONDS = 2.0
"""A file that changed this lately may change again within one tick of the file system's clock, which
may be as long, and look the same: it is read anew."""

_FILES = ("run.json", "events.jsonl", "looks.jsonl", "labels.json")

_CHANGING = (0, 0, 0)
"""In place of the stamp of looks that are to be counted, or of labels to be read, anew."""

Stamp = tuple[int, int, int] | None
"""Inode, change time in nanoseconds and size of a file; None for no file. A change of content sets the
change time even where somebody sets the time of modification back."""

Stamps = tuple[Stamp, Stamp, Stamp, Stamp]
"""Of `_FILES`."""


@dataclass(frozen=True)
class Row:
    """A run as tables show it; accuracies are fractions, `epochs` the committed ones.

    `validation_accuracy` is that of the weights kept if the run has finished, else of the last epoch.
    `test_accuracy` and `images_per_second` are there when it has finished, `reason` and `message` when
    its events say why it ended early. Who shows `test_accuracy` counts a look (`Run.look`).
    """

    run: Run
    state: RunState
    looks: int
    epochs: int
    validation_accuracy: float | None
    test_accuracy: float | None
    train_seconds: float
    images_per_second: float | None
    device_name: str | None
    reason: str | None
    message: str | None
    labels: Labels


_FIGURES = [field.name for field in fields(Row) if field.name not in ("run", "labels")]


@dataclass(frozen=True)
class _Entry:
    """A row, what it was read from, and whether it holds as long as that stays as it is.

    An entry that is not `over` keeps its figures, yet its state hangs on locks and markers too.
    """

    stamps: Stamps
    over: bool
    row: Row


class RunIndex:
    """The rows of one store. Not for several threads at once: whoever shares it brings a lock."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._file = IndexFile(store.folder / INDEX_NAME, VERSION)
        self._known: dict[str, _Entry] | None = None
        self._saved: dict[str, Stamps] = {}

    def rows(self) -> list[Row]:
        """Every readable run, newest first, as `RunStore.runs` lists them."""
        if self._known is None:
            self._load()
        known, believed, rows = self._known, {}, []
        latest = time.time_ns() - int(SETTLING_SECONDS * 1e9)
        for run_id in self._store.ids():
            stamps = _stamps(self._store.folder, run_id)
            entry = self._entry(run_id, stamps, known.get(run_id))
            if entry is None:
                continue
            rows.append(entry.row)
            if kept := _believed(entry, latest):
                believed[run_id] = kept
        self._known = believed
        self._save()
        return sorted(rows, key=lambda row: row.run.spec.created, reverse=True)

    def examine(self) -> dict[str, Any]:
        """For the doctor: compare with the runs themselves, and make the file anew where it is wrong.

        Returns:
            The `file`, how many `runs` are known, and in what `state` the file was, in words.
        """
        rows = self.rows()
        wrong = not all(map(self._agrees, self._known))
        if wrong:
            self._file.remove()
            self._known = None
            rows = self.rows()
        if self._file.remade:
            state = "was damaged or of another version: made anew"
        elif self._saved.keys() == self._known.keys():
            state = "in order"
        else:
            state = "in memory only: the file can't be written at the moment"
        return {"file": str(self._file.path), "runs": len(rows), "state": state}

    def _agrees(self, run_id: str) -> bool:
        known = self._known[run_id]
        fresh = _read(self._store, run_id, _stamps(self._store.folder, run_id))
        if not known.over or fresh is None or fresh.stamps != known.stamps:  # on its way, or gone just now
            return True
        return _packed(run_id, fresh) == _packed(run_id, known)

    def _entry(self, run_id: str, stamps: Stamps, known: _Entry | None) -> _Entry | None:
        """What is known, as far as it still holds; None for a run that can't be read."""
        if known is None or known.stamps[:2] != stamps[:2]:
            return _read(self._store, run_id, stamps)
        row = known.row
        if known.stamps[2] != stamps[2]:
            row = replace(row, looks=row.run.looks())
        if known.stamps[3] != stamps[3]:
            row = replace(row, labels=read_labels(row.run.folder))
        if not known.over:
            state = row.run.state()
            row = row if state is row.state else replace(row, state=state)
        return known if row is known.row and known.stamps == stamps else _Entry(stamps, known.over, row)

    def _load(self) -> None:
        self._known = {}
        for run_id, recipe, text in self._file.read():
            # A recipe that this version of Tenfold refuses: the run itself tells what to make of it.
            with contextlib.suppress(UserError, ValueError, TypeError, KeyError):
                self._known[run_id] = _unpacked(self._store.folder / run_id, recipe, text)
        self._saved = {run_id: entry.stamps for run_id, entry in self._known.items()}

    def _save(self) -> None:
        """Write what is new, drop what is gone; everything where somebody deleted the file."""
        if self._file.blocked:
            return
        if not self._file.path.exists():
            self._saved = {}
        changed = [
            (run_id, entry)
            for run_id, entry in self._known.items()
            if self._saved.get(run_id) != entry.stamps
        ]
        gone = self._saved.keys() - self._known.keys()
        if (changed or gone) and self._file.write([_packed(*pair) for pair in changed], gone):
            self._saved = {run_id: entry.stamps for run_id, entry in self._known.items()}


def _stamps(folder: Path, run_id: str) -> Stamps:
    return tuple(_stamp(f"{folder}/{run_id}/{name}") for name in _FILES)


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)  # noqa: PTH116  (four times a run at each call: a Path would double it)
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns, status.st_size


def _believed(entry: _Entry, latest: int) -> _Entry | None:
    """An entry as far as it may be believed at the next call; None where the run has just changed.

    Looks and labels alone are read anew: with `python -m core runs --json` all runs are looked at at once,
    and as many may be starred or archived.
    """
    run, events, *others = entry.stamps
    if run is None or run[1] >= latest or (events and events[1] >= latest):
        return None
    settled = tuple(_CHANGING if stamp and stamp[1] >= latest else stamp for stamp in others)
    return entry if settled == tuple(others) else replace(entry, stamps=(run, events, *settled))


def _read(store: RunStore, run_id: str, stamps: Stamps) -> _Entry | None:
    """From the run itself. The stamps are older than what is read: a change in between shows next time."""
    try:
        run = store.get(run_id)
    except UserError:
        return None
    state, over = run.state(), run.over
    history = read_history(run.events_path, with_steps=False)
    end = history.end
    finished = end if isinstance(end, Finished) else None
    failed = end if isinstance(end, Failed) else None
    row = Row(
        run=run,
        state=state,
        looks=run.looks(),
        epochs=len(history.epochs),
        validation_accuracy=history.validation_accuracy,
        test_accuracy=finished and finished.test_accuracy,
        train_seconds=sum(epoch.train_seconds for epoch in history.epochs),
        images_per_second=finished and finished.images_per_second,
        device_name=history.started and history.started.passport.get("device_name"),
        reason=failed and failed.reason,
        message=failed and failed.message,
        labels=read_labels(run.folder),
    )
    return _Entry(stamps, over, row)


def _packed(run_id: str, entry: _Entry) -> tuple[str, str, str]:
    """An entry as the texts of its recipe and of all else."""
    spec, row = entry.row.run.spec, entry.row
    about = (spec.seed, spec.digest, spec.data_fingerprint, spec.attempt, spec.created)
    figures = [getattr(row, name) for name in _FIGURES]
    parts = [entry.stamps, entry.over, about, figures, asdict(row.labels)]
    return run_id, _recipe_text(spec.recipe), json.dumps(parts)


def _unpacked(folder: Path, recipe: str, text: str) -> _Entry:
    (run_stamp, *more), over, about, (state, *figures), labels = json.loads(text)
    stamps = (tuple(run_stamp), *(stamp and tuple(stamp) for stamp in more))
    run = Run(folder, RunSpec(recipe_of(recipe), *about))
    return _Entry(stamps, over, Row(run, RunState(state), *figures, labels_of(labels)))


@functools.lru_cache(maxsize=RECIPES_KEPT)
def _recipe_text(recipe: Recipe) -> str:
    return json.dumps(recipe.to_dict())
