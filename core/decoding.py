"""Images that somebody brought: decoded in a bounded child process, each by itself, or refused in a sentence.

Pillow's decoders are written in C and read what an attacker wrote. A file that makes them take all
memory, run for ever or crash ends a child that may do nothing else (`core.decoding_child`); the
other files of the batch go on in a new one. Nothing is written to disk, and no original byte is
shown: what the person sees was encoded anew from the pixels.
"""

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Self

import numpy as np

from core.decoding_child import NEEDED_TOO_MUCH_MEMORY
from core.errors import UserError
from core.frames import Pipes, end_child, receive, send
from core.images import MOST_BYTES
from core.paths import ROOT

LONGEST_SECONDS = 5.0
MOST_MEMORY_BYTES = 1_200_000_000
"""Address space of the child, its libraries included; the costliest image let in, a WebP, took 710 MB."""

LONGEST_NAME = 120
LARGEST_SIZE_PX = 1024
START_SECONDS = 30.0

MOST_MEMBERS = 1_000
MOST_UNPACKED_BYTES = 200_000_000
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # a few bytes of LZMA may ask for gigabytes

FITS = {
    "crop": "The middle square: in proportion, but what lies at the ends of the longer side is lost.",
    "pad": "The whole picture in its proportions, with grey beside it: nothing is lost, but all is smaller.",
    "squash": "The whole picture pressed to a square: nothing is lost, but what was round becomes oval.",
}
"""How a picture becomes the square that a model takes."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Decoded:
    """One file of a batch.

    Attributes:
        name: as supplied, made safe to show (`safe_name`).
        shown: PNG of the upright picture, at most 512 px a side; None if refused or not asked for.
        seen: (3, size, size) uint8, what the model sees; None if refused.
        refused: why, in one sentence.
    """

    name: str
    shown: bytes | None
    seen: np.ndarray | None
    refused: str | None


class Decoder:
    """Decodes in one child process, which it starts when first asked and again when it was lost.

    May be used by many threads: their images take turns.
    """

    def __init__(
        self, longest_seconds: float = LONGEST_SECONDS, memory_bytes: int = MOST_MEMORY_BYTES
    ) -> None:
        self.longest_seconds, self.memory_bytes = longest_seconds, memory_bytes
        self._child: subprocess.Popen[bytes] | None = None
        self._next, self._busy = threading.Lock(), threading.Lock()

    def __del__(self) -> None:
        """Nobody can ask any more: the child is not left behind."""
        if hasattr(self, "_child"):
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def decode(
        self,
        files: list[tuple[str, bytes]],
        size: int = 32,
        fit: str = "crop",
        progress: Progress | None = None,
        shown: bool = True,
    ) -> list[Decoded]:
        """One result for each (name, content), in their order; no refusal stops the others.

        Args:
            files: at most 20 MB each are looked at.
            size: pixels a side of what the model sees.
            fit: one of `FITS`.
            progress: called with (files done, files in all) after each; what it raises stops the batch.
            shown: whether pictures for a person are made too; they can take longer than the rest.

        Raises:
            ValueError: a size or fit that there is not.
            UserError: the child process can't be started on this machine.
        """
        if fit not in FITS or not 1 <= size <= LARGEST_SIZE_PX:
            raise ValueError(f"no such fit or size: {fit!r}, {size!r}")
        ask = {"size": size, "fit": fit, "shown": shown}
        results = []
        for name, content in files:
            with self._turn():
                results.append(self._decoded(safe_name(name), content, ask))
            if progress:
                progress(len(results), len(files))
        return results

    def close(self) -> None:
        """End the child; whoever decodes again starts another."""
        with self._turn():
            self._end()

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Held for one image. Two locks: with one, a long batch would take it back before others wake."""
        with self._next:
            self._busy.acquire()
        try:
            yield
        finally:
            self._busy.release()

    def _decoded(self, name: str, content: bytes, ask: dict[str, Any]) -> Decoded:
        child = self._running()
        pipes = Pipes(child, self.longest_seconds)
        try:
            send(pipes, ask, memoryview(content)[: MOST_BYTES + 1])
            return _checked(name, *receive(pipes), ask)
        except (OSError, EOFError, ValueError) as error:  # too late, it has died, or it talks nonsense
            self._end()
            late = isinstance(error, TimeoutError) or child.returncode == -signal.SIGXCPU
            return Decoded(name, None, None, self._too_long() if late else NEEDED_TOO_MUCH_MEMORY)
        except BaseException:  # Ctrl-C: its answer would be taken for that of the next image
            self._end()
            raise

    def _too_long(self) -> str:
        return f"This image took too long to decode, more than {self.longest_seconds:g} seconds."

    def _running(self) -> "subprocess.Popen[bytes]":
        """The child, started if there is none or it has died meanwhile.

        Raises:
            UserError: it doesn't start.
        """
        if self._child and self._child.poll() is None:
            return self._child
        self._end()
        try:
            self._child = _start(self.memory_bytes, self.longest_seconds)
            receive(Pipes(self._child, START_SECONDS))
        except (OSError, EOFError, ValueError) as error:
            self._end()
            raise UserError("The process that decodes images can't be started on this machine.") from error
        except BaseException:
            self._end()
            raise
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child:
            end_child(child)


