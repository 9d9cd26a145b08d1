"""What a table of runs shows of each run, remembered, so that ten thousand of them open at once.

The run folders are the truth. What was read from one is kept in memory and in `.index.sqlite` beside
the runs, together with the inode, change time and size of the files that it was read from, and is
believed only as long as these are the same. The file may be deleted at any time; one that is damaged,
or of another version, is made anew; where it can't be written, the memory does alone.
"""

import contextlib
import functools
import hashlib
import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from core.config import Recipe
from core.errors import UserError
from core.events import Failed, Finished
from core.history import read_history
from core.store import FORMAT, RECIPES_KEPT, Run, RunSpec, RunState, RunStore, recipe_of

INDEX_NAME = ".index.sqlite"
VERSION = 1000 * FORMAT + 1
"""Raised with each change of what is stored here, or of how a state or a history is derived from a run."""

SETTLING_SECONDS = 2.0
"""A file that changed this lately may change again within one tick of the file system's clock, which
may be as long, and look the same: it is read anew."""

RETRY_SECONDS = 60.0
"""After so long a file that could not be written is tried again; it may be locked, or the disk full."""

_FILES = ("run.json", "events.jsonl", "looks.jsonl")

_TABLES = (
    "recipes (name TEXT PRIMARY KEY, text TEXT)",
    "runs (id TEXT PRIMARY KEY, recipe TEXT, text TEXT, checksum INTEGER)",
)

# Of SQLite, by number as `sqlite3` names them: no such table, malformed, wrong type, no database.
_DAMAGED = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_NOTADB}

Stamp = tuple[int, int, int] | None
"""Inode, change time in nanoseconds and size of a file; None for no file. A change of content sets the
change time even where somebody sets the time of modification back."""


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


_FIGURES = [field.name for field in fields(Row) if field.name != "run"]


@dataclass(frozen=True)
class _Entry:
    """A row, what it was read from, and whether it holds as long as that stays as it is.

    An entry that is not `over` keeps its figures, yet its state hangs on locks and markers too.
    """

    stamps: tuple[Stamp, Stamp, Stamp]
    over: bool
    row: Row


class RunIndex:
    """The rows of one store. Not for several threads at once: whoever shares it brings a lock."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._file = _IndexFile(store.folder / INDEX_NAME)
        self._known: dict[str, _Entry] | None = None
        self._saved: dict[str, tuple[Stamp, Stamp, Stamp]] = {}

    def rows(self) -> list[Row]:
        """Every readable run, newest first, as `RunStore.runs` lists them."""
        if self._known is None:
            self._load()
        known, settled, rows = self._known, {}, []
        latest = time.time_ns() - int(SETTLING_SECONDS * 1e9)
        for run_id in self._store.ids():
            stamps = _stamps(self._store.folder, run_id)
            entry = self._entry(run_id, stamps, known.get(run_id))
            if entry is None:
                continue
            rows.append(entry.row)
            if all(stamp is None or stamp[1] < latest for stamp in stamps):
                settled[run_id] = entry
        self._known = settled
        self._save()
        return sorted(rows, key=lambda row: row.run.spec.created, reverse=True)

    def _entry(self, run_id: str, stamps: tuple[Stamp, Stamp, Stamp], known: _Entry | None) -> _Entry | None:
        """What is known, as far as it still holds; None for a run that can't be read."""
        if known is None or known.stamps[:2] != stamps[:2]:
            return _read(self._store, run_id, stamps)
        row = known.row
        if known.stamps != stamps:
            row = replace(row, looks=row.run.looks())
        if not known.over:
            state = row.run.state()
            row = row if state is row.state else replace(row, state=state)
        return known if row is known.row else _Entry(stamps, known.over, row)

    def _load(self) -> None:
        self._known = {}
        for run_id, recipe, text in self._file.read():
            # A recipe that this version of Tenfold refuses: the run itself tells what to make of it.
            with contextlib.suppress(UserError, ValueError, TypeError, KeyError):
                self._known[run_id] = _unpacked(self._store.folder / run_id, recipe, text)
        self._saved = {run_id: entry.stamps for run_id, entry in self._known.items()}

    def _save(self) -> None:
        """Write what is new, drop what is gone."""
        changed = [
            (run_id, entry)
            for run_id, entry in self._known.items()
            if self._saved.get(run_id) != entry.stamps
        ]
        gone = self._saved.keys() - self._known.keys()
        if (changed or gone) and self._file.write([_packed(*pair) for pair in changed], gone):
            self._saved = {run_id: entry.stamps for run_id, entry in self._known.items()}


