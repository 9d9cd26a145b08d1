"""Preparing a data set in the background: `python -m core.preparation DATASET IMAGE_SIZE`.

A process of its own, so that a page stays live while 170 MB come down, and so that closing the
browser does not start them again. It holds a lock while it lives and writes its progress to a file.
"""

import contextlib
import hashlib
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from core.datasets import source
from core.detached import spawn
from core.errors import UserError
from core.locks import FileLock, is_held
from core.paths import data_dir, read_json, write_json

WRITE_SECONDS = 0.2
STARTING_SECONDS = 10.0
"""So long a preparation may take from its start to its lock."""


@dataclass(frozen=True)
class Preparation:
    """How far it is: `done` of `total` (0: unknown) in the present `stage`; or why it ended early."""

    stage: str = "starting"
    done: int = 0
    total: int = 0
    error: str = ""


def begin(dataset: str, image_size: int) -> None:
    """Prepare a data set in the background, unless that is under way.

    Raises:
        UserError: the folder of data sets can't be written to.
    """
    place = _place(dataset, image_size)
    if is_held(place.with_suffix(".lock")):
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_json(place.with_suffix(".json"), asdict(Preparation()), durable=False)
        spawn("core.preparation", dataset, str(image_size), log=place.with_suffix(".log"))
    except OSError as error:
        raise UserError(
            f"The folder of data sets can't be written to ({error.strerror}): "
            "set TENFOLD_DATA to a folder that you may write to."
        ) from error


def status(dataset: str, image_size: int) -> Preparation | None:
    """How the last preparation goes, or why it ended early; None if there was none, or it is done."""
    place = _place(dataset, image_size)
    note = place.with_suffix(".json")
    values = read_json(note)
    try:
        found = Preparation(**values) if values else None
    except TypeError:  # written by another version
        return None
    if found is None or found.error or is_held(place.with_suffix(".lock")):
        return found
    with contextlib.suppress(OSError):
        if 0 <= time.time() - note.stat().st_mtime < STARTING_SECONDS:
            return found
    return Preparation(
        error="Preparing the images ended without a word, perhaps for want of memory: try again."
    )


def _place(dataset: str, image_size: int) -> Path:
    """Named by a digest: a data set's own name may hold a path."""
    name = hashlib.sha256(f"{dataset}/{image_size}".encode()).hexdigest()[:16]
    return data_dir() / ".preparation" / name


def main(arguments: list[str]) -> int:
    """Prepare, writing the progress down a few times a second."""
    dataset, image_size = arguments[0], int(arguments[1])
    place = _place(dataset, image_size)
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place.with_suffix(".lock"))
    if not lock.acquire():
        return 0
    last = 0.0

    def report(stage: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > WRITE_SECONDS:
            last = time.monotonic()
            write_json(place.with_suffix(".json"), asdict(Preparation(stage, done, total)), durable=False)

    report("starting", 0, 0)
    try:
        source(dataset, image_size).prepare(report)
    except UserError as error:
        write_json(place.with_suffix(".json"), asdict(Preparation(error=str(error))), durable=False)
        return 1
    place.with_suffix(".json").unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
