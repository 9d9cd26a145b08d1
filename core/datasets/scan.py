"""What lies in a folder of classes, found without opening a file."""

import os
import unicodedata
from pathlib import Path
from typing import NamedTuple

from core.errors import UserError

_UNUSED_PARTS = {"val", "valid", "validation"}


class File(NamedTuple):
    """A file in a class folder; `part` is "train", "test", or "" where that is still to be drawn."""

    path: str
    part: str
    label: str
    size_bytes: int
    modified_ns: int


class Scan(NamedTuple):
    """Files by part, class and name; and what was passed over, with the reason."""

    files: list[File]
    skipped: list[tuple[str, str]]


def scan(root: Path) -> Scan:
    """All files that could be images of a class.

    Raises:
        UserError: no such folder, or no two class folders in it.
    """
    found = Scan([], [])
    try:
        for part, inside in parts_of(root).items():
            for entry in entries(root / inside):
                path = f"{inside}/{entry.name}".lstrip("/")
                if entry.is_dir(follow_symlinks=False):
                    _walk(root, path, part, as_text(entry.name), found)
                else:
                    found.skipped.append((path, "not in the folder of a class"))
    except FileNotFoundError as error:
        raise UserError(f"There is no folder {root}: check its path.") from error
    except NotADirectoryError as error:
        raise UserError(f"{root} is a file: name the folder that has a folder for each class.") from error
    except OSError as error:
        raise UserError(f"The folder {root} can't be read: {error.strerror}.") from error
    labels = {file.label for file in found.files if file.part != "test"}
    if len(labels) < 2:
        problem = "only one folder with files" if labels else "no folders with files"
        raise UserError(f"{root.name} has {problem} in it: make two or more, one for each class.")
    return found


def parts_of(root: Path) -> dict[str, str]:
    """Where class folders lie: of "train" and "test", or of "", which is still to be split.

    A class may itself be called "train": only a folder of folders is taken for the training part.
    """
    names = {entry.name for entry in entries(root) if entry.is_dir(follow_symlinks=False)}
    if "train" in names and any(entry.is_dir(follow_symlinks=False) for entry in entries(root / "train")):
        if "test" in names:
            return {"train": "train", "test": "test"}
        if names <= {"train", *_UNUSED_PARTS}:
            return {"": "train"}
    return {"": ""}


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds, by name; hidden files are none of ours."""
    with os.scandir(folder) as entries:
        return sorted((e for e in entries if not e.name.startswith(".")), key=lambda entry: entry.name)


def _walk(root: Path, class_folder: str, part: str, label: str, found: Scan) -> None:
    folders = [class_folder]
    while folders:
        folder, inner = folders.pop(), []
        try:
            for entry in entries(root / folder):
                path = f"{folder}/{entry.name}"
                if entry.is_symlink() and not resolved(entry.path).is_relative_to(root):
                    found.skipped.append((path, "a link out of the folder"))
                elif entry.is_file():
                    stat = entry.stat()
                    found.files.append(File(path, part, label, stat.st_size, stat.st_mtime_ns))
                elif entry.is_dir(follow_symlinks=False):
                    inner.append(path)
                else:
                    found.skipped.append((path, "neither a file nor a folder of its own"))
        except OSError as error:
            found.skipped.append((folder, f"can't be read ({error.strerror})"))
        folders += reversed(inner)


def as_text(name: str) -> str:
    """A name as text: one spelling of each letter on every system, and nothing that is no text."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace"))


def resolved(place: str | Path) -> Path:
    """Where a path really leads.

    Raises:
        UserError: it can't be the path of anything.
    """
    try:
        return Path(os.path.realpath(Path(place).expanduser()))
    except (ValueError, RuntimeError) as error:  # a NUL in it, or the home of an unknown user
        raise UserError(f"There is no folder {str(place)!r}: check its path.") from error
