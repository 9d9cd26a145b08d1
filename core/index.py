"""What a table of runs shows of each run, remembered, so that a hundred thousand of them open at once.

The run folders are the truth. What was read from one is kept in memory and in `.index.sqlite` beside
the runs, together with the inode, change time and size of the files that it was read from, and is
believed only as long as these are the same. The file may be deleted at any time; one that is damaged,
or of another version, is made anew; where it can't be written, the memory does alone.

Whoever asks again and again (pages) can't look at four files of each of a hundred thousand runs each time. With
a `turn`, each call looks at

- the folder of runs, and lists it where it changed: runs that came, went, or lie in another folder than before. The
  first call lists it as well, unless the file claims to have all runs of the folder as it is now;
- every run that is not over or has just changed, and every one that Tenfold has noted as changed (`core.changes`);
- so many others as the turn says, the next ones in a ring; calls that follow each other closely share a turn.

So a run that ended long ago and is changed by hand, or a bit of which flips, is noticed after at most
`ceil(runs / turn)` turns; without a turn, and by the doctor, at once.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.changes import Changes
from core.index_file import IndexFile
from core.index_records import packed, restored
from core.index_rows import Entry, Row, Stamps, as_text, read_row, settled
from core.labels import read_labels
from core.stamps import CHANGING, Stamp, Turns, latest, stamp
from core.store import FORMAT, RUN_ID, RunStore

__all__ = ["INDEX_NAME", "TURN", "Row", "RunIndex"]

INDEX_NAME = ".index.sqlite"
VERSION = 1000 * FORMAT + 10
"""Raised with each change of what is stored here, or of how a state or a history is derived from a run."""

TURN = 1000
"""Of ended runs, in a turn for a page: a hundredth of a second."""

SETTLING_SECONDS = 2.0
"""A file that changed this lately may change again within one tick of the file system's clock, which
may be as long, and look the same: it is read anew."""

LISTING_SETTLES_SECONDS = 2.0
"""The same of the folder of runs: it is listed anew."""

SAVED_AT_ONCE = 5000
"""So many runs are read before they are written down: an end by force loses no more."""

_FILES = ("run.json", "events.jsonl", "looks.jsonl", "labels.json")

Report = Callable[[int, int], None]
"""Called now and then with how many runs have been looked at, and of how many."""


class RunIndex:
    """The rows of one store. Not for several threads at once: whoever shares it brings a lock.

    Args:
        turn: of ended runs, so many are looked at in a call; None: all.
        turn_seconds: calls that follow each other faster have one turn together: a page asks several times a view.
    """

    def __init__(self, store: RunStore, turn: int | None = None, turn_seconds: float = 0.0) -> None:
        self._store, self._turn, self._turn_seconds = store, turn, turn_seconds
        self._turned_at = float("-inf")
        self._file = IndexFile(store.folder / INDEX_NAME, VERSION)
        self._forget()

    def _forget(self) -> None:
        self._known: dict[str, Entry] | None = None  # what was made first stands at the front
        self._rows: list[Row] = []
        self._outdated = False
        self._changes = Changes(self._store.folder)
        self._watched: set[str] = set()  # not over, just changed, or unreadable: looked at in each call
        self._unreadable: set[str] = set()
        self._unsaved: set[str] = set()
        self._disordered = False
        self._gone: set[str] = set()
        self._listed: Stamp = None  # the folder of runs when it was listed
        self._places: dict[str, int] = {}  # inodes of the runs' folders by their names
        self._unwritten: set[str] = set()  # of which the file has no record, not even an older one
        self._claimed: Stamp = None  # the state of the folder of which the file claims to have all runs
        self._turns = Turns()

    @property
    def unreadable(self) -> int:
        """How many folders there are whose run can't be read here: damaged, or of a newer Tenfold."""
        return len(self._unreadable)

    def rows(self, report: Report | None = None) -> list[Row]:
        """Every readable run, newest first, as `RunStore.runs` lists them.

        The very same list as long as nothing has changed: not to be changed by who gets it.
        """
        return self._rows_after(self._turn, report)

    def _rows_after(self, turn: int | None, report: Report | None = None) -> list[Row]:
        if self._known is None:
            self._load()
        noted, came = self._changes.new(), self._list()
        # Watched until they have been looked at: an error on the way loses none.
        self._watched |= {*came, *(noted & self._known.keys())}
        self._look_at({*self._watched, *self._next(turn)}, report)
        if self._outdated:
            self._rows = [entry.row for entry in reversed(self._known.values())]
            self._outdated = False
        self._save()
        return self._rows

    def examine(self) -> dict[str, Any]:
        """For the doctor: compare with the runs themselves, and make the file anew where it is wrong.

        Returns:
            The `file`, how many `runs` are known, and in what `state` the file was, in words.
        """
        if self._known is None:
            self._load()
        self._listed = None  # whatever the file says of the folder
        rows = self._rows_after(None)
        wrong = not all(map(self._agrees, self._known))
        if wrong:
            self._file.remove()
            self._forget()
            rows = self._rows_after(None)
        if self._file.remade:
            state = "was damaged or of another version: made anew"
        elif self._file.blocked or self._gone or self._ready():
            state = "in memory only: the file can't be written at the moment"
        else:
            state = "in order"
        return {"file": str(self._file.path), "runs": len(rows), "state": state}

    def _agrees(self, run_id: str) -> bool:
        known = self._known[run_id]
        seen = as_text(_stamps(self._store.folder, run_id))
        fresh = read_row(self._store, run_id)
        if not known.over or fresh is None or seen != known.seen:  # on its way, or gone just now
            return True
        row, over = fresh
        return packed(Entry(known.place, seen, over, row)) == packed(known)

    def _load(self) -> None:
        claim, groups = self._file.read()
        self._known, self._unsaved, self._gone = restored(self._store.folder, groups)
        now = stamp(str(self._store.folder))
        if claim and now and claim == _claim(now, len(self._known)):
            self._listed = self._claimed = now
            self._places = {run_id: entry.place for run_id, entry in self._known.items()}
        self._rows = list(reversed(self._known.values()))  # each is its own row
        self._watched = {run_id for run_id, entry in self._known.items() if not entry.is_quiet}

    def _list(self) -> list[str]:
        """Ids of runs that are new here, or lie in another folder; those that are gone are left out.

        A change of the folder's time tells that one came or went; nothing is listed where it is the same.
        """
        now = stamp(str(self._store.folder))
        if now is not None and now == self._listed:
            return []
        self._listed = None if now is None or now[1] >= latest(LISTING_SETTLES_SECONDS) else now
        self._places = _places(self._store.folder)
        gone = self._known.keys() - self._places.keys()
        for run_id in gone:
            del self._known[run_id]
        self._gone |= gone
        self._outdated |= bool(gone)
        self._unsaved -= gone
        self._unwritten -= gone
        self._watched &= self._places.keys()
        self._unreadable &= self._places.keys()
        known = self._known
        return [
            run_id
            for run_id, place in self._places.items()
            if run_id not in known or known[run_id].place != place
        ]

    def _next(self, turn: int | None) -> list[str]:
        """Those whose turn it is."""
        if turn is None:
            return list(self._known)
        if time.monotonic() - self._turned_at < self._turn_seconds:
            return []
        self._turned_at = time.monotonic()
        return self._turns.next(self._known.keys(), turn)

    def _look_at(self, due: set[str], report: Report | None) -> None:
        """Bring what is known of some runs up to date."""
        settled_at, before = latest(SETTLING_SECONDS), len(self._unsaved)
        for number, run_id in enumerate(due):
            if report and number % 100 == 0:
                report(number, len(due))
            self._look(run_id, settled_at)
            if len(self._unsaved) - before >= SAVED_AT_ONCE:
                self._save()
                before = len(self._unsaved)
        if self._disordered:
            self._known = dict(sorted(self._known.items(), key=_created))
            self._disordered = False

    def _look(self, run_id: str, settled_at: int) -> None:
        known, place = self._known.get(run_id), self._places.get(run_id)
        stamps = _stamps(self._store.folder, run_id)
        entry = None if place is None else self._entry(run_id, place, stamps, known)
        if entry is None:
            self._leave_out(run_id)
            return
        if entry is not known:
            entry.seen = as_text(settled(stamps, settled_at))
            if known is None or (known.seen, known.place) != (entry.seen, place):
                self._unsaved.add(run_id)
            if known is None:
                self._unwritten.add(run_id)
            self._put(run_id, entry)
        if entry.is_quiet:
            self._watched.discard(run_id)
        else:
            self._watched.add(run_id)

    def _put(self, run_id: str, entry: Entry) -> None:
        """In its place, or at the end, where most belong; else the order is to be made anew."""
        created, known = entry.row.created, self._known.get(run_id)
        if known:
            self._disordered |= known.row.created != created
        elif self._known:
            self._disordered |= next(reversed(self._known.values())).row.created > created
        self._unreadable.discard(run_id)
        self._known[run_id] = entry
        self._outdated = True

    def _leave_out(self, run_id: str) -> None:
        """A run that can't be read, or is gone at this very moment."""
        if self._known.pop(run_id, None):
            self._gone.add(run_id)
            self._outdated = True
            self._listed = None  # perhaps the file was wrong about the folder
        self._unsaved.discard(run_id)
        self._unwritten.discard(run_id)
        if run_id in self._places:
            self._watched.add(run_id)
            self._unreadable.add(run_id)
        else:
            self._watched.discard(run_id)

    def _entry(self, run_id: str, place: int, stamps: Stamps, known: Entry | None) -> Entry | None:
        """What is known, as far as it still holds; None for a run that can't be read.

        The stamps are older than what is read: a change in between shows next time.
        """
        seen = as_text(stamps)
        before = known.stamps if known and known.seen != seen else stamps
        if known is None or known.place != place or before[:2] != stamps[:2]:
            found = read_row(self._store, run_id)
            return found and Entry(place, seen, found[1], found[0])
        row = known.row
        if before[2] != stamps[2]:
            row = row.but(looks=row.run.looks())
        if before[3] != stamps[3]:
            row = row.but(labels=read_labels(row.run.folder))
        if not known.over:
            state = row.run.state()
            row = row if state is row.state else row.but(state=state)
        return known if row is known.row and known.seen == seen else Entry(place, seen, known.over, row)

    def _ready(self) -> set[str]:
        """What is to be written down. Of a run that is being written there would be something else in a moment."""
        return {run_id for run_id in self._unsaved if CHANGING not in self._known[run_id].stamps[:2]}

    def _save(self) -> None:
        """Write what is new, drop what is gone; everything where somebody deleted the file."""
        if self._file.blocked:
            return
        if not self._file.path.exists():
            self._unsaved, self._unwritten, self._gone = set(self._known), set(self._known), set()
        ready = self._ready()
        whole = self._listed and len(self._known) == len(self._places) and self._unwritten <= ready
        if not ready and not self._gone and (not whole or self._listed == self._claimed):
            return
        claim = _claim(self._listed, len(self._known)) if whole else ""
        records = [packed(self._known[run_id]) for run_id in ready]
        missing = self._file.write(records, self._gone, claim, self._known.keys())
        if missing is not None:
            self._unsaved = self._unsaved - ready | missing
            self._unwritten = self._unwritten - ready | missing
            self._gone = set()
            self._claimed = self._listed if whole else None
        if missing:  # another process dropped them, perhaps as they were away for a moment
            self._save()


def _claim(folder: Stamp, runs: int) -> str:
    """Whoever finds the folder of runs as it was then, and so many in the file, needn't list the folder."""
    return json.dumps([folder, runs])


def _created(named: tuple[str, Entry]) -> float:
    return named[1].row.created


def _places(folder: Path) -> dict[str, int]:
    """The inode of each run's folder by its name, readable or not."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.inode() for entry in entries if RUN_ID.fullmatch(entry.name)}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _stamps(folder: Path, run_id: str) -> Stamps:
    return tuple(stamp(f"{folder}/{run_id}/{name}") for name in _FILES)
