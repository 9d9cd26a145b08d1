"""Which training images a network finds most like an image, by the features that its last layer sees.

The features of the training images are computed once for each network and data set, in steps between which
others get their answers, and kept in `.cache` in the folder of data sets: all of them, or those that are known
so far. What lies there may be deleted at any time.
"""

import contextlib
import functools
import hashlib
import io
import math
import time
import zipfile
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
_FIRST_BATCH = 32  # images computed at once; more for a quick network, since a step ends between two batches
_LEAST_BATCH, _BATCH_SECONDS = 8, 0.5
_PARTS = 10  # so often what is known is written down while it is computed


class Nearest(NamedTuple):
    """For n images the k most similar training images, the most similar first; each (n, k).

    `indices` are places in the training part of the data set, `labels` their classes there, `similarities`
    the cosines of the angles between features, float32.
    """

    indices: np.ndarray
    labels: np.ndarray
    similarities: np.ndarray


@dataclass(eq=False)
class Neighbours:
    """The training images that a network's answers can be held against.

    `rows` (m,) are their places in the training part of `data`; `features` (m, f) float16 have length 1, as
    far as they are known: the first `known` of them. `exact` says whether the network learned from these
    very images; else from others of the same data set. `note` says in words which images they are.
    """

    member: Member
    data: ImageData
    rows: np.ndarray
    features: np.ndarray
    known: int
    exact: bool
    note: str
    kept: int = 0
    batch: int = _FIRST_BATCH

    @property
    def complete(self) -> bool:
        return self.known == len(self.rows)

    def go_on(self, seconds: float = math.inf) -> None:
        """Compute features of more training images for about so long, of at least one batch if any is missing."""
        due = time.monotonic() + seconds
        while not self.complete:
            self._compute()
            if self.complete or self.known - self.kept >= len(self.rows) / _PARTS:
                self.keep()
            if time.monotonic() >= due:
                return

    def _compute(self) -> None:
        """One batch, and the size of the next from how long it took."""
        begin = time.monotonic()
        some = slice(self.known, min(self.known + self.batch, len(self.rows)))
        self.features[some] = _unit(features_of(self.member, self.data.train.images[self.rows[some]]))
        self.known = some.stop
        took = time.monotonic() - begin
        fitting = self.batch * _BATCH_SECONDS / max(took, 1e-3)
        self.batch = int(np.clip(fitting, self.batch / 2, self.batch * 2).clip(_LEAST_BATCH, BATCH_SIZE))

    def keep(self) -> None:
        """Write down what is known, for whoever opens them next."""
        if self.kept < self.known:
            _write(_path(self.member, self.data), self.features[: self.known])
            self.kept = self.known

    def nearest(self, images: np.ndarray, k: int = 6) -> Nearest:
        """Of (n, 3, s, s) uint8.

        Raises:
            ValueError: features are missing yet.
        """
        if not self.complete:
            raise ValueError(f"features of {self.known} of {len(self.rows)} images are known")
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


def open_neighbours(member: Member) -> Neighbours:
    """The training images of a network, with the features that are known of them; `go_on` computes the others.

    Raises:
        UserError: its images are not on this machine, or nobody knows which they are.
    """
    data, exact = _images(member)
    rows = _training_rows(member, data, exact)
    width = features_of(member, data.train.images[:1]).shape[1]
    rows = _evenly(rows, min(MOST_IMAGES, max(1, MOST_BYTES // (2 * width))))
    features = np.zeros((len(rows), width), np.float16)
    before = _read(_path(member, data), len(rows), width)
    features[: len(before)] = before
    note = f"{len(rows):,} of the {len(data.train):,} training images" + (
        ", all of which it learned from"
        if exact
        else "; it learned from a copy of this data set whose pixels or order differ"
    )
    return Neighbours(member, data, rows, features, len(before), exact, note, len(before))


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
            return _loaded(name, _size(name, recipe.image_size), fingerprint), True
    if known[recipe.dataset] is not None and folder_place(recipe.dataset) is None:
        data = _loaded(recipe.dataset, recipe.image_size, known[recipe.dataset])
        if data.classes == member.classes:
            return data, False
    place = folder_place(recipe.dataset)
    title = DATASETS[recipe.dataset].title if place is None else f"the folder {place.name}"
    raise UserError(
        f"The images that this network learned from ({title}) are not on this machine, or were changed: "
        "prepare them on the Data page to see the nearest ones."
    )


@functools.lru_cache(maxsize=2)
def _loaded(name: str, image_size: int, fingerprint: str) -> ImageData:
    """One copy for all networks that learned from it; of other images, another."""
    return source(name, image_size).load()


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


def _unit(features: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)


# ---- what was computed before


def _path(member: Member, data: ImageData) -> Path:
    whole = f"{VERSION}/{member.sha256}/{data.fingerprint}/{member.seed}/{member.compute.precision}"
    return data_dir() / ".cache" / f"features-{hashlib.sha256(whole.encode()).hexdigest()[:32]}.npz"


def _read(path: Path, images: int, width: int) -> np.ndarray:
    """The features of the first images; none where there is nothing whole: each array carries a checksum."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            features = arrays["features"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, EOFError):
        features = np.empty(0)
    fits = features.ndim == 2 and len(features) <= images and features.shape[1] == width
    if not fits or features.dtype != np.float16 or not np.isfinite(features).all():
        return np.empty((0, width), np.float16)
    return features


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
