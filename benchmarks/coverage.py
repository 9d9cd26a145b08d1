"""Do the intervals of `core/stats.py` hold what they promise? `python benchmarks/coverage.py [--json]`

Simulates sweeps from a known truth and counts how often each 95% interval holds it, and how often two
equal recipes are told apart. Under a minute on one core; seeded, so that two calls agree.

Accuracies over seeds are drawn from a normal distribution with the report's figures for t, chi-square
and Welch. What depends on images is drawn from trained models: image i has a difficulty, run s a
strength, each pair a whim of its own; the sum decides whether the run recognises the image.

What it printed with numpy 2 and scipy 1.17 (any machine prints the same):

    2,000 simulated sweeps a figure, in %                n = 3   n = 5  n = 10
    95% intervals that hold the truth
      t: mean                                             94.3    95.7    95.7
      chi-square: sd                                      95.0    94.3    95.2
      Welch: difference                                   96.8    95.1    95.4
      Welch: one recipe 3 times as noisy                  95.0    95.3    95.2
      Wilson: one run, 10,000 images                      95.5    95.2    94.7
      image-paired: new images, usual seeds               94.3    95.8    94.5
      image-paired: new images, restless seeds            95.7    94.8    95.4
      bootstrap: P(A > B)                                    –       –    92.1
    equal recipes that are told apart
      Welch alone, usual seeds                             3.8     3.9     4.5
      image-paired alone, usual seeds                     14.0    13.7    14.3
      one is better, usual seeds                           2.8     3.5     4.3
      Welch alone, restless seeds                          3.4     4.0     4.4
      image-paired alone, restless seeds                  59.6    60.2    60.6
      one is better, restless seeds                        3.4     4.0     4.4

Wilson's interval knows of no seeds: its three figures differ by chance alone. The bootstrap of P(A > B) is
given from 10 seeds on, where it still holds less often than it says.
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

TEST_IMAGES = 10_000
"""CIFAR-10's, for the interval of a single run."""

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
        more = np.random.default_rng([seed, n, 1])
        for name, share in (one_run(sweeps, more) | one_ahead(n, sweeps, more)).items():
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


def one_run(sweeps: int, generator: np.random.Generator) -> Shares:
    """How often Wilson's interval holds the accuracy of one trained model on all images; n is not in it."""
    right = generator.binomial(TEST_IMAGES, MEAN, sweeps)
    intervals = (stats.wilson_interval(count / TEST_IMAGES, TEST_IMAGES) for count in right)
    return {"Wilson: one run, 10,000 images": _share(_holds(interval, MEAN) for interval in intervals)}


def one_ahead(n: int, sweeps: int, generator: np.random.Generator) -> Shares:
    """How often the bootstrap holds P(A > B) of a difference of one deviation, where there is an interval."""
    a = generator.normal(MEAN + SD, SD, (sweeps, n))
    b = generator.normal(MEAN, SD, (sweeps, n))
    intervals = [stats.p_a_better_interval(*rows, generator) for rows in zip(a, b, strict=True)]
    if None in intervals:
        return {}
    truth = float(norm.cdf(1 / math.sqrt(2)))
    return {"bootstrap: P(A > B)": _share(_holds(interval, truth) for interval in intervals)}


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
            cells = (f"{100 * shares[str(n)]:8.1f}" if str(n) in shares else f"{'–':>8}" for n in SEEDS)
            lines.append(f"  {name:<48}{''.join(cells)}")
    return "\n".join(lines)


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def _share(answers: Iterable[bool]) -> float:
    held = list(answers)
    return sum(held) / len(held)


if __name__ == "__main__":
    main()
