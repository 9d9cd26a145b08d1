"""What a finished run answered, image by image: read back from its `predictions.npz`."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.config import in_words
from core.errors import UserError
from core.judge import softmax
from core.store import Run

_CURE = "delete that run on the Runs page, and train its recipe with this seed again."


@dataclass(frozen=True)
class Predictions:
    """One run's outputs on one part of the data set, in the data set's order.

    `logits` is (n, classes) float32, `labels` (n,) int64.
    """

    logits: np.ndarray
    labels: np.ndarray

    @cached_property
    def answers(self) -> np.ndarray:
        """(n,) int, the class that the run named."""
        return self.logits.argmax(axis=1)

    @cached_property
    def correct(self) -> np.ndarray:
        """(n,) bool."""
        return self.answers == self.labels

    @property
    def probabilities(self) -> np.ndarray:
        """(n, classes) float32 softmax, not calibrated: what the run itself believed."""
        return softmax(self.logits)


def read_predictions(run: Run, part: str = "test") -> Predictions:
    """The outputs of a finished run on its validation or test images.

    Raises:
        UserError: the file is gone or damaged (each array in it carries a checksum).
    """
    path = run.folder / "predictions.npz"
    try:
        # Opened here: numpy leaves a file open that turns out to be no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            logits, labels = arrays[f"{part}_logits"], arrays[f"{part}_labels"]
    except Exception as error:  # of a damaged archive numpy and zipfile raise nearly everything
        raise UserError(
            f"The predictions of {_name(run)} can't be read ({type(error).__name__}): {_CURE}"
        ) from error
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not np.isfinite(logits).all():
        raise UserError(f"The predictions of {_name(run)} are damaged: {_CURE}")
    if len(labels) and not (labels.min() >= 0 and labels.max() < logits.shape[1]):
        raise UserError(f"The predictions of {_name(run)} are damaged: {_CURE}")
    return Predictions(logits, labels)


def _name(run: Run) -> str:
    return f"{in_words(run.spec.recipe)}, seed {run.spec.seed} (run {run.id[:8]})"
