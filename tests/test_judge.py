"""What is said of a trained model's mistakes agrees with scikit-learn, scipy and plain loops to 1e-9."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics

from core import judge, judge_figures
from core.class_report import class_report

NAN = np.nan


def answered(n=2000, classes=7, empty=None, seed=3):
    """Logits and labels of a model that is right about half of the time; one class may have no images."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, n)
    if empty is not None:
        labels[labels == empty] = (empty + 1) % classes
    logits = generator.normal(size=(n, classes)).astype(np.float32)
    logits[np.arange(n), labels] += 1.2
    return logits, labels


LOGITS, LABELS = answered()
ANSWERS = LOGITS.argmax(axis=1)
MATRIX = judge.confusion_matrix(LABELS, ANSWERS, 7)


def test_confusion_matrix_is_that_of_scikit_learn():
    assert np.array_equal(MATRIX, metrics.confusion_matrix(LABELS, ANSWERS))
    shares = metrics.confusion_matrix(LABELS, ANSWERS, normalize="true")
    assert judge.row_shares(MATRIX) == pytest.approx(shares, abs=1e-12)


def test_class_without_images_has_a_row_of_zeros_and_no_shares():
    matrix = judge.confusion_matrix(np.array([0, 2]), np.array([0, 0]), 4)
    assert matrix.shape == (4, 4) and matrix.sum() == 2 and matrix[2, 0] == 1
    assert np.isnan(judge.row_shares(matrix)[[1, 3]]).all()


@pytest.mark.parametrize("answers", [[0, 4], [0, -1], [0]])
def test_answers_that_are_no_classes_are_refused(answers):
    with pytest.raises(ValueError):
        judge.confusion_matrix(np.array([0, 1]), np.array(answers), 4)


@pytest.mark.parametrize("empty", [None, 4])
def test_precision_recall_and_f1_are_those_of_scikit_learn(empty):
    logits, labels = answered(empty=empty)
    answers = logits.argmax(axis=1)
    answers[answers == 4] = 0 if empty is not None else 4  # then the class is not named either
    report = class_report(judge.confusion_matrix(labels, answers, 7))
    theirs = metrics.precision_recall_fscore_support(labels, answers, labels=range(7), zero_division=NAN)
    for ours, expected in zip((report.precision, report.recall, report.f1), theirs[:3], strict=True):
        assert ours.value == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert report.images.tolist() == theirs[3].tolist()
    assert np.isnan(report.f1.value).sum() == (empty is not None)


def wilson(right, images):
    found = binomtest(right, images).proportion_ci(0.95, "wilson")
    return found.low, found.high


def test_intervals_of_recall_and_precision_are_those_of_scipy():
    report = class_report(MATRIX)
    for k in range(7):
        right = int(MATRIX[k, k])
        for score, images in ((report.recall, report.images[k]), (report.precision, report.answers[k])):
            assert (score.low[k], score.high[k]) == pytest.approx(wilson(right, int(images)), abs=1e-9)


def test_interval_of_f1_is_that_of_the_share_of_the_union_carried_over():
    report = class_report(MATRIX)
    for k in range(7):
        union = int(report.images[k] + report.answers[k] - MATRIX[k, k])
        ends = [2 * end / (1 + end) for end in wilson(int(MATRIX[k, k]), union)]
        assert [report.f1.low[k], report.f1.high[k]] == pytest.approx(ends, abs=1e-9)
        assert report.f1.low[k] < report.f1.value[k] < report.f1.high[k]


def test_interval_of_f1_holds_the_true_f1_in_about_95_of_100_samples():
    generator = np.random.default_rng(0)
    joint = np.array([[0.30, 0.06, 0.02], [0.05, 0.25, 0.04], [0.03, 0.05, 0.20]])
    truth = 2 * np.diag(joint) / (joint.sum(0) + joint.sum(1))
    held = []
    for counts in generator.multinomial(300, joint.ravel(), size=1000):
        f1 = class_report(counts.reshape(3, 3)).f1
        held.append((f1.low <= truth) & (truth <= f1.high))
    assert 0.935 < np.mean(held) < 0.965


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_accuracy_is_that_of_scikit_learn(k):
    theirs = metrics.top_k_accuracy_score(LABELS, LOGITS, k=k)
    assert judge.top_k_accuracy(LOGITS, LABELS, k) == pytest.approx(theirs, abs=1e-12)


