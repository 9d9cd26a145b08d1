"""The file of the index of runs: texts by id in SQLite, where no fault reaches the caller."""

import contextlib
import hashlib
import sqlite3
import time
import zlib
from collections.abc import Iterable
from pathlib import Path

RETRY_SECONDS = 60.0
"""After so long a file that could not be written is tried again; it may be locked, or the disk full."""

_TABLES = (
    "recipes (name TEXT PRIMARY KEY, text TEXT)",
    "runs (id TEXT PRIMARY KEY, recipe TEXT, text TEXT, checksum INTEGER)",
)

# Of SQLite, by number as `sqlite3` names them: no such table, malformed, wrong type, no database.
_DAMAGED = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_NOTADB}


class IndexFile:
    """Texts by the id of their run in one SQLite file, with a checksum each; no method raises.

    Runs of one recipe share its text. Opened for each use, so that a file that somebody deleted
    meanwhile is not written to.
    """

    def __init__(self, path: Path, version: int) -> None:
        self.path = path
        self._version = version
        self.remade = False  # what was there was damaged, or of another version
        self._blocked_until = 0.0

    @property
    def blocked(self) -> bool:
        """Whether it could not be used a moment ago."""
        return time.monotonic() < self._blocked_until

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
            self.remove()
        except (sqlite3.Error, UnicodeError, TypeError, AttributeError) as error:  # also NULL for a text
            self._after(error)
        return []

    def write(self, new: list[tuple[str, str, str]], gone: Iterable[str]) -> bool:
        """Put and drop rows; False if that was not possible: then try again when it is not `blocked`."""
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
            if version == self._version:
                return connection
            if version:
                connection.close()
                self.remove()
                connection = sqlite3.connect(self.path, timeout=0.5)
            for table in _TABLES:
                connection.execute(f"CREATE TABLE IF NOT EXISTS {table}")
            connection.execute(f"PRAGMA user_version = {self._version}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _after(self, error: Exception) -> None:
        """Remove a file that is damaged; let one alone that is busy, read-only or without room."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in _DAMAGED:
            self.remove()
        if code not in _DAMAGED or self.path.exists():
            self._blocked_until = time.monotonic() + RETRY_SECONDS

    def remove(self) -> None:
        """Away with it, and with what SQLite keeps beside it."""
        self.remade = True
        for end in ("", "-journal", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                Path(f"{self.path}{end}").unlink()


def _name(recipe: str) -> str:
    """What names a recipe's text, and proves that it is whole."""
    return hashlib.sha256(recipe.encode()).hexdigest()[:32]


def _checksum(*texts: str) -> int:
    return zlib.crc32("".join(texts).encode())
