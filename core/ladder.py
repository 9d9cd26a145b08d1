"""The way from the report's baseline to its improved recipe, one ingredient at a time.

The report changed everything at once and gained 7.6 points; which of it helped, it does not say. Here
every recipe has what the one before it has, and one thing more. So a step's gain is that ingredient's
worth on top of those before it: in another order it may well be another.

The report also trained 60 epochs in place of 4. Here all steps train equally long, as each would
otherwise be compared with a recipe of another length too; the last step at 60 epochs is the report's.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from core.config import Recipe, differences
from core.presets import PRESETS
from core.seeds import FEWEST_SEEDS
from core.stats import Comparison, compare, holm

LEVEL = 0.05
"""Of all steps together: how often a ladder of useless ingredients may show one that helps or harms."""

Word = Literal["better", "worse", "not shown"]

_INGREDIENTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("batch normalisation", ("model", "batch_norm")),
    ("hidden layer", ("hidden",)),
    ("dropout", ("dropout",)),
    ("flip", ("flip",)),
    ("rotation", ("rotation",)),
    ("colour jitter", ("brightness", "contrast", "saturation", "hue")),
    ("Adam with weight decay", ("optimizer", "learning_rate", "weight_decay")),
    ("lower rate on a plateau", ("schedule",)),
)
"""Each with the fields that it consists of; the values are those of the report's improved recipe."""


@dataclass(frozen=True)
class Step:
    """One recipe of the ladder, and what it has that the one before has not."""

    title: str
    recipe: Recipe
    changed: dict[str, tuple[Any, Any]]
    """Field -> its value before and after; empty for the first step."""


@dataclass(frozen=True)
class StepComparison:
    """One step against the one before; differences are after minus before."""

    comparison: Comparison
    holm_p: float
    """Welch's p raised for the number of steps (`core.stats.holm`); NaN below 2 seeds in either."""
    word: Word


def steps(dataset: str, width: float, epochs: int, image_size: int = 32) -> list[Step]:
    """The ladder's recipes from top to bottom, the baseline first.

    The baseline's network has none of the fields that switch the improved one's additions; they stand
    at "off" in its recipe, where they do nothing, so that the first step changes batch normalisation
    only. Its name in the store is the one of the preset.

    Args:
        dataset, width, epochs, image_size: of every step.

    Raises:
        UserError: a value that no recipe may have.
    """
    same = {"dataset": dataset, "width": width, "epochs": epochs, "image_size": image_size}
    improved = replace(PRESETS["report-improved"].recipe, **same)
    off = {"batch_norm": False, "hidden": False, "dropout": 0.0}
    ladder = [Step("baseline", replace(PRESETS["report-baseline"].recipe, **same, **off), {})]
    for title, fields in _INGREDIENTS:
        before = ladder[-1].recipe
        after = replace(before, **{name: getattr(improved, name) for name in fields})
        changed = {name: pair for name, pair in differences(before, after).items() if name in fields}
        ladder.append(Step(f"+ {title}", after, changed))
    return ladder


def compare_ladder(correct: list[np.ndarray | None]) -> list[StepComparison | None]:
    """What each ingredient did, compared with the step before it.

    A step is called better or worse when all of this holds: at least 3 seeds on both sides; Welch's p,
    raised for the number of steps, below 5 %, as with eight chances one lucky step is to be expected;
    and an image-paired interval that leaves out 0. Stricter than `Comparison.verdict`, which knows of
    one comparison only; a page shows one of the two. "Not shown" is no proof that nothing happened.

    Args:
        correct: for each step (n_seeds, n_images) whether each run recognised each test image, None for
            one that is not complete; all on the same images.

    Returns:
        One fewer than there are steps, None where one of the two is missing. p is raised for all of them,
        those missing counted: a step must not look better for being judged early.

    Raises:
        ValueError: as `core.stats.compare`: a step without runs, or numbers of images that differ.
    """
    pairs = list(pairwise(correct))
    comparisons = [
        None if before is None or after is None else compare(after, before) for before, after in pairs
    ]
    ps = np.array([math.nan if one is None else one.welch_p for one in comparisons])
    raised = np.where(np.isnan(ps), math.nan, holm(np.nan_to_num(ps, nan=1.0))) if len(ps) else ps
    return [
        None if one is None else StepComparison(one, float(p), _word(one, float(p)))
        for one, p in zip(comparisons, raised, strict=True)
    ]


def _word(comparison: Comparison, holm_p: float) -> Word:
    """Both intervals lie around the same difference, so they cannot leave 0 on different sides."""
    low, high = comparison.image_paired
    if min(comparison.n_a, comparison.n_b) < FEWEST_SEEDS or not holm_p < LEVEL or low <= 0 <= high:
        return "not shown"
    return "better" if low > 0 else "worse"
