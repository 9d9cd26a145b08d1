"""What one trained model gets wrong: confusion, top-k, calibration, and the images to look at first.

Pure functions on arrays, numpy alone. They know nothing of parts of a data set: who calls them says
whether validation or test was judged. Intervals are in `core.class_report`, which may use scipy.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

BINS = 15
"""Of equal width, as in Guo et al. 2017; another number gives another expected calibration error."""


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis, of the type of the scores."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """(n, classes) float64 softmax of logits divided by a temperature; 1 leaves them as the model meant them.

    Raises:
        ValueError: a temperature that is not above 0.
    """
    return np.exp(_log_probabilities(logits, temperature))


def _log_probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    scores = np.asarray(logits, dtype=np.float64) / temperature
    scores = scores - scores.max(axis=1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


# Right and wrong


def confusion_matrix(labels: np.ndarray, answers: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) int64: images of each true class (row) that got each answer (column).

    Args:
        labels: (n,) true classes.
        answers: (n,) the class that the model named.
        classes: how many there are, those without images included.

    Raises:
        ValueError: arrays of different lengths, or entries that are no class.
    """
    truth, given = np.asarray(labels), np.asarray(answers)
    if truth.shape != given.shape or truth.ndim != 1:
        raise ValueError(f"labels and answers must be (n,) alike, not {truth.shape} and {given.shape}")
    for name, values in (("labels", truth), ("answers", given)):
        if len(values) and (values.min() < 0 or values.max() >= classes):
            raise ValueError(f"{name} must be classes from 0 to {classes - 1}")
    pairs = truth.astype(np.int64) * classes + given
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def row_shares(matrix: np.ndarray) -> np.ndarray:
    """(classes, classes): of the images of a class, the share that got each answer; NaN for one without images."""
    images = matrix.sum(axis=1, keepdims=True)
    return np.divide(matrix, images, out=np.full(matrix.shape, np.nan), where=images > 0)


def most_confused(matrix: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (true class, answer) of mistakes that were made, the most frequent first; ties in order of class."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
    return [(int(place // len(matrix)), int(place % len(matrix))) for place in order]


def by_mistakes(matrix: np.ndarray) -> np.ndarray:
    """(classes,) int: classes by how many mistakes they take part in, as truth or as answer, most first."""
    wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diag(matrix)
    return np.argsort(-wrong, kind="stable")


def top_k_accuracy(scores: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Share of images whose class is among the k with the highest scores; of equals the lower class comes first.

    Args:
        scores: (n, classes) logits or probabilities.
        labels: (n,) true classes.
    """
    given = np.asarray(scores)
    own = given[np.arange(len(given)), labels][:, None]
    before = np.arange(given.shape[1]) < np.asarray(labels)[:, None]
    ahead = ((given > own) | ((given == own) & before)).sum(axis=1)
    return float((ahead < k).mean()) if len(given) else float("nan")


# Images to look at first


def margins(shares: np.ndarray) -> np.ndarray:
    """(n,) how far the best class is ahead of the second best, as a difference of probabilities.

    Small where the model hesitates between two classes, whatever it thinks of the others; that is why it
    orders the least certain images here, and not the entropy.
    """
    two = np.partition(shares, -2, axis=1)[:, -2:]
    return two[:, 1] - two[:, 0]


def least_certain(shares: np.ndarray) -> np.ndarray:
    """(n,) indices of all images, right or wrong, by margin: the smallest first."""
    return np.argsort(margins(shares), kind="stable")


def most_certain(shares: np.ndarray) -> np.ndarray:
    """(n,) indices of all images by the probability of the answer: the highest first."""
    return np.argsort(-shares.max(axis=1), kind="stable")


def worst_mistakes(shares: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(k,) indices of the wrong answers, the one with the highest probability first."""
    order = most_certain(shares)
    return order[shares.argmax(axis=1)[order] != np.asarray(labels)[order]]


# Calibration


class Reliability(NamedTuple):
    """Answers in bins of equal width by their probability; each array (bins,), NaN for an empty bin.

    `edges` (bins + 1,); a bin holds its upper edge. `confidence` is the mean probability of the answers
    in it and `accuracy` the share of them that is right.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def reliability(shares: np.ndarray, labels: np.ndarray, bins: int = BINS) -> Reliability:
    """How often answers are right that were given with about the same probability.

    Args:
        shares: (n, classes) probabilities.
        labels: (n,) true classes.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2.
    """
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == np.asarray(labels)
    edges = np.linspace(0, 1, bins + 1)
    places = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    mean, hits = (
        np.divide(
            np.bincount(places, values, minlength=bins), counts, out=np.full(bins, np.nan), where=counts > 0
        )
        for values in (sure, right.astype(float))
    )
    return Reliability(edges, counts, mean, hits)


def expected_calibration_error(found: Reliability) -> float:
    """The mean distance between probability and accuracy, bins weighted by their images; a fraction, NaN for none.

    Biased upwards with few images a bin, and blind to classes other than the answer.
    """
    images = found.counts.sum()
    if not images:
        return float("nan")
    gaps = np.abs(found.accuracy - found.confidence)
    return float((np.where(found.counts > 0, gaps, 0) * found.counts).sum() / images)


@dataclass(frozen=True)
class Calibration:
    """How far the probabilities of a model may be believed at one temperature.

    `ece` is a fraction (`expected_calibration_error`), `nll` mean nats an image (the loss), `brier` the mean
    over images of the squared distances of all probabilities from the truth, 0 to 2; `confidence` the
    mean probability of the answers.
    """

    temperature: float
    bins: Reliability
    ece: float
    nll: float
    brier: float
    confidence: float


def calibration(
    logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0, bins: int = BINS
) -> Calibration:
    """Every figure of calibration of (n, classes) logits, n at least 1, at one temperature.

    A temperature changes no answer, so accuracy is the same at each. One that was fitted on the very
    images judged here flatters them.

    Source: Guo et al. 2017, as above; Brier, "Verification of forecasts expressed in terms of
    probability", Monthly Weather Review 78, 1950, in its original form over all classes.
    """
    truth = np.asarray(labels)
    logs = _log_probabilities(logits, temperature)
    shares = np.exp(logs)
    rows = np.arange(len(truth))
    found = reliability(shares, truth, bins)
    # |p - e|² = |p|² - 2 p[truth] + 1
    brier = ((shares**2).sum(axis=1) - 2 * shares[rows, truth] + 1).mean()
    return Calibration(
        temperature=temperature,
        bins=found,
        ece=expected_calibration_error(found),
        nll=float(-logs[rows, truth].mean()),
        brier=float(brier),
        confidence=float(shares.max(axis=1).mean()),
    )
