"""Each rule on curves that bear it out and on curves that almost do; and on real trainings."""

import dataclasses
import math

import pytest

from core.coach import advise
from core.config import Recipe
from core.datasets import source
from core.device import choose_compute, prepare_process
from core.events import EpochEnd, Step
from core.train import Diverged, make_learner, prepare_data, train

RECIPE = Recipe(epochs=8, learning_rate=0.01)
CLASSES = tuple("abcdefghij")
EVEN = [0.1] * 10
GOOD = [0.8] * 10


def curves(train_losses, validation_losses=None, answers=EVEN, recall=GOOD) -> list[EpochEnd]:
    pairs = zip(train_losses, validation_losses or train_losses, strict=True)
    return [
        EpochEnd(number, 100 * number, loss, 0.5, judged, 0.5, 0.01, 1.0, 1.0, recall=recall, answers=answers)
        for number, (loss, judged) in enumerate(pairs, start=1)
    ]


def kind(epochs, steps=(), recipe=RECIPE, classes=CLASSES):
    advice = advise(recipe, classes, steps, epochs)
    return advice and advice.kind


def test_curves_that_look_well_get_no_advice():
    assert kind(curves([1.6, 1.2, 1.0, 0.9, 0.8, 0.75, 0.7, 0.68])) is None
    assert kind([]) is None
    assert kind(curves([0.0, 0.0]), classes=["only"]) is None


def test_rising_loss_is_called_diverging_with_both_losses():
    advice = advise(RECIPE, CLASSES, [], curves([1.5, 1.2, 4.0]))
    assert advice.kind == "diverging"
    assert "1.20 in epoch 2" in advice.sentence and "4.00 in epoch 3" in advice.sentence
    assert "rate of 0.001" in advice.sentence
    assert kind(curves([1.5, 1.2, 2.4])) != "diverging"


def test_collapse_names_the_class_and_its_share():
    one_for_all = [0.95, 0.05, *[0.0] * 8]
    advice = advise(
        RECIPE, CLASSES, [], curves([2.3, 2.3], answers=one_for_all, recall=[1.0, 0.1, *[0.0] * 8])
    )
    assert advice.kind == "collapse" and "95%" in advice.sentence and "“a”" in advice.sentence


def test_data_of_mostly_one_class_is_no_collapse():
    rare = [0.95, 0.05, *[0.0] * 8]
    assert kind(curves([0.3, 0.2], answers=rare, recall=[1.0, 0.9, *[None] * 8])) is None


def test_loss_above_guessing_tells_of_too_high_a_rate():
    steps = [Step(1, 10, 2.3, 0.1), Step(1, 20, 3.1, 0.1), Step(1, 30, 2.2, 0.1)]
    advice = advise(RECIPE, CLASSES, steps, curves([2.5, 2.1]))
    assert advice.kind == "too_high" and "step 20" in advice.sentence and "3.10" in advice.sentence
    assert "0.0033 in place of 0.01" in advice.sentence
    assert kind(curves([1.5, 0.9]), steps) is None  # it recovered long ago


def test_jumping_loss_tells_of_too_high_a_rate():
    assert kind(curves([1.5, 1.2, 1.4, 1.1, 1.3])) == "too_high"
    assert kind(curves([1.5, 1.2, 1.0, 1.01, 0.9, 0.8, 0.7])) is None
    assert kind(curves([0.02, 0.01, 0.02, 0.01, 0.02])) is None  # all is learned: that is noise


def test_class_that_is_never_named_is_dead():
    answers, recall = [0.0, *[1 / 9] * 9], [0.0, *[0.9] * 9]
    advice = advise(RECIPE, CLASSES, [], curves([1.2, 0.9], answers=answers, recall=recall))
    assert advice.kind == "dead_class" and "“a”" in advice.sentence and "epoch 2" in advice.sentence
    assert kind(curves([1.2], answers=answers, recall=recall)) is None  # it may still come
    assert kind(curves([1.2, 0.9], answers=answers, recall=[None, *[0.9] * 9])) is None  # it has no images


def test_overfitting_names_the_epoch_and_all_four_losses():
    epochs = curves([1.0, 0.6, 0.4, 0.2, 0.1], [1.1, 0.8, 0.7, 0.75, 0.9])
    advice = advise(RECIPE, CLASSES, [], epochs)
    assert advice.kind == "overfitting"
    for evidence in ("epoch 3", "0.70 to 0.90", "0.40 to 0.10"):
        assert evidence in advice.sentence
    assert kind(curves([1.0, 0.6, 0.4, 0.3], [1.1, 0.8, 0.7, 0.9])) is None  # one bad epoch may be chance
    assert kind(curves([1.0, 0.6, 0.4, 0.3, 0.2], [1.1, 0.8, 0.70, 0.71, 0.72])) is None


def test_slow_and_steady_fall_tells_of_too_low_a_rate():
    advice = advise(RECIPE, CLASSES, [], curves([2.30, 2.28, 2.26, 2.24]))
    assert advice.kind == "too_low" and "2.24" in advice.sentence and "2.30" in advice.sentence
    assert "0.03 in place of 0.01" in advice.sentence
    assert kind(curves([2.2, 1.7, 1.65, 1.64])) is None  # it has stopped falling: not the rate
    assert kind(curves([2.1, 1.9])) is None  # of eight epochs: it has only begun
    assert kind(curves([2.1, 1.9]), recipe=dataclasses.replace(RECIPE, epochs=2)) == "too_low"
    assert kind(curves([1.9]), recipe=dataclasses.replace(RECIPE, epochs=1)) is None
    assert kind(curves([1.3, 1.1, 0.9])) is None


def test_deep_network_without_skips_is_told_of_them():
    plain = dataclasses.replace(RECIPE, model="residual", depth=44, skip=False)
    slow = curves([2.30, 2.28, 2.26, 2.24])
    assert "skip connections" in advise(plain, CLASSES, [], slow).sentence
    for other in ({"skip": True}, {"depth": 8}):
        assert "skip" not in advise(dataclasses.replace(plain, **other), CLASSES, [], slow).sentence


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_losses_that_are_no_numbers_get_a_sentence_or_none(number):
    advise(RECIPE, CLASSES, [Step(1, 1, number, 0.1)], curves([1.0, number], [number, 1.0]))


@pytest.fixture(scope="module")
def shapes():
    return source("shapes").load()


def trained(shapes, recipe):
    prepare_process(recipe)
    data = prepare_data(shapes, recipe, 1, compute := choose_compute(recipe))
    learner = make_learner(recipe, 10, 1, compute, len(data.train_labels))
    steps, epochs = [], []
    for event in train(learner, data, recipe, 1, compute):
        if isinstance(event, Step):
            steps.append(event)
        elif isinstance(event, EpochEnd):
            epochs.append(event)
    return advise(recipe, shapes.classes, steps, epochs)


REAL = Recipe(width=0.0625, epochs=3, batch_size=64, learning_rate=0.02, log_every=10)


def test_real_training_at_a_rate_far_too_low_is_told_so(shapes):
    assert trained(shapes, dataclasses.replace(REAL, learning_rate=2e-5)).kind == "too_low"


def test_real_training_at_a_rate_too_high_is_told_so_or_ends_by_name(shapes):
    try:
        advice = trained(shapes, dataclasses.replace(REAL, learning_rate=0.7))
    except Diverged:
        return
    assert advice.kind in ("diverging", "collapse", "too_high")
