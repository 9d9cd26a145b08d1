"""What is wrong with a store, and how it is mended without losing what was there before."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.paths import write_atomically

FOLDER = ".repair"


class Copies:
    """What repairs changed or took away, as it was: `.repair/DATE/` in the store, laid out like the store."""

    def __init__(self, store_folder: Path) -> None:
        self._store = store_folder
        self._folder: Path | None = None

    @property
    def folder(self) -> Path | None:
        """Where the copies are; None as long as nothing was changed."""
        return self._folder

    def keep(self, path: Path) -> None:
        """Copy a file, unless an earlier repair of the same round did: the first copy is the original."""
        place = self._place(path)
        if not place.exists():
            shutil.copy2(path, place)

    def take(self, path: Path) -> None:
        """Move a file or folder out of the store's way."""
        place = self._place(path)
        if place.exists():
            place = place.with_name(f"{place.name}.later")
        path.rename(place)

    def rewrite(self, path: Path, content: bytes) -> None:
        """Another content for a file, whose old one is kept."""
        self.keep(path)
        write_atomically(path, content)

    def _place(self, path: Path) -> Path:
        if self._folder is None:
            self._folder = _unused(self._store / FOLDER / time.strftime("%Y-%m-%dT%H-%M-%S"))
        place = self._folder / path.relative_to(self._store)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


Mend = Callable[[Copies], None]


@dataclass(frozen=True)
class Finding:
    """One fault: where (relative to the store), what, and what helps.

    `mend` does what `cure` says; None where only a person can decide. `run` is the folder of the run that must
    not be trained meanwhile, None for what belongs to no run.
    """

    where: str
    fault: str
    cure: str
    mend: Mend | None = field(default=None, compare=False, repr=False)
    run: Path | None = field(default=None, compare=False, repr=False)


def _unused(folder: Path) -> Path:
    """The folder, or one with a number if an earlier repair of the same second has it."""
    for number in range(1, 1000):
        place = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        if not place.exists():
            place.mkdir(parents=True)
            return place
    raise OSError(f"{folder} is taken")


def whole_json(content: bytes) -> bool:
    """Whether these bytes are one JSON object, as all our notes are."""
    try:
        return isinstance(json.loads(content), dict)
    except ValueError:
        return False
