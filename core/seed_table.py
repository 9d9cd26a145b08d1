"""The seed table: a row for each recipe with all its figures, and a row for each of its seeds under it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.index import Row
from core.stats import Summary, summarise, wilson_interval
from core.study import Robustness
from core.sweep import Sweep, seeds_in_words
from core.tables import Column

SORTS = {
    "newest first": None,
    "name": "recipe",
    "mean": "mean",
    "standard deviation": "sd",
    "number of seeds": "n",
    "weakest class": "worst_recall",
    "disagreement": "churn",
}
"""How the recipes of a table may be ordered; seeds stay under their recipe."""


@dataclass(frozen=True)
class Entry:
    """One sweep with its name and, where its test figures may be shown, what they are.

    `classes` are names for the weakest class.
    """

    name: str
    sweep: Sweep
    revealed: bool
    robustness: Robustness | None = None
    classes: tuple[str, ...] = ()


def accuracies(entry: Entry) -> np.ndarray:
    """(n_seeds,) of the finished runs: on test where revealed, else on validation."""
    name = "test_accuracy" if entry.revealed else "validation_accuracy"
    return np.array([getattr(row, name) for row in entry.sweep.finished], dtype=float)


def summary(entry: Entry) -> Summary | None:
    """Of the accuracies that may be shown; None without a finished run."""
    values = accuracies(entry)
    return summarise(values) if len(values) else None


def table(entries: list[Entry], sort: str = "newest first", seeds: bool = True) -> list[dict[str, Any]]:
    """Rows for a page or a file; figures are fractions, None where there is none.

    Args:
        sort: a key of `SORTS`.
        seeds: whether each seed gets a row under its recipe.
    """
    rows = [(recipe_row(entry), entry) for entry in entries]
    key = SORTS[sort]
    if key:
        falling = key not in ("recipe", "sd", "churn")
        rows.sort(key=lambda pair: _order(pair[0][key], falling))
    found = []
    for row, entry in rows:
        found.append(row)
        if seeds:
            found += [_seed_row(entry, seed, member) for seed, member in entry.sweep.runs.items()]
            found += [_seed_row(entry, row.run.spec.seed, row, outside=True) for row in entry.sweep.outside]
    return found


def _order(value: Any, falling: bool) -> tuple[bool, Any]:
    """Rows without the figure come last, whichever way it is sorted."""
    if value is None or value != value:
        return (True, 0)
    return (False, -value if falling else value)


def recipe_row(entry: Entry) -> dict[str, Any]:
    """All figures of STATISTICS' first section for one recipe."""
    sweep, found, figures = entry.sweep, summary(entry), entry.robustness if entry.revealed else None
    several = found is not None and found.n > 1
    row: dict[str, Any] = {
        "recipe": entry.name,
        "seed": seeds_in_words(list(sweep.runs)),
        "state": state_words(sweep),
        "n": found.n if found else 0,
        "judged_on": "test" if entry.revealed else "validation",
        "mean": found and found.mean,
        "mean_interval": found and found.mean_interval,
        "sd": found.sd if several else None,
        "sd_interval": found and found.sd_interval,
        "median": found and found.median,
        "interquartile_mean": found.interquartile_mean
        if found and found.n > 3
        else None,  # below it is the mean
        "low": found and found.low,
        "high": found and found.high,
        "lost": sum(sweep.lost.values()),
        "digest": sweep.digest,
    }
    row |= dict.fromkeys(("seed_variance", "worst_class", "worst_recall", "churn", "ensemble"))
    if figures:
        worst = int(np.argmin(figures.worst_recall))
        row |= {
            "seed_variance": figures.variance_distribution,
            "worst_class": _class_name(entry, figures.worst_class[worst]),
            "worst_recall": figures.worst_recall[worst],
            "churn": figures.churn,
            "ensemble": figures.ensemble_accuracy if several else None,
        }
    return row


