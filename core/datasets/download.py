"""One pinned file from the network: whole and right under its name, or not there at all.

torchvision's own downloader follows redirects to http, waits for ever, and writes under the final
name before it checks. Here the bytes lie in a `.part` file beside it until their SHA-256 is right;
what has come in is kept and continued, by another server if need be.
"""

import errno
import hashlib
import http.client
import math
import os
import shutil
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.errors import UserError
from core.locks import FileLock
from core.paths import sync_folder
from core.specs import Progress

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Pinned:
    """The one content that a file may have, and where it can be had from, best first."""

    urls: tuple[str, ...]
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Patience:
    """How long servers are waited for; "no network" is said after `reach_seconds` at most."""

    reach_seconds: float = 13.0  # for all servers together, until one of them gives the file
    stall_seconds: float = 10.0  # from then on: until the next answer, or the next bytes
    slowest_bytes_per_second: int = 1024  # less than this for `stall_seconds` counts as nothing


class _Unusable(Exception):
    """What this server gives is of no use; the next one is asked."""


class _Corrupt(_Unusable):
    """The bytes came, and they are the wrong ones."""


def fetch(
    pinned: Pinned,
    target: Path,
    progress: Progress,
    stage: str = "downloading",
    patience: Patience | None = None,
    allow_loopback_http: bool = False,
) -> None:
    """Have the pinned file at `target`; one that lies there already is used if it is the right one.

    Of two processes (or threads) at once one downloads and the other waits. A file with another
    content is set aside as `NAME.corrupt`.

    Args:
        allow_loopback_http: let http through to this machine, for tests; else all is https.

    Raises:
        UserError: no network, no server with the right file, no room, folder not writable; says
            where to put the file by hand.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with alone(target.with_name(f".{target.name}.lock"), progress):
            if target.exists():
                progress("checking", 0, 0)
                if _sha256(target) == pinned.sha256:
                    return
                _set_aside(target, target)
            if shutil.disk_usage(target.parent).free < pinned.size_bytes - _size(part):
                raise OSError(errno.ENOSPC, "no room left")
            transfer = _Transfer(pinned, part, patience or Patience(), allow_loopback_http)
            transfer.run(target, lambda done: progress(stage, done, pinned.size_bytes))
            part.replace(target)
            sync_folder(target.parent)
    except OSError as error:
        raise unwritable(target.parent, error) from error


@contextmanager
def alone(lock: Path, progress: Progress) -> Iterator[None]:
    """Hold a lock for the time of a block; while another process has it, say so and wait."""
    held = FileLock(lock)
    while not held.acquire(0.5):
        progress("waiting for another process", 0, 0)
    try:
        yield
    finally:
        held.release()


def unwritable(folder: Path, error: OSError) -> UserError:
    """What to tell a person when the folder of data sets can't be written to."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"The disk of {folder} is full: make room, or set TENFOLD_DATA to another folder.")
    return UserError(
        f"{folder} can't be written to ({error.strerror or error}): "
        "set TENFOLD_DATA to a folder that you may write to."
    )


