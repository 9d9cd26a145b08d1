"""What accuracies over seeds say: of one recipe, of two, and when they say nothing yet.

Two kinds of chance meet here, and no figure covers both. Across seeds: the recipe is trained anew and
judged on the same test images. Across images: these trained models are judged on another test set of
the same kind. Every docstring names its kind.

Accuracies and their differences are fractions, not points. Two seeds with the same accuracy are two
values: nothing here removes duplicates. Pure functions; what resamples gets its `Generator`.

Longer than other modules on purpose: an interval, the verdict that rests on it and the sentence that
tells the verdict have to be read together. The order is: one recipe, its images, two recipes, power,
verdict, sentence.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np

from core.seeds import FEWEST_SEEDS

BOOTSTRAP_SEEDS = 10
"""Of each recipe, before a bootstrap holds roughly what it promises (at 3 it covers 81% in place of 95%)."""

MOST_PARTITIONS = 20_000
"""Ways to deal the seeds into two arms that are still tried one by one; enough for 8 seeds an arm."""

POWER = 0.8
"""How often a difference has to show before we say that these seeds can show it."""


class Interval(NamedTuple):
    """From `low` to `high`, in the unit of what it is about."""

    low: float
    high: float


def _special() -> ModuleType:
    """Scipy's distribution functions: a quarter of a second to import, so only where one is computed."""
    import scipy.special

    return scipy.special


def _scipy_stats() -> ModuleType:
    """All of scipy's statistics: a second to import, so only for what is rarely asked."""
    import scipy.stats

    return scipy.stats


# One recipe, n seeds


def mean_interval(accuracies: np.ndarray, coverage: float = 0.95) -> Interval:
    """Where the mean accuracy of a recipe would settle with many more seeds.

    Across seeds. Not how far a single run may stray (`sd_interval`), and not about another test set:
    every run is measured on the same images.

    Args:
        accuracies: (n_seeds,) final test accuracy of each run, fractions.
        coverage: share of such intervals that contain the true mean, in (0, 1).

    Returns:
        Fractions, symmetric around the mean, not clipped to [0, 1]; of no width where all are equal.

    Raises:
        ValueError: fewer than 2 seeds, a value that is not finite, or coverage outside (0, 1).

    Example:
        >>> low, high = mean_interval(np.array([0.930, 0.934, 0.932]))
        >>> f"{low:.3f} to {high:.3f}"
        '0.927 to 0.937'

    Source: Student's t; NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.5.2.
    """
    values = _values(accuracies, "accuracies", 2)
    mean, sd = _mean_and_sd(values)
    n = len(values)
    return _around(mean, _special().stdtrit(n - 1, _upper(coverage)) * sd / math.sqrt(n))


def sd_interval(accuracies: np.ndarray, coverage: float = 0.95) -> Interval:
    """How much a recipe's accuracy really moves with the seed, given what these few seeds show.

    Across seeds, on these test images. Wide: 10 seeds with deviation s leave 0.69 s to 1.83 s, so two
    recipes are seldom told apart by how robust they look. Assumes roughly normal accuracies, and
    unlike the interval of the mean it does not forgive much.

    Args:
        accuracies: (n_seeds,) final test accuracy of each run, fractions.
        coverage: share of such intervals that contain the true deviation, in (0, 1).

    Returns:
        Fractions; the deviation (ddof=1) lies inside, nearer to the low end. (0, 0) where all are equal.

    Raises:
        ValueError: fewer than 2 seeds, a value that is not finite, or coverage outside (0, 1).

    Source: chi-square; NIST/SEMATECH e-Handbook of Statistical Methods, section 7.2.3.1.
    """
    values = _values(accuracies, "accuracies", 2)
    _, sd = _mean_and_sd(values)
    freedom, upper = len(values) - 1, _upper(coverage)
    ends = sd * np.sqrt(freedom / _special().chdtri(freedom, [1 - upper, upper]))
    return Interval(float(ends[0]), float(ends[1]))


