"""What a file looked like when it was read: what is remembered of it holds as long as it looks the same."""

import itertools
import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path

Stamp = tuple[int, int, int] | None
"""Inode, change time in nanoseconds and size of a file; None for no file. A change of content sets the
change time even where somebody sets the time of modification back."""

CHANGING = (0, 0, 0)
"""In place of the stamp of a file that is to be read anew."""


def stamp(path: str | Path) -> Stamp:
    """Of what lies there now."""
    try:
        status = os.stat(path)  # noqa: PTH116  (thousands of times a call: a Path would double it)
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns, status.st_size


def latest(settling_seconds: float) -> int:
    """What changed after this moment, in nanoseconds, may not be believed yet.

    It may change again within one tick of the file system's clock, and look the same.
    """
    return time.time_ns() - int(settling_seconds * 1e9)


class Turns:
    """So many of a collection at each call, each once in a round, however it changes meanwhile."""

    def __init__(self) -> None:
        self._round: Iterator[str] = iter(())

    def next(self, names: Collection[str], count: int) -> list[str]:
        """Perhaps some that have gone since their round began."""
        if count >= len(names):
            return list(names)
        found = list(itertools.islice(self._round, count))
        if len(found) < count:
            self._round = iter(list(names))
            found += itertools.islice(self._round, count - len(found))
        return found