class _Transfer:
    """The servers of one file, asked in turn until one of them has completed it."""

    def __init__(self, pinned: Pinned, part: Path, patience: Patience, allow_loopback_http: bool) -> None:
        self.pinned, self.part, self.patience = pinned, part, patience
        self.allow_loopback_http = allow_loopback_http
        self.deadline = time.monotonic() + patience.reach_seconds
        self.answered = False

    def run(self, target: Path, report: Callable[[int], None]) -> None:
        """Complete the part file and check it.

        A server that stopped in the middle is asked again, after the others, if it brought the
        file forward; one that completed wrongly what others had begun gets a try of its own.
        """
        servers, corrupt, reason = deque(self.pinned.urls), Counter[str](), "none is known"
        while servers:
            url, before = servers.popleft(), _size(self.part)
            try:
                self._receive(url, len(servers) + 1, report)
                if _sha256(self.part) == self.pinned.sha256:
                    return
                raise _Corrupt(f"what {_host(url)} gave has another SHA-256 than the file")
            except _Corrupt as error:
                reason = str(error)
                _set_aside(self.part, target)
                corrupt[url] += 1
                if before and corrupt[url] < 2:
                    servers.appendleft(url)
            except (_Unusable, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
                if _size(self.part) - before > self.pinned.size_bytes // 100:
                    servers.append(url)
        raise UserError(self._advice(target, reason, bool(corrupt)))

    def _receive(self, url: str, servers_left: int, report: Callable[[int], None]) -> None:
        """Bring the part file to its full length; more than that is never written."""
        size, start = self.pinned.size_bytes, _size(self.part)
        if start > size:
            self.part.unlink()  # of something else
            start = 0
        if start == size:
            return  # it was ended between the last byte and the check
        report(start)
        with self._open(url, start, servers_left) as response:
            start = self._start(response, start)
            with self.part.open("ab" if start else "wb") as file:
                for chunk in self._chunks(response):
                    start += len(chunk)
                    if start > size:
                        raise _Corrupt(f"{_host(url)} gave more than the file holds")
                    file.write(chunk)
                    report(start)
                file.flush()
                os.fsync(file.fileno())
        if start < size:
            raise _Unusable(f"{_host(url)} ended the connection early")

    def _open(self, url: str, start: int, servers_left: int) -> http.client.HTTPResponse:
        """The answer to a request for the bytes from `start` on."""
        stall_seconds = self.patience.stall_seconds
        seconds = min(stall_seconds, (self.deadline - time.monotonic()) / servers_left)
        headers = {"User-Agent": "tenfold", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        request = urllib.request.Request(url, headers=headers)
        opener = _opener(url, self.allow_loopback_http)
        try:
            response = _within(seconds, lambda: opener.open(request, timeout=stall_seconds))
        except urllib.error.HTTPError as error:
            self.answered = True
            error.close()
            if error.code == 416 and start:  # what lies here is longer than what this server has
                self.part.unlink()
                return self._open(url, 0, servers_left)
            raise _Unusable(f"{_host(url)} answered {error.code} {error.reason}") from error
        except OSError as error:
            cause = getattr(error, "reason", error)
            raise _Unusable(f"{_host(url)}: {getattr(cause, 'strerror', None) or cause}") from error
        self.answered = True
        return response

    def _start(self, response: http.client.HTTPResponse, wanted: int) -> int:
        """Where in the file the bytes of this answer belong: a server may not know ranges."""
        start = wanted if response.status == 206 else 0
        if start and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise _Unusable(f"{_host(response.url)} gave another part of the file than was asked for")
        length = response.headers.get("Content-Length")
        if length is not None and length != str(self.pinned.size_bytes - start):
            raise _Unusable(f"{_host(response.url)} has a file of another size")
        self.deadline = math.inf
        return start

    def _chunks(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        since, received = time.monotonic(), 0
        while True:
            try:
                chunk = response.read1(1 << 18)
            except OSError as error:
                raise _Unusable(f"{_host(response.url)} stopped sending ({error})") from error
            if not chunk:
                return
            yield chunk
            received += len(chunk)
            elapsed = time.monotonic() - since
            if elapsed >= self.patience.stall_seconds:
                if received < elapsed * self.patience.slowest_bytes_per_second:
                    raise _Unusable(f"{_host(response.url)} sent next to nothing")
                since, received = time.monotonic(), 0

    def _advice(self, target: Path, reason: str, corrupt: bool) -> str:
        by_hand = f"put {target.name} into {target.parent} by hand, or choose the data set shapes"
        if corrupt:
            return f"No server gave {target.name} undamaged ({reason}): try again later, {by_hand}."
        if self.answered:
            return f"{target.name} did not come whole ({reason}): try again to continue it, {by_hand}."
        return f"{target.name} can't be downloaded, no server can be reached ({reason}): connect to the network, {by_hand}."


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, allow_loopback_http: bool) -> None:
        self.allow_loopback_http = allow_loopback_http

    def redirect_request(self, request: Any, response: Any, *more: Any) -> urllib.request.Request | None:
        with response:  # of no use any more, wherever it points
            _refuse_unsafe(more[-1], self.allow_loopback_http)
        return super().redirect_request(request, response, *more)


def _opener(url: str, allow_loopback_http: bool) -> urllib.request.OpenerDirector:
    """Checks certificates whatever else was set up; a server on this machine needs no proxy."""
    _refuse_unsafe(url, allow_loopback_http)
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({} if _host(url) in LOOPBACK else None),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        _SafeRedirects(allow_loopback_http),
    )


def _refuse_unsafe(url: str, allow_loopback_http: bool) -> None:
    if urlsplit(url).scheme != "https" and not (allow_loopback_http and _host(url) in LOOPBACK):
        raise _Unusable(f"{_host(url)} wants to send it without encryption")


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _within(seconds: float, open_url: Callable[[], http.client.HTTPResponse]) -> http.client.HTTPResponse:
    """The answer; in a thread, as looking up a name and a chain of redirects have no time-out."""
    answer: Future[http.client.HTTPResponse] = Future()

    def run() -> None:
        try:
            answer.set_result(open_url())
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="download", daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        answer.add_done_callback(lambda late: late.exception() or late.result().close())
        raise TimeoutError(errno.ETIMEDOUT, "no answer in time") from None


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _set_aside(file: Path, target: Path) -> None:
    file.replace(target.with_name(f"{target.name}.corrupt"))
