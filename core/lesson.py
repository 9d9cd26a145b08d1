"""The lucky seed: how far apart two recipes may look that are one and the same.

Both arms come from one pool, so every lead is luck. With a seed each, leads of a full point are
common; with ten each they are rare. Nothing here is about other images: it is chance across seeds, on
the test images that the pool was measured on.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

LEVEL = 0.05
"""How often Welch's test may call two equal recipes different."""


@dataclass(frozen=True)
class Simulated:
    """Accuracies that a normal distribution would give, for people without runs of their own.

    Raises:
        ValueError: a mean or deviation that is not finite, or a deviation below 0.
    """

    mean: float
    """Fraction."""
    sd: float
    """Of one run, across seeds; fraction."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd >= 0):
            raise ValueError(f"mean and sd must be finite and sd at least 0, not {self.mean} and {self.sd}")


Pool = np.ndarray | Simulated


@dataclass(frozen=True)
class Luck:
    """What chance does to two equal recipes with n seeds each."""

    n: int
    leads: np.ndarray
    """(draws,) absolute difference of the two means in each draw, fractions."""
    welch_false_alarms: float
    """Share of draws in which Welch's test at 5 % calls the two different; NaN for a single seed, which
    has no deviation. The verdict of `core.stats` asks for more (3 seeds, and an image-paired interval
    that agrees), so it is wrong at most as often."""
    best_sds: float
    """How far the best of the n runs lies above the mean of all runs, on average, in deviations of one
    run; NaN where runs do not differ. 0 for one seed, 1.54 for ten normal ones."""

    def share(self, threshold: float) -> float:
        """How often the lead is at least so large, of all draws.

        Args:
            threshold: a fraction. A lead of just so much counts, whatever its last binary digit.
        """
        return float(np.mean(self.leads >= round(threshold, 12)))


@dataclass(frozen=True)
class Lesson:
    """What chance does with 1, 3, 10 seeds, and where that is known from."""

    source: str
    """In words, for under the figure."""
    mean: float
    sd: float
    """Of one run, across seeds; fractions. Of a pool, with ddof=0: the deviation of what is drawn."""
    by_n: dict[int, Luck]

    def leads(self) -> dict[int, np.ndarray]:
        """What `core.seed_figures.leads` draws."""
        return {n: luck.leads for n, luck in self.by_n.items()}


def lesson(
    pool: Pool, counts: tuple[int, ...] = (1, 3, 10), draws: int = 2000, *, generator: np.random.Generator
) -> Lesson:
    """Draw two equal recipes again and again, and see how different they look.

    A pool of few runs understates it: it is narrower than what it was drawn from, on average by a
    factor of √((runs − 1) / runs), and its best run is the best there can be.

    Args:
        pool: (n_runs,) final accuracies of one recipe, fractions, from which both arms are drawn with
            replacement; or a normal distribution.
        counts: seeds of each arm, one lesson each.
        draws: how many pairs of arms for each of them.
        generator: draws the arms; it moves on.

    Raises:
        ValueError: a pool of fewer than 2 runs or with values that are not finite, a count or a number
            of draws below 1.
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, not {draws}")
    mean, sd, source = _described(pool)
    by_n = {n: _luck(*_arms(pool, n, draws, generator), mean, sd) for n in counts}
    return Lesson(source, mean, sd, by_n)


def one_draw(pool: Pool, n: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two equal recipes with n seeds each, as one sweep might find them: (n,) accuracies of either.

    Args and errors as of `lesson`.
    """
    _described(pool)
    one, other = _arms(pool, n, 1, generator)
    return one[0], other[0]


def _luck(one: np.ndarray, other: np.ndarray, mean: float, sd: float) -> Luck:
    n = one.shape[1]
    # Rounded far below one image of a million, as sums that tie must tie in whatever order they were added.
    leads = np.round(np.abs(one.mean(axis=1) - other.mean(axis=1)), 12)
    alarms = float(np.mean(_welch_p(one, other) < LEVEL)) if n > 1 else math.nan
    best = float(np.concatenate([one, other]).max(axis=1).mean())
    return Luck(n, leads, alarms, (best - mean) / sd if sd else math.nan)


def _welch_p(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`core.stats.welch_p` of (draws, n) against (draws, n), for all draws at once: (draws,)."""
    n = one.shape[1]
    (mean_a, part_a), (mean_b, part_b) = _mean_and_part(one), _mean_and_part(other)
    error = np.sqrt(part_a + part_b)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (part_a + part_b) ** 2 * (n - 1) / (part_a**2 + part_b**2)
        p = 2 * stdtr(freedom, -np.abs(mean_a - mean_b) / error)
    return np.where(error > 0, p, mean_a == mean_b)


def _mean_and_part(arms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(draws,) means and squared standard errors; equal values give just that value and 0."""
    equal = arms.max(axis=1) == arms.min(axis=1)
    mean = np.where(equal, arms[:, 0], arms.mean(axis=1))
    return mean, np.where(equal, 0.0, arms.var(axis=1, ddof=1) / arms.shape[1])


def _arms(pool: Pool, n: int, draws: int, generator: np.random.Generator) -> np.ndarray:
    """(2, draws, n) accuracies."""
    if n < 1:
        raise ValueError(f"an arm needs at least 1 seed, not {n}")
    shape = (2, draws, n)
    if isinstance(pool, Simulated):
        return generator.normal(pool.mean, pool.sd, shape)
    return np.asarray(pool, dtype=float)[generator.integers(len(pool), size=shape)]


def _described(pool: Pool) -> tuple[float, float, str]:
    """Mean and deviation of what is drawn, and its origin in words."""
    if isinstance(pool, Simulated):
        told = f"mean {pool.mean:.2%}, standard deviation {100 * pool.sd:.2f} points"
        return pool.mean, pool.sd, f"simulated, from a normal distribution with {told}; no run of yours"
    values = np.asarray(pool, dtype=float)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(
            f"the pool must be at least 2 finite accuracies in one dimension, not {values.shape}"
        )
    sd = 0.0 if values.min() == values.max() else float(values.std())
    return float(values.mean()), sd, f"drawn with replacement from your own {len(values)} runs of one recipe"
