"""Asking the process that classifies (`core.answering`): starts it, waits for it, and starts it anew when it dies.

No torch here: this is the side of the dashboard.
"""

import contextlib
import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np

from core.answering import Arrays, Reply, Values, pack, unpack
from core.errors import UserError
from core.frames import Pipes, end_child, receive, send
from core.paths import ROOT
from core.store import RunStore

PATIENCE_SECONDS = 90.0
"""The first question waits for torch, and for up to 30 networks to be read."""


class Forgotten(UserError):
    """Weights that were brought are not in memory there (any more): they have to be sent with the question."""


class Asker:
    """One child process for all sessions; their questions take turns. `close` ends it."""

    def __init__(self, store: RunStore, seconds: float = PATIENCE_SECONDS) -> None:
        self._store, self._seconds = store, seconds
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def warm(self) -> None:
        """Begin to load torch now, so that the first answer comes sooner."""
        with self._lock, contextlib.suppress(OSError):
            self._running()

    def ask(self, what: str, subject: Values, arrays: Arrays | None = None, **values: Any) -> Reply:
        """The answer to one question about a subject; see `core.answering`.

        Raises:
            UserError: what the other side refused, or that it died or took too long.
            Forgotten: it needs the weights that were brought once more.
        """
        whole = {"what": what, "subject": subject, **values}
        with self._lock:
            for attempt in (1, 2):
                try:
                    told, found = self._asked(whole, arrays or {})
                    break
                except TimeoutError as error:
                    self._end()
                    raise UserError(
                        f"No answer came within {self._seconds:.0f} seconds: try fewer images or a smaller model."
                    ) from error
                except (OSError, EOFError, ValueError) as error:
                    self._end()
                    if attempt == 2:
                        raise UserError(
                            "The process that classifies ended without a word, as happens when memory runs out: "
                            "try fewer images or a smaller model."
                        ) from error
        if "error" in told:
            raise (Forgotten if told.get("forgotten") else UserError)(told["error"])
        return told, found

    def close(self) -> None:
        with self._lock:
            self._end()

    def __del__(self) -> None:
        """Nobody can ask any more: the child is not left behind."""
        self._end()

    def _asked(self, values: Values, arrays: dict[str, np.ndarray]) -> Reply:
        pipes = Pipes(self._running(), self._seconds)
        send(pipes, {}, *pack(values, arrays))
        _, parts = receive(pipes)
        return unpack(parts)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._child is None or self._child.poll() is not None:
            self._end()
            self._store.folder.mkdir(parents=True, exist_ok=True)
            with (self._store.folder / ".answering.log").open("ab") as log:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "core.answering", str(self._store.folder)],
                    cwd=ROOT,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                )
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child:
            end_child(child)
