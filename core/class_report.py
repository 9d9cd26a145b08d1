"""Class by class how good a trained model is, with intervals: what `core.judge` counts, and how sure one may be.

All intervals are across images: where these trained weights would come out on endlessly many images
like these. They say nothing of another seed.
"""

from typing import NamedTuple

import numpy as np

from core.stats import Interval, wilson_interval


class Score(NamedTuple):
    """A figure of each class with its interval; each array (classes,), fractions, NaN where there is nothing to divide."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


class ClassReport(NamedTuple):
    """Three scores of each class; `images` (classes,) it has, `answers` (classes,) it was named."""

    precision: Score
    recall: Score
    f1: Score
    images: np.ndarray
    answers: np.ndarray


def class_report(matrix: np.ndarray, coverage: float = 0.95) -> ClassReport:
    """Precision, recall and F1 of each class, with intervals.

    Recall: of the images of a class, the share that was recognised. Precision: of the answers that name
    a class, the share that is right. Both are shares of images, so their intervals are Wilson's.

    F1, the harmonic mean of the two, is no share of images. Yet it is a rising function of one: of the
    images that belong to a class or were taken for it (the union), let J be the share of those that
    both belong to it and were taken for it. Then F1 = 2 J / (1 + J). Given the union, J is a share like any other, so
    the ends of its Wilson interval, carried over by the same function, are those of F1. The interval
    is conditional on the size of the union, as that of precision is on how often the class was named.

    Args:
        matrix: (classes, classes) counts, rows true classes, as `core.judge.confusion_matrix` gives them.
        coverage: share of such intervals that contain the true figure, in (0, 1).

    Returns:
        NaN for the recall of a class without images, the precision of one that was never named, and the
        F1 of one with neither.
    """
    right, images, answers = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    jaccard = _shares(right, images + answers - right, coverage)
    return ClassReport(
        precision=_shares(right, answers, coverage),
        recall=_shares(right, images, coverage),
        f1=Score(*(2 * ends / (1 + ends) for ends in jaccard)),
        images=images,
        answers=answers,
    )


def share_interval(right: int, images: int, coverage: float = 0.95) -> Interval:
    """Wilson's interval of a share; NaN on both sides without images."""
    if not images:
        return Interval(float("nan"), float("nan"))
    return wilson_interval(right / images, images, coverage)


def _shares(right: np.ndarray, images: np.ndarray, coverage: float = 0.95) -> Score:
    """(k,) shares with Wilson's intervals."""
    value = np.divide(right, images, out=np.full(len(images), np.nan), where=images > 0)
    ends = np.array(
        [share_interval(int(r), int(n), coverage) for r, n in zip(right, images, strict=True)], dtype=float
    ).reshape(-1, 2)
    return Score(value, ends[:, 0], ends[:, 1])


def bin_intervals(accuracy: np.ndarray, counts: np.ndarray, coverage: float = 0.95) -> Score:
    """The accuracies in the bins of `core.judge.Reliability` with Wilson's intervals; NaN for an empty bin."""
    right = np.rint(np.nan_to_num(accuracy) * counts).astype(np.int64)
    return _shares(right, counts, coverage)
