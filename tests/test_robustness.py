"""The rule of robustness says no more than the seeds can."""

import numpy as np
import pytest

from core.robustness import Answer, Limits, rules, verdict
from core.stats import mean_interval, sd_interval

TEN = np.random.default_rng(1).normal(0.76, 0.0034, 10)
RECALLS = np.tile([0.9, 0.8, 0.6], (10, 1))
CHURN = np.full((10, 10), 0.2) * (1 - np.eye(10))
CLASSES = ["cat", "dog", "car"]


def judged(accuracies=TEN, recalls=RECALLS, churn=CHURN, **limits):
    return rules(accuracies, recalls, CLASSES, churn, Limits(**limits))


def test_spread_is_judged_by_its_interval_and_not_by_its_estimate():
    interval = sd_interval(TEN)
    assert judged(sd=interval.high + 1e-6)[0].answer is Answer.kept
    assert judged(sd=interval.low - 1e-6)[0].answer is Answer.broken
    for inside in (interval.low + 1e-6, TEN.std(ddof=1), interval.high - 1e-6):
        assert judged(sd=inside)[0].answer is Answer.open


def test_weakest_class_is_judged_by_the_mean_over_seeds_and_its_interval():
    recalls = RECALLS - np.linspace(0, 0.09, 10)[:, None] * [0, 0, 1]  # behind by 0.167 + 2/3 of 0 to 0.09
    behind = recalls.mean(axis=1) - recalls[:, 2]
    low, high = mean_interval(behind)
    rule = judged(recalls=recalls, worst_class=high + 1e-6)[1]
    assert rule.answer is Answer.kept and "“car” (10 of 10 seeds)" in rule.sentence
    assert f"{100 * behind.mean():.1f} points on average" in rule.sentence
    assert judged(recalls=recalls, worst_class=behind.mean())[1].answer is Answer.open
    assert judged(recalls=recalls, worst_class=low - 1e-6)[1].answer is Answer.broken


def test_recipe_with_lost_seeds_is_not_robust():
    kept = {"sd": 0.05, "worst_class": 0.5, "disagreement": 0.5}
    answers = rules(TEN, RECALLS, CLASSES, CHURN, Limits(**kept), lost=2)
    assert "2 of 12 seeds" in answers[-1].sentence
    assert verdict(answers, 10).startswith("Not robust")


def test_nothing_is_called_robust_before_all_seeds_have_ended():
    assert verdict(judged(sd=0.05, worst_class=0.5, disagreement=0.5), 10, final=False).startswith(
        "Not known"
    )
    assert verdict(judged(sd=0.0001), 10, final=False).startswith("Not known")


def test_class_without_test_images_is_passed_over():
    recalls = RECALLS.copy()
    recalls[:, 0] = np.nan
    assert "“car”" in judged(recalls=recalls)[1].sentence


def test_disagreement_leaves_the_diagonal_out():
    rule = judged(disagreement=0.19)[2]
    assert rule.answer is Answer.broken and "20.0%" in rule.sentence
    assert judged(disagreement=0.2 + 1e-9)[2].answer is Answer.kept


def test_robust_is_said_only_if_all_rules_are_kept():
    kept = {"sd": 0.05, "worst_class": 0.5, "disagreement": 0.5}
    assert verdict(judged(**kept), 10).startswith("Robust by this rule, over 10 seeds")
    assert "spread over seeds" in verdict(judged(**{**kept, "sd": 0.0034}), 10)
    assert verdict(judged(**{**kept, "sd": 0.0034}), 10).startswith("Not known yet")
    assert verdict(judged(**{**kept, "worst_class": 0.01}), 10).startswith("Not robust")
    assert verdict(judged(**kept), 2).startswith("Not known yet")  # two seeds are never enough


def test_one_seed_has_no_robustness():
    with pytest.raises(ValueError, match="at least 2 seeds"):
        judged(accuracies=TEN[:1])
