"""Runs that a person deleted: moved aside whole, so that it can be undone, until somebody empties the trash.

runs/.trash/ID    the folder of a deleted run; ID~2 where another run of this id lies there already

Nothing else looks there: a deleted run answers for no recipe, counts in no sweep, and no worker finds it.
"""

import contextlib
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from core.errors import UserError
from core.lease import is_leased
from core.locks import FileLock, is_held
from core.store import Run, RunStore

FOLDER = ".trash"

_NAME = re.compile(r"([0-9a-f]{32})(?:~\d{1,6})?")
_GOING = ".gone-"
"""Begins the name of what is being removed for good: nobody can take it back halfway."""


@dataclass(frozen=True)
class Deleted:
    """A run in the trash. `name` is that of its folder there, `time` when it was deleted; `run` is None
    where its record can't be read."""

    name: str
    time: float
    run: Run | None


def delete(store: RunStore, run: Run) -> str:
    """Move a run to the trash; gives the name that it has there, for `undo`.

    Holds the run's lock meanwhile, so that no worker takes it up; one that comes later finds nothing to
    lock (`core.locks`). Whoever asks for the same recipe and seed afterwards gets a new run.

    Raises:
        UserError: it is queued, or being trained, proven or exported, or it is gone.
        OSError: the folder can't be moved.
    """
    if run.state().active:
        raise UserError(f"{_told(run)} is on its way: stop it first, then delete it.")
    lock = FileLock(run.lock_path)
    try:
        if not lock.acquire() or is_leased(run.folder):
            raise UserError(f"{_told(run)} has just been taken up by a worker: stop it first.")
    except FileNotFoundError:
        raise UserError(f"{_told(run)} is gone already.") from None
    try:
        if run.queued and not run.over and not (run.marked("cancel") or run.marked("pause")):
            raise UserError(f"{_told(run)} waits in the queue: stop it first, then delete it.")
        if any(is_held(path) for path in run.folder.rglob("*.lock")):
            raise UserError(f"{_told(run)} is being proven or taken home: wait for that, then delete it.")
        return _move(store, run)
    finally:
        lock.release()


def _move(store: RunStore, run: Run) -> str:
    trash = store.folder / FOLDER
    trash.mkdir(exist_ok=True)
    for number in count(1):
        name = run.id if number == 1 else f"{run.id}~{number}"
        # A rename onto an empty folder would succeed, and ours never are: so this is asked first.
        if (trash / name).exists():
            continue
        run.folder.rename(trash / name)
        return name
    raise AssertionError("count() never ends")


def undo(store: RunStore, name: str) -> Run:
    """Put a deleted run back where it was.

    Raises:
        UserError: the same recipe and seed have been trained again meanwhile, or it is not in the trash.
        OSError: the folder can't be moved.
    """
    match = _NAME.fullmatch(name)
    place = store.folder / FOLDER / name
    if match is None or not place.is_dir():
        raise UserError(
            "This run is not in the trash any more: somebody has put it back or emptied the trash."
        )
    target = store.folder / match[1]
    try:
        if target.exists():  # asked first: an empty folder would be replaced
            raise FileExistsError
        place.rename(target)
    except OSError as error:
        if not target.exists():
            raise
        raise UserError(
            "The same recipe and seed have been trained again meanwhile, and only one of the two can be here: "
            "delete the new run first, then undo. Nothing was lost; both are still there."
        ) from error
    return store.get(match[1])


def deleted(store: RunStore) -> list[Deleted]:
    """What is in the trash, what was deleted last first."""
    found = []
    for name in names(store):
        place = store.folder / FOLDER / name
        with contextlib.suppress(OSError):  # put back at this very moment
            # A rename sets the change time of what is renamed.
            found.append(Deleted(name, place.stat().st_ctime, store.read(place, name.partition("~")[0])))
    return sorted(found, key=lambda one: (one.time, one.name), reverse=True)


def names(store: RunStore) -> list[str]:
    """Of all that is in the trash, in no order; costs next to nothing."""
    try:
        return [name for name in os.listdir(store.folder / FOLDER) if _NAME.fullmatch(name)]  # noqa: PTH208
    except OSError:
        return []


def empty(store: RunStore) -> int:
    """Remove for good what is in the trash; gives the bytes that were freed.

    Raises:
        OSError: a file can't be removed; what was not reached is still in the trash.
    """
    trash, freed = store.folder / FOLDER, 0
    for name in names(store):
        with contextlib.suppress(FileNotFoundError):
            (trash / name).rename(trash / f"{_GOING}{secrets.token_hex(8)}")
    for going in trash.glob(f"{_GOING}*"):  # also those of an earlier time that was cut short
        size = size_bytes(going)
        shutil.rmtree(going)
        freed += size
    return freed


def trash_bytes(store: RunStore) -> int:
    """What emptying the trash would free."""
    return size_bytes(store.folder / FOLDER)


def size_bytes(folder: Path) -> int:
    """What a folder takes on the disk with everything in it; files that vanish meanwhile count nothing."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total


def _told(run: Run) -> str:
    return f"The run with seed {run.spec.seed} ({run.id[:8]})"
