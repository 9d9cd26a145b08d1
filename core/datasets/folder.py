"""A folder of images, one folder for each class: decoded once, then mapped from disk.

Two layouts: `train/CLASS/*` beside `test/CLASS/*`, or `CLASS/*` alone (also below `train/`), whose
test part is split off here. What was decoded lies as arrays in `.cache` in the folder of data sets
and is used until a file is added, removed or changed.
"""

import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from core.datasets import ImageData, Split
from core.datasets.download import alone, unwritable
from core.datasets.fingerprint import content_fingerprint
from core.datasets.scan import File, Scan, as_text, resolved, scan
from core.errors import UserError
from core.images import MOST_BYTES, ImageRefused, fit, open_image
from core.paths import data_dir, read_json, sync_folder, write_json
from core.seeds import generator
from core.specs import Progress

TEST_SHARE = 0.2
TEST_SEED = 1010
"""Splits the test part off: the data set's own seed, so that all runs are tested on the same images."""

DECODING = 1
"""Part of a cache's key; goes up when `core.images` or the split gives something else than before."""

_AT_ONCE = 32  # files that a thread takes


class Folder:
    """The source "folder:PATH"; see `core.datasets.Source`.

    Classes, and images within a class, are in the order of their names, like torchvision's
    `ImageFolder`. A file that can't be used is left out and listed in `ImageData.skipped`.
    """

    def __init__(self, place: str, image_size: int) -> None:
        self.root, self.image_size = resolved(place), image_size
        self.caches = data_dir() / ".cache"
        self.own = hashlib.sha256(os.fsencode(f"{self.root}/{image_size}")).hexdigest()[:16]

    def ready_fingerprint(self) -> str | None:
        try:
            note = _note(self._cache(scan(self.root)))
        except UserError:
            return None
        return note.get("fingerprint") if note else None

    def prepare(self, progress: Progress) -> None:
        self._prepare(progress, _note)

    def load(self) -> ImageData:
        """The images, mapped from the cache; one that was damaged is made anew."""
        data = _opened(self._cache(scan(self.root)))
        if data is None:
            self._prepare(lambda stage, done, total: None, _opened)
            data = _opened(self._cache(scan(self.root)))
        if data is None:
            raise UserError(f"{self.root.name} was changed while it was read: try again.")
        return data

    def _prepare(self, progress: Progress, is_good: Callable[[Path], Any]) -> None:
        try:
            self.caches.mkdir(parents=True, exist_ok=True)
            with alone(self.caches / f".{self.own}.lock", progress):
                found = scan(self.root)
                cache = self._cache(found)
                if is_good(cache):
                    return
                for old in self.caches.glob(f"{self.own}-*"):  # damaged, unfinished or out of date
                    shutil.rmtree(old)
                unfinished = cache.with_suffix(".tmp")
                unfinished.mkdir()
                try:
                    _build(self.root, found, self.image_size, unfinished, progress)
                    unfinished.replace(cache)
                    sync_folder(self.caches)
                finally:
                    shutil.rmtree(unfinished, ignore_errors=True)
        except OSError as error:
            raise unwritable(data_dir(), error) from error

    def _cache(self, found: "Scan") -> Path:
        state = json.dumps([DECODING, TEST_SEED, TEST_SHARE, *found])
        return self.caches / f"{self.own}-{hashlib.sha256(state.encode()).hexdigest()[:32]}"


# ---- decoding once


def _build(root: Path, found: Scan, size: int, folder: Path, progress: Progress) -> None:
    """Decode all files into the arrays of a cache; its note is written last."""
    reasons: list[str] = []
    decoded = folder / "decoded"
    with decoded.open("wb") as file:
        for pixels, new in _decoded(root, found.files, size):
            file.write(pixels.tobytes())
            reasons += new
            progress("reading images", len(reasons), len(found.files))
    readable = [file for file, reason in zip(found.files, reasons, strict=True) if not reason]
    classes, labels, is_test = plan(readable)
    if len(classes) < 2:
        raise UserError(f"{root.name} has readable images of {len(classes)} classes only: it takes two.")
    for part, chosen in (("train", ~is_test), ("test", is_test)):
        rows = np.flatnonzero(chosen & (labels >= 0))
        if not len(rows):
            raise UserError(f"{root.name} has no image left for testing: give each class two or more.")
        rows = rows[np.argsort(labels[rows], kind="stable")]
        _write_images(decoded, (len(readable), 3, size, size), rows, folder / f"{part}-images.npy")
        np.save(folder / f"{part}-labels.npy", labels[rows])
    decoded.unlink()
    skipped = [(file.path, reason) for file, reason in zip(found.files, reasons, strict=True) if reason]
    homeless = [readable[row].path for row in np.flatnonzero(labels < 0)]
    skipped += [(path, "its class has no training images") for path in homeless]
    note = {
        "classes": classes,
        "fingerprint": content_fingerprint(classes, *_splits(folder)),
        "skipped": sorted((as_text(path), reason) for path, reason in found.skipped + skipped),
        "files": {file.name: file.stat().st_size for file in folder.iterdir()},
    }
    write_json(folder / "data.json", note)


