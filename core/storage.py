"""How much room runs and data sets take, by what may be done about it."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.trash import FOLDER as TRASH

KINDS = {
    "weights and checkpoints": (".pt", ".safetensors"),
    "predictions": (".npz",),
    "events, logs and notes": (".jsonl", ".json", ".log", ".sqlite", ".sqlite-wal", ".sqlite-shm"),
}
"""Kind of file -> endings; any other file is "everything else"."""

OTHER = "everything else"


@dataclass
class Room:
    """What a folder holds: bytes by kind of file or by name, and whether all of it was looked at in time."""

    bytes: dict[str, int] = field(default_factory=dict)
    files: int = 0
    complete: bool = True

    @property
    def total(self) -> int:
        return sum(self.bytes.values())

    def add(self, name: str, size: int) -> None:
        self.bytes[name] = self.bytes.get(name, 0) + size
        self.files += 1


def of_runs(folder: Path, budget_seconds: float = 2.0) -> Room:
    """A folder of runs, by kind of file; what was not reached within the budget is left out."""
    room = Room()
    for top, path, size in _files(folder, budget_seconds, room):
        if top == TRASH:
            room.add("deleted, still in the trash", size)
            continue
        suffix = os.path.splitext(path)[1]  # noqa: PTH122  (a Path for each of 100,000 files doubles the time)
        room.add(next((kind for kind, ends in KINDS.items() if suffix in ends), OTHER), size)
    return room


def of_data(folder: Path, budget_seconds: float = 2.0) -> Room:
    """A folder of data sets, by the folders directly in it."""
    room = Room()
    for top, path, size in _files(folder, budget_seconds, room):
        room.add(OTHER if path == f"{folder}/{top}" else top, size)
    return room


def _files(folder: Path, budget_seconds: float, room: Room) -> Iterator[tuple[str, str, int]]:
    """Each file below a folder: its first part below it, its path, its bytes. Links are not followed."""
    deadline = time.monotonic() + budget_seconds
    waiting = [("", str(folder))]
    while waiting:
        if time.monotonic() > deadline:
            room.complete = False
            return
        top, place = waiting.pop()
        try:
            entries = list(os.scandir(place))
        except OSError:  # gone, or nobody may look
            continue
        for entry in entries:
            first = top or entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((first, entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield first, entry.path, entry.stat(follow_symlinks=False).st_size
            except OSError:
                continue
