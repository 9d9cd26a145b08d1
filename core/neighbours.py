"""Which training images a network finds most like an image, by the features that its last layer sees.

The features of the training images are computed once for each network and data set, and kept in `.cache` in
the folder of data sets; what lies there may be deleted at any time.
"""

import contextlib
import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from core.datasets import DATASETS, ImageData, folder_place, source
from core.datasets.offered import offered
from core.datasets.split import split_indices
from core.device import settle_arithmetic
from core.errors import UserError
from core.evaluate import BATCH_SIZE, logits
from core.members import ARITHMETIC, Member
from core.paths import data_dir, write_atomically
from core.seeds import sources_of

MOST_IMAGES = 10_000
MOST_BYTES = 64_000_000
"""Of features: for a network with very many of them, fewer images are compared."""

FILES_KEPT = 20
VERSION = 1
"""Part of a file's name; goes up when features are computed or kept in another way."""

_AT_ONCE = 2000  # images whose features are made float32 at a time

Progress = Callable[[int, int], None]
"""Called with how many training images are done, of how many."""


class Nearest(NamedTuple):
    """For n images the k most similar training images, the most similar first; each (n, k).

    `indices` are places in the training part of the data set, `labels` their classes there, `similarities`
    the cosines of the angles between features, float32.
    """

    indices: np.ndarray
    labels: np.ndarray
    similarities: np.ndarray


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The training images that a network's answers can be held against.

    `rows` (m,) are their places in the training part of `data`; `features` (m, f) float16 have length 1.
    `exact` says whether the network learned from these very images; else from others of the same data
    set. `note` says in words which images they are.
    """

    member: Member
    data: ImageData
    rows: np.ndarray
    features: np.ndarray
    exact: bool
    note: str

    def nearest(self, images: np.ndarray, k: int = 6) -> Nearest:
        """Of (n, 3, s, s) uint8."""
        wanted = _unit(features_of(self.member, images))
        found = np.empty((len(images), len(self.rows)), np.float32)
        for begin in range(0, len(self.rows), _AT_ONCE):
            some = self.features[begin : begin + _AT_ONCE].astype(np.float32)
            found[:, begin : begin + _AT_ONCE] = wanted @ some.T
        best = np.argsort(-found, axis=1, kind="stable")[:, :k]
        indices = self.rows[best]
        return Nearest(indices, self.data.train.labels[indices], np.take_along_axis(found, best, axis=1))

    def pictures(self, indices: np.ndarray) -> np.ndarray:
        """The images at these places, (..., 3, s, s) uint8."""
        return self.data.train.images[indices]


def open_neighbours(member: Member, progress: Progress = lambda done, total: None) -> Neighbours:
    """The training images of a network with their features, computed if they are not known yet.

    Raises:
        UserError: its images are not on this machine, or nobody knows which they are.
    """
    data, exact = _images(member)
    rows = _training_rows(member, data, exact)
    width = features_of(member, data.train.images[:1]).shape[1]
    rows = _evenly(rows, min(MOST_IMAGES, max(1, MOST_BYTES // (2 * width))))
    path = _path(member, data)
    features = _read(path, len(rows), width)
    if features is None:
        features = _computed(member, data, rows, progress)
        _write(path, features)
    note = f"{len(rows):,} of the {len(data.train):,} training images" + (
        ", all of which it learned from"
        if exact
        else "; it learned from a copy of this data set whose pixels or order differ"
    )
    return Neighbours(member, data, rows, features, exact, note)


def features_of(member: Member, images: np.ndarray) -> np.ndarray:
    """(n, f) float32: what the last fully connected layer of a network is fed with, for (n, 3, s, s) uint8."""
    last = [module for module in member.model.modules() if isinstance(module, nn.Linear)][-1]
    seen: list[Tensor] = []
    with ARITHMETIC:
        settle_arithmetic(member.recipe)
        hook = last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].float().cpu()))
        try:
            batch = torch.tensor(images, device=member.compute.device)
            logits(member.model, batch, member.normalise, member.compute)
        finally:
            hook.remove()
    return torch.cat(seen).numpy()


def _images(member: Member) -> tuple[ImageData, bool]:
    """The data set of a network, wherever it lies here, and whether it is the very same."""
    recipe = member.recipe
    if not member.data_fingerprint:
        raise UserError("Nobody knows from which images brought weights have learned.")
    names = [recipe.dataset, *(f"folder:{place}" for place in offered())]
    known = {name: source(name, _size(name, recipe.image_size)).ready_fingerprint() for name in names}
    for name, fingerprint in known.items():
        if fingerprint == member.data_fingerprint:
            return source(name, _size(name, recipe.image_size)).load(), True
    if known[recipe.dataset] is not None and folder_place(recipe.dataset) is None:
        data = source(recipe.dataset, recipe.image_size).load()
        if data.classes == member.classes:
            return data, False
    place = folder_place(recipe.dataset)
    title = DATASETS[recipe.dataset].title if place is None else f"the folder {place.name}"
    raise UserError(
        f"The images that this network learned from ({title}) are not on this machine, or were changed: "
        "prepare them on the Data page to see the nearest ones."
    )


def _size(name: str, image_size: int) -> int:
    return image_size if folder_place(name) is not None else 32


def _training_rows(member: Member, data: ImageData, exact: bool) -> np.ndarray:
    """Places of the images that the network learned from; of a copy, nobody knows which they are."""
    if not exact or member.seed is None:
        return np.arange(len(data.train))
    split = sources_of(member.recipe, member.seed).split
    return split_indices(len(data.train), member.recipe.validation_share, split)[0]


def _evenly(rows: np.ndarray, most: int) -> np.ndarray:
    count = min(len(rows), most)
    return rows[np.arange(count) * len(rows) // count]


def _computed(member: Member, data: ImageData, rows: np.ndarray, progress: Progress) -> np.ndarray:
    parts = []
    for begin in range(0, len(rows), BATCH_SIZE):
        progress(begin, len(rows))
        images = data.train.images[rows[begin : begin + BATCH_SIZE]]
        parts.append(_unit(features_of(member, images)).astype(np.float16))
    progress(len(rows), len(rows))
    return np.concatenate(parts)


def _unit(features: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)


# ---- what was computed before


def _path(member: Member, data: ImageData) -> Path:
    whole = f"{VERSION}/{member.sha256}/{data.fingerprint}/{member.seed}/{member.compute.precision}"
    return data_dir() / ".cache" / f"features-{hashlib.sha256(whole.encode()).hexdigest()[:32]}.npz"


def _read(path: Path, images: int, width: int) -> np.ndarray | None:
    """None where there is nothing, or nothing whole: each array in the file carries a checksum."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            features = arrays["features"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, EOFError):
        return None
    whole = features.shape == (images, width) and features.dtype == np.float16 and np.isfinite(features).all()
    return features if whole else None


def _write(path: Path, features: np.ndarray) -> None:
    """Where there is no room, the next one computes them anew."""
    content = io.BytesIO()
    np.savez(content, features=features)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.getvalue(), durable=False)
        by_age = sorted(path.parent.glob("features-*.npz"), key=lambda file: file.stat().st_mtime)
        for old in by_age[:-FILES_KEPT]:
            old.unlink(missing_ok=True)
