"""What of a run has to be made before it can be taken home: asked for here, made by `core.export_child`.

Torch, or all images, are needed for these: a process of its own makes them, in the background, and they
stay in the run's folder until they are made anew.

runs/ID/exports/NAME.json   the newest of its kind: written here when it is asked for, then by that process
                NAME.lock   held by that process while it lives
                NAME.log    what it printed
                ...         the files themselves; may be deleted at any time
"""

import contextlib
import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

from core.detached import spawn
from core.errors import UserError
from core.locks import is_held
from core.paths import read_json, write_json
from core.store import Run

FOLDER = "exports"

MADE = {
    "safetensors": "Weights as safetensors",
    "onnx": "ONNX model",
    "script": "PyTorch script with its images",
    "tensorboard": "TensorBoard event files",
}
"""What is made in that process, and how it is called."""

STARTING_SECONDS = 30.0
"""So long it may take from the start of the process to its lock: torch is loaded in between."""


@dataclass(frozen=True)
class Made:
    """A file that was made, or is being made.

    `file` is its name in the folder of exports, `note` what was checked about it, in words for people.
    """

    time: float
    running: bool = True
    file: str = ""
    note: str = ""
    error: str = ""


def _is_plain(found: Made) -> bool:
    """Whether a note that was read has the types of one, and names a file of its own folder."""
    texts = (found.file, found.note, found.error)
    return all(type(text) is str for text in texts) and Path(found.file).name == found.file != ".."


def begin(run: Run, kind: str, test: bool) -> None:
    """Start to make a file in the background, unless it is being made.

    Args:
        kind: a key of `MADE`.
        test: whether test figures may be in it.

    Raises:
        UserError: the run's folder can't be written to.
    """
    name = name_of(kind, test)
    folder = run.folder / FOLDER
    if is_held(folder / f"{name}.lock"):
        return
    try:
        folder.mkdir(exist_ok=True)
        write(run, name, Made(time.time()))
        more = ["--test"] if test else []
        log = folder / f"{name}.log"
        spawn("core.export_child", str(run.folder.parent), run.id, kind, *more, log=log)
    except FileNotFoundError as error:
        raise UserError("The folder of this run is gone: it was deleted, or moved.") from error
    except OSError as error:
        raise UserError(
            f"The folder of this run can't be written to ({error.strerror}): see that there is room in it."
        ) from error


def status(run: Run, kind: str, test: bool) -> Made | None:
    """The newest file of this kind, made or under way; None if nobody asked for it, or it is gone."""
    name = name_of(kind, test)
    note = run.folder / FOLDER / f"{name}.json"
    values = read_json(note)
    try:
        found = Made(**values) if values else None
        whole = found is None or _is_plain(found)
    except TypeError:  # written by another version
        whole = False
    if not whole:
        return None
    if found is None or not found.running:
        whole = found and (found.error or path_of(run, found).is_file())
        return found if whole else None
    if is_held(run.folder / FOLDER / f"{name}.lock"):
        return found
    with contextlib.suppress(OSError):
        if time.time() - note.stat().st_mtime < STARTING_SECONDS:
            return found
    return dataclasses.replace(found, running=False, error="Making it ended without a word: try it again.")


def path_of(run: Run, made: Made) -> Path:
    """Where the file lies; by its last name, whatever its record says."""
    return run.folder / FOLDER / Path(made.file).name


def write(run: Run, name: str, made: Made) -> None:
    write_json(run.folder / FOLDER / f"{name}.json", dataclasses.asdict(made), durable=False)


def name_of(kind: str, test: bool) -> str:
    """One that holds test figures is another file: who has not revealed them does not get it."""
    return f"{kind}-with-test" if test and kind == "tensorboard" else kind