def test_equal_scores_count_for_the_lower_class_as_the_answer_does():
    scores = np.zeros((3, 3))
    assert judge.top_k_accuracy(scores, np.array([0, 1, 2]), 1) == pytest.approx(1 / 3)
    assert judge.top_k_accuracy(scores, np.array([0, 1, 2]), 2) == pytest.approx(2 / 3)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_loss_and_brier_score_are_those_of_scikit_learn(temperature):
    found = judge.calibration(LOGITS, LABELS, temperature)
    shares = judge.probabilities(LOGITS, temperature)
    assert found.nll == pytest.approx(metrics.log_loss(LABELS, shares), abs=1e-9)
    assert found.brier == pytest.approx(metrics.brier_score_loss(LABELS, shares), abs=1e-9)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_expected_calibration_error_is_that_of_a_plain_loop(bins):
    shares = judge.probabilities(LOGITS, 0.5)
    total = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        inside = [
            (row.max(), row.argmax() == label)
            for row, label in zip(shares, LABELS, strict=True)
            if low < row.max() <= high
        ]
        if inside:
            total += abs(sum(sure for sure, _ in inside) - sum(bool(right) for _, right in inside))
    found = judge.calibration(LOGITS, LABELS, 0.5, bins)
    assert found.ece == pytest.approx(total / len(LABELS), abs=1e-9)
    assert found.bins.counts.sum() == len(LABELS)


def test_logits_of_any_size_give_finite_figures():
    found = judge.calibration(np.array([[1e4, 0.0], [0.0, -1e4]]), np.array([0, 1]))
    assert math.isfinite(found.nll) and found.brier == pytest.approx(1.0)


def test_temperature_that_is_no_temperature_is_refused():
    with pytest.raises(ValueError):
        judge.probabilities(LOGITS, 0.0)


def test_worst_mistakes_are_wrong_and_the_surest_comes_first():
    shares = judge.probabilities(LOGITS)
    order = judge.worst_mistakes(shares, LABELS)
    assert set(order) == set(np.flatnonzero(ANSWERS != LABELS))
    assert (np.diff(shares.max(axis=1)[order]) <= 0).all()


def test_least_certain_images_have_the_smallest_margin():
    shares = np.array([[0.5, 0.3, 0.2], [0.41, 0.4, 0.19], [0.9, 0.05, 0.05]])
    assert judge.least_certain(shares).tolist() == [1, 0, 2]
    assert judge.margins(shares) == pytest.approx([0.2, 0.01, 0.85])


def test_most_confused_pairs_are_mistakes_in_order_of_their_number():
    matrix = np.array([[9, 1, 0], [5, 9, 2], [0, 2, 9]])
    assert judge.most_confused(matrix) == [(1, 0), (1, 2), (2, 1), (0, 1)]
    assert judge.by_mistakes(matrix).tolist() == [1, 0, 2]


# Pictures


@pytest.mark.parametrize("part", ["validation", "test"])
def test_every_figure_says_which_part_it_is_about(part):
    names = [f"class {k}" for k in range(7)]
    found = judge.calibration(LOGITS, LABELS)
    for figure in (
        judge_figures.confusion(MATRIX, names, part),
        judge_figures.class_scores(class_report(MATRIX), names, part),
        judge_figures.reliability(found, None, part),
    ):
        assert part in figure["layout"]["xaxis"]["title"]["text"]


@pytest.mark.parametrize("shares", [False, True])
def test_confusion_figure_has_mistakes_and_right_answers_apart(shares):
    figure = judge_figures.confusion(MATRIX, list("abcdefg"), "validation", shares)
    wrong, right = (np.asarray(trace["z"], dtype=float) for trace in figure["data"])
    whole = np.where(np.isnan(wrong), right, wrong)
    assert np.isnan(np.diag(wrong)).all() and np.isnan(right).sum() == 42
    assert whole == pytest.approx(100 * judge.row_shares(MATRIX) if shares else MATRIX)


def test_names_on_an_axis_are_short_harmless_and_different():
    names = judge_figures.labels_of(["x" * 50, "x" * 60, "<b>bold</b>", "cat"])
    assert len(set(names)) == 4 and not any("<" in name for name in names)
    assert max(map(len, names[:2])) < 24 and names[3] == "cat"


def test_class_without_images_leaves_a_gap_in_the_figures():
    report = class_report(judge.confusion_matrix(np.array([0, 1]), np.array([0, 1]), 3))
    figure = judge_figures.class_scores(report, ["a", "b", "c"], "test")
    assert all(np.isnan(trace["x"][2]) for trace in figure["data"])


def test_reliability_figure_shows_each_bin_that_has_answers():
    before, after = (judge.calibration(LOGITS, LABELS, t) for t in (1.0, 2.0))
    figure = judge_figures.reliability(before, after, "test")
    dots = [trace for trace in figure["data"] if "error_y" in trace]
    for trace, found in zip(dots, (before, after), strict=True):
        assert len(trace["x"]) == (found.bins.counts > 0).sum()
    bars = [trace for trace in figure["data"] if trace["type"] == "bar"]
    assert all(trace["y"].sum() == len(LABELS) for trace in bars)
