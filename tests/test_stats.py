"""Statistics against simulated truths, scipy, printed tables and examples small enough to work by hand."""

import dataclasses
import doctest
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats

from benchmarks import coverage
from core import stats
from core.stats import Comparison, Interval, Verdict

HALVES = np.array([0.25, 0.5, 0.75])

# Mean 75.91 and deviation 0.34 (ddof=1), as the report states; every value that is 10 seeds would do.
_STEPS = np.arange(10) - 4.5
REPORT = 0.7591 + 0.0034 * _STEPS / _STEPS.std(ddof=1)


def runs(rights, images=1000):
    """(n, images) bool: the k-th run is right on its first so many images."""
    return np.arange(images) < np.array(rights)[:, None]


def noisy(n, accuracy, seed, images=2000):
    return np.random.default_rng(seed).random((n, images)) < accuracy


def random_runs(n, images=60, seed=0):
    generator = np.random.default_rng(seed)
    return generator.random((n, images)) < generator.random(images)


# Simulated truths


@pytest.fixture(scope="module")
def simulated():
    return coverage.measure()


@pytest.mark.parametrize("n", ["3", "5", "10"])
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("t: mean", 0.935, 0.965),
        ("chi-square: sd", 0.935, 0.965),
        ("Welch: difference", 0.935, 0.975),
        ("Welch: one recipe 3 times as noisy", 0.935, 0.975),
        ("image-paired: new images, usual seeds", 0.935, 0.965),
        ("image-paired: new images, restless seeds", 0.935, 0.965),
    ],
)
def test_interval_holds_the_truth_about_as_often_as_it_says(simulated, name, n, low, high):
    assert low <= simulated["holds"][name][n] <= high


@pytest.mark.parametrize("n", ["3", "5", "10"])
@pytest.mark.parametrize("seeds", ["usual seeds", "restless seeds"])
def test_equal_recipes_are_seldom_called_different(simulated, seeds, n):
    alarms = simulated["false_alarms"]
    assert alarms[f"one is better, {seeds}"][n] <= 0.06
    assert alarms[f"one is better, {seeds}"][n] <= alarms[f"Welch alone, {seeds}"][n]


@pytest.mark.parametrize("n", ["3", "5", "10"])
def test_image_paired_interval_alone_would_call_equal_recipes_different_too_often(simulated, n):
    assert simulated["false_alarms"]["image-paired alone, usual seeds"][n] > 0.1


def test_coverage_table_shows_every_simulated_share(simulated):
    shown = coverage.table(simulated)
    for shares in (*simulated["holds"].values(), *simulated["false_alarms"].values()):
        assert "".join(f"{100 * share:8.1f}" for share in shares.values()) in shown


# One recipe


@pytest.mark.parametrize(("n", "t"), [(3, 4.303), (5, 2.776), (10, 2.262), (30, 2.045)])
def test_mean_interval_follows_the_printed_t_table(n, t):
    values = np.arange(n) / 100
    interval = stats.mean_interval(values)
    half = t * values.std(ddof=1) / math.sqrt(n)
    assert interval == pytest.approx((values.mean() - half, values.mean() + half), abs=2e-5)


@pytest.mark.parametrize(
    ("n", "upper", "lower"), [(3, 7.378, 0.0506), (5, 11.143, 0.484), (10, 19.023, 2.700)]
)
def test_sd_interval_follows_the_printed_chi_square_table(n, upper, lower):
    values = np.arange(n) / 100
    sd = values.std(ddof=1)
    expected = sd * math.sqrt((n - 1) / upper), sd * math.sqrt((n - 1) / lower)
    assert stats.sd_interval(values) == pytest.approx(expected, rel=1e-3)


def test_report_with_10_seeds_gets_the_intervals_worked_out_for_it():
    summary = stats.summarise(REPORT)
    assert (summary.n, round(100 * summary.mean, 2), round(100 * summary.sd, 2)) == (10, 75.91, 0.34)
    assert [round(100 * end, 2) for end in summary.mean_interval] == [75.67, 76.15]
    assert [round(100 * end, 2) for end in summary.sd_interval] == [0.23, 0.62]


def test_mean_interval_is_that_of_scipy_at_other_coverages():
    for share in (0.5, 0.9, 0.99):
        reference = scipy.stats.ttest_1samp(REPORT, 0).confidence_interval(share)
        assert stats.mean_interval(REPORT, share) == pytest.approx((reference.low, reference.high))