def _seed_row(entry: Entry, seed: int, member: Row | None, outside: bool = False) -> dict[str, Any]:
    """One run; its interval is across images (Wilson), the only chance that a single run can speak of.

    Test figures of a run outside the sweep stay covered: nobody asked for them.
    """
    shown = None
    if member is not None and not (outside and entry.revealed):
        shown = member.test_accuracy if entry.revealed else member.validation_accuracy
    state = str(member.state) if member else "not started"
    figures = entry.robustness if entry.revealed else None
    images = figures.images if figures else 0
    row: dict[str, Any] = {
        "recipe": entry.name,
        "seed": str(seed),
        "state": f"{state}, not in the sweep" if outside else state,
        "n": None,
        "judged_on": "test" if entry.revealed else "validation",
        "mean": shown,
        "mean_interval": wilson_interval(shown, images) if shown is not None and images else None,
        "digest": entry.sweep.digest,
    }
    seeds = [] if outside else [row.run.spec.seed for row in entry.sweep.finished]
    if figures and seed in seeds:
        place = seeds.index(seed)
        row["worst_class"] = _class_name(entry, figures.worst_class[place])
        row["worst_recall"] = figures.worst_recall[place]
    return row


def columns(entries: list[Entry], short: bool = False) -> list[Column]:
    """Titles that say n and the kind of each interval, so that a table can stand alone.

    Args:
        short: only what fits on the page of a paper.
    """
    on = judged_on(entries)
    sizes = sorted({len(entry.sweep.finished) for entry in entries})
    n = f"n = {sizes[0]}" if len(sizes) == 1 else f"n = {sizes[0]} to {sizes[-1]}, see its column"
    titles = {
        "recipe": ("recipe", "text"),
        "seed": ("seeds", "text"),
        "n": ("n", "int"),
        "judged_on": ("judged on", "text"),
        "mean": (f"mean {on} accuracy ({n}); of a seed its accuracy", "accuracy"),
        "mean_interval": (
            f"95% interval (recipe: Student's t over n seeds, these {on} images; seed: Wilson over images)",
            "interval",
        ),
        "sd": ("standard deviation over seeds (ddof = 1)", "points"),
        "sd_interval": ("95% interval of it (chi-square)", "interval"),
        "seed_variance": ("variance over seeds left on endlessly many images (may be negative)", "variance"),
        "median": ("median", "accuracy"),
        "interquartile_mean": ("interquartile mean", "accuracy"),
        "low": ("lowest", "accuracy"),
        "high": ("highest", "accuracy"),
        "worst_class": ("weakest class", "text"),
        "worst_recall": ("its recall", "share"),
        "churn": ("disagreement of two seeds", "share"),
        "ensemble": ("accuracy of all seeds together", "accuracy"),
        "state": ("state", "text"),
        "digest": ("digest", "text"),
    }
    chosen = _SHORT if short else titles
    return [Column(key, *titles[key]) for key in chosen]


_SHORT = ("recipe", "seed", "n", "mean", "mean_interval", "sd", "sd_interval", "churn", "ensemble", "state")


def judged_on(entries: list[Entry]) -> str:
    """Which images the accuracies of a table are about."""
    return "test" if any(entry.revealed for entry in entries) else "validation"


def state_words(sweep: Sweep) -> str:
    """ "8 finished, 1 diverged, 1 queued; 5 added after 3 results were known"."""
    counts = {"finished": len(sweep.finished)} if sweep.finished else {}
    for row in sweep.under_way:
        counts[str(row.state)] = counts.get(str(row.state), 0) + 1
    counts |= sweep.lost | sweep.halted
    words = ", ".join(f"{number} {state}" for state, number in counts.items())
    return "; ".join([words, *sweep.plan_remarks()])


def _class_name(entry: Entry, index: int) -> str:
    return entry.classes[index] if index < len(entry.classes) else str(index)