def plan(files: Sequence[File]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Which class and which part each readable file belongs to.

    Where the folder has no test part, a fifth of each class is drawn, at least one image of two;
    the draw depends on the class's name and number of images only.

    Returns:
        Classes by name; label of each file, int64, -1 if its class has no training image; whether
        each file is for testing.
    """
    classes = sorted({file.label for file in files if file.part != "test"})
    number = {name: label for label, name in enumerate(classes)}
    labels = np.array([number.get(file.label, -1) for file in files], dtype=np.int64)
    is_test = np.array([file.part == "test" for file in files], dtype=bool)
    if files and files[0].part == "":
        for name, label in number.items():
            rows = np.flatnonzero(labels == label)
            held_out = max(1, round(len(rows) * TEST_SHARE)) if len(rows) > 1 else 0
            is_test[generator(TEST_SEED, f"test part of {name}").permutation(rows)[:held_out]] = True
    return classes, labels, is_test


def _decoded(root: Path, files: Sequence[File], size: int) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Readable images, (k, 3, size, size) uint8, and a reason or "" for each file, in order."""

    def decode(some: Sequence[File]) -> tuple[np.ndarray, list[str]]:
        outcomes = [_pixels_or_reason(root, file, size) for file in some]
        pixels = [outcome for outcome in outcomes if not isinstance(outcome, str)]
        return np.array(pixels, np.uint8), [why if isinstance(why, str) else "" for why in outcomes]

    workers = min(8, os.cpu_count() or 1)
    waiting: deque[Future[tuple[np.ndarray, list[str]]]] = deque()
    with ThreadPoolExecutor(workers) as pool:  # threads: Pillow decodes without Python's lock
        for start in range(0, len(files), _AT_ONCE):
            waiting.append(pool.submit(decode, files[start : start + _AT_ONCE]))
            if len(waiting) > 2 * workers:  # so that no more than this is held in memory
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _pixels_or_reason(root: Path, file: File, size: int) -> np.ndarray | str:
    try:
        with (root / file.path).open("rb") as content:
            return fit(open_image(content.read(min(file.size_bytes, MOST_BYTES) + 1)), size)
    except ImageRefused as refusal:
        return str(refusal)
    except OSError as error:
        return f"This file can't be read ({error.strerror})."


def _write_images(decoded: Path, shape: tuple[int, ...], rows: np.ndarray, target: Path) -> None:
    """Some rows of the decoded images as an array file.

    Written, not mapped: a full disk is an error then, and not the end of the process.
    """
    images = np.memmap(decoded, np.uint8, "r", shape=shape)
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(rows), *shape[1:])}
    with target.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(rows), 1024):
            file.write(images[rows[start : start + 1024]].tobytes())
        file.flush()
        os.fsync(file.fileno())


# ---- what was decoded before


def _note(cache: Path) -> dict[str, Any] | None:
    """What `_build` noted, if its files are there at full length."""
    note = read_json(cache / "data.json")
    try:
        whole = note and all((cache / name).stat().st_size == size for name, size in note["files"].items())
    except (OSError, LookupError, AttributeError):
        return None
    return note if whole else None


def _splits(cache: Path) -> tuple[Split, Split]:
    def split(part: str) -> Split:
        images = np.load(cache / f"{part}-images.npy", mmap_mode="r")
        return Split(np.asarray(images), np.load(cache / f"{part}-labels.npy"))

    return split("train"), split("test")


def _opened(cache: Path) -> ImageData | None:
    """The data set of a cache; None if there is none, or its content is not what was written."""
    if (note := _note(cache)) is None:
        return None
    try:
        classes, skipped = tuple(note["classes"]), tuple(map(tuple, note["skipped"]))
        data = ImageData(classes, *_splits(cache), note["fingerprint"], skipped)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return data if content_fingerprint(classes, data.train, data.test) == data.fingerprint else None
