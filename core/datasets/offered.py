"""Which folders of images a page may name: a browser chooses among these and can't ask for others."""

import os
from itertools import islice
from pathlib import Path

from core.datasets.download import alone, unwritable
from core.datasets.scan import entries, parts_of, resolved
from core.paths import data_dir, read_json, write_json

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")


def registered() -> list[Path]:
    """Folders that the command line has used; they may be gone by now."""
    note = read_json(data_dir() / "folders.json")
    return [Path(place) for place in note.get("folders", [])] if note else []


def register(path: Path) -> None:
    """Let pages offer a folder from now on.

    Raises:
        UserError: the folder of data sets can't be written to.
    """
    folder, home = resolved(path), data_dir()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with alone(home / ".folders.lock", lambda stage, done, total: None):
            if folder not in (known := registered()):
                write_json(home / "folders.json", {"folders": [str(place) for place in [*known, folder]]})
    except OSError as error:
        raise unwritable(home, error) from error


def offered() -> list[Path]:
    """What pages may offer: folders of classes in the folder of data sets, and registered folders."""
    home = data_dir()
    below = (
        [home / entry.name for entry in entries(home) if is_offered(home / entry.name)]
        if home.is_dir()
        else []
    )
    return sorted({p for p in below if looks_like_classes(p)} | {p for p in registered() if p.is_dir()})


def is_offered(path: Path) -> bool:
    """Whether a page may read this folder: it lies in the folder of data sets, or is registered.

    Judged by where it really lies, so that neither `..` nor a link leads out.
    """
    folder, home = resolved(path), data_dir()
    inside = folder != home and folder.is_relative_to(home)
    hidden = inside and any(part.startswith(".") for part in folder.relative_to(home).parts)
    return folder.is_dir() and (folder in registered() or (inside and not hidden))


def looks_like_classes(path: Path) -> bool:
    """Whether a folder seems to hold a data set, from the names of a few files in it."""
    try:
        places = [path / inside for inside in parts_of(path).values()]
        folders = [entry for entry in entries(places[0]) if entry.is_dir(follow_symlinks=False)]
        names = [entry.name.lower() for folder in folders[:3] for entry in islice(os.scandir(folder), 20)]
    except OSError:
        return False
    return len(folders) > 1 and any(name.endswith(_SUFFIXES) for name in names)
