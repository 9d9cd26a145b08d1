"""How often workers were started for a run: noted with it, so that no run is started for ever."""

import contextlib
from typing import Any

from core.paths import write_json
from core.store import Run

LAUNCHES = 4
"""A run whose worker died is started this often in all: once and three times again."""


def count_launch(run: Run) -> None:
    """Note that a worker has this run, once more unless the last one got further: then it is no loop.

    Raises:
        OSError: it can't be noted, so nothing would ever end a loop.
    """
    note, epochs = run.runner_note(), len(run.history().epochs)
    earlier = note.get("launches", 0) if note.get("epochs", 0) >= epochs else 0
    write_json(run.folder / "runner.json", {"launches": earlier + 1, "epochs": epochs})


def take_launch_back(run: Run) -> None:
    """Another worker was quicker: this was no launch."""
    note = run.runner_note()
    write_note(run, {**note, "launches": max(0, note.get("launches", 0) - 1)})


def write_note(run: Run, note: dict[str, Any]) -> None:
    """On a full disk, or in a folder that was just deleted, the note is lost and nothing else."""
    with contextlib.suppress(OSError):
        write_json(run.folder / "runner.json", note)