class _IndexFile:
    """Texts by the id of their run in one SQLite file, with a checksum each; no method raises.

    Runs of one recipe share its text. Opened for each use, so that a file that somebody deleted
    meanwhile is not written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.remade = False  # what was there was damaged, or of another version
        self._blocked_until = 0.0

    def read(self) -> list[tuple[str, str, str]]:
        """Every id with the texts of its recipe and its row; nothing where anything is wrong with the file."""
        if not self.path.exists():
            return []
        try:
            with contextlib.closing(self._connect()) as connection:
                recipes = dict(connection.execute("SELECT name, text FROM recipes"))
                rows = connection.execute("SELECT id, recipe, text, checksum FROM runs").fetchall()
            sound = all(_name(text) == name for name, text in recipes.items())
            if sound and all(_checksum(*row[:3]) == row[3] and row[1] in recipes for row in rows):
                return [(run_id, recipes[name], text) for run_id, name, text, _ in rows]
            self._remove()
        except (sqlite3.Error, UnicodeError, TypeError, AttributeError) as error:  # also NULL for a text
            self._after(error)
        return []

    def write(self, new: list[tuple[str, str, str]], gone: Iterable[str]) -> bool:
        """Put and drop rows; False if that was not possible."""
        if time.monotonic() < self._blocked_until:
            return False
        recipes = {recipe: _name(recipe) for recipe in {recipe for _, recipe, _ in new}}
        rows = [(run_id, recipes[recipe], text) for run_id, recipe, text in new]
        try:
            with contextlib.closing(self._connect()) as connection, connection:
                named = [(name, recipe) for recipe, name in recipes.items()]
                connection.executemany("INSERT OR REPLACE INTO recipes VALUES (?, ?)", named)
                summed = [(*row, _checksum(*row)) for row in rows]
                connection.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", summed)
                connection.executemany("DELETE FROM runs WHERE id = ?", [(run_id,) for run_id in gone])
        except sqlite3.Error as error:
            self._after(error)
            return False
        return True

    def _connect(self) -> sqlite3.Connection:
        """Open the file and its table; made anew where it has another version."""
        connection = sqlite3.connect(self.path, timeout=0.5)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == VERSION:
                return connection
            if version:
                connection.close()
                self._remove()
                connection = sqlite3.connect(self.path, timeout=0.5)
            for table in _TABLES:
                connection.execute(f"CREATE TABLE IF NOT EXISTS {table}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _after(self, error: Exception) -> None:
        """Remove a file that is damaged; let one alone that is busy, read-only or without room."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in _DAMAGED:
            self._remove()
        else:
            self._blocked_until = time.monotonic() + RETRY_SECONDS

    def _remove(self) -> None:
        self.remade = True
        for end in ("", "-journal", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                Path(f"{self.path}{end}").unlink()


def _stamps(folder: Path, run_id: str) -> tuple[Stamp, Stamp, Stamp]:
    return tuple(_stamp(f"{folder}/{run_id}/{name}") for name in _FILES)


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)  # noqa: PTH116  (three times a run at each call: a Path would double it)
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns, status.st_size


def _read(store: RunStore, run_id: str, stamps: tuple[Stamp, Stamp, Stamp]) -> _Entry | None:
    """From the run itself. The stamps are older than what is read: a change in between shows next time."""
    try:
        run = store.get(run_id)
    except UserError:
        return None
    state, over = run.state(), run.over
    history = read_history(run.events_path, with_steps=False)
    end, last = history.end, history.epochs[-1] if history.epochs else None
    finished = end if isinstance(end, Finished) else None
    failed = end if isinstance(end, Failed) else None
    row = Row(
        run=run,
        state=state,
        looks=run.looks(),
        epochs=len(history.epochs),
        validation_accuracy=finished.validation_accuracy if finished else last and last.validation_accuracy,
        test_accuracy=finished and finished.test_accuracy,
        train_seconds=sum(epoch.train_seconds for epoch in history.epochs),
        images_per_second=finished and finished.images_per_second,
        device_name=history.started and history.started.passport.get("device_name"),
        reason=failed and failed.reason,
        message=failed and failed.message,
    )
    return _Entry(stamps, over, row)


def _packed(run_id: str, entry: _Entry) -> tuple[str, str, str]:
    """An entry as the texts of its recipe and of all else."""
    spec, row = entry.row.run.spec, entry.row
    about = (spec.seed, spec.digest, spec.data_fingerprint, spec.attempt, spec.created)
    figures = [getattr(row, name) for name in _FIGURES]
    return run_id, _recipe_text(spec.recipe), json.dumps([entry.stamps, entry.over, about, figures])


def _unpacked(folder: Path, recipe: str, text: str) -> _Entry:
    (run_stamp, events_stamp, looks_stamp), over, about, (state, *figures) = json.loads(text)
    stamps = (tuple(run_stamp), events_stamp and tuple(events_stamp), looks_stamp and tuple(looks_stamp))
    run = Run(folder, RunSpec(recipe_of(recipe), *about))
    return _Entry(stamps, over, Row(run, RunState(state), *figures))


@functools.lru_cache(maxsize=RECIPES_KEPT)
def _recipe_text(recipe: Recipe) -> str:
    return json.dumps(recipe.to_dict())


def _name(recipe: str) -> str:
    """What names a recipe's text, and proves that it is whole."""
    return hashlib.sha256(recipe.encode()).hexdigest()[:32]


def _checksum(*texts: str) -> int:
    return zlib.crc32("".join(texts).encode())
