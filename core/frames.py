"""Messages between two processes that don't trust each other: JSON and raw bytes, each with its length.

No pickle: whoever reads a frame runs nothing of what is in it and takes no more memory than allowed.
"""

import contextlib
import json
import os
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any, Protocol

MOST_HEADER_BYTES = 10_000
MOST_PARTS = 2
MOST_PART_BYTES = 40_000_000


class Stream(Protocol):
    """What frames go through."""

    def read(self, n_bytes: int, /) -> bytes: ...
    def write(self, data: bytes | memoryview, /) -> object: ...
    def flush(self) -> None: ...


def send(stream: Stream, header: dict[str, Any], *parts: bytes | memoryview) -> None:
    """One frame: length of the header (4 bytes, the highest first), header as JSON, then the parts.

    Raises:
        OSError: the other process has gone.
    """
    text = json.dumps(header | {"sizes": [len(part) for part in parts]}).encode()
    stream.write(struct.pack(">I", len(text)) + text)
    for part in parts:
        stream.write(part)
    stream.flush()


def receive(stream: Stream) -> tuple[dict[str, Any], list[bytes]]:
    """The next frame, as `send` wrote it.

    Raises:
        EOFError: the other process has gone.
        ValueError: this is no frame, or it is larger than any that we send.
    """
    (length,) = struct.unpack(">I", _exactly(stream, 4))
    if length > MOST_HEADER_BYTES:
        raise ValueError("header too long")
    header = json.loads(_exactly(stream, length))
    sizes = header.get("sizes") if isinstance(header, dict) else None
    if not isinstance(sizes, list) or len(sizes) > MOST_PARTS:
        raise ValueError("no sizes of its parts")
    return header, [_exactly(stream, size) for size in sizes]


def _exactly(stream: Stream, n_bytes: int) -> bytes:
    if not isinstance(n_bytes, int) or not 0 <= n_bytes <= MOST_PART_BYTES:
        raise ValueError("part too long")
    content = stream.read(n_bytes)
    if len(content) < n_bytes:
        raise EOFError
    return content


class Pipes:
    """To and from a child, as one stream for `send` and `receive` that raises TimeoutError when time is up.

    What a child is sent must not wait for it: a pipe that has room takes a little of a blocking write,
    which then stays until the child has read the rest, and perhaps for ever.
    """

    def __init__(self, child: "subprocess.Popen[bytes]", seconds: float) -> None:
        assert child.stdin and child.stdout
        self._to, self._from = child.stdin.fileno(), child.stdout.fileno()
        os.set_blocking(self._to, False)
        self._due = time.monotonic() + seconds

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            self._wait(self._to, select.POLLOUT)
            with contextlib.suppress(BlockingIOError):  # room for less than the system writes at once
                rest = rest[os.write(self._to, rest) :]

    def flush(self) -> None:
        """Nothing is held back."""

    def read(self, n_bytes: int) -> bytes:
        content = bytearray()
        while len(content) < n_bytes:
            self._wait(self._from, select.POLLIN)
            if not (new := os.read(self._from, n_bytes - len(content))):
                break
            content += new
        return bytes(content)

    def _wait(self, descriptor: int, event: int) -> None:
        ready = select.poll()  # not select.select, which knows the first 1,024 descriptors only
        ready.register(descriptor, event)
        left = self._due - time.monotonic()
        if left <= 0 or not ready.poll(left * 1000):
            raise TimeoutError


class Turns:
    """Who speaks to a child: one at a time, and nobody twice while another waits.

    Two locks: with one, whoever asks again and again would take it back before others wake.
    """

    def __init__(self) -> None:
        self._next, self._busy = threading.Lock(), threading.Lock()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Held for one question."""
        with self._next:
            self._busy.acquire()
        try:
            yield
        finally:
            self._busy.release()

    @contextlib.contextmanager
    def turn_if_free(self) -> Iterator[bool]:
        """As `turn`, without waiting: gives whether it is held."""
        if not self._busy.acquire(blocking=False):
            yield False
            return
        try:
            yield True
        finally:
            self._busy.release()


def end_child(child: "subprocess.Popen[bytes]") -> None:
    """Kill a child that was spoken to through pipes, and leave nothing of it behind."""
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        with contextlib.suppress(OSError):  # what it did not read any more
            pipe.close()
