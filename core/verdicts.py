"""The verdict on two sweeps: what `core.stats` finds, and what the sweeps themselves forbid to say.

A comparison knows arrays. Whether all planned seeds have ended, and how many recipes were looked at side
by side, decides as well: who reads a growing sweep after each seed calls one of two equal recipes better
three times as often as who waits for its end.
"""

from dataclasses import dataclass

import numpy as np

from core import stats
from core.stats import Comparison, Verdict
from core.sweep import Sweep


@dataclass(frozen=True)
class Judgement:
    """What may be said of two sweeps: the verdict in a word and in a sentence, and what goes with it."""

    verdict: Verdict
    sentence: str
    final: bool
    remarks: tuple[str, ...]
    """Of A and of B, each beginning with the name: missing and lost seeds, plans that were extended."""


def judge(
    a: Sweep,
    b: Sweep,
    found: Comparison,
    threshold: float,
    names: tuple[str, str] = ("A", "B"),
    holm_p: float | None = None,
    comparisons: int = 1,
) -> Judgement:
    """The verdict on two sweeps that saw the same test images.

    Args:
        found: made with this threshold (a fraction) of their finished runs.
        holm_p: Welch's p raised for all comparisons that are made side by side; None for a single one.
        comparisons: how many these are.
    """
    remarks = tuple(
        f"{name}: {remark}" for name, sweep in zip(names, (a, b), strict=True) for remark in sweep.remarks()
    )
    final = a.final and b.final
    if not final:
        told = " and ".join(
            f"{len(sweep.finished)} of {len(sweep.runs)} seeds of {name}"
            for name, sweep in zip(names, (a, b), strict=True)
        )
        sentence = (
            f"No verdict yet: {told} have figures, and it is given when all have ended; who decides while a sweep "
            "grows finds differences where there are none."
        )
        return Judgement(Verdict.too_few_seeds, sentence, final, remarks)
    better = found.verdict in (Verdict.a_better, Verdict.b_better)
    if better and holm_p is not None and holm_p >= 1 - found.coverage:
        sentence = (
            f"No evidence of a difference between {names[0]} and {names[1]} once all {comparisons} comparisons of "
            f"the chosen recipes are counted (Holm's p = {holm_p:.3f}): alone, these two would have been told apart."
        )
        return Judgement(Verdict.no_evidence, sentence, final, remarks)
    return Judgement(found.verdict, stats.sentence(found, *names, threshold), final, remarks)


def on_validation(a: np.ndarray, b: np.ndarray) -> str:
    """What may be said before test is revealed; each seed may hold out other images, so only the interval
    over seeds exists.

    Args:
        a, b: (n_seeds,) validation accuracies of A and of B, fractions.
    """
    difference = float(a.mean() - b.mean())
    leader, sign = ("A", 1) if difference >= 0 else ("B", -1)
    words = f"On validation, which is for choosing, {leader} leads by {100 * abs(difference):.2f} points"
    if min(len(a), len(b)) > 1:
        low, high = sorted(sign * 100 * end for end in stats.welch_interval(a, b))
        words += f" (95% interval over seeds, Welch: {low:.2f} to {high:.2f})"
    return f"{words}."


def raised_ps(found: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Welch's p of several comparisons after Holm; those of a single seed have none (NaN) and are left out."""
    known = {pair: p for pair, p in found.items() if not np.isnan(p)}
    return dict(zip(known, stats.holm(np.array(list(known.values()))).tolist(), strict=True)) if known else {}