def safe_name(name: str) -> str:
    """A name to show: without control characters and marks that turn the text around, at most 120 long.

    Text still, not markup: whoever draws it into HTML escapes it. The end stays, for its extension.
    """
    visible = "".join(letter for letter in name[:100_000] if unicodedata.category(letter)[0] != "C")
    visible = " ".join(visible.split()) or "unnamed"
    if len(visible) <= LONGEST_NAME:
        return visible
    return f"{visible[: LONGEST_NAME - 21]}…{visible[-20:]}"


def _start(memory_bytes: int, seconds: float) -> "subprocess.Popen[bytes]":
    child = subprocess.Popen(
        [sys.executable, "-m", "core.decoding_child", str(memory_bytes), str(seconds)],
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},  # each reserves memory
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        start_new_session=True,  # Ctrl-C is for the process that asked
    )
    assert child.stdin
    os.set_blocking(child.stdin.fileno(), False)  # a child that does not read can't hold us up
    return child


def _checked(name: str, header: dict[str, Any], parts: list[bytes], ask: dict[str, Any]) -> Decoded:
    """The child's answer, believed only as far as it has the right form: it may have been taken over.

    Raises:
        ValueError: it has not.
    """
    refused, size = header.get("refused"), ask["size"]
    if isinstance(refused, str) and not parts:
        return Decoded(name, None, None, refused)
    if refused is not None or len(parts) != 1 + ask["shown"] or len(parts[0]) != 3 * size * size:
        raise ValueError("not what was asked for")
    shown = parts[1] if ask["shown"] else None
    if shown is not None and not shown.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("no PNG")
    seen = np.frombuffer(bytearray(parts[0]), np.uint8).reshape(3, size, size)
    return Decoded(name, shown, seen, None)


# ---- many files in one


def unpack(name: str, content: bytes) -> list[tuple[str, bytes]]:
    """The files in a zip, in its order; of anything else (name, content) itself.

    A zip is told by how it begins, so an image with a zip behind it is an image. The names in it are
    labels, never paths. Folders and what a Mac adds are left out. Of each file no more is read than
    the first byte beyond what `core.images` lets in.

    Raises:
        UserError: too many files, too much in them, an archive in it, encrypted, damaged, or empty.
    """
    if not content.startswith(_ZIP_STARTS):
        return [(name, content)]
    # Counted before zipfile reads the list, of which it would make 500 bytes for each of 46.
    if content.count(b"PK\x01\x02") > 4 * MOST_MEMBERS:
        raise _too_many_members()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _members(archive)
    except UserError:
        raise
    except Exception as error:  # zipfile, too, raises nearly everything
        raise UserError("This zip is damaged: pack its images anew.") from error


def _members(archive: zipfile.ZipFile) -> list[tuple[str, bytes]]:
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir()
        and not member.filename.startswith("__MACOSX/")
        and PurePosixPath(member.filename).name != ".DS_Store"
    ]
    if not members:
        raise UserError("This zip has no file in it.")
    if len(members) > MOST_MEMBERS:
        raise _too_many_members()
    if sum(member.file_size for member in members) > MOST_UNPACKED_BYTES:
        raise UserError(
            f"This zip holds more than {MOST_UNPACKED_BYTES // 1_000_000} MB when unpacked: split it."
        )
    if any(member.flag_bits & 1 for member in members):
        raise UserError("This zip is encrypted: pack its images without a password.")
    if any(member.compress_type not in _COMPRESSIONS for member in members):
        raise UserError("This zip is compressed in an unusual way: pack its images anew.")
    files = []
    for member in members:
        with archive.open(member) as file:
            files.append((member.filename, file.read(MOST_BYTES + 1)))
        if files[-1][1].startswith(_ZIP_STARTS):
            raise UserError("This zip has another zip in it: unpack that one first.")
    return files


def _too_many_members() -> UserError:
    return UserError(f"This zip has more than {MOST_MEMBERS:,} files in it: split it.")
