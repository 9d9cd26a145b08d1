"""The file of the index of runs: records in SQLite, where no fault reaches the caller."""

import contextlib
import sqlite3
import time
import zlib
from collections import defaultdict
from collections.abc import Set
from pathlib import Path
from typing import NamedTuple

RETRY_SECONDS = 60.0
"""After so long a file that could not be written is tried again; it may be locked, or the disk full."""

PATIENCE_SECONDS = 3.0
"""So long a reader waits for a writer, who may need two seconds for all records: reading the runs takes minutes."""

_TABLES = (
    "claims (number INTEGER PRIMARY KEY, text TEXT)",
    "recipes (name TEXT PRIMARY KEY, shared TEXT, ids TEXT, heads TEXT, rests TEXT, checksum INTEGER)",
    "members (id TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID",
)

# Of SQLite, by number as `sqlite3` names them: no such table, malformed, wrong type, no database.
_DAMAGED = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_NOTADB}


class Record(NamedTuple):
    """A run in the file. No part but `shared` may hold a line end."""

    name: str
    """Of what it shares."""
    shared: str
    """What all runs of its recipe share."""
    id: str
    head: str
    rest: str


class Group(NamedTuple):
    """All runs in the file that share a text: as many lines in the last three as there are runs, in one order.

    Ten thousand of these are read in a fifth of the time that a hundred thousand single records take.
    """

    name: str
    shared: str
    ids: str
    heads: str
    rests: str


class IndexFile:
    """Records by the id of their run in one SQLite file, with a checksum for each group; no method raises.

    The table `members` tells a writer in which group a run is; a reader compares it with the groups. Opened for each
    use, so that a file that somebody deleted meanwhile is not written to.
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

    def read(self) -> tuple[str, list[Group]]:
        """The last writer's claim, and all that is there; nothing where anything is wrong with the file."""
        if not self.path.exists():
            return "", []
        try:
            with contextlib.closing(self._connect(PATIENCE_SECONDS)) as connection:
                connection.execute("BEGIN")  # so that all of these read the same
                claims = connection.execute("SELECT text FROM claims").fetchall()
                groups = [_checked(*values) for values in connection.execute(_SELECT)]
                ((members,),) = connection.execute(_SELECT_MEMBERS)
            if (members or "") != "\n".join(sorted("\n".join([group.ids for group in groups]).split("\n"))):
                raise sqlite3.DatabaseError("The members of the groups are others than those in them.")
            return claims[0][0] if claims else "", groups
        except (sqlite3.Error, UnicodeError, TypeError) as error:  # also NULL for a text
            self._after(error)
        return "", []

    def write(self, new: list[Record], gone: Set[str], claim: str, known: Set[str]) -> set[str] | None:
        """Drop and put records, those of other writers staying as they are.

        Args:
            gone: ids.
            claim: what the next reader is told of the records as a whole, empty for nothing; written only if
                they are those of `known`.
            known: ids of all records that there should be.

        Returns:
            With a claim, the ids that are `known` and not there; None if the file can't be written: then try
            again when it is not `blocked`.
        """
        try:
            with contextlib.closing(self._connect()) as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
                _change(connection, new, gone)
                there = {run_id for (run_id,) in connection.execute(_SELECT_IDS)} if claim else set()
                truth = claim if claim and there == known else ""
                connection.execute("INSERT OR REPLACE INTO claims VALUES (1, ?)", (truth,))
        except (sqlite3.Error, UnicodeError, TypeError) as error:
            self._after(error)
            return None
        return set(known - there) if claim else set()

    def _connect(self, patience_seconds: float = 0.5) -> sqlite3.Connection:
        """Open the file and its tables; made anew where it has another version."""
        connection = sqlite3.connect(self.path, timeout=patience_seconds)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version and version != self._version:
                connection.close()
                self.remove()
                connection = sqlite3.connect(self.path, timeout=patience_seconds)
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


_SELECT = "SELECT name, shared, ids, heads, rests, checksum FROM recipes"
_SELECT_IDS = "SELECT id FROM members"
_SELECT_MEMBERS = (
    f"SELECT group_concat(id, char(10)) FROM ({_SELECT_IDS} ORDER BY id)"  # in a third of the time
)


def _change(connection: sqlite3.Connection, new: list[Record], gone: Set[str]) -> None:
    """Group by group, as each is one text with one checksum."""
    leaving, coming = defaultdict(list), defaultdict(list)
    for run_id in {*gone, *(record.id for record in new)}:
        for (name,) in connection.execute("SELECT name FROM members WHERE id = ?", (run_id,)):
            leaving[name].append(run_id)
    for record in new:
        coming[record.name].append(record)
    for name in leaving.keys() | coming.keys():
        _change_group(connection, name, leaving[name], coming[name])
    connection.executemany("DELETE FROM members WHERE id = ?", [(run_id,) for run_id in gone])
    connection.executemany(
        "INSERT OR REPLACE INTO members VALUES (?, ?)", [(one.id, one.name) for one in new]
    )


def _change_group(
    connection: sqlite3.Connection, name: str, leaving: list[str], coming: list[Record]
) -> None:
    found = connection.execute(f"{_SELECT} WHERE name = ?", (name,)).fetchone()
    before = _checked(*found) if found else None
    lines = {}
    if before:
        ids, heads, rests = (text.split("\n") for text in before[2:])
        lines = dict(zip(ids, zip(heads, rests, strict=True), strict=True))
    for run_id in leaving:
        lines.pop(run_id, None)
    lines |= {record.id: (record.head, record.rest) for record in coming}
    if not lines:
        connection.execute("DELETE FROM recipes WHERE name = ?", (name,))
        return
    heads, rests = zip(*lines.values(), strict=True)
    shared = coming[0].shared if coming else before.shared
    group = Group(name, shared, *map("\n".join, (lines, heads, rests)))
    values = (*group, _checksum(group))
    connection.execute("INSERT OR REPLACE INTO recipes VALUES (?, ?, ?, ?, ?, ?)", values)


def _checked(*values: str | int) -> Group:
    """A group as it was written.

    Raises:
        sqlite3.DatabaseError: it is another one now.
    """
    *texts, checksum = values
    group = Group(*texts)
    if _checksum(group) != checksum:
        raise sqlite3.DatabaseError("A record does not fit its checksum.")
    return group


def _checksum(group: Group) -> int:
    return zlib.crc32("\0".join(group).encode())
