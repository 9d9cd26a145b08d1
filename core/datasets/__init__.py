"""The table of data sets, and what every one of them gives.

A data set is named by a word, or by a word and a place: "shapes", "cifar10", "folder:PATH".
Nothing here needs torch.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from core.errors import UserError
from core.specs import DatasetSpec, Progress, resolve

DATASETS = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            "shapes",
            "Shapes",
            "Ten kinds of coloured shapes, drawn on this machine in seconds; needs no network.",
            "core.datasets.shapes:Shapes",
        ),
        DatasetSpec(
            "cifar10",
            "CIFAR-10",
            "60,000 photographs of ten kinds of things, 32 × 32; 170 MB, downloaded once.",
            "core.datasets.cifar10:Cifar10",
        ),
        DatasetSpec(
            "folder",
            "Folder of images",
            "Your own images: one folder for each class.",
            "core.datasets.folder:Folder",
        ),
    )
}


@dataclass(frozen=True)
class Split:
    """Images (n, 3, h, w) uint8 and their labels (n,) int64; both arrays are read-only."""

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.images, self.labels):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageData:
    """A data set in memory.

    `fingerprint` is a SHA-256 of everything that training can see (images, labels, class names):
    two data sets with the same one are the same data set, wherever they lie. `skipped` lists
    files that could not be used, each with the reason.
    """

    classes: tuple[str, ...]
    train: Split
    test: Split
    fingerprint: str
    skipped: tuple[tuple[str, str], ...] = ()

    @cached_property
    def channel_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the training images, computed once; see the function of this name."""
        return channel_statistics(self.train.images)


class Source(Protocol):
    """One place that images come from; constructed cheaply, without reading the images.

    Constructor: `place` (what follows the colon in the name, may be empty) and `image_size` in
    pixels (only `folder` can give another size than 32).
    """

    def __init__(self, place: str, image_size: int) -> None: ...

    def ready_fingerprint(self) -> str | None:
        """The fingerprint if `load` would return within seconds, else None (prepare it first)."""

    def prepare(self, progress: Progress) -> None:
        """Download, draw or decode once and keep the result on disk; safe to call from two processes.

        Raises:
            UserError: no network, not enough room, no such folder, no image in it.
        """

    def load(self) -> ImageData:
        """The images; prepares them first where that is still to be done."""


def source(name: str, image_size: int = 32) -> Source:
    """The data set that a recipe names, not yet read.

    Raises:
        UserError: there is no data set of this name.
    """
    kind, _, place = name.partition(":")
    if kind not in DATASETS:
        known = ", ".join(DATASETS).replace("folder", "folder:PATH")
        raise UserError(f"There is no data set called {name!r}: choose one of {known}.")
    if kind == "folder" and not place:
        raise UserError("A folder of images needs its place: write folder:PATH.")
    if kind != "folder" and place:
        raise UserError(f"{kind} takes no path: write {kind} alone.")
    return resolve(DATASETS[kind].target)(place, image_size)


def folder_place(name: str) -> Path | None:
    """The folder behind "folder:PATH", or None for a data set that is no folder."""
    kind, _, place = name.partition(":")
    return Path(place) if kind == "folder" else None


_CHUNK = 1000  # images counted at a time: the counting makes each byte eight


def channel_statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel over all pixels, on the scale 0 to 1.

    Args:
        images: (n, 3, h, w) uint8.

    Returns:
        Two (3,) float64 arrays, exact sums of integers, so the same on every machine.
    """
    counts = np.zeros((3, 256), dtype=np.int64)
    for begin in range(0, len(images), _CHUNK):
        for channel in range(3):
            values = images[begin : begin + _CHUNK, channel].ravel()
            counts[channel] += np.bincount(values, minlength=256)
    values = np.arange(256, dtype=np.int64)
    pixels = counts.sum(axis=1)
    mean = counts @ values / pixels
    variance = counts @ values**2 / pixels - mean**2
    return mean / 255, np.sqrt(np.maximum(variance, 0)) / 255


def normalisation(kind: str, data: ImageData) -> tuple[np.ndarray, np.ndarray]:
    """What is subtracted from each channel and what it is divided by, on the scale 0 to 1.

    Args:
        kind: "dataset" (computed), "half" (0.5 and 0.5) or "none" (0 and 1).
        data: whose whole training set, before its split, is counted, as in the report; never its test set.

    Returns:
        Two (3,) float64 arrays.
    """
    if kind == "half":
        return np.full(3, 0.5), np.full(3, 0.5)
    if kind == "none":
        return np.zeros(3), np.ones(3)
    mean, std = data.channel_statistics
    return mean, np.where(std > 0, std, 1.0)  # a constant channel becomes 0 instead of infinite
