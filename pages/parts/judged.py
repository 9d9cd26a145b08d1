"""What a finished run answered on validation or test: the choice between them, and the images behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st

from core import judge
from core.datasets import ImageData, source
from core.datasets.split import split_indices
from core.errors import UserError
from core.events import Finished
from core.predictions import Predictions, read_predictions
from core.seeds import sources_of
from core.store import Run, RunSpec
from pages.parts import cache
from pages.parts.frame import sentences
from pages.parts.reveal import is_shown, reveal_run

PARTS = ("validation", "test")


@dataclass(frozen=True)
class Judged:
    """A run's answers on one part of its data set; shared by all sessions, so nothing in it is to be changed.

    `part` is "validation" or "test", `temperature` the one that was fitted on validation.
    """

    run: Run
    part: str
    classes: tuple[str, ...]
    temperature: float
    predictions: Predictions

    @cached_property
    def shares(self) -> np.ndarray:
        """(n, classes) calibrated probabilities."""
        found = judge.probabilities(self.predictions.logits, self.temperature)
        found.setflags(write=False)
        return found

    @cached_property
    def matrix(self) -> np.ndarray:
        """(classes, classes) counts, rows true classes."""
        found = judge.confusion_matrix(
            self.predictions.labels, self.predictions.answers, self.predictions.logits.shape[1]
        )
        found.setflags(write=False)
        return found

    def images(self) -> "Images":
        """Those that were judged.

        Raises:
            UserError: they are gone, or others are in their place.
        """
        spec = self.run.spec
        data = _verified_images(spec.recipe.dataset, spec.recipe.image_size, spec.data_fingerprint)
        if self.part == "test":
            split, rows = data.test, slice(None)
        else:
            split, rows = data.train, _validation_rows(spec, len(data.train))
        if not np.array_equal(split.labels[rows], self.predictions.labels):
            raise UserError("The images don't fit the answers that this run wrote down: they can't be shown.")
        return Images(split.images, rows)


class Images:
    """Images (3, h, w) uint8 by their place in the predictions; only what is asked for is read from the disk."""

    def __init__(self, images: np.ndarray, rows: np.ndarray | slice) -> None:
        self._images = images
        self._rows = np.arange(len(images))[rows]

    def __getitem__(self, indices: np.ndarray | int) -> np.ndarray:
        return self._images[self._rows[indices]]


def chosen_part(run: Run) -> Judged | None:
    """The choice between validation and test; None where there is nothing to show, which is said here."""
    end = cache.history(run.id).end
    if not isinstance(end, Finished):
        st.caption("There is something to judge when the run has finished.")
        return None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        part = choose_part(
            "Judged on", "depth.part", " Everything below is about the part that is chosen here."
        )
        if part == "test":
            shown = is_shown(run)
            reveal_run(run, "bottom")
            if not shown:
                st.info("Test is covered: look when you have chosen, not in order to choose.")
                return None
    return _judged(run, part, end.temperature)


def choose_part(label: str, key: str, more_help: str = "") -> str:
    """The choice alone: "validation", at first, or "test"."""
    return st.segmented_control(
        label,
        PARTS,
        default="validation",
        required=True,
        format_func=str.capitalize,
        key=key,
        persist_state="session",
        help=f"Validation images were held out to choose with, test images for the final word.{more_help}",
    )


def judge_in_fragment(run: Run, draw: Callable[[Judged], None]) -> None:
    """The choice of the part, and what is drawn of it, in a fragment: a click in it draws nothing else of the page
    anew, which is what makes it quick."""
    if judged := chosen_part(run):
        st.fragment(_told)(draw, judged)


def _told(draw: Callable[[Judged], None], judged: Judged) -> None:
    with sentences():
        draw(judged)


def _judged(run: Run, part: str, temperature: float) -> Judged:
    try:
        status = (run.folder / "predictions.npz").stat()
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
    except OSError:
        stamp = ()
    return _read(str(run.folder), stamp, part, temperature, run)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Run: lambda run: run.id})
def _read(folder: str, stamp: tuple[int, ...], part: str, temperature: float, run: Run) -> Judged:
    """Other predictions under the same name have another stamp."""
    predictions = read_predictions(run, part)
    classes = tuple(cache.history(run.id).started.classes)
    if len(classes) != predictions.logits.shape[1]:
        raise UserError("The answers that this run wrote down are not about its classes: train it again.")
    return Judged(run, part, classes, temperature, predictions)


def _validation_rows(spec: RunSpec, images: int) -> np.ndarray:
    seed = sources_of(spec.recipe, spec.seed).split
    return split_indices(images, spec.recipe.validation_share, seed)[1]


@st.cache_resource(max_entries=4, show_spinner="Looking for the images …")
def _verified_images(dataset: str, image_size: int, fingerprint: str) -> ImageData:
    """Looked up once: to see that a folder of 60,000 files is unchanged takes a second, and what is in memory stays."""
    found = source(dataset, image_size).ready_fingerprint()
    if found is None:
        raise UserError(
            "The images of this data set are not here (any more), so there are none to show: see the Data page."
        )
    data = cache.images(dataset, image_size, fingerprint) if found == fingerprint else None
    if data is None or data.fingerprint != fingerprint:
        raise UserError("The images of this data set have changed since this run, so they can't be shown.")
    return data
