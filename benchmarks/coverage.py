"""Do the intervals of `core/stats.py` hold what they promise? `python benchmarks/coverage.py [--json]`

Simulates sweeps from a known truth and counts how often each 95% interval holds it, and how often two
equal recipes are told apart. Under a minute on one core; seeded, so that two calls agree.

Accuracies over seeds are drawn from a normal distribution with the report's figures for t, chi-square
and Welch. What depends on images is drawn from trained models: image i has a difficulty, run s a
strength, each pair a whim of its own; the sum decides whether the run recognises the image.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core import stats
from core.stats import Interval, Verdict

SWEEPS = 2000
SEEDS = (3, 5, 10)

MEAN, SD = 0.7591, 0.0034
"""The report's baseline over 10 seeds."""

IMAGES = 1000
DIFFICULTY = 1.5
"""Deviation of an image's difficulty, in units of a run's whim: two runs differ on some 11% of images."""

LEVEL = 1.2816 * math.hypot(DIFFICULTY, 1)
"""Strength of the recipe: right on 90% of all images."""

STRENGTHS = {"usual seeds": 0.068, "restless seeds": 0.272}
"""Deviation of a run's strength. Usual seeds move the accuracy on these images by 1 point, more than half
of its variance whims: beside the luck of 1,000 images that weighs like 0.3 points beside that of 10,000.
Restless seeds move it by 2.8 points."""

Shares = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object in place of the table")
    options = parser.parse_args()
    result = measure()
    print(json.dumps(result) if options.json else table(result))


def measure(sweeps: int = SWEEPS, seed: int = 0) -> dict:
    """Shares by number of seeds: `holds` for intervals, `false_alarms` for equal recipes told apart."""
    holds: dict[str, Shares] = {}
    false_alarms: dict[str, Shares] = {}
    for n in SEEDS:
        generator = np.random.default_rng([seed, n])
        for name, share in (one_recipe(n, sweeps, generator) | two_recipes(n, sweeps, generator)).items():
            holds.setdefault(name, {})[str(n)] = share
        for seeds, strength in STRENGTHS.items():
            paired, alarms = on_images(n, strength, sweeps, generator)
            holds.setdefault(f"image-paired: new images, {seeds}", {})[str(n)] = paired
            for name, share in alarms.items():
                false_alarms.setdefault(f"{name}, {seeds}", {})[str(n)] = share
    return {"sweeps": sweeps, "seed": seed, "holds": holds, "false_alarms": false_alarms}


def one_recipe(n: int, sweeps: int, generator: np.random.Generator) -> Shares:
    """How often the intervals of mean and deviation hold the true ones."""
    accuracies = generator.normal(MEAN, SD, (sweeps, n))
    return {
        "t: mean": _share(_holds(stats.mean_interval(row), MEAN) for row in accuracies),
        "chi-square: sd": _share(_holds(stats.sd_interval(row), SD) for row in accuracies),
    }


def two_recipes(n: int, sweeps: int, generator: np.random.Generator) -> Shares:
    """How often Welch's interval holds a true difference of one deviation, with equal and unequal noise."""
    shares = {}
    for name, ratio in (("Welch: difference", 1), ("Welch: one recipe 3 times as noisy", 3)):
        a = generator.normal(MEAN + SD, SD * ratio, (sweeps, n))
        b = generator.normal(MEAN, SD, (sweeps, n))
        shares[name] = _share(_holds(stats.welch_interval(*rows), SD) for rows in zip(a, b, strict=True))
    return shares


def on_images(n: int, strength: float, sweeps: int, generator: np.random.Generator) -> tuple[float, Shares]:
    """Two equal recipes: how often the image-paired interval holds its target, and what is called better.

    The target is the difference of these trained models over all images, known in closed form.
    """
    held, alarms = 0, {"Welch alone": 0, "image-paired alone": 0, "one is better": 0}
    for _ in range(sweeps):
        correct, accuracies = trained_models(2 * n, strength, generator)
        a, b = correct[:n], correct[n:]
        paired = stats.image_paired_interval(a, b)
        welch = stats.welch_interval(a.mean(axis=1), b.mean(axis=1))
        verdict = stats.decide(n, n, welch, paired, smallest=0, threshold=0.01)
        held += _holds(paired, accuracies[:n].mean() - accuracies[n:].mean())
        alarms["Welch alone"] += not _holds(welch, 0)
        alarms["image-paired alone"] += not _holds(paired, 0)
        alarms["one is better"] += verdict in (Verdict.a_better, Verdict.b_better)
    return held / sweeps, {name: count / sweeps for name, count in alarms.items()}


def trained_models(n: int, strength: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(n, IMAGES) whether each run recognised each image, and (n,) their accuracies over all images."""
    strengths = LEVEL + strength * generator.standard_normal(n)
    difficulties = DIFFICULTY * generator.standard_normal(IMAGES, dtype=np.float32)
    whims = generator.standard_normal((n, IMAGES), dtype=np.float32)
    correct = whims > difficulties - strengths[:, None].astype(np.float32)
    return correct, norm.cdf(strengths / math.hypot(DIFFICULTY, 1))


def table(result: dict) -> str:
    lines = [f"{result['sweeps']:,} simulated sweeps a figure, in %{'n = 3':>21}{'n = 5':>8}{'n = 10':>8}"]
    for title, key in (
        ("95% intervals that hold the truth", "holds"),
        ("equal recipes that are told apart", "false_alarms"),
    ):
        lines.append(title)
        for name, shares in result[key].items():
            lines.append(f"  {name:<48}" + "".join(f"{100 * share:8.1f}" for share in shares.values()))
    return "\n".join(lines)


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def _share(answers: Iterable[bool]) -> float:
    held = list(answers)
    return sum(held) / len(held)


if __name__ == "__main__":
    main()
