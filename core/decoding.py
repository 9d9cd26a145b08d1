"""Images that somebody brought: decoded in a bounded child process, each by itself, or refused in a sentence.

Pillow's decoders are written in C and read what an attacker wrote. A file that makes them take all
memory, run for ever or crash ends a child that may do nothing else (`core.decoding_child`); the
other files of the batch go on in a new one. Nothing is written to disk, and no original byte is
shown: what the person sees was encoded anew from the pixels.
"""

import contextlib
import os
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core.decoding_child import NEEDED_TOO_MUCH_MEMORY, OUT_OF_MEMORY
from core.errors import UserError
from core.frames import Pipes, Turns, end_child, receive, send
from core.images import MOST_BYTES
from core.paths import ROOT
from core.zips import Budget, unpack

__all__ = ["FITS", "Budget", "Decoded", "Decoder", "safe_name", "unpack"]

LONGEST_SECONDS = 5.0
"""Of processor time, which the child's own system counts: a busy machine makes no image costlier."""

PATIENCE_SECONDS = 60.0
"""By the clock, for a child that is kept from computing."""

DYING_SECONDS = 2.0  # from its last word to its exit status

MOST_MEMORY_BYTES = 1_200_000_000
"""Address space of the child, its libraries included; the costliest image let in, a WebP, took 710 MB."""

LONGEST_NAME = 120
LARGEST_SIZE_PX = 1024
START_SECONDS = 30.0

NOT_DECODED = "This image could not be decoded here: save it anew as PNG or JPEG."

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
        passing: whether the refusal is one of this moment, so that another try may succeed.
    """

    name: str
    shown: bytes | None
    seen: np.ndarray | None
    refused: str | None
    passing: bool = False


class Decoder:
    """Decodes in one child process, which it starts when first asked and again when it was lost.

    May be used by many threads: their images take turns.
    """

    def __init__(
        self,
        longest_seconds: float = LONGEST_SECONDS,
        memory_bytes: int = MOST_MEMORY_BYTES,
        patience_seconds: float = PATIENCE_SECONDS,
        module: str = "core.decoding_child",
    ) -> None:
        """Args: longest_seconds: of processor time for an image; patience_seconds: by the clock.
        module: what the child runs."""
        self.longest_seconds, self.memory_bytes = longest_seconds, memory_bytes
        self.patience_seconds, self.module = patience_seconds, module
        self._child: subprocess.Popen[bytes] | None = None
        self._turns = Turns()

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
            with self._turns.turn():
                results.append(self._decoded(safe_name(name), content, ask))
            if progress:
                progress(len(results), len(files))
        return results

    def close(self) -> None:
        """End the child; whoever decodes again starts another."""
        with self._turns.turn():
            self._end()

    def _decoded(self, name: str, content: bytes, ask: dict[str, Any]) -> Decoded:
        child = self._running()
        pipes = Pipes(child, self.patience_seconds)
        try:
            send(pipes, ask, memoryview(content)[: MOST_BYTES + 1])
            return _checked(name, *receive(pipes), ask)
        except TimeoutError:
            self._end()
            return Decoded(name, None, None, self._not_in_time(), passing=True)
        except (OSError, EOFError):  # it has died, or says nothing any more
            status = None
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = child.wait(DYING_SECONDS)
            self._end()
            return Decoded(name, None, None, self._died(status))
        except ValueError:  # it talks nonsense
            self._end()
            return Decoded(name, None, None, NOT_DECODED)
        except BaseException:  # Ctrl-C: its answer would be taken for that of the next image
            self._end()
            raise

    def _died(self, status: int | None) -> str:
        """Args: status: its own, or the signal of whoever killed it: the system, where memory is short."""
        if status == -signal.SIGXCPU:
            return f"This image took too long to decode, more than {self.longest_seconds:g} seconds."
        return NEEDED_TOO_MUCH_MEMORY if status in (OUT_OF_MEMORY, -signal.SIGKILL) else NOT_DECODED

    def _not_in_time(self) -> str:
        return (
            f"This image was not decoded within {self.patience_seconds:g} seconds, as happens on a busy machine: "
            "try it again."
        )

    def _running(self) -> "subprocess.Popen[bytes]":
        """The child, started if there is none or it has died meanwhile.

        Raises:
            UserError: it doesn't start.
        """
        if self._child and self._child.poll() is None:
            return self._child
        self._end()
        try:
            self._child = _start(self.module, self.memory_bytes, self.longest_seconds)
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


def _start(module: str, memory_bytes: int, seconds: float) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", module, str(memory_bytes), str(seconds)],
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},  # each reserves memory
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        start_new_session=True,  # Ctrl-C is for the process that asked
    )


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
