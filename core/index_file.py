"""The file of the index of runs: records by id in SQLite, where no fault reaches the caller."""

import contextlib
import sqlite3
import time
import zlib
from collections.abc import Iterable
from pathlib import Path

from core.index_rows import Record, name_of

RETRY_SECONDS = 60.0
"""After so long a file that could not be written is tried again; it may be locked, or the disk full."""

TIDIED_FROM = 100
"""A write of so many records may leave texts that no record shares, after a change of rules, say: they go at once."""

_TABLES = (
    "claims (number INTEGER PRIMARY KEY, text TEXT)",
    "recipes (name TEXT PRIMARY KEY, text TEXT)",
    "runs (recipe TEXT, id TEXT PRIMARY KEY, facts TEXT, checksum INTEGER)",
)

# Of SQLite, by number as `sqlite3` names them: no such table, malformed, wrong type, no database.
_DAMAGED = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_NOTADB}


class IndexFile:
    """Records by the id of their run in one SQLite file, with a checksum each; no method raises.

    Runs of one recipe share its text. Opened for each use, so that a file that somebody deleted
    meanwhile is not written to.
    """

    def __init__(self, path: Path, version: int) -> None:
        self.path = path
        self._version = version
        self.remade = False  # what was there was damaged, or of another version
        self._blocked_until = 0.0
        self._has_unused = False  # texts that no record shares any more

    @property
    def blocked(self) -> bool:
        """Whether it could not be used a moment ago."""
        return time.monotonic() < self._blocked_until

    def read(self) -> tuple[str, dict[str, str], list[Record]]:
        """The last writer's claim, shared texts by name, and every record; nothing where anything is wrong with the
        file."""
        if not self.path.exists():
            return "", {}, []
        try:
            with contextlib.closing(self._connect()) as connection:
                connection.execute("BEGIN")  # so that all of these read the same
                claims = connection.execute("SELECT text FROM claims").fetchall()
                shared = dict(connection.execute("SELECT name, text FROM recipes"))
                found = connection.execute(
                    "SELECT recipe, id, facts, checksum FROM runs ORDER BY rowid"
                ).fetchall()
            whole = all(name_of(text) == name for name, text in shared.items())
            used = {name for name, _, _, _ in found}
            self._has_unused = not used >= shared.keys()
            whole = whole and shared.keys() >= used
            if whole and all([_checksum(*record) == checksum for *record, checksum in found]):
                return claims[0][0] if claims else "", shared, [record[:3] for record in found]
            self.remove()
        except (sqlite3.Error, UnicodeError, TypeError, AttributeError) as error:  # also NULL for a text
            self._after(error)
        return "", {}, []

    def write(self, new: list[tuple[str, Record]], gone: Iterable[str], claim: str) -> bool:
        """Drop and put records; False if that was not possible: then try again when it is not `blocked`.

        Args:
            new: each with the text that it shares.
            claim: what the writer knows of the records as a whole, for the next reader to check.
        """
        try:
            with contextlib.closing(self._connect()) as connection, connection:
                connection.executemany("DELETE FROM runs WHERE id = ?", [(run_id,) for run_id in gone])
                named = {record[0]: text for text, record in new}
                connection.executemany("INSERT OR REPLACE INTO recipes VALUES (?, ?)", named.items())
                summed = [(*record, _checksum(*record)) for _, record in new]
                connection.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", summed)
                connection.execute("INSERT OR REPLACE INTO claims VALUES (1, ?)", (claim,))
                if self._has_unused or len(new) >= TIDIED_FROM:
                    connection.execute("DELETE FROM recipes WHERE name NOT IN (SELECT recipe FROM runs)")
        except sqlite3.Error as error:
            self._after(error)
            return False
        self._has_unused = False
        return True

    def _connect(self) -> sqlite3.Connection:
        """Open the file and its tables; made anew where it has another version."""
        connection = sqlite3.connect(self.path, timeout=0.5)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version and version != self._version:
                connection.close()
                self.remove()
                connection = sqlite3.connect(self.path, timeout=0.5)
            # A journal that comes and goes would change the folder of runs, which is then listed anew.
            connection.execute("PRAGMA journal_mode = PERSIST")
            if version == self._version:
                return connection
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


def _checksum(name: str, run_id: str, facts: str) -> int:
    return zlib.crc32(f"{name}\0{run_id}\0{facts}".encode())
