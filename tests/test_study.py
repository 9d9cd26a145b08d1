"""The runs of a sweep put together: against figures worked by hand, and against files that lie."""

import dataclasses

import numpy as np
import pytest

from core.errors import UserError
from core.index import RunIndex
from core.predictions import read_predictions
from core.study import CONFIDENT, keep_robustness, kept_robustness, robustness, study
from core.sweep import sweeps
from tests.test_sweep import finish

LABELS = np.array([0, 0, 1, 1, 2, 2])


def logits(answers, sure=5.0):
    return (sure * np.eye(3)[np.array(answers)]).astype(np.float32)


def write(run, answers, labels=LABELS, sure=5.0):
    finish(run)
    np.savez(
        run.folder / "predictions.npz",
        test_logits=logits(answers, sure),
        test_labels=labels,
        validation_logits=logits(answers),
        validation_labels=labels,
    )


@pytest.fixture
def sweep(store, tiny_recipe):
    """Three seeds; image 1 is wrong in two of them, image 5 in all, each time taken for class 0."""
    for seed, answers in enumerate([[0, 0, 1, 1, 2, 0], [0, 1, 1, 1, 2, 0], [0, 1, 1, 1, 2, 0]]):
        write(store.open(tiny_recipe, seed, "data")[0], answers)
    (found,) = sweeps(store, RunIndex(store).rows())
    return found


def test_images_and_seeds_are_counted_right(sweep):
    found = study(sweep.finished)
    assert found.seeds == [0, 1, 2]
    assert found.accuracies.tolist() == [5 / 6, 4 / 6, 4 / 6]
    assert found.wrong_counts.tolist() == [0, 2, 0, 0, 0, 3]
    assert found.churn[0, 1] == pytest.approx(1 / 6) and found.churn[1, 2] == 0
    assert found.recalls[1].tolist() == [0.5, 1.0, 0.5]


def test_suspects_are_wrong_in_all_seeds_alike_and_confidently(sweep, store, tiny_recipe):
    assert study(sweep.finished).suspects().tolist() == [5]
    write(store.open(tiny_recipe, 3, "data")[0], [0, 1, 1, 1, 2, 1])  # wrong too, with another answer
    (four,) = sweeps(store, RunIndex(store).rows())
    assert study(four.finished).suspects().tolist() == []


def test_two_runs_are_too_few_for_a_suspect(sweep):
    assert study(sweep.finished[:2]).suspects().tolist() == []


def test_figures_that_were_kept_damaged_are_worked_out_again(store, sweep):
    figures = robustness(study(sweep.finished))
    keep_robustness(store, sweep, dataclasses.replace(figures, worst_recall=[]))
    assert kept_robustness(store, sweep) is None


def test_no_flipped_bit_of_the_predictions_gets_through_with_another_error(sweep):
    run = sweep.finished[0].run
    path = run.folder / "predictions.npz"
    whole = path.read_bytes()
    before = read_predictions(run).logits
    for position in range(0, 8 * len(whole), 37):
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            found = read_predictions(run)
        except UserError:
            continue
        assert np.array_equal(found.logits, before)


def test_unsure_runs_make_no_suspect(store, tiny_recipe):
    for seed in range(3):
        write(store.open(tiny_recipe, seed, "data")[0], [1, 0, 1, 1, 2, 2], sure=1.0)  # at most 58 %
    (found,) = sweeps(store, RunIndex(store).rows())
    assert study(found.finished).confidence.max() < CONFIDENT
    assert study(found.finished).suspects().tolist() == []


def test_ensemble_averages_probabilities_and_not_votes(store, tiny_recipe):
    """Two unsure wrong answers against a sure right one: the average is right, a vote would be wrong."""
    write(store.open(tiny_recipe, 0, "data")[0], LABELS, sure=9.0)
    for seed in (1, 2):
        write(store.open(tiny_recipe, seed, "data")[0], (LABELS + 1) % 3, sure=0.1)
    (found,) = sweeps(store, RunIndex(store).rows())
    assert study(found.finished).ensemble_accuracy == 1.0


def test_runs_on_other_images_are_not_put_together(store, tiny_recipe):
    write(store.open(tiny_recipe, 0, "data")[0], LABELS)
    write(store.open(tiny_recipe, 1, "data")[0], LABELS, labels=LABELS[::-1].copy())
    (found,) = sweeps(store, RunIndex(store).rows())
    with pytest.raises(UserError, match="different images"):
        study(found.finished)


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "flipped", "nan", "other"])
def test_damaged_predictions_are_refused_in_a_sentence(sweep, damage):
    run = sweep.finished[0].run
    path = run.folder / "predictions.npz"
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "nan":
        np.savez(path, test_logits=np.full((6, 3), np.nan, np.float32), test_labels=LABELS)
    elif damage == "other":
        np.savez(path, test_logits=logits([0, 1]), test_labels=LABELS)
    else:
        content[content.index(b"test_logits") + 300] ^= 255
        path.write_bytes({"empty": b"", "cut": content[:400], "flipped": content}[damage])
    with pytest.raises(UserError, match="delete that run on the Runs page"):
        read_predictions(run)


def test_what_a_trained_run_wrote_is_what_is_read(finished_run):
    found = read_predictions(finished_run)
    assert found.correct.mean() == pytest.approx(finished_run.history().end.test_accuracy)
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(len(found.labels)), abs=1e-5)
    validation = read_predictions(finished_run, "validation")
    assert validation.correct.mean() == pytest.approx(finished_run.history().end.validation_accuracy)


def test_kept_figures_are_those_of_these_very_runs(store, sweep, tiny_recipe):
    assert kept_robustness(store, sweep) is None
    figures = robustness(study(sweep.finished))
    keep_robustness(store, sweep, figures)
    assert kept_robustness(store, sweep) == figures
    fewer = dataclasses.replace(sweep, attempts=[sweep.runs[0], sweep.runs[1]], plan=None)
    assert kept_robustness(store, fewer) is None
    write(sweep.finished[0].run, [1, 1, 1, 1, 1, 1], sure=7.0)
    (sweep.finished[0].run.folder / "predictions.npz").touch()
    assert kept_robustness(store, sweep) is None


def test_one_run_has_a_weakest_class_and_nothing_over_seeds(sweep):
    alone = robustness(study(sweep.finished[:1]))
    assert (alone.worst_recall, alone.churn, alone.variance_distribution) == ([0.5], None, None)
    figures = robustness(study(sweep.finished))
    assert figures.churn == pytest.approx(np.mean([1 / 6, 1 / 6, 0]))
    assert figures.worst_recall == [0.5, 0.5, 0.5] and figures.images == 6