def wilson_interval(accuracy: float, images: int, coverage: float = 0.95) -> Interval:
    """Where one trained model's accuracy would lie on endlessly many images like these.

    Across images; says nothing of another seed. At 90% on 10,000 images about 0.59 points either way,
    often more than seeds differ.

    Args:
        accuracy: share of right answers of one run, in [0, 1].
        images: how many images it was measured on.
        coverage: share of such intervals that contain the true accuracy, in (0, 1).

    Returns:
        Fractions within [0, 1], not symmetric around the accuracy.

    Raises:
        ValueError: accuracy outside [0, 1], no images, or coverage outside (0, 1).

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    """
    if not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy must be a fraction from 0 to 1, not {accuracy}")
    if images < 1:
        raise ValueError(f"accuracy needs at least 1 image, not {images}")
    z = _special().ndtri(_upper(coverage))
    centre = (accuracy + z**2 / (2 * images)) / (1 + z**2 / images)
    half = math.sqrt(accuracy * (1 - accuracy) / images + (z / (2 * images)) ** 2) * z / (1 + z**2 / images)
    # At 0% and 100% an end is exactly 0 or 1 but for rounding.
    return Interval(max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def interquartile_mean(values: np.ndarray) -> float:
    """The mean of the middle half: one failed seed hardly moves it, yet it uses more than the median.

    Args:
        values: (n,) in any unit; a quarter of n, rounded down, is left out at each end.

    Raises:
        ValueError: no value, or one that is not finite.

    Source: Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
    NeurIPS 2021, with the rounding of its library.
    """
    ordered = np.sort(_values(values, "values", 1))
    out = len(ordered) // 4
    return float(ordered[out : len(ordered) - out].mean())


class Band(NamedTuple):
    """What the curves of several seeds say at each epoch; every field is (n_epochs,)."""

    mean: np.ndarray
    """NaN where no seed got so far."""
    low: np.ndarray
    high: np.ndarray
    """Ends of the interval of the mean; NaN below 2 seeds, as `sd`."""
    sd: np.ndarray
    """Over seeds, ddof=1."""
    n: np.ndarray
    """int: how many seeds got so far."""


def pointwise_band(curves: np.ndarray, coverage: float = 0.95) -> Band:
    """At each epoch, where the mean of a quantity would settle with many more seeds.

    Across seeds. Pointwise, not simultaneous: each epoch's interval keeps its promise alone, and the
    whole true curve leaves the band somewhere more often than `coverage` suggests. Epochs of a run are
    close relatives, so a crossing that lasts long is still a single one. Where seeds stopped at
    different epochs the later part is about those that went on.

    Args:
        curves: (n_seeds, n_epochs) in any unit; NaN where a seed did not get so far, passed over. An
            infinite value (a loss that overflowed) makes its mean infinite and its band NaN.
        coverage: share of such intervals that contain the true mean of their epoch, in (0, 1).

    Raises:
        ValueError: not two-dimensional, or coverage outside (0, 1).

    Source: Student's t at each epoch, as `mean_interval`.
    """
    values, upper = np.asarray(curves, dtype=float), _upper(coverage)
    if values.ndim != 2:
        raise ValueError(f"curves must be (n_seeds, n_epochs), not {values.shape}")
    there = ~np.isnan(values)
    n = there.sum(axis=0)
    least, most = (
        end(values, axis=0, where=there, initial=start)
        for end, start in ((np.min, math.inf), (np.max, -math.inf))
    )
    with np.errstate(all="ignore"):
        mean = np.where(there, values, 0).sum(axis=0) / n
        # Equal values give just that value and 0, with no crumbs of rounding.
        mean = np.where(least == most, most, mean)
        squares = np.where(there, (values - mean) ** 2, 0).sum(axis=0)
        sd = np.sqrt(squares / np.where(n > 1, n - 1, np.nan))
        half = _special().stdtrit(np.maximum(n - 1, 1), upper) * sd / np.sqrt(n)
        return Band(mean, mean - half, mean + half, sd, n)


@dataclass(frozen=True)
class VarianceSplit:
    """How much of the seeds' spread is the recipe's, and how much is luck on these test images."""

    total: float
    """Variance of accuracy over seeds on these test images (ddof=1), squared fractions."""
    distribution: float
    """Estimate of the same variance on endlessly many images like these; negative by chance, never clipped."""
    distinguishable: bool
    """Whether that estimate is above 0; where not, the seeds' spread is no more than these images' luck.
    A yes is no test: recipes without any such variance get it in about 4 of 10 sweeps."""


def variance_split(correct: np.ndarray) -> VarianceSplit:
    """Would seeds differ as much on endlessly many images, or only on this sample of them?

    N/(N−1) · [Var(accuracy) − Σᵢ Var(correctᵢ)/N²], variances over seeds with ddof=1, N images: the
    mean covariance of two different images. Computed in whole numbers, so that 0 comes out as 0.

    Args:
        correct: (n_seeds, n_images) whether each run recognised each image.

    Raises:
        ValueError: fewer than 2 seeds or 2 images, or entries other than true and false.

    Source: Jordan, "On the variance of neural network training with respect to test sets and
    distributions", arXiv 2304.01910.
    """
    right = _right(correct, "correct", seeds=2, images=2)
    n, images = right.shape
    by_seed = right.sum(axis=1, dtype=np.int64).tolist()
    by_image = right.sum(axis=0, dtype=np.int64).tolist()
    squares, all_right = sum(k * k for k in by_seed), sum(by_seed)
    of_counts = n * squares - all_right**2  # n (n − 1) times the variance of the number of right answers
    of_images = n * all_right - sum(k * k for k in by_image)  # likewise, summed over single images
    return VarianceSplit(
        total=of_counts / (n * (n - 1) * images**2),
        distribution=(of_counts - of_images) / (n * (n - 1) * images * (images - 1)),
        distinguishable=of_counts > of_images,
    )


@dataclass(frozen=True)
class Summary:
    """One recipe's seeds in a row of figures; accuracies as fractions, all on these test images."""

    n: int
    mean: float
    sd: float
    """ddof=1; NaN for a single seed."""
    median: float
    interquartile_mean: float
    low: float
    high: float
    mean_interval: Interval | None
    """95%, across seeds; None for a single seed."""
    sd_interval: Interval | None
    """95%, across seeds; None for a single seed."""


def summarise(accuracies: np.ndarray) -> Summary:
    """All that a table says of one recipe.

    Args:
        accuracies: (n_seeds,) final test accuracy of each run that finished, fractions.

    Raises:
        ValueError: no seed, or a value that is not finite (count failed runs apart).
    """
    values = _values(accuracies, "accuracies", 1)
    several = len(values) > 1
    mean, sd = _mean_and_sd(values)
    return Summary(
        n=len(values),
        mean=mean,
        sd=sd,
        median=float(np.median(values)),
        interquartile_mean=interquartile_mean(values),
        low=float(values.min()),
        high=float(values.max()),
        mean_interval=mean_interval(values) if several else None,
        sd_interval=sd_interval(values) if several else None,
    )


# One recipe, image by image


def wrong_counts(correct: np.ndarray) -> np.ndarray:
    """In how many runs each image is wrong; wrong in all of them is a hard or mislabelled image.

    Args:
        correct: (n_seeds, n_images) whether each run recognised each image.

    Returns:
        (n_images,) int, from 0 to n_seeds.

    Raises:
        ValueError: no seed or no image, or entries other than true and false.
    """
    right = _right(correct, "correct")
    return len(right) - right.sum(axis=0)


def churn(predictions: np.ndarray) -> np.ndarray:
    """Share of images on which two runs answer differently, be it right or wrong.

    Runs of equal accuracy may still err on different images. Across seeds, on these images.

    Args:
        predictions: (n_seeds, n_images) int, the class that each run named.

    Returns:
        (n_seeds, n_seeds) fractions, symmetric, 0 on the diagonal.

    Raises:
        ValueError: no seed or no image, or entries that are no whole numbers.

    Source: Milani Fard et al., "Launch and Iterate: Reducing Prediction Churn", NeurIPS 2016.
    """
    answers = _integers(predictions, "predictions", dimensions=2)
    return np.stack([(answers != row).mean(axis=1) for row in answers])


def ensemble_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """How often all seeds together are right, when their probabilities are averaged.

    Args:
        probabilities: (n_seeds, n_images, classes) softmax outputs; each row sums to 1.
        labels: (n_images,) int, the true classes.

    Returns:
        Fraction; where two classes share the highest average the lower one is the answer.

    Raises:
        ValueError: shapes that do not match, labels outside the classes, or rows that are no
            probabilities (logits, NaN).

    Source: Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep
    Ensembles", NeurIPS 2017.
    """
    given = np.asarray(probabilities, dtype=float)
    if given.ndim != 3 or not given.size:
        raise ValueError(f"probabilities must be (n_seeds, n_images, classes), not {given.shape}")
    # Said this way round, NaN fails too.
    if not ((given >= 0).all() and (np.abs(given.sum(axis=2) - 1) < 0.01).all()):
        raise ValueError("probabilities must not be negative and must sum to 1 for each image")
    truth = _integers(labels, "labels", dimensions=1, classes=given.shape[2])
    _same_images(given.shape[1], len(truth))
    return float((given.mean(axis=0).argmax(axis=1) == truth).mean())


def recall_by_seed(predictions: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """For each run and class, the share of that class's images that the run recognised.

    Args:
        predictions: (n_seeds, n_images) int, the class that each run named.
        labels: (n_images,) int, the true classes.
        classes: how many there are.

    Returns:
        (n_seeds, classes) fractions; NaN for a class that has no image.

    Raises:
        ValueError: shapes that do not match, or entries that are no class.
    """
    answers = _integers(predictions, "predictions", dimensions=2, classes=classes)
    truth = _integers(labels, "labels", dimensions=1, classes=classes)
    _same_images(answers.shape[1], len(truth))
    belongs = truth[:, None] == np.arange(classes)  # (n_images, classes)
    images = belongs.sum(axis=0)
    right = (answers == truth).astype(float) @ belongs
    return np.divide(right, images, out=np.full(right.shape, np.nan), where=images > 0)


def worst_class(recalls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which class each run recognises least, and how often it does.

    The lowest of several noisy figures looks worse than it is; compare seeds with each other, not
    with a class's own recall.

    Args:
        recalls: (n_seeds, classes) fractions, as `recall_by_seed` gives them; NaN is passed over.

    Returns:
        (n_seeds,) index of the class, the first of equals, and (n_seeds,) its recall.

    Raises:
        ValueError: not two-dimensional, or a run without a single recall.
    """
    values = np.asarray(recalls, dtype=float)
    if values.ndim != 2 or not values.size or np.isnan(values).all(axis=1).any():
        raise ValueError("recalls must be (n_seeds, classes) with at least one number for each seed")
    index = np.nanargmin(values, axis=1)
    return index, values[np.arange(len(values)), index]


# Two recipes, the same test images


def welch_interval(a: np.ndarray, b: np.ndarray, coverage: float = 0.95) -> Interval:
    """By how much the mean of A would exceed the mean of B with many more seeds.

    Across seeds, on these test images only; the arms may differ in number and in spread.

    Args:
        a, b: (n_a,) and (n_b,) final test accuracies, fractions; a seed of A has no partner in B.
        coverage: share of such intervals that contain the true difference, in (0, 1).

    Returns:
        Fractions, A minus B. Where all of A are equal and all of B are equal, both ends are the
        difference: these seeds show no noise, and only `image_paired_interval` still doubts.

    Raises:
        ValueError: fewer than 2 seeds in an arm, a value that is not finite, or coverage outside (0, 1).

    Source: Welch, "The generalization of Student's problem when several different population variances
    are involved", Biometrika 34, 1947.
    """
    difference, error, freedom = _welch(a, b)
    return _around(difference, _special().stdtrit(freedom, _upper(coverage)) * error)


def welch_p(a: np.ndarray, b: np.ndarray) -> float:
    """How often two equal recipes would give means at least as far apart as these; two-sided.

    Across seeds, on these test images only.

    Args:
        a, b: (n_a,) and (n_b,) final test accuracies, fractions.

    Returns:
        From 0 to 1. Without any spread in both arms: 1 for equal means, else 0.

    Raises:
        ValueError: fewer than 2 seeds in an arm, or a value that is not finite.
    """
    difference, error, freedom = _welch(a, b)
    if error == 0:
        return float(difference == 0)
    return float(2 * _special().stdtr(freedom, -abs(difference) / error))


def image_paired_interval(correct_a: np.ndarray, correct_b: np.ndarray, coverage: float = 0.95) -> Interval:
    """By how much these models of A would exceed these of B on endlessly many images like these.

    Across images; says nothing of other seeds. Both arms see the same images, so it is the difference
    on each image that varies, not two accuracies apart. Alone it calls equal recipes different far
    too often, since two sets of trained models do differ.

    Args:
        correct_a, correct_b: (n_a, n_images) and (n_b, n_images) whether each run recognised each image.
        coverage: share of such intervals that contain the true difference, in (0, 1).

    Returns:
        Fractions, A minus B; of no width where the difference is the same on every image.

    Raises:
        ValueError: numbers of images that differ, fewer than 2 images, no seed, entries other than
            true and false, or coverage outside (0, 1).

    Source: a large-sample interval of a mean of paired differences, as in Miller, "Adding Error Bars to
    Evals", arXiv 2411.00640.
    """
    right_a, right_b = _right(correct_a, "correct_a", images=2), _right(correct_b, "correct_b", images=2)
    _same_images(right_a.shape[1], right_b.shape[1])
    mean, sd = _mean_and_sd(right_a.mean(axis=0) - right_b.mean(axis=0))
    return _around(mean, _special().ndtri(_upper(coverage)) * sd / math.sqrt(right_a.shape[1]))


def p_a_better(a: np.ndarray, b: np.ndarray) -> float:
    """In what share of pairs, one seed of each, A is ahead; a tie counts half.

    Across seeds, on these test images. Says how sure a lead is for one run, not how large it is.

    Args:
        a, b: (n_a,) and (n_b,) final test accuracies.

    Raises:
        ValueError: no seed in an arm, or a value that is not finite.

    Source: Vargha and Delaney, "A critique and improvement of the CL common language effect size
    statistics", JEBS 25, 2000.
    """
    return float(_wins(a, b).mean())


def p_a_better_interval(
    a: np.ndarray,
    b: np.ndarray,
    generator: np.random.Generator,
    resamples: int = 2000,
    coverage: float = 0.95,
) -> Interval | None:
    """Where that share would settle with many more seeds; None below 10 seeds in either arm.

    Across seeds, by resampling the seeds of both arms. With fewer it holds the truth in 81% (3 seeds)
    or 90% (5) of cases in place of 95%, so none is given. Arms that do not overlap give 1 to 1 or
    0 to 0: the seeds at hand cannot say how rare a crossing is.

    Args:
        a, b: (n_a,) and (n_b,) final test accuracies.
        generator: draws the resamples; it moves on.
        resamples: how many.
        coverage: nominal share of such intervals that contain the truth, in (0, 1).

    Raises:
        ValueError: no seed in an arm, a value that is not finite, fewer than 1 resample, or coverage
            outside (0, 1).

    Source: percentile bootstrap, Efron and Tibshirani, "An Introduction to the Bootstrap", 1993.
    """
    wins, upper = _wins(a, b), _upper(coverage)
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples}")
    if min(wins.shape) < BOOTSTRAP_SEEDS:
        return None
    # How often each seed is drawn stands for the resample itself: (resamples, n) in each arm.
    times_a, times_b = (generator.multinomial(n, np.full(n, 1 / n), size=resamples) for n in wins.shape)
    shares = ((times_a @ wins) * times_b).sum(axis=1) / wins.size
    low, high = np.quantile(shares, [1 - upper, upper])
    return Interval(float(low), float(high))


@dataclass(frozen=True)
class CheckTest:
    """A second opinion that does not assume normal accuracies."""

    name: str
    p: float


def check_test(a: np.ndarray, b: np.ndarray) -> CheckTest:
    """Does a test without the assumption of normal accuracies agree with Welch's?

    Exact permutation test of the difference in means for few seeds, where every way of dealing them
    into two arms is tried; else Mann–Whitney U. Across seeds, on these test images; two-sided. The
    exact p has a floor: 0.10 at 3 seeds an arm, so it cannot reject there.

    Args:
        a, b: (n_a,) and (n_b,) final test accuracies.

    Raises:
        ValueError: fewer than 2 seeds in an arm, or a value that is not finite.

    Source: Pitman, "Significance tests which may be applied to samples from any populations", 1937; Mann
    and Whitney, "On a test of whether one of two random variables is stochastically larger", 1947.
    """
    one, other = _values(a, "a", 2), _values(b, "b", 2)
    exact = math.comb(len(one) + len(other), len(one)) <= MOST_PARTITIONS
    name = "exact permutation test" if exact else "Mann–Whitney U"
    if _mean_and_sd(np.concatenate([one, other]))[1] == 0:
        return CheckTest(name, 1.0)
    if exact:
        found = _scipy_stats().permutation_test(
            (one, other), _difference, vectorized=True, n_resamples=MOST_PARTITIONS
        )
    else:
        found = _scipy_stats().mannwhitneyu(one, other)
    return CheckTest(name, float(found.pvalue))


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values of several comparisons, raised so that one false alarm among all stays as rare as promised.

    Args:
        p_values: (n,) of `welch_p`, one a comparison; leave out what has none.

    Returns:
        (n,) in the same order, at most 1, never smaller than what came in.

    Raises:
        ValueError: a value outside [0, 1], or NaN.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 1979.
    """
    values = _values(p_values, "p_values", 0)
    if ((values < 0) | (values > 1)).any():
        raise ValueError("p_values must lie between 0 and 1")
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(raised, 1)
    return adjusted


def mcnemar(correct_a: np.ndarray, correct_b: np.ndarray) -> float:
    """Could two trained models be equally good on images like these? The p-value of one run each.

    Across images. It compares two trained models, never two recipes: another seed of either may well
    turn it round. Only the images count on which exactly one of the two is right.

    Args:
        correct_a, correct_b: (n_images,) whether each run recognised each image.

    Returns:
        Two-sided exact p; 1 where they are right on the same images.

    Raises:
        ValueError: numbers of images that differ, no image, or entries other than true and false.

    Source: McNemar, "Note on the sampling error of the difference between correlated proportions",
    Psychometrika 12, 1947; exact by the binomial distribution.
    """
    if np.ndim(correct_a) != 1 or np.ndim(correct_b) != 1:
        raise ValueError("correct_a and correct_b must be (n_images,), one run each")
    right_a = _right(np.asarray(correct_a)[None], "correct_a")[0]
    right_b = _right(np.asarray(correct_b)[None], "correct_b")[0]
    _same_images(len(right_a), len(right_b))
    only_a, either = int((right_a & ~right_b).sum()), int((right_a ^ right_b).sum())
    return float(_scipy_stats().binomtest(only_a, either, 0.5).pvalue) if either else 1.0


# How many seeds it takes


def minimum_detectable(n_a: int, n_b: int, sd: float, power: float = POWER, level: float = 0.05) -> float:
    """The smallest true difference in means that so many seeds would usually show.

    Across seeds. "Show" is a two-sided t test of equal spread at `level`; "usually" is a share of `power`
    of all such comparisons. A rough figure where the deviation itself comes from few seeds.

    Args:
        n_a, n_b: seeds of each recipe.
        sd: deviation of accuracy over seeds, as a fraction or in any other unit.
        power, level: shares in (0, 1), power above level.

    Returns:
        In the unit of `sd`: 3.07 / 2.02 / 1.32 / 0.91 / 0.74 times sd for 3 / 5 / 10 / 20 / 30 seeds an arm.

    Raises:
        ValueError: fewer than 2 seeds in an arm, sd negative or not finite, shares outside their bounds.

    Source: the noncentral t distribution, as in Cohen, "Statistical Power Analysis for the Behavioral
    Sciences", 1988, chapter 2.
    """
    if min(n_a, n_b) < 2:
        raise ValueError(f"at least 2 seeds are needed in each arm, not {n_a} and {n_b}")
    if not (math.isfinite(sd) and sd >= 0):
        raise ValueError(f"sd must be a number of at least 0, not {sd}")
    if not 0 < level < power < 1:
        raise ValueError(f"it must hold that 0 < level < power < 1, not level {level} and power {power}")
    return _detectable_sds(n_a, n_b, power, level) * sd


def seeds_needed(
    difference: float, sd: float, power: float = POWER, level: float = 0.05, most: int = 1000
) -> int | None:
    """How many seeds of each recipe would usually show a true difference of this size.

    Across seeds, on these test images. All seeds of an arm, not those still to be trained.

    Args:
        difference: of the two means, of either sign, in the unit of `sd`.
        sd: deviation of accuracy over seeds.
        power, level: as in `minimum_detectable`.
        most: give up beyond so many.

    Returns:
        At least 2; None where more than `most` are needed, or none suffices as the difference is 0.

    Raises:
        ValueError: a difference that is not finite, `most` below 2, or as `minimum_detectable`.
    """
    if not math.isfinite(difference):
        raise ValueError(f"difference must be a finite number, not {difference}")
    if most < 2:
        raise ValueError(f"most must be at least 2, not {most}")
    choices = range(2, most + 1)
    enough = bisect_left(
        choices, True, key=lambda n: minimum_detectable(n, n, sd, power, level) <= abs(difference)
    )
    return choices[enough] if difference and enough < len(choices) else None


@lru_cache(maxsize=4096)
def _detectable_sds(n_a: int, n_b: int, power: float, level: float) -> float:
    """The same with sd = 1; kept, since a search for a number of seeds asks again and again."""
    from scipy.optimize import brentq

    nct = _scipy_stats().nct
    freedom = n_a + n_b - 2
    critical = _special().stdtrit(freedom, 1 - level / 2)

    def beyond(shift: float) -> float:
        # The lower tail as the upper one of the mirror image: `nct.cdf` gives NaN far out.
        return nct.sf(critical, freedom, shift) + nct.sf(critical, freedom, -shift) - power

    upper = 2 * critical
    while beyond(upper) < 0:
        upper *= 2
    return float(brentq(beyond, 0, upper) * math.sqrt(1 / n_a + 1 / n_b))


# The verdict


class Verdict(StrEnum):
    """What may be said of two recipes; the values are stored and sent, so they do not change."""

    a_better = "a_better"
    b_better = "b_better"
    no_evidence = "no_evidence"
    too_few_seeds = "too_few_seeds"


@dataclass(frozen=True)
class Comparison:
    """Two recipes on the same test images; differences are A minus B, as fractions."""

    n_a: int
    n_b: int
    difference: float
    """Mean accuracy of A minus mean accuracy of B."""
    welch: Interval | None
    """Across seeds, these images; None below 2 seeds in either arm."""
    image_paired: Interval
    """Across images, these trained models."""
    p_a_better: float
    p_a_better_interval: Interval | None
    """Across seeds; None below 10 seeds in either arm."""
    check: CheckTest | None
    """None below 2 seeds in either arm."""
    welch_p: float
    """NaN below 2 seeds in either arm."""
    minimum_detectable: float
    """Smallest true difference that these seeds would show in 4 of 5 cases; NaN below 2 in either arm."""
    seeds_needed: int | None
    """Of each recipe, to show the difference seen in 4 of 5 cases; None where it is 0, where the noise is
    unknown, or where more than 1,000 are needed."""
    verdict: Verdict
    sd: float
    """Noise of one seed that the power figures rest on: with arms of equal number the root mean square of
    their deviations; NaN below 2 seeds in either arm."""
    coverage: float
    """Of all its intervals; what it lacks to 1 is the level of `minimum_detectable` and `seeds_needed`."""


def compare(
    correct_a: np.ndarray,
    correct_b: np.ndarray,
    threshold: float = 0.01,
    coverage: float = 0.95,
    generator: np.random.Generator | None = None,
) -> Comparison:
    """Is one recipe better than the other, or are they alike, or are the seeds too few to say?

    A single seed in an arm leaves unknown what needs a deviation; see the fields. Where no seed
    changes the accuracy, in either arm, the noise counts as 0: Welch's interval is the difference
    itself, the smallest difference that shows is 0, and the image-paired interval alone decides.

    Args:
        correct_a, correct_b: (n_a, n_images) and (n_b, n_images) whether each run recognised each test
            image, at the end of its training.
        threshold: the smallest difference that matters to the reader, a fraction above 0.
        coverage: of all intervals, above 0.2 (what it lacks to 1 is the level of the power figures, and
            that must stay below their power) and below 1.
        generator: for `p_a_better_interval`; without one, a new one with seed 0, so that the same runs
            give the same figures.

    Raises:
        ValueError: numbers of images that differ, fewer than 2 images, no seed, entries other than
            true and false, threshold not above 0, or coverage outside its bounds.
    """
    if 1 - coverage >= POWER:
        raise ValueError(f"coverage must lie above {1 - POWER:.1f}, not at {coverage}")
    image_paired = image_paired_interval(correct_a, correct_b, coverage)
    right_a, right_b = _right(correct_a, "correct_a"), _right(correct_b, "correct_b")
    a, b = right_a.mean(axis=1), right_b.mean(axis=1)
    # Of all answers at once and not of `a` and `b`: exactly 0 where the two shares are equal.
    difference = float(right_a.mean() - right_b.mean())
    several = min(len(a), len(b)) > 1
    sd = _noise(a, b) if several else math.nan
    welch = welch_interval(a, b, coverage) if several else None
    smallest = minimum_detectable(len(a), len(b), sd, level=1 - coverage) if several else math.nan
    return Comparison(
        n_a=len(a),
        n_b=len(b),
        difference=difference,
        welch=welch,
        image_paired=image_paired,
        p_a_better=p_a_better(a, b),
        p_a_better_interval=p_a_better_interval(
            a, b, generator or np.random.default_rng(0), coverage=coverage
        ),
        check=check_test(a, b) if several else None,
        welch_p=welch_p(a, b) if several else math.nan,
        minimum_detectable=smallest,
        seeds_needed=seeds_needed(difference, sd, level=1 - coverage) if several else None,
        verdict=decide(len(a), len(b), welch, image_paired, smallest, threshold),
        sd=sd,
        coverage=coverage,
    )


def decide(
    n_a: int, n_b: int, welch: Interval | None, image_paired: Interval, smallest: float, threshold: float
) -> Verdict:
    """The rule behind every verdict, apart from the figures that it weighs.

    Better: at least 3 seeds in both arms, and both intervals on the same side of 0. Welch's alone
    would speak for these images only, the image-paired one for these trained models only. Too few
    seeds: under 3 in an arm, or too much noise to show the difference that matters to the reader.

    Args:
        welch, image_paired: A minus B, fractions.
        smallest: what `minimum_detectable` gives for these seeds.
        threshold: the smallest difference that matters to the reader, a fraction above 0.

    Raises:
        ValueError: threshold not a finite number above 0.
    """
    if not 0 < threshold < math.inf:
        raise ValueError(f"threshold must be a fraction above 0, not {threshold}")
    if min(n_a, n_b) < FEWEST_SEEDS or welch is None:
        return Verdict.too_few_seeds
    if min(welch.low, image_paired.low) > 0:
        return Verdict.a_better
    if max(welch.high, image_paired.high) < 0:
        return Verdict.b_better
    return Verdict.too_few_seeds if smallest > threshold else Verdict.no_evidence


def _noise(a: np.ndarray, b: np.ndarray) -> float:
    """The deviation of one seed that makes the difference of means as uncertain as Welch finds it.

    For arms of equal number the root mean square of their two deviations.
    """
    _, error, _ = _welch(a, b)
    return error / math.sqrt(1 / len(a) + 1 / len(b))


# The sentence


def sentence(comparison: Comparison, name_a: str, name_b: str, threshold: float) -> str:
    """The verdict in one plain sentence that holds as it stands, with what it is about in words.

    Args:
        name_a, name_b: of the recipes, put in as they are (escape them for HTML or Markdown).
        threshold: the one that the comparison was made with.

    Raises:
        ValueError: with this threshold the verdict would be another.
    """
    c = comparison
    if c.verdict != decide(c.n_a, c.n_b, c.welch, c.image_paired, c.minimum_detectable, threshold):
        raise ValueError(f"the comparison was made with another threshold than {threshold}")
    if c.verdict == Verdict.too_few_seeds:
        return f"Too few seeds to tell {name_a} and {name_b} apart: {_too_few(c, name_a, name_b, threshold)}."
    if c.verdict == Verdict.no_evidence:
        return f"No evidence of a difference between {name_a} and {name_b}{_no_evidence(c, name_a, name_b)}."
    return _better(c, *_leader_first(c, name_a, name_b), _counts(c, name_a, name_b))


def _better(c: Comparison, leader: str, other: str, counts: str) -> str:
    assert c.welch
    over_seeds, over_images = _of_leader(c.welch), _of_leader(c.image_paired)
    seeds = (
        f"likely between {over_seeds} with many more seeds"
        if c.welch.low < c.welch.high
        else "the same whichever seeds are paired"
    )
    return (
        f"{leader} is better than {other}: over {counts}, {_points(c.difference)} points more accurate on these "
        f"test images, {seeds}, and for these trained models likely between {over_images} on other images of "
        f"the same kind."
    )


def _no_evidence(c: Comparison, name_a: str, name_b: str) -> str:
    lead = _lead(c, name_a, name_b)
    seen = f"{_points(c.minimum_detectable)} points would stand out from the noise of seeds in 4 of 5 cases"
    shown = f"; {seen}" if c.minimum_detectable else ", and no seed changed either"
    if not c.difference:
        return f": {lead}{shown}"
    if c.welch and not c.welch.low <= 0 <= c.welch.high:
        more = "more than chance between seeds explains, but other images could undo that"
        return f" beyond these test images: {lead}, {more}"
    if not c.image_paired.low <= 0 <= c.image_paired.high:
        return f" beyond these trained models: {lead}, but other seeds could undo that{shown}"
    return f": {lead}, which other seeds or other images could undo{shown}"


def _too_few(c: Comparison, name_a: str, name_b: str, threshold: float) -> str:
    if math.isnan(c.sd):
        more = _more(c, FEWEST_SEEDS, name_a, name_b)
        return f"one run does not show how much chance is in it; train at least {more}"
    if min(c.n_a, c.n_b) < FEWEST_SEEDS:
        more = _more(c, FEWEST_SEEDS, name_a, name_b)
        doubt = f"fewer than {FEWEST_SEEDS} seeds of each say too little"
        return f"{_lead(c, name_a, name_b)}, but {doubt}; train at least {more}"
    doubt = f"differences under about {_points(c.minimum_detectable)} points may stay hidden"
    aim = f"a difference of {_points(threshold)} points"
    enough = seeds_needed(threshold, c.sd, level=1 - c.coverage)
    if enough is None:
        cure = f"to show {aim} would take more than 1,000 seeds of each"
    else:
        more = _more(c, max(enough, FEWEST_SEEDS), name_a, name_b)
        cure = f"about {more} would show {aim} in at least 4 of 5 cases, if seeds go on differing as these do"
    if c.image_paired.high - c.image_paired.low > 2 * threshold:
        cure += ", though for other images this test set may be too small"
    return f"{_lead(c, name_a, name_b)}, but {doubt}; {cure}"


def _lead(c: Comparison, name_a: str, name_b: str) -> str:
    counts = _counts(c, name_a, name_b)
    if not c.difference:
        return f"over {counts}, their mean accuracies on these test images are equal"
    leader, _ = _leader_first(c, name_a, name_b)
    return f"over {counts}, {leader} is {_points(c.difference)} points more accurate on these test images"


def _counts(c: Comparison, name_a: str, name_b: str) -> str:
    return f"{c.n_a} seeds each" if c.n_a == c.n_b else f"{c.n_a} seeds of {name_a} and {c.n_b} of {name_b}"


def _more(c: Comparison, enough: int, name_a: str, name_b: str) -> str:
    of_a, of_b = max(0, enough - c.n_a), max(0, enough - c.n_b)
    if of_a == of_b:
        return f"{of_a} more of each"
    return " and ".join(f"{n} more of {name}" for n, name in ((of_a, name_a), (of_b, name_b)) if n)


def _leader_first(c: Comparison, name_a: str, name_b: str) -> tuple[str, str]:
    return (name_a, name_b) if c.difference > 0 else (name_b, name_a)


def _of_leader(interval: Interval) -> str:
    """Of an interval on one side of 0."""
    low, high = sorted((abs(interval.low), abs(interval.high)))
    return f"{_points(low)} and {_points(high)}"


def _points(fraction: float) -> str:
    """Size in percentage points; what is not 0 never looks like 0."""
    points = abs(100 * fraction)
    if points and points < 0.005:
        return np.format_float_positional(points, precision=1, fractional=False, trim="-")
    return f"{points:.2f}" if points < 10 else f"{points:.1f}"


# What they share


def _mean_and_sd(values: np.ndarray) -> tuple[float, float]:
    """ddof=1, NaN for one value; equal values give just that value and 0, with no crumbs of rounding."""
    if values.min() == values.max():
        return float(values[0]), 0.0 if len(values) > 1 else math.nan
    return float(values.mean()), float(values.std(ddof=1))


def _welch(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Difference of means, its standard error, and degrees of freedom."""
    one, other = _values(a, "a", 2), _values(b, "b", 2)
    (mean_a, sd_a), (mean_b, sd_b) = _mean_and_sd(one), _mean_and_sd(other)
    part_a, part_b = sd_a**2 / len(one), sd_b**2 / len(other)
    if not part_a + part_b:
        return mean_a - mean_b, 0.0, len(one) + len(other) - 2
    freedom = (part_a + part_b) ** 2 / (part_a**2 / (len(one) - 1) + part_b**2 / (len(other) - 1))
    return mean_a - mean_b, math.sqrt(part_a + part_b), freedom


def _wins(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n_a, n_b): 1 where A is ahead, 0 where B is, 0.5 for a tie."""
    return (1 + np.sign(_values(a, "a", 1)[:, None] - _values(b, "b", 1))) / 2


def _difference(one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
    """Rounded far below one image of a million: sums that tie must tie in whatever order they were added."""
    return np.round(one.mean(axis=axis) - other.mean(axis=axis), 12)


def _around(centre: float, half: float) -> Interval:
    return Interval(float(centre - half), float(centre + half))


def _upper(coverage: float) -> float:
    """The share below the upper end of a two-sided interval."""
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must lie between 0 and 1, not {coverage}")
    return (1 + coverage) / 2


def _values(given: np.ndarray, name: str, least: int) -> np.ndarray:
    values = np.asarray(given, dtype=float)
    if values.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not the shape {values.shape}")
    if len(values) < least:
        raise ValueError(f"{name} needs at least {least} values, not {len(values)}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds a value that is not finite")
    return values


def _right(given: np.ndarray, name: str, seeds: int = 1, images: int = 1) -> np.ndarray:
    """(n_seeds, n_images) bool."""
    right = np.asarray(given)
    if right.ndim != 2 or right.shape[0] < seeds or right.shape[1] < images:
        raise ValueError(
            f"{name} must be (n_seeds, n_images) with at least {seeds} and {images}, not {right.shape}"
        )
    if right.dtype != bool and not np.isin(right, (0, 1)).all():
        raise ValueError(f"{name} must hold only true and false")
    return right.astype(bool, copy=False)


def _integers(given: np.ndarray, name: str, dimensions: int, classes: int | None = None) -> np.ndarray:
    array = np.asarray(given)
    if array.ndim != dimensions or not array.size:
        raise ValueError(f"{name} must have {dimensions} dimensions and not be empty, but is {array.shape}")
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be whole numbers, not {array.dtype}")
    if classes is not None and (array.min() < 0 or array.max() >= classes):
        raise ValueError(f"{name} must be classes from 0 to {classes - 1}")
    return array


def _same_images(one: int, other: int) -> None:
    if one != other:
        raise ValueError(f"both must be about the same images, not {one} and {other}")
