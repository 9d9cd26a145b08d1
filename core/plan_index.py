"""What the files of all plans say, remembered, so that those of ten thousand sweeps are there at once.

The files `runs/.sweeps/DIGEST.json` are the truth. What was read from one is kept in memory and, where there are many,
in `runs/.sweeps/.index`, together with the inode, change time and size that the file had, and is believed only
as long as these are the same. That file may be deleted at any time; a damaged one counts as none.
"""

import contextlib
import json
import os
import re
import zlib
from pathlib import Path
from typing import Any

from core.paths import write_atomically
from core.stamps import CHANGING, Stamp, Turns, latest, stamp
from core.sweep import FORMAT, Added, Plan, read_plan

INDEX_NAME = ".index"
VERSION = 1000 * FORMAT + 1
"""Raised with each change of what is stored here, of what `Plan` holds, or of what `read_plan` accepts."""

TURN = 500
"""Of plans, at each call, beside those of a folder that changed."""

MOST_UNWRITTEN = 100
"""So many plans are read from their own files at the first call, rather than that all are written down for one."""

SETTLING_SECONDS = 2.0
"""What changed this lately may change again within one tick of the file system's clock: it is read anew."""

_NAME = re.compile(r"([0-9a-f]{16})\.json")

Known = dict[str, tuple[Stamp, Plan | None]]
"""By digest; None for a plan that can't be read."""


class PlanIndex:
    """The plans in one folder, each read when it is new or changed. Not for several threads at once.

    The folder's time tells when to look at all of them; beyond that they are looked at in turns, as one may be
    changed in its place by hand.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / INDEX_NAME
        self._known: Known | None = None
        self._unwritten: set[str] = set()
        self._writable = True
        self._looked_at: Stamp = None
        self._turns = Turns()

    def of(self, digest: str) -> tuple[Plan | None, bool]:
        """The plan of a recipe, and whether there is a file of it, be it one that can't be read."""
        found = self._known.get(digest) if self._known else None
        return (found[1], True) if found else (None, False)

    def update(self) -> bool:
        """Whether any plan has come, gone or changed since the last call."""
        first = self._known is None
        if self._known is None:
            self._known = _read(self._file)
        now = stamp(self._folder)
        if now and now == self._looked_at:
            changed = any([self._look(digest) for digest in self._turns.next(self._known.keys(), TURN)])
        else:
            settled = now is not None and now[1] < latest(SETTLING_SECONDS)
            there = self._names()
            if there is None:  # not to be listed at the moment
                settled, there = False, set(self._known)
            gone = self._known.keys() - there
            for digest in gone:
                del self._known[digest]
            changed = any([self._look(digest) for digest in there]) or bool(gone)
            self._looked_at = now if settled else None
        self._save()
        return changed or first

    def examine(self) -> str:
        """Compare what is written down with the plans themselves; taken away where it is wrong. In words, how it was.

        The next call of `update` looks at every plan, whatever was found.
        """
        self._looked_at = None
        if not self._file.exists():
            return "not there, which is no fault"
        written = _read(self._file)
        if written and all(
            plan == read_plan(self._folder / f"{digest}.json")
            for digest, (seen, plan) in written.items()
            if seen == stamp(self._folder / f"{digest}.json")
        ):
            return "in order"
        with contextlib.suppress(OSError):  # of who may not take it away, the memory is right at least
            self._file.unlink(missing_ok=True)
        self._known = {}
        return "was damaged or of another version: made anew when it is needed"

    def _names(self) -> set[str] | None:
        try:
            return {match[1] for name in os.listdir(self._folder) if (match := _NAME.fullmatch(name))}  # noqa: PTH208
        except (FileNotFoundError, NotADirectoryError):
            return set()
        except OSError:
            return None

    def _look(self, digest: str) -> bool:
        """Bring one plan up to date; whether it is another one now."""
        path = f"{self._folder}/{digest}.json"
        seen, known = stamp(path), self._known.get(digest)
        if seen is None:
            return self._known.pop(digest, None) is not None
        if known and known[0] == seen:
            return False
        plan = read_plan(Path(path))
        # One that can't be read is tried again, too: perhaps it could not be opened just now.
        anew = plan is None or seen[1] >= latest(SETTLING_SECONDS)
        same = known is not None and known[1] == plan
        self._known[digest] = (CHANGING if anew else seen, known[1] if same else plan)
        if not anew:
            self._unwritten.add(digest)
        return not same

    def _save(self) -> None:
        """Written anew as a whole: a plan that comes alone is read sooner than all are written."""
        if len(self._unwritten) <= MOST_UNWRITTEN or not self._writable:
            return
        try:
            write_atomically(self._file, _content(self._known), durable=False)
        except OSError:  # of who may not write here, or has no room, the memory does alone
            self._writable = False
        self._unwritten.clear()


def _content(known: Known) -> bytes:
    """A line with the version and a checksum, and a line with all that is known."""
    values = {digest: [seen, _values(plan)] for digest, (seen, plan) in known.items() if plan}
    text = json.dumps(values, separators=(",", ":")).encode()
    return b"%d %d\n%s" % (VERSION, zlib.crc32(text), text)


def _read(path: Path) -> Known:
    """What such a file says; nothing of one that is damaged or of another version."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        head, _, text = path.read_bytes().partition(b"\n")
        if head == b"%d %d" % (VERSION, zlib.crc32(text)):
            return {digest: (tuple(seen), _plan(plan)) for digest, (seen, plan) in json.loads(text).items()}
    return {}


def _values(plan: Plan) -> list[Any]:
    added = [[one.seeds, one.time, one.finished, one.looks] for one in plan.added]
    return [plan.seeds, plan.created, added, plan.known, plan.looks]


def _plan(values: list[Any]) -> Plan:
    seeds, created, added, known, looks = values
    return Plan(tuple(seeds), created, tuple(Added(tuple(one), *more) for one, *more in added), known, looks)
