"""Robust against the seed, or not: a rule with thresholds that a person sets, never an adjective.

Three questions, each with a figure over seeds on these test images: how much does accuracy move (its
deviation, with the chi-square interval that says how well these few seeds know it), how far does the
weakest class fall behind, and on how many images do two seeds disagree.
"""

import enum
from dataclasses import dataclass

import numpy as np

from core.seeds import FEWEST_SEEDS
from core.stats import Interval, mean_interval, sd_interval


class Answer(enum.StrEnum):
    """Whether a rule is kept, as far as these seeds can say."""

    kept = "kept"
    broken = "broken"
    open = "open"  # the interval holds the threshold: more seeds would tell


@dataclass(frozen=True)
class Limits:
    """What a person calls robust; fractions."""

    sd: float = 0.005
    """Seeds may move accuracy by this standard deviation at most."""
    worst_class: float = 0.25
    """In each seed some class is recognised least: so far it may fall behind the mean over classes."""
    disagreement: float = 0.20
    """Two seeds may answer differently on this share of images, on average, at most."""


@dataclass(frozen=True)
class Rule:
    """One of the three questions, answered; `sentence` holds figure, threshold and answer."""

    title: str
    answer: Answer
    sentence: str


def rules(
    accuracies: np.ndarray,
    recalls: np.ndarray,
    classes: list[str],
    churn: np.ndarray,
    limits: Limits,
    lost: int = 0,
) -> list[Rule]:
    """The rules for one recipe.

    Args:
        accuracies: (n_seeds,) fractions, of the runs that finished.
        recalls: (n_seeds, classes) fractions, NaN for a class without images.
        classes: their names.
        churn: (n_seeds, n_seeds) share of images on which two seeds differ.
        lost: seeds that diverged or failed: no recipe is robust whose seeds don't all end.

    Raises:
        ValueError: fewer than 2 seeds.
    """
    if len(accuracies) < 2:
        raise ValueError(f"robustness needs at least 2 seeds, not {len(accuracies)}")
    found = [
        _sd_rule(accuracies, limits.sd),
        _class_rule(recalls, classes, limits.worst_class),
        _disagreement_rule(churn, limits.disagreement),
    ]
    if lost:
        all_seeds = len(accuracies) + lost
        words = (
            f"{lost} of {all_seeds} seeds ended without figures; the rules above speak of the others only."
        )
        found.append(Rule("Seeds that ended early", Answer.broken, words))
    return found


def verdict(answers: list[Rule], n: int, final: bool = True) -> str:
    """One sentence over all of them.

    Args:
        n: seeds with figures.
        final: whether all seeds have ended; before that nothing is called robust or not.
    """
    if not final:
        return f"Not known yet whether it is robust: {n} seeds have figures, and others have not ended."
    broken = [rule.title.lower() for rule in answers if rule.answer is Answer.broken]
    open_ones = [rule.title.lower() for rule in answers if rule.answer is Answer.open]
    if broken:
        return f"Not robust by this rule, over {n} seeds. Beyond what you allow: {', '.join(broken)}."
    if n < FEWEST_SEEDS or open_ones:
        why = " and ".join(open_ones) or "what fewer than 3 seeds show"
        return (
            f"Not known yet whether it is robust: {why} may still turn out either way; more seeds would tell."
        )
    return f"Robust by this rule, over {n} seeds, on these test images."


def _sd_rule(accuracies: np.ndarray, limit: float) -> Rule:
    sd, interval = float(np.std(accuracies, ddof=1)), sd_interval(accuracies)
    answer = _against(interval, limit)
    return Rule(
        "Spread over seeds",
        answer,
        f"Accuracy moves by {_points(sd)} points from seed to seed (standard deviation; 95% interval "
        f"{_points(interval.low)} to {_points(interval.high)}); your limit is {_points(limit)}: {_WORDS[answer].format(len(accuracies))}.",
    )


def _class_rule(recalls: np.ndarray, classes: list[str], limit: float) -> Rule:
    """The mean over seeds, with its t interval: the worst of all seeds would grow with their number."""
    behind = np.nanmean(recalls, axis=1, keepdims=True) - recalls
    weakest, largest = np.nanargmax(behind, axis=1), np.nanmax(behind, axis=1)
    mean, interval = float(largest.mean()), mean_interval(largest)
    answer = _against(interval, limit)
    usual = np.bincount(weakest).argmax()
    often = int((weakest == usual).sum())
    return Rule(
        "Weakest class",
        answer,
        f"In each seed the weakest class falls behind the mean over classes by {_points(mean)} points on average "
        f"(95% interval {_points(interval.low)} to {_points(interval.high)}), most often “{classes[usual]}” "
        f"({often} of {len(recalls)} seeds); your limit is {_points(limit)}: {_WORDS[answer].format(len(recalls))}.",
    )


def _disagreement_rule(churn: np.ndarray, limit: float) -> Rule:
    pairs = churn[np.triu_indices(len(churn), 1)]
    mean = float(pairs.mean())
    between = (
        f" (between {_points(float(pairs.min()))} and {_points(float(pairs.max()))}%)"
        if len(pairs) > 1
        else ""
    )
    return Rule(
        "Disagreement",
        Answer.kept if mean <= limit else Answer.broken,
        f"Two seeds answer differently on {_points(mean)}% of the images{between}; your limit is {_points(limit)}%.",
    )


_WORDS = {
    Answer.kept: "even its upper end is within the limit",
    Answer.broken: "even its lower end is beyond the limit",
    Answer.open: "the limit lies inside it, so {} seeds can't tell",
}


def _against(interval: Interval, limit: float) -> Answer:
    if interval.high <= limit:
        return Answer.kept
    return Answer.broken if interval.low > limit else Answer.open


def _points(fraction: float) -> str:
    points = 100 * fraction
    return f"{points:.2f}" if points < 10 else f"{points:.1f}"
