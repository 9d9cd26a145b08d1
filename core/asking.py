"""Asking the process that classifies (`core.answering`): starts it, waits for it, and starts it anew when it dies.

No torch here: this is the side of the dashboard.
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from core.answering import Arrays, Reply, Values, pack, unpack
from core.errors import UserError
from core.frames import Pipes, Turns, end_child, receive, send
from core.paths import ROOT
from core.store import RunStore

PATIENCE_SECONDS = 90.0
"""The first question waits for torch, and for up to 30 networks to be read."""

LOG_NAME = ".answering.log"
MOST_LOG_BYTES = 1_000_000
"""A log that has grown longer begins anew with the next process."""


class Forgotten(UserError):
    """Weights that were brought are not in memory there (any more): they have to be sent with the question."""


class Asker:
    """One child process for all sessions; their questions take turns. `close` ends it.

    What takes long is asked in steps of about `core.answering.STEP_SECONDS`, between which others get their
    turn. Only a few things still hold it longer: the first question (torch takes 5 to 8 s to load, a data set
    of training images up to 3 s), and with networks of the report's width a batch of images, an occlusion or
    the sliders' curves, by as many seconds as such networks take for each image (0.02 s) and each seed.
    """

    def __init__(self, store: RunStore, seconds: float = PATIENCE_SECONDS) -> None:
        self._store, self._seconds = store, seconds
        self._turns = Turns()
        self._child: subprocess.Popen[bytes] | None = None

    def warm(self) -> None:
        """Begin to load torch now, so that the first answer comes sooner; waits for nobody."""
        with self._turns.turn_if_free() as free, contextlib.suppress(UserError):
            if free:
                self._running()

    def ask(self, what: str, subject: Values, arrays: Arrays | None = None, **values: Any) -> Reply:
        """The answer to one question about a subject; see `core.answering`.

        Raises:
            UserError: what the other side refused, or that it died, took too long or can't be started.
            Forgotten: it needs the weights that were brought once more.
        """
        whole = {"what": what, "subject": subject, **values}
        with self._turns.turn():
            told, found = self._asked(whole, arrays or {}, attempts=2)
        if "error" in told:
            raise (Forgotten if told.get("forgotten") else UserError)(told["error"])
        return told, found

    def close(self) -> None:
        with self._turns.turn():
            self._end()

    def __del__(self) -> None:
        """Nobody can ask any more: the child is not left behind."""
        self._end()

    def _asked(self, values: Values, arrays: Arrays, attempts: int) -> Reply:
        """A child that has died meanwhile is replaced once."""
        child = self._running()
        try:
            pipes = Pipes(child, self._seconds)
            send(pipes, {}, *pack(values, arrays))
            _, parts = receive(pipes)
            return unpack(parts)
        except TimeoutError as error:
            self._end()
            raise UserError(
                f"No answer came within {self._seconds:.0f} seconds: try fewer images or a smaller model."
            ) from error
        except (OSError, EOFError, ValueError) as error:
            self._end()
            if attempts > 1:
                return self._asked(values, arrays, attempts - 1)
            raise UserError(
                "The process that classifies ended without a word, as happens when memory runs out: "
                "try fewer images or a smaller model."
            ) from error
        except BaseException:  # its answer would be taken for that of the next question
            self._end()
            raise

    def _running(self) -> "subprocess.Popen[bytes]":
        """The child, started if there is none or it has died meanwhile.

        Raises:
            UserError: it can't be started.
        """
        if self._child is None or self._child.poll() is not None:
            self._end()
            try:
                with self._log() as log:
                    self._child = subprocess.Popen(
                        [sys.executable, "-m", "core.answering", str(self._store.folder)],
                        cwd=ROOT,
                        env={**os.environ, "OMP_NUM_THREADS": "1"},
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=log,
                    )
            except OSError as error:
                raise UserError(
                    f"The process that classifies can't be started on this machine ({error.strerror})."
                ) from error
        return self._child

    def _log(self) -> IO[bytes]:
        """Where faults are written; nowhere, if the folder of runs can't be: networks that come along need none."""
        path = self._store.folder / LOG_NAME
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            grown = path.exists() and path.stat().st_size > MOST_LOG_BYTES
            return path.open("wb" if grown else "ab")
        except OSError:
            return Path(os.devnull).open("wb")

    def _end(self) -> None:
        child, self._child = self._child, None
        if child:
            end_child(child)