@pytest.mark.parametrize("interval", [stats.mean_interval, stats.sd_interval])
def test_more_coverage_makes_a_wider_interval(interval):
    narrow, wide = interval(REPORT, 0.9), interval(REPORT, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(("right", "images"), [(0, 5), (5, 5), (9000, 10000), (37, 200)])
def test_wilson_interval_is_that_of_scipy(right, images):
    reference = scipy.stats.binomtest(right, images).proportion_ci(0.9, method="wilson")
    interval = stats.wilson_interval(right / images, images, 0.9)
    assert interval == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_one_run_at_90_percent_is_known_to_about_0_59_points():
    low, high = stats.wilson_interval(0.9, 10_000)
    assert (high - low) / 2 == pytest.approx(0.0059, abs=5e-5)


def test_interquartile_mean_leaves_out_a_quarter_at_each_end():
    assert stats.interquartile_mean([0.0, 0.5, 0.7, 0.9]) == pytest.approx(0.6)
    assert stats.interquartile_mean([0.1, 0.8, 0.9]) == pytest.approx(0.6)  # a quarter of 3 is no value
    assert stats.interquartile_mean([0.0, 0.4, 0.5, 0.6, 9.0]) == pytest.approx(0.5)


def test_summary_of_five_seeds_is_what_one_works_out_by_hand():
    summary = stats.summarise(np.array([0.5, 0.1, 0.4, 0.2, 0.3]))
    assert (summary.n, summary.low, summary.high, summary.median) == (5, 0.1, 0.5, 0.3)
    assert summary.mean == pytest.approx(0.3)
    assert summary.sd == pytest.approx(math.sqrt(0.1 / 4))
    assert summary.interquartile_mean == pytest.approx(0.3)


def test_single_seed_has_a_mean_and_no_spread():
    summary = stats.summarise([0.9])
    assert (summary.n, summary.mean, summary.low, summary.high) == (1, 0.9, 0.9, 0.9)
    assert math.isnan(summary.sd) and summary.mean_interval is None and summary.sd_interval is None


def test_equal_accuracies_of_two_seeds_stay_two_values():
    summary = stats.summarise([0.9, 0.9, 0.93])
    assert (summary.n, summary.median) == (3, 0.9) and summary.mean == pytest.approx(0.91)
    assert stats.summarise([0.9, 0.93]).sd != summary.sd
    assert stats.mean_interval([0.9, 0.9, 0.93]) != stats.mean_interval([0.9, 0.93])


def test_seeds_that_all_agree_give_intervals_of_no_width():
    summary = stats.summarise([0.1] * 3)
    assert (summary.mean, summary.sd) == (0.1, 0.0)
    assert summary.mean_interval == (0.1, 0.1) and summary.sd_interval == (0.0, 0.0)


# The split of the variance


def test_variance_split_of_two_seeds_and_two_images_is_what_one_works_out_by_hand():
    # Accuracies 1 and 0: variance 1/2; each image varies by 1/2. 2/1 · (1/2 − (1/2 + 1/2)/4) = 1/2.
    assert stats.variance_split([[True, True], [False, False]]) == stats.VarianceSplit(0.5, 0.5, True)
    # Accuracies 1/2 and 1/2: variance 0. 2/1 · (0 − 1/4) = −1/2, and negative it stays.
    assert stats.variance_split([[True, False], [False, True]]) == stats.VarianceSplit(0.0, -0.5, False)


def test_distribution_variance_is_the_mean_covariance_of_two_images():
    correct = random_runs(6, images=40)
    split = stats.variance_split(correct)
    covariance = np.cov(correct.T.astype(float))
    assert split.distribution == pytest.approx(covariance[~np.eye(40, dtype=bool)].mean())
    assert split.total == pytest.approx(correct.mean(axis=1).var(ddof=1))
    formula = 40 / 39 * (split.total - correct.var(axis=0, ddof=1).sum() / 40**2)
    assert split.distribution == pytest.approx(formula)


def test_seeds_that_agree_on_every_image_have_no_variance_to_split():
    assert stats.variance_split(runs([7, 7, 7], images=9)) == stats.VarianceSplit(0.0, 0.0, False)


def test_variance_split_finds_the_variance_of_the_distribution_on_average():
    generator = np.random.default_rng(1)
    sweeps = [coverage.trained_models(10, 0.272, generator) for _ in range(200)]
    found = np.mean([stats.variance_split(correct).distribution for correct, _ in sweeps])
    truth = np.mean([accuracies.var(ddof=1) for _, accuracies in sweeps])
    assert found == pytest.approx(truth, rel=0.05)


# Image by image


def test_wrong_counts_say_in_how_many_runs_each_image_is_wrong():
    assert stats.wrong_counts([[True, False, False], [True, True, False]]).tolist() == [0, 1, 2]


def test_churn_counts_differing_answers_even_where_both_are_wrong():
    shares = stats.churn(np.array([[0, 1, 2, 3], [0, 1, 2, 0], [1, 2, 2, 0]]))
    assert shares.tolist() == [[0, 0.25, 0.75], [0.25, 0, 0.5], [0.75, 0.5, 0]]


def test_ensemble_can_be_right_where_most_of_its_runs_are_wrong():
    probabilities = np.array([[[0.45, 0.55]], [[0.45, 0.55]], [[0.95, 0.05]]])
    assert stats.ensemble_accuracy(probabilities, np.array([0])) == 1.0
    assert stats.ensemble_accuracy(probabilities, np.array([1])) == 0.0


def test_recall_of_a_class_without_images_is_nan_and_never_the_worst():
    predictions = np.array([[0, 0, 2, 2], [0, 1, 0, 2]])
    recalls = stats.recall_by_seed(predictions, np.array([0, 0, 2, 2]), 3)
    np.testing.assert_array_equal(recalls, [[1, np.nan, 1], [0.5, np.nan, 0.5]])
    index, recall = stats.worst_class(np.array([[0.9, np.nan, 0.2], [0.1, np.nan, 0.1]]))
    assert index.tolist() == [2, 0] and recall.tolist() == [0.2, 0.1]


# Two recipes


@pytest.mark.parametrize(("n_a", "n_b"), [(2, 2), (3, 7), (10, 10)])
def test_welch_is_that_of_scipy(n_a, n_b):
    generator = np.random.default_rng(n_a)
    a, b = generator.normal(0.8, 0.01, n_a), generator.normal(0.79, 0.03, n_b)
    reference = scipy.stats.ttest_ind(a, b, equal_var=False)
    low, high = reference.confidence_interval(0.9)
    assert stats.welch_interval(a, b, 0.9) == pytest.approx((low, high))
    assert stats.welch_p(a, b) == pytest.approx(reference.pvalue)


def test_welch_p_is_under_5_percent_just_where_the_interval_leaves_0_out():
    generator = np.random.default_rng(3)
    shift = np.array([[0.012], [0]])
    for a, b in generator.normal(0.8, 0.01, (100, 2, 4)) + shift:
        low, high = stats.welch_interval(a, b)
        assert (stats.welch_p(a, b) < 0.05) == (low > 0 or high < 0)


def test_image_paired_interval_is_what_one_works_out_by_hand():
    # A's two runs against B's one: differences 1, 1/2, 0, −1 on the four images.
    a, b = [[True, True, True, False], [True, False, True, False]], [[False, False, True, True]]
    half = 1.959964 * math.sqrt((0.875**2 + 0.375**2 + 0.125**2 + 1.125**2) / 3 / 4)
    assert stats.image_paired_interval(a, b) == pytest.approx((0.125 - half, 0.125 + half))


def test_tie_counts_half_in_p_a_better():
    assert stats.p_a_better([0.9], [0.9]) == 0.5
    assert stats.p_a_better([0.9, 0.9], [0.9, 0.8]) == 0.75
    assert stats.p_a_better([0.9, 0.9, 0.8], [0.85]) == pytest.approx(2 / 3)  # two values, though equal


def test_p_a_better_is_the_statistic_of_mann_whitney_over_all_pairs():
    a, b = REPORT, REPORT[:7] + 0.002
    u = scipy.stats.mannwhitneyu(a, b).statistic
    assert stats.p_a_better(a, b) == pytest.approx(u / 70)


def test_no_bootstrap_below_10_seeds_in_either_arm():
    generator = np.random.default_rng(0)
    assert stats.p_a_better_interval(REPORT[:9], REPORT, generator) is None
    assert stats.p_a_better_interval(REPORT, REPORT[:9], generator) is None
    low, high = stats.p_a_better_interval(REPORT + 0.002, REPORT, generator)
    assert low < stats.p_a_better(REPORT + 0.002, REPORT) < high


def test_bootstrap_resamples_seeds_of_both_arms():
    a, b = REPORT + 0.002, REPORT
    generator = np.random.default_rng(0)
    shares = [stats.p_a_better(generator.choice(a, 10), generator.choice(b, 10)) for _ in range(2000)]
    expected = np.quantile(shares, [0.025, 0.975])
    assert stats.p_a_better_interval(a, b, np.random.default_rng(1)) == pytest.approx(expected, abs=0.03)


def test_bootstrap_with_an_equal_generator_gives_equal_ends():
    ends = [stats.p_a_better_interval(REPORT, REPORT + 0.001, np.random.default_rng(5)) for _ in range(2)]
    assert ends[0] == ends[1]


def by_hand(a, b):
    """Exact p of the difference in means, with whole numbers of right answers and no rounding at all."""
    pool = [*a, *b]
    deals = [
        Fraction(sum(chosen), len(a)) - Fraction(sum(pool) - sum(chosen), len(b))
        for chosen in itertools.combinations(pool, len(a))
    ]
    seen = Fraction(sum(a), len(a)) - Fraction(sum(b), len(b))
    tails = sum(deal >= seen for deal in deals), sum(deal <= seen for deal in deals)
    return min(1, 2 * min(tails) / len(deals))


def test_exact_p_cannot_fall_below_10_percent_at_3_seeds():
    check = stats.check_test([0.9, 0.91, 0.92], [0.1, 0.2, 0.3])
    assert check == stats.CheckTest("exact permutation test", 0.1)


def test_exact_test_counts_sums_that_tie_as_ties():
    generator = np.random.default_rng(0)
    for _ in range(20):
        a, b = generator.integers(7590, 7594, 4).tolist(), generator.integers(7590, 7595, 3).tolist()
        found = stats.check_test(np.array(a) / 10_000, np.array(b) / 10_000)
        assert found.p == pytest.approx(by_hand(a, b)), (a, b)


def test_permutations_are_counted_up_to_8_seeds_an_arm_and_ranks_used_from_9_on():
    assert stats.check_test(REPORT[:8], REPORT[2:] + 0.001).name == "exact permutation test"
    check = stats.check_test(REPORT[:9], REPORT[1:] + 0.001)
    reference = scipy.stats.mannwhitneyu(REPORT[:9], REPORT[1:] + 0.001).pvalue
    assert check == stats.CheckTest("Mann–Whitney U", pytest.approx(reference))


@pytest.mark.parametrize("n", [3, 10])
def test_check_of_accuracies_that_are_all_equal_finds_nothing(n):
    assert stats.check_test([0.9] * n, [0.9] * n).p == 1.0


def test_holm_raises_each_p_as_worked_out_by_hand():
    # Sorted 0.005·4, 0.01·3, 0.03·2, and 0.04·1 lifted to its forerunner.
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    assert stats.holm([0.02]).tolist() == [0.02] and stats.holm([]).tolist() == []


def test_mcnemar_is_the_binomial_of_the_images_on_which_one_is_right():
    # 1 against 5: 2 · (C(6,0) + C(6,1)) / 2⁶ = 14/64; 40 images where they agree change nothing.
    a = np.array([True] + [False] * 5 + [True] * 40)
    b = np.array([False] + [True] * 5 + [True] * 40)
    assert stats.mcnemar(a, b) == pytest.approx(14 / 64) == stats.mcnemar(b, a)
    assert stats.mcnemar(a, a) == 1.0


# Power


@pytest.mark.parametrize(("n", "sds"), [(3, 3.07), (5, 2.02), (10, 1.33), (20, 0.91), (30, 0.74)])
def test_smallest_difference_that_shows_follows_the_table(n, sds):
    # Half a hundredth and a little: at 10 seeds it is 1.3249, which the table has as 1.33.
    assert stats.minimum_detectable(n, n, 1.0) == pytest.approx(sds, abs=0.0055)
    assert stats.minimum_detectable(n, n, 0.004) == 0.004 * stats.minimum_detectable(n, n, 1.0)


def test_smallest_difference_that_shows_does_show_in_80_percent_of_sweeps():
    generator = np.random.default_rng(0)
    for n_a, n_b in ((3, 3), (4, 12)):
        shift = stats.minimum_detectable(n_a, n_b, 1.0)
        a, b = generator.normal(shift, 1, (n_a, 20_000)), generator.normal(0, 1, (n_b, 20_000))
        assert (scipy.stats.ttest_ind(a, b).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("level", [0.5, 0.1, 0.01, 0.001, 0.0001])
def test_smallest_difference_falls_with_seeds_at_every_level(level):
    found = [stats.minimum_detectable(n, n, 1.0, level=level) for n in (2, 3, 4, 10, 100, 1000)]
    assert found == sorted(found, reverse=True) and 0 < found[-1] < found[0] < math.inf
    assert stats.minimum_detectable(3, 3, 1.0, level=level / 2) > found[1]


@pytest.mark.parametrize(("effect", "n"), [(0.5, 64), (0.8, 26)])
def test_seeds_needed_are_those_of_cohens_printed_table(effect, n):
    assert stats.seeds_needed(effect, 1.0) == n == stats.seeds_needed(-effect, 1.0)


def test_seeds_needed_are_the_fewest_that_show_the_difference():
    for difference in (0.2, 0.74, 1.0, 1.33, 5.0):
        n = stats.seeds_needed(difference, 1.0)
        assert stats.minimum_detectable(n, n, 1.0) <= difference < stats.minimum_detectable(n - 1, n - 1, 1.0)


def test_seeds_needed_are_unknown_where_none_suffice():
    assert stats.seeds_needed(0.0, 1.0) is None is stats.seeds_needed(0.0, 0.0)
    assert stats.seeds_needed(0.01, 1.0) is None
    assert stats.seeds_needed(1.0, 1.0, most=16) is None and stats.seeds_needed(1.0, 1.0, most=17) == 17
    assert stats.seeds_needed(1000.0, 1.0) == 2 == stats.seeds_needed(0.1, 0.0)


# Verdict and sentence

WIDE = Interval(-0.01, 0.02)
ABOVE = Interval(0.001, 0.02)
BELOW = Interval(-0.02, -0.001)


@pytest.mark.parametrize(
    ("n_a", "n_b", "welch", "paired", "smallest", "verdict"),
    [
        (3, 3, ABOVE, ABOVE, 0.05, "a_better"),  # large enough to show in spite of the noise
        (3, 3, BELOW, BELOW, 0.001, "b_better"),
        (10, 10, ABOVE, WIDE, 0.005, "no_evidence"),
        (10, 10, WIDE, ABOVE, 0.005, "no_evidence"),
        (10, 10, WIDE, BELOW, 0.011, "too_few_seeds"),
        (10, 10, ABOVE, BELOW, 0.005, "no_evidence"),
        (10, 10, Interval(0, 0.01), ABOVE, 0.01, "no_evidence"),  # touching 0 is not beside it
        (2, 10, ABOVE, ABOVE, 0.001, "too_few_seeds"),
        (10, 2, BELOW, BELOW, 0.001, "too_few_seeds"),
        (1, 10, None, ABOVE, math.nan, "too_few_seeds"),
    ],
)
def test_verdict_needs_both_intervals_and_three_seeds(n_a, n_b, welch, paired, smallest, verdict):
    assert stats.decide(n_a, n_b, welch, paired, smallest, threshold=0.01) == verdict


def test_verdicts_are_stored_under_these_words():
    assert [str(verdict) for verdict in Verdict] == ["a_better", "b_better", "no_evidence", "too_few_seeds"]


def test_clearly_better_recipe_is_found_with_all_its_figures():
    a, b = noisy(10, 0.9, 1), noisy(10, 0.8, 2)
    comparison = stats.compare(a, b)
    accuracies = a.mean(axis=1), b.mean(axis=1)
    assert comparison.verdict == Verdict.a_better
    assert comparison.difference == pytest.approx(accuracies[0].mean() - accuracies[1].mean())
    assert comparison.welch == stats.welch_interval(*accuracies)
    assert comparison.image_paired == stats.image_paired_interval(a, b)
    assert comparison.welch_p == stats.welch_p(*accuracies)
    assert comparison.check == stats.check_test(*accuracies)
    assert (comparison.p_a_better, comparison.p_a_better_interval) == (1.0, (1.0, 1.0))
    pooled = math.sqrt((accuracies[0].var(ddof=1) + accuracies[1].var(ddof=1)) / 2)
    assert comparison.sd == pytest.approx(pooled)
    assert comparison.minimum_detectable == pytest.approx(stats.minimum_detectable(10, 10, pooled))
    assert comparison.seeds_needed == 2


def mirrored(comparison: Comparison) -> Comparison:
    def turned(interval):
        return interval and Interval(-interval.high, -interval.low)

    verdicts = {Verdict.a_better: Verdict.b_better, Verdict.b_better: Verdict.a_better}
    return dataclasses.replace(
        comparison,
        n_a=comparison.n_b,
        n_b=comparison.n_a,
        difference=-comparison.difference,
        welch=turned(comparison.welch),
        image_paired=turned(comparison.image_paired),
        p_a_better=1 - comparison.p_a_better,
        verdict=verdicts.get(comparison.verdict, comparison.verdict),
    )


PAIRS = [
    (noisy(10, 0.9, 1), noisy(10, 0.8, 2)),
    (noisy(3, 0.9, 1), noisy(7, 0.9, 2)),
    (noisy(1, 0.9, 1), noisy(4, 0.8, 2)),
    (noisy(2, 0.9, 1), noisy(2, 0.88, 2)),
    (noisy(12, 0.9, 1, 500), noisy(10, 0.9, 2, 500)),
    (runs([900, 900, 900]), runs([950, 950, 950, 950])),
    (runs([900, 900, 900]), runs([900, 900])),
]


def flat(comparison: Comparison) -> list:
    """Every figure but the bootstrap, intervals spread out, so that `approx` can compare them."""
    values = dataclasses.asdict(dataclasses.replace(comparison, p_a_better_interval=None))
    check = values.pop("check") or {"name": None, "p": None}
    spread = [
        value if isinstance(value, tuple) else (value,) for value in (*values.values(), *check.values())
    ]
    return list(itertools.chain(*spread))


@pytest.mark.parametrize("pair", PAIRS)
def test_swapping_the_recipes_mirrors_everything(pair):
    one, other = stats.compare(*pair), stats.compare(*reversed(pair))
    assert flat(other) == pytest.approx(flat(mirrored(one)), nan_ok=True, abs=1e-12)
    if one.p_a_better_interval:
        low, high = one.p_a_better_interval
        assert other.p_a_better_interval == pytest.approx((1 - high, 1 - low), abs=0.03)
    assert stats.sentence(one, "x", "y", 0.01).partition(":")[2]


@pytest.mark.parametrize("pair", PAIRS)
def test_order_of_seeds_and_of_images_does_not_matter(pair):
    a, b = pair
    generator = np.random.default_rng(0)
    images = generator.permutation(a.shape[1])
    shuffled = stats.compare(
        generator.permutation(a, axis=0)[:, images], generator.permutation(b, axis=0)[:, images]
    )
    assert flat(shuffled) == pytest.approx(flat(stats.compare(a, b)), nan_ok=True, abs=1e-12)


def test_equal_runs_in_one_arm_count_as_often_as_they_were_trained():
    a = runs([900, 900, 910])
    assert stats.compare(a, runs([905] * 3)).n_a == 3
    assert stats.compare(a, runs([905] * 3)).difference == pytest.approx(2710 / 3000 - 0.905)


def test_without_a_generator_two_calls_give_the_same_bootstrap():
    a, b = noisy(10, 0.9, 1), noisy(10, 0.9, 2)
    assert stats.compare(a, b) == stats.compare(a, b)
    other = stats.compare(a, b, generator=np.random.default_rng(9)).p_a_better_interval
    assert other != stats.compare(a, b).p_a_better_interval


def test_without_any_noise_of_seeds_the_images_alone_decide():
    clear = stats.compare(runs([900] * 3), runs([950] * 3))
    assert clear.welch == (clear.difference, clear.difference) and clear.minimum_detectable == 0
    assert (clear.verdict, clear.welch_p, clear.seeds_needed) == (Verdict.b_better, 0.0, 2)
    one_image = stats.compare(runs([900] * 3), runs([901] * 3))
    assert one_image.verdict == Verdict.no_evidence
    equal = stats.compare(runs([1, 1, 1], images=3), runs([1] * 7, images=3))
    assert (equal.verdict, equal.welch_p, equal.difference) == (Verdict.no_evidence, 1.0, 0.0)
    assert equal.seeds_needed is None


def test_single_run_leaves_unknown_what_needs_a_deviation():
    comparison = stats.compare(noisy(1, 0.9, 1), noisy(5, 0.5, 2))
    assert comparison.verdict == Verdict.too_few_seeds
    assert comparison.welch is comparison.check is comparison.seeds_needed is None
    assert all(math.isnan(x) for x in (comparison.welch_p, comparison.minimum_detectable, comparison.sd))


def test_lower_coverage_narrows_what_the_verdict_rests_on():
    a, b = noisy(5, 0.9, 1), noisy(5, 0.89, 2)
    wide, narrow = stats.compare(a, b, coverage=0.99), stats.compare(a, b, coverage=0.8)
    assert wide.welch.low < narrow.welch.low and wide.image_paired.low < narrow.image_paired.low
    assert wide.minimum_detectable > narrow.minimum_detectable


def comparison(**changes) -> Comparison:
    """Ten seeds each, A 0.3 points ahead, neither interval beside 0."""
    usual = Comparison(
        n_a=10,
        n_b=10,
        difference=0.003,
        welch=Interval(-0.001, 0.007),
        image_paired=Interval(-0.002, 0.008),
        p_a_better=0.7,
        p_a_better_interval=None,
        check=None,
        welch_p=0.1,
        minimum_detectable=0.0053,
        seeds_needed=29,
        verdict=Verdict.no_evidence,
        sd=0.004,
        coverage=0.95,
    )
    return dataclasses.replace(usual, **changes)


SENTENCES = {
    "Adam is better than SGD: over 10 seeds each, 0.30 points more accurate on these test images, likely between 0.10 and 0.50 "
    "with many more seeds, and for these trained models likely between 0.004 and 0.60 on other images of the "
    "same kind.": comparison(
        welch=Interval(0.001, 0.005), image_paired=Interval(0.00004, 0.006), verdict=Verdict.a_better
    ),
    "SGD is better than Adam: over 10 seeds each, 12.0 points more accurate on these test images, the same whichever seeds are "
    "paired, and for these trained models likely between 5.00 and 19.0 on other images of the same "
    "kind.": comparison(
        difference=-0.12,
        welch=Interval(-0.12, -0.12),
        image_paired=Interval(-0.19, -0.05),
        verdict=Verdict.b_better,
    ),
    "No evidence of a difference between Adam and SGD: over 10 seeds each, Adam is 0.30 points more accurate on "
    "these test images, which other seeds or other images could undo; 0.53 points would stand out from the "
    "noise of seeds in 4 of 5 cases.": comparison(),
    "No evidence of a difference between Adam and SGD beyond these test images: over 10 seeds each, Adam is "
    "0.30 points more accurate on these test images, more than chance between seeds explains, but other "
    "images could undo that.": comparison(welch=Interval(0.001, 0.005)),
    "No evidence of a difference between Adam and SGD beyond these trained models: over 10 seeds each, Adam is "
    "0.30 points more accurate on these test images, but other seeds could undo that; 0.53 points would "
    "stand out from the noise of seeds in 4 of 5 cases.": comparison(image_paired=Interval(0.001, 0.005)),
    "No evidence of a difference between Adam and SGD: over 10 seeds of Adam and 12 of SGD, their mean "
    "accuracies on these test images are equal, and no seed changed either.": comparison(
        n_b=12, difference=0.0, welch=Interval(0.0, 0.0), minimum_detectable=0.0, sd=0.0
    ),
    "Too few seeds to tell Adam and SGD apart: over 3 seeds each, Adam is 0.30 points more accurate on these "
    "test images, but differences under about 1.23 points may stay hidden; about 1 more of each would show a "
    "difference of 1.00 points in at least 4 of 5 cases, if seeds go on differing as these do.": comparison(
        n_a=3, n_b=3, minimum_detectable=0.01228, verdict=Verdict.too_few_seeds
    ),
    "Too few seeds to tell Adam and SGD apart: over 2 seeds of Adam and 5 of SGD, their mean accuracies on "
    "these test images are equal, but fewer than 3 seeds of each say too little; train at least 1 more of Adam.": comparison(
        n_a=2,
        n_b=5,
        difference=0.0,
        image_paired=Interval(-0.02, 0.02),
        verdict=Verdict.too_few_seeds,
    ),
    "Too few seeds to tell Adam and SGD apart: over 10 seeds each, Adam is 0.30 points more accurate on these "
    "test images, but differences under about 26.5 points may stay hidden; to show a difference of 1.00 "
    "points would take more than 1,000 seeds of each.": comparison(
        minimum_detectable=0.265, sd=0.2, verdict=Verdict.too_few_seeds
    ),
    "Too few seeds to tell Adam and SGD apart: one run does not show how much chance is in it; train at least "
    "2 more of Adam and 1 more of SGD.": comparison(
        n_a=1,
        n_b=2,
        welch=None,
        welch_p=math.nan,
        minimum_detectable=math.nan,
        sd=math.nan,
        seeds_needed=None,
        verdict=Verdict.too_few_seeds,
    ),
}


@pytest.mark.parametrize("expected", SENTENCES)
def test_sentence_says_what_holds_and_of_what(expected):
    assert stats.sentence(SENTENCES[expected], "Adam", "SGD", 0.01) == expected


def test_sentence_with_another_threshold_than_the_verdict_is_refused():
    with pytest.raises(ValueError, match="another threshold"):
        stats.sentence(comparison(), "Adam", "SGD", 0.005)


def test_seeds_that_a_sentence_asks_for_do_show_the_difference():
    few = stats.compare(noisy(3, 0.9, 1, 500), noisy(4, 0.9, 2, 500), threshold=0.005)
    assert few.verdict == Verdict.too_few_seeds
    enough = stats.seeds_needed(0.005, few.sd)
    said = stats.sentence(few, "A", "B", 0.005)
    assert f"about {enough - 3} more of A and {enough - 4} more of B would show" in said


# Curves of several seeds


def test_band_is_the_interval_of_the_mean_at_each_epoch():
    curves = np.random.default_rng(3).normal(0.7, 0.01, (6, 4))
    curves[0, 2:] = curves[1:4, 3] = math.nan
    band = stats.pointwise_band(curves, 0.9)
    for epoch, column in enumerate(curves.T):
        values = column[~np.isnan(column)]
        assert (band.low[epoch], band.high[epoch]) == pytest.approx(stats.mean_interval(values, 0.9))
        assert (band.mean[epoch], band.sd[epoch]) == pytest.approx((values.mean(), values.std(ddof=1)))
        assert band.n[epoch] == len(values)


def test_band_of_one_seed_has_a_mean_and_no_ends():
    band = stats.pointwise_band(np.array([[0.5, 0.75, math.nan], [0.7, math.nan, math.nan]]))
    assert band.n.tolist() == [2, 1, 0]
    assert band.mean[1] == 0.75 and math.isnan(band.mean[2])
    for part in (band.low, band.high, band.sd):
        assert np.isnan(part).tolist() == [False, True, True]


def test_band_of_equal_curves_has_exactly_no_width():
    band = stats.pointwise_band(np.full((3, 2), 0.1))
    assert (band.low == 0.1).all() and (band.high == 0.1).all() and (band.sd == 0).all()


def test_band_of_no_seed_is_all_nan():
    band = stats.pointwise_band(np.empty((0, 3)))
    assert band.n.tolist() == [0, 0, 0] and np.isnan(band.mean).all() and np.isnan(band.sd).all()


def test_loss_that_overflowed_spoils_its_own_epoch_only():
    band = stats.pointwise_band(np.array([[1.0, 2.0], [math.inf, 3.0]]))
    assert math.isinf(band.mean[0]) and math.isnan(band.low[0]) and math.isnan(band.high[0])
    assert (band.mean[1], band.n[1]) == (2.5, 2) and band.low[1] < 2.5 < band.high[1]


# What is refused


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.mean_interval([0.9]),
        lambda: stats.mean_interval([0.9, math.nan]),
        lambda: stats.mean_interval([[0.9, 0.8]]),
        lambda: stats.mean_interval(HALVES, 1.0),
        lambda: stats.mean_interval(HALVES, math.nan),
        lambda: stats.sd_interval([0.9]),
        lambda: stats.sd_interval(HALVES, 0.0),
        lambda: stats.wilson_interval(1.1, 10),
        lambda: stats.wilson_interval(math.nan, 10),
        lambda: stats.wilson_interval(0.5, 0),
        lambda: stats.wilson_interval(0.5, 10, 95),
        lambda: stats.interquartile_mean([]),
        lambda: stats.summarise([]),
        lambda: stats.summarise([math.inf]),
        lambda: stats.variance_split([[True, False]]),
        lambda: stats.variance_split([[True], [False]]),
        lambda: stats.variance_split([[0.5, 1.0], [1.0, 1.0]]),
        lambda: stats.pointwise_band(HALVES),
        lambda: stats.pointwise_band([HALVES, HALVES], 1.0),
        lambda: stats.wrong_counts([True, False]),
        lambda: stats.wrong_counts([[1.0, math.nan]]),
        lambda: stats.churn(np.array([1, 2])),
        lambda: stats.churn(np.array([[1.0, 2.0]])),
        lambda: stats.ensemble_accuracy(np.array([[[3.0, -1.0]]]), np.array([0])),
        lambda: stats.ensemble_accuracy(np.array([[[math.nan, 1.0]]]), np.array([0])),
        lambda: stats.ensemble_accuracy(np.array([[[0.5, 0.5]]]), np.array([0, 1])),
        lambda: stats.ensemble_accuracy(np.array([[[0.5, 0.5]]]), np.array([2])),
        lambda: stats.ensemble_accuracy(np.array([[0.5, 0.5]]), np.array([0])),
        lambda: stats.recall_by_seed(np.array([[0, 1]]), np.array([0]), 2),
        lambda: stats.recall_by_seed(np.array([[0, 2]]), np.array([0, 1]), 2),
        lambda: stats.worst_class(np.array([[math.nan, math.nan]])),
        lambda: stats.welch_interval([0.9], HALVES),
        lambda: stats.welch_interval(HALVES, HALVES, -0.5),
        lambda: stats.welch_p(HALVES, [math.nan, 0.5]),
        lambda: stats.image_paired_interval(runs([3], 5), runs([3], 6)),
        lambda: stats.image_paired_interval(runs([1], 1), runs([1], 1)),
        lambda: stats.p_a_better([], [0.5]),
        lambda: stats.p_a_better_interval(REPORT, REPORT, np.random.default_rng(0), resamples=0),
        lambda: stats.check_test([0.9], HALVES),
        lambda: stats.holm([0.1, math.nan]),
        lambda: stats.holm([1.1]),
        lambda: stats.mcnemar([True, False], [True]),
        lambda: stats.mcnemar([[True]], [[True]]),
        lambda: stats.minimum_detectable(1, 5, 0.1),
        lambda: stats.minimum_detectable(3, 3, math.nan),
        lambda: stats.minimum_detectable(3, 3, -0.1),
        lambda: stats.minimum_detectable(3, 3, 0.1, power=0.05),
        lambda: stats.minimum_detectable(3, 3, 0.1, level=0.0),
        lambda: stats.seeds_needed(math.nan, 0.1),
        lambda: stats.seeds_needed(0.1, 0.1, most=1),
        lambda: stats.compare(runs([3], 5), runs([3], 6)),
        lambda: stats.compare(runs([3, 4], 5), runs([3, 4], 5), threshold=0.0),
        lambda: stats.compare(runs([3, 4], 5), runs([3, 4], 5), coverage=1.0),
        lambda: stats.compare(runs([3], 5), runs([3], 5), coverage=0.2),
    ],
)
def test_what_has_no_answer_is_refused_with_a_reason(call):
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        call()


def test_examples_in_docstrings_give_what_they_say():
    failed, tried = doctest.testmod(stats)
    assert tried and not failed
