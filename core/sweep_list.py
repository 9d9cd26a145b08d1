"""All sweeps of a store, for who asks again and again: only those are put together anew whose runs or plan changed."""

import itertools
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from core.index import Row
from core.store import RunStore
from core.sweep import FOLDER, Plan, Sweep, put_together, read_plan

TURN = 500
"""Of plans, at each call, beside those of a folder that changed."""

SETTLING_SECONDS = 2.0
"""What changed this lately may change again within one tick of the file system's clock: it is read anew."""

_NAME = re.compile(r"([0-9a-f]{16})\.json")

_Seen = tuple[int, int, int]
"""Inode, change time in nanoseconds, size."""


class SweepList:
    """The sweeps of one store. Not for several threads at once: whoever shares it brings a lock."""

    def __init__(self, store: RunStore) -> None:
        self._plans = _Plans(store.folder / FOLDER)
        self._rows: list[Row] | None = None
        self._known: dict[str, tuple[list[Row], Sweep]] = {}
        self._found: list[Sweep] = []

    def of(self, rows: list[Row]) -> list[Sweep]:
        """As `core.sweep.sweeps`: the very same list as long as neither a run nor a plan has changed.

        Args:
            rows: of `RunIndex.rows`, which is another list as soon as a run has changed.
        """
        if not self._plans.update() and rows is self._rows:
            return self._found
        groups: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            groups[row.run.spec.digest].append(row)
        self._known = {digest: (group, self._sweep(digest, group)) for digest, group in groups.items()}
        self._rows = rows
        self._found = sorted((sweep for _, sweep in self._known.values()), key=_newest, reverse=True)
        return self._found

    def _sweep(self, digest: str, group: list[Row]) -> Sweep:
        known, sweep = self._known.get(digest, (None, None))
        plan, planned = self._plans.of(digest)
        same_plan = sweep and sweep.plan is plan and sweep.plan_unreadable == (planned and plan is None)
        return sweep if same_plan and _same(known, group) else put_together(group, plan, planned)


class _Plans:
    """What the files of the plans say, each read when it is new or changed.

    The folder's time tells when to look at all of them; beyond that they are looked at in turns, as one may be
    changed in its place by hand.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[_Seen, Plan | None]] = {}
        self._looked_at: tuple[int, int] | None = None
        self._ring: Iterator[str] = iter(())

    def of(self, digest: str) -> tuple[Plan | None, bool]:
        """The plan of a recipe, and whether there is a file of it, be it one that can't be read."""
        found = self._known.get(digest)
        return (found[1], True) if found else (None, False)

    def update(self) -> bool:
        """Whether any plan has come, gone or changed since the last call."""
        now = self._stamp()
        if now == self._looked_at:
            return any([self._read(digest) for digest in self._next()])
        self._looked_at = now if now and now[1] < time.time_ns() - int(SETTLING_SECONDS * 1e9) else None
        there = self._names()
        gone = self._known.keys() - there
        for digest in gone:
            del self._known[digest]
        return any([self._read(digest) for digest in there]) or bool(gone)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._folder.stat()
        except OSError:
            return None
        return status.st_ino, status.st_ctime_ns

    def _names(self) -> set[str]:
        try:
            return {match[1] for name in os.listdir(self._folder) if (match := _NAME.fullmatch(name))}  # noqa: PTH208
        except OSError:
            return set()

    def _next(self) -> list[str]:
        found = list(itertools.islice(self._ring, TURN))
        if len(found) < TURN:
            self._ring = iter(list(self._known))
            found += itertools.islice(self._ring, TURN - len(found))
        return found

    def _read(self, digest: str) -> bool:
        """Bring one plan up to date; whether it is another one now."""
        path = self._folder / f"{digest}.json"
        try:
            status = os.stat(path)  # noqa: PTH116  (thousands of times a call)
        except OSError:
            return self._known.pop(digest, None) is not None
        seen, known = (status.st_ino, status.st_ctime_ns, status.st_size), self._known.get(digest)
        if known and known[0] == seen:
            return False
        plan = read_plan(path)
        young = seen[1] >= time.time_ns() - int(SETTLING_SECONDS * 1e9)
        same = known is not None and known[1] == plan
        self._known[digest] = ((0, 0, 0) if young else seen, known[1] if same else plan)
        return not same


def _same(known: list[Row], group: list[Row]) -> bool:
    return len(known) == len(group) and all(map(_is, known, group))


def _is(one: object, other: object) -> bool:
    return one is other


def _newest(sweep: Sweep) -> float:
    return sweep.newest
