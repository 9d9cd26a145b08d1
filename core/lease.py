"""A lease: keeps two workers off one run where they are on different machines.

A lock of the kernel (`core.locks`) does not reach over every storage that machines share, and a node that nobody
hears of any more may still train. So its holder renews a lease every few seconds, and stops by itself when it could
not. Whoever wants it watches it with a clock of its own, and takes it when it stayed the same for `LEASE_SECONDS`.
No clocks of two machines are compared, but where a page says which runs are at work.

FOLDER/leases/000001    one file a holder, in the order of holders: the last one counts, and none is removed
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

LEASE_SECONDS = 15.0
"""As long as this it must stay the same before somebody else may take it."""

RENEW_SECONDS = 3.0

HELD_SECONDS = 12.0
"""So long after its last renewal began a holder may trust it: what it writes then is there before it may be taken."""

FOLDER = "leases"


class LostLease(Exception):
    """It could not be renewed in time: somebody else may have it."""


@dataclass(frozen=True)
class Holder:
    """What stands in the file: `beat` grows with each renewal, `time` is the holder's own clock."""

    node: str
    process: int
    beat: int = 0
    time: float = 0.0
    released: bool = False


class Lease:
    """The right to work on what a folder holds, from `acquire` to `release`."""

    def __init__(self, folder: Path, node: str, leave: Callable[[], object]) -> None:
        """
        Args:
            node: where the holder is, for people.
            leave: called, in a thread of its own, when the lease was lost. It should end the process.
        """
        self._folder = folder / FOLDER
        self._holder = Holder(node, os.getpid())
        self._leave = leave
        self._path: Path | None = None
        self._good_until = 0.0
        self._over = threading.Event()
        self._writing = threading.Lock()

    def acquire(self, patience_seconds: float = 2 * LEASE_SECONDS) -> bool:
        """Take it, at once if nobody has it; False if somebody renewed it all the while.

        Raises:
            OSError: the folder can't be written to.
        """
        self._folder.mkdir(exist_ok=True)
        deadline = time.monotonic() + patience_seconds
        seen, since = _newest(self._folder), time.monotonic()
        while True:
            now = _newest(self._folder)
            if now != seen:
                seen, since = now, time.monotonic()
            number, holder = seen
            free = number == 0 or (holder is not None and holder.released)
            if free or time.monotonic() - since >= LEASE_SECONDS:
                if self._claim(number + 1):
                    return True
            elif time.monotonic() >= deadline:
                return False
            else:
                time.sleep(min(0.5, patience_seconds))

    def check(self) -> None:
        """Before each write to what it guards.

        Raises:
            LostLease: it may be somebody else's by now.
        """
        if time.monotonic() > self._good_until:
            raise LostLease

    def release(self) -> None:
        """Let others have it at once; does nothing if it was not taken."""
        self._over.set()
        with self._writing:
            if self._path and time.monotonic() <= self._good_until:
                with contextlib.suppress(OSError):
                    self._write(os.O_WRONLY, replace(self._holder, released=True))
            self._path, self._good_until = None, 0.0

    def _claim(self, number: int) -> bool:
        """Make the next holder's file, which only one can."""
        self._path, begun = self._folder / f"{number:06d}", time.monotonic()
        try:
            self._write(os.O_WRONLY | os.O_CREAT | os.O_EXCL, self._holder)
        except FileExistsError:
            self._path = None
            return False
        self._good_until = begun + HELD_SECONDS
        threading.Thread(target=self._renew, args=(number,), daemon=True).start()
        return True

    def _renew(self, number: int) -> None:
        while not self._over.wait(RENEW_SECONDS):
            with self._writing:
                if self._over.is_set():
                    return
                self._renew_once(number)
            if time.monotonic() > self._good_until and not self._over.is_set():
                self._leave()
                return

    def _renew_once(self, number: int) -> None:
        """Where it can't be done, it is tried again while there is time."""
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            if begun <= self._good_until and _newest(self._folder)[0] == number:
                self._write(os.O_WRONLY, replace(self._holder, beat=self._holder.beat + 1))
                self._good_until = begun + HELD_SECONDS

    def _write(self, flags: int, holder: Holder) -> None:
        """In place, and closed each time: that is what brings it to readers over a network's file system."""
        self._holder = replace(holder, time=time.time())
        line = json.dumps(asdict(self._holder)).ljust(200).encode()
        descriptor = os.open(self._path, flags, 0o666)
        try:
            os.pwrite(descriptor, line, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def holder(folder: Path) -> Holder | None:
    """Who seems to have the lease of a folder now, by the clocks of the machines; None if nobody."""
    try:
        number, found = _newest(folder / FOLDER)
    except OSError:
        return None
    if number == 0 or found is None or found.released:
        return None
    return found if time.time() - found.time < LEASE_SECONDS else None


def is_leased(folder: Path) -> bool:
    """Whether somebody seems to work on what a folder holds, on whatever machine."""
    return holder(folder) is not None


def _newest(folder: Path) -> tuple[int, Holder | None]:
    """The number of the last holder, 0 if there was none, and what it wrote; None while it can't be read."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.isdecimal()]
    except FileNotFoundError:
        return 0, None
    if not names:
        return 0, None
    last = max(names, key=int)
    try:
        return int(last), Holder(**json.loads((folder / last).read_text()))
    except (OSError, ValueError, TypeError):  # being written at this moment
        return int(last), None
