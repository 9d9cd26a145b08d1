"""The finished runs of a sweep put together, image by image, on the test images that all of them saw."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core import stats
from core.errors import UserError
from core.index import Row
from core.paths import read_json, write_json
from core.predictions import read_predictions
from core.seeds import FEWEST_SEEDS
from core.store import RunStore
from core.sweep import FOLDER, Sweep

FIGURES_VERSION = 1
"""Of the figures that are kept beside a plan; raised when one of them is worked out otherwise."""

CONFIDENT = 0.9
"""Probability of the answer from which on a wrong one counts as confident."""


@dataclass(frozen=True)
class Study:
    """What n runs of one recipe answered on N test images; immutable, the arrays read-only.

    `seeds` (n,), `labels` (N,) int, `answers` (n, N) int16, `confidence` (n, N) float32 probability of the
    answer; `ensemble_accuracy` of all runs' probabilities averaged.
    """

    seeds: list[int]
    classes: int
    labels: np.ndarray
    answers: np.ndarray
    confidence: np.ndarray
    ensemble_accuracy: float

    @cached_property
    def correct(self) -> np.ndarray:
        """(n, N) bool."""
        return self.answers == self.labels

    @cached_property
    def accuracies(self) -> np.ndarray:
        """(n,) test accuracy of each run."""
        return self.correct.mean(axis=1)

    @cached_property
    def churn(self) -> np.ndarray:
        """(n, n) share of images on which two runs answer differently."""
        return stats.churn(self.answers)

    @cached_property
    def recalls(self) -> np.ndarray:
        """(n, classes)."""
        return stats.recall_by_seed(self.answers, self.labels, self.classes)

    @cached_property
    def wrong_counts(self) -> np.ndarray:
        """(N,) in how many runs each image is wrong."""
        return stats.wrong_counts(self.correct)

    def suspects(self) -> np.ndarray:
        """Images that every run gets wrong, with the same answer and confidently: perhaps a wrong label.

        Returns:
            (k,) indices of test images, the most confident first; none below 3 runs, of which the agreement
            says little.
        """
        if len(self.seeds) < FEWEST_SEEDS:
            return np.empty(0, dtype=np.int64)
        agreed = (self.answers == self.answers[0]).all(axis=0) & (self.wrong_counts == len(self.seeds))
        found = np.flatnonzero(agreed & (self.confidence.mean(axis=0) >= CONFIDENT))
        return found[np.argsort(-self.confidence[:, found].mean(axis=0), kind="stable")]


def study(rows: list[Row]) -> Study:
    """Read the test predictions of finished runs of one recipe.

    Raises:
        UserError: no run, a file that is gone or damaged, or runs that saw different test images.
    """
    if not rows:
        raise UserError("No run of this recipe has finished yet.")
    answers, confidence, total, labels = [], [], None, None
    for row in rows:
        found = read_predictions(row.run)
        if labels is not None and not np.array_equal(labels, found.labels):
            raise UserError(
                "The runs of this recipe were tested on different images: they can't be put together."
            )
        labels, probabilities = found.labels, found.probabilities
        answers.append(found.answers.astype(np.int16))
        confidence.append(probabilities.max(axis=1))
        total = probabilities.astype(np.float64) if total is None else total + probabilities
    arrays = [labels, np.stack(answers), np.stack(confidence)]
    for array in arrays:
        array.flags.writeable = False
    ensemble = stats.ensemble_accuracy(total[None] / len(rows), labels)  # the mean stands for all of them
    seeds = [row.run.spec.seed for row in rows]
    return Study(seeds, total.shape[1], *arrays, ensemble_accuracy=ensemble)


@dataclass(frozen=True)
class Robustness:
    """What a seed table tells of a sweep beside its accuracies; fractions, on these test images.

    `images` is how many there are. Below two seeds there is no variance and no disagreement: None.
    """

    images: int
    worst_class: list[int]
    worst_recall: list[float]
    ensemble_accuracy: float
    variance_total: float | None = None
    variance_distribution: float | None = None
    distinguishable: bool = False
    churn: float | None = None


def robustness(found: Study) -> Robustness:
    """The figures of a table's row."""
    index, recall = stats.worst_class(found.recalls)
    one = Robustness(len(found.labels), index.tolist(), recall.tolist(), found.ensemble_accuracy)
    if len(found.seeds) < 2:
        return one
    split = stats.variance_split(found.correct)
    pairs = found.churn[np.triu_indices(len(found.seeds), 1)]
    return replace(
        one,
        variance_total=split.total,
        variance_distribution=split.distribution,
        distinguishable=split.distinguishable,
        churn=float(pairs.mean()),
    )


def kept_robustness(store: RunStore, sweep: Sweep) -> Robustness | None:
    """The figures as they were worked out before for these very runs; None if they were not."""
    kept = read_json(_path(store, sweep)) or {}
    if kept.get("version") != FIGURES_VERSION or kept.get("runs") != stamp(sweep.finished):
        return None
    try:
        found = Robustness(**kept["figures"])
        whole = len(found.worst_class) == len(found.worst_recall) == len(sweep.finished)
        return found if whole else None
    except (KeyError, TypeError):
        return None


def keep_robustness(store: RunStore, sweep: Sweep, found: Robustness) -> None:
    """Remember the figures beside the plan, so that a page with many sweeps opens at once.

    Derived and disposable: where the folder can't be written to, they are worked out again next time.
    """
    path = _path(store, sweep)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(
            path,
            {"version": FIGURES_VERSION, "runs": stamp(sweep.finished), "figures": vars(found)},
            durable=False,
        )
    except OSError:
        return


def _path(store: RunStore, sweep: Sweep) -> Path:
    return store.folder / FOLDER / "figures" / f"{sweep.digest}.json"


def stamp(rows: list[Row]) -> list[list[Any]]:
    """What the figures rest on: other predictions under the same name have another size or time."""
    stamps = []
    for row in rows:
        try:
            status = (row.run.folder / "predictions.npz").stat()
            stamps.append([row.run.id, status.st_size, status.st_mtime_ns])
        except OSError:
            stamps.append([row.run.id, 0, 0])
    return stamps
