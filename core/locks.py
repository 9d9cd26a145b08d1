"""OS file locks: who holds one is alive, however its process ends.

A process id proves nothing (it is reused, and a zombie still has one); a lock of the kernel goes
with its process. Locks are advisory and local to one machine or to a file system that supports
`flock`.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path


class FileLock:
    """An exclusive lock on a file, held until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, patience_seconds: float = 1.0) -> bool:
        """Take the lock; False if somebody else kept it all the while.

        Needs some patience even where nobody trains: `is_held` touches the lock for microseconds. False
        too where the file was moved away meanwhile, with a run that was deleted: its lock guards nothing here.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return False
                time.sleep(0.02)
            else:
                if not _is_at(descriptor, self.path):
                    os.close(descriptor)
                    return False
                self._descriptor = descriptor
                _sign(descriptor)
                return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """Write into a lock's file whose it is, for `last_holder`."""
    with contextlib.suppress(OSError):  # on a full disk it stays unsigned, and holds all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {os.uname().nodename}\n".encode(), 0)


def last_holder(path: Path) -> int | None:
    """The process id of who took this lock last; None if nobody did, or a process of another machine.

    It tells one's own children apart and no more: only `is_held` knows whether somebody lives.
    """
    try:
        process, machine = path.read_text().split()
    except (OSError, ValueError):
        return None
    return int(process) if process.isdecimal() and machine == os.uname().nodename else None


def is_held(path: Path) -> bool:
    """Whether some living process holds the lock on this file right now."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
