"""Processes that outlive their starter: closing the dashboard ends none of them."""

import subprocess
import sys
from pathlib import Path

from core.paths import ROOT

_children: list[subprocess.Popen] = []


def spawn(module: str, *arguments: str, log: Path) -> None:
    """Start `python -m MODULE ARGUMENTS` and return at once; what it prints is appended to `log`.

    In a session of its own, so that Ctrl-C on the dashboard does not reach it. Never
    `multiprocessing`: that would fork or import the web server again.

    Raises:
        OSError: the log can't be written.
    """
    _children[:] = [child for child in _children if child.poll() is None]  # or they stay as zombies
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    _children.append(child)
