"""A disk that fails at the n-th write: stands in front of the calls with which Python writes files.

For machines where no file system can be mounted, and for what none does on demand: fail at each single
write point in turn. Counted are opening for writing, writing, syncing, renaming, making folders and, where
the disk is not full but forbidden, removing.
"""

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock


class FailingDisk:
    """Counts write points below a folder; from the n-th on each raises an error of this number."""

    def __init__(self, folder: Path, at: int, number: int = errno.ENOSPC) -> None:
        self.folder, self.at, self.number = str(folder), at, number
        self.points = 0
        self.real: dict[str, Callable[..., Any]] = {}

    @property
    def tripped(self) -> bool:
        return self.points >= self.at

    def point(self, place: Any) -> None:
        """Pass one write point; an open file is named by its descriptor."""
        name = str(Path(f"/proc/self/fd/{place}").readlink()) if isinstance(place, int) else os.fspath(place)
        if os.fsdecode(name).startswith(self.folder):
            self.points += 1
            if self.tripped:
                raise OSError(self.number, os.strerror(self.number), None if isinstance(place, int) else name)

    def open(self, path: Any, flags: int, *more: Any, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self.point(path)
        return self.real["open"](path, flags, *more, **options)

    def io_open(self, file: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
        writes = set(mode) & set("wax+")
        if writes and not isinstance(file, int):
            self.point(file)
        opened = self.real["io_open"](file, mode, *more, **options)
        return _Watched(opened, self) if writes else opened

    def write(self, descriptor: int, content: bytes) -> int:
        """The first write that finds the disk full puts half of it there, as a kernel does."""
        before = self.tripped
        try:
            self.point(descriptor)
        except OSError:
            if before or self.number != errno.ENOSPC or len(content) < 2:
                raise
            return self.real["write"](descriptor, content[: len(content) // 2])
        return self.real["write"](descriptor, content)

    def passing(self, name: str) -> Callable[..., Any]:
        """One of the calls whose first argument says where."""

        def call(place: Any, *more: Any, **options: Any) -> Any:
            self.point(place)
            return self.real[name](place, *more, **options)

        return call


class _Watched:
    """An open file whose writes are write points; half of the one that fails arrives."""

    def __init__(self, file: Any, disk: FailingDisk) -> None:
        self._file, self._disk = file, disk

    def write(self, content: Any) -> int:
        try:
            self._disk.point(self._file.fileno())
        except OSError:
            self._file.write(content[: len(content) // 2])
            raise
        return self._file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_Watched":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)


@contextlib.contextmanager
def failing_disk(folder: Path, at: int, number: int = errno.ENOSPC) -> Iterator[FailingDisk]:
    """Have the disk of a folder fail from its n-th write point on, until the block ends."""
    disk = FailingDisk(folder, at, number)
    names = ["fsync", "replace", "rename", "mkdir"]
    if number != errno.ENOSPC:
        names += ["unlink", "ftruncate"]
    disk.real = {name: getattr(os, name) for name in (*names, "open", "write")} | {"io_open": io.open}
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(mock.patch.object(os, name, disk.passing(name)))
        stack.enter_context(mock.patch.object(os, "open", disk.open))
        stack.enter_context(mock.patch.object(os, "write", disk.write))
        stack.enter_context(mock.patch.object(io, "open", disk.io_open))
        yield disk
