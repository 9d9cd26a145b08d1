"""Each rule on curves that bear it out and on curves that almost do; and on real trainings."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from core.coach import advise
from core.config import Recipe
from core.datasets import source
from core.device import choose_compute, prepare_process
from core.events import EpochEnd, Step
from core.train import make_learner, prepare_data, train

RECIPE = Recipe(epochs=8, learning_rate=0.01)
CLASSES = tuple("abcdefghij")
EVEN = [0.1] * 10
GOOD = [0.8] * 10


def curves(
    train_losses, validation_losses=None, answers=EVEN, recall=GOOD, rate=0.01, accuracy=0.5
) -> list[EpochEnd]:
    pairs = zip(train_losses, validation_losses or train_losses, strict=True)
    return [
        EpochEnd(
            number, 100 * number, loss, 0.5, judged, accuracy, rate, 1.0, 1.0, recall=recall, answers=answers
        )
        for number, (loss, judged) in enumerate(pairs, start=1)
    ]


def kind(epochs, steps=(), recipe=RECIPE, classes=CLASSES, validation_images=1000):
    advice = advise(recipe, classes, steps, epochs, validation_images)
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


ONE_FOR_ALL = [0.95, 0.05, *[0.0] * 8]
ONE_KNOWN = [1.0, 0.1, *[0.0] * 8]
STUCK = [2.3, 2.31, 2.3, 2.31]


def test_collapse_names_the_class_and_its_share():
    advice = advise(RECIPE, CLASSES, [], curves(STUCK, answers=ONE_FOR_ALL, recall=ONE_KNOWN))
    assert advice.kind == "collapse" and "95%" in advice.sentence and "“a”" in advice.sentence


def test_collapse_has_to_last_three_epochs_with_the_same_class():
    epochs = curves(STUCK, answers=ONE_FOR_ALL, recall=ONE_KNOWN)
    assert kind(epochs) == "collapse"
    assert kind(epochs[:2]) is None
    epochs[2] = dataclasses.replace(epochs[2], answers=ONE_FOR_ALL[::-1], recall=ONE_KNOWN[::-1])
    assert kind(epochs) != "collapse"


def test_nothing_is_made_of_classes_while_the_rate_rises_or_the_loss_falls_fast():
    collapsed = curves(STUCK, answers=ONE_FOR_ALL, recall=ONE_KNOWN)
    for schedule in ("linear", "one-cycle"):
        warming = dataclasses.replace(RECIPE, schedule=schedule, warmup=0.25)  # two epochs of eight
        assert kind(collapsed, recipe=warming) is None
        assert kind(collapsed, recipe=dataclasses.replace(warming, warmup=0.1)) == "collapse"
    assert kind(curves([2.3, 2.3, 2.3, 2.0], answers=ONE_FOR_ALL, recall=ONE_KNOWN)) is None
    assert kind(curves([2.3, 2.3, 2.3, 2.2], answers=ONE_FOR_ALL, recall=ONE_KNOWN)) == "collapse"


def test_data_of_mostly_one_class_is_no_collapse():
    losses = [0.32, 0.31, 0.30]
    assert kind(curves(losses, answers=ONE_FOR_ALL, recall=[1.0, 0.9, *[None] * 8])) is None
    # It calls all images by the name that nearly all of them have: what it should do with so few others.
    ordinary = curves(losses, answers=ONE_FOR_ALL, recall=ONE_KNOWN, accuracy=0.94)
    assert kind(ordinary, validation_images=99) is None
    wrong = curves(losses, answers=ONE_FOR_ALL, recall=ONE_KNOWN, accuracy=0.15)
    assert kind(wrong, validation_images=99) == "collapse"


def steps_at(*losses, every=10, after=100) -> list[Step]:
    """Logged every few steps from the given one on, 32 images each."""
    return [Step(after // 100 + 1, after + every * n, loss, 0.1) for n, loss in enumerate(losses, start=1)]


def test_loss_above_guessing_tells_of_too_high_a_rate():
    steps = steps_at(2.3, 3.1, 2.2)
    advice = advise(RECIPE, CLASSES, steps, curves([2.3, 2.1]))
    assert advice.kind == "too_high" and "step 120" in advice.sentence and "3.10" in advice.sentence
    assert "0.0033 in place of 0.01" in advice.sentence
    assert kind(curves([1.35, 1.3]), steps) is None  # it recovered long ago
    assert kind(curves([2.3, 2.0]), steps) is None  # it is recovering
    assert kind(curves([2.3, 2.1]), steps_at(2.3, 2.5, 2.2)) is None  # within what chance does


def test_loss_of_a_few_images_or_of_the_first_steps_tells_nothing_of_the_rate():
    assert kind(curves([2.3, 2.1]), steps_at(*[2.0] * 9, 9.9, every=1)) == "too_high"  # 2.8 in the mean
    assert kind(curves([2.3, 2.1]), steps_at(*[2.0] * 9, 6.0, every=1)) is None
    assert kind(curves([2.3, 2.1]), steps_at(9.9, 9.9, 9.9, 2.2, after=0)) is None  # the first 5 % of 800


def test_jumping_loss_tells_of_too_high_a_rate():
    assert kind(curves([1.5, 1.2, 1.4, 1.1, 1.3])) == "too_high"
    assert kind(curves([1.5, 1.2, 1.4, 1.39, 1.38])) is None  # once
    assert kind(curves([1.5, 1.2, 1.23, 1.2, 1.23])) is None  # by less than 3 %
    assert kind(curves([1.5, 1.2, 1.4, 1.2, 1.4, 1.1])) is None  # falling fast just now
    assert kind(curves([0.02, 0.01, 0.02, 0.01, 0.02])) is None  # all is learned: that is noise
    long = dataclasses.replace(RECIPE, epochs=40)
    long_ago = [1.5, 1.2, 1.4, 1.1, 1.3, *[1.2 - 0.01 * n for n in range(12)]]
    assert kind(curves(long_ago[:7]), recipe=long) == "too_high"
    assert kind(curves(long_ago), recipe=long) is None


def test_plateau_schedule_is_spoken_to_of_the_rate_that_it_has_now():
    jumping = curves([1.5, 1.2, 1.4, 1.1, 1.3], rate=0.0006)
    plateau = dataclasses.replace(RECIPE, schedule="plateau")
    assert "try 0.0002 in place of 0.0006" in advise(plateau, CLASSES, [], jumping).sentence
    assert "try 0.0033 in place of 0.01" in advise(RECIPE, CLASSES, [], jumping).sentence


def test_class_that_is_never_named_is_dead():
    answers, recall = [0.0, *[1 / 9] * 9], [0.0, *[0.9] * 9]
    losses = [1.2, 1.15, 1.1]
    epochs = curves(losses, answers=answers, recall=recall)
    advice = advise(RECIPE, CLASSES, [], epochs)
    assert advice.kind == "dead_class" and "“a”" in advice.sentence and "epoch 3" in advice.sentence
    assert kind(epochs[:2]) is None  # it may still come
    assert kind([*curves([1.3, 1.2]), epochs[2]]) is None  # it was there before
    assert kind(curves([1.2, 1.15, 1.0], answers=answers, recall=recall)) is None  # much is being learned
    assert kind(curves(losses, answers=answers, recall=[None, *[0.9] * 9])) is None  # it has no images
    assert kind(epochs, validation_images=99) is None and kind(epochs, validation_images=100) == "dead_class"


OVERFITTED = curves([1.0, 0.6, 0.4, 0.2, 0.1, 0.08], [1.1, 0.8, 0.7, 0.75, 0.8, 0.9])


def test_overfitting_names_the_epoch_and_all_four_losses():
    advice = advise(RECIPE, CLASSES, [], OVERFITTED)
    assert advice.kind == "overfitting"
    for evidence in ("epoch 3", "0.70 to 0.90", "0.40 to 0.08"):
        assert evidence in advice.sentence
    assert kind(OVERFITTED[:5]) is None  # two bad epochs may be chance


def test_noise_of_the_validation_loss_is_no_overfitting():
    falling = [1.0, 0.6, 0.4, 0.3, 0.2, 0.1]
    assert kind(curves(falling, [1.1, 0.8, 0.70, 0.71, 0.72, 0.73])) is None  # less than 5 %
    assert kind(curves(falling, [1.1, 0.8, 0.70, 0.90, 0.72, 0.90])) is None  # not each of the last three
    assert kind(curves(falling, [0.1, 0.05, 0.010, 0.020, 0.025, 0.029])) is None  # 190 %, but of nothing


def test_overfitting_names_only_what_this_recipe_leaves_to_try():
    def sentence(**fields):
        return advise(dataclasses.replace(RECIPE, **fields), CLASSES, [], OVERFITTED).sentence

    assert sentence().endswith("try augmentation or weight decay, or keep the best epoch's weights.")
    assert "dropout" in sentence(model="improved") and "dropout" not in sentence(model="residual")
    assert "keep" not in sentence(keep="best")
    assert "stronger augmentation or more weight decay" in sentence(flip=True, weight_decay=1e-4)


def test_slow_and_steady_fall_tells_of_too_low_a_rate():
    advice = advise(RECIPE, CLASSES, [], curves([2.30, 2.28, 2.26, 2.24]))
    assert advice.kind == "too_low" and "2.24" in advice.sentence and "2.30" in advice.sentence
    assert "0.03 in place of 0.01" in advice.sentence
    assert kind(curves([2.2, 1.98, 1.97, 1.969])) is None  # it has stopped falling: not the rate
    two = dataclasses.replace(RECIPE, epochs=2)
    assert kind(curves([2.25, 2.1])) is None  # of eight epochs: it has only begun
    assert kind(curves([2.25, 2.1]), recipe=two) == "too_low"
    assert kind(curves([2.25, 2.1], [2.25, 2.4]), recipe=two) is None  # validation disagrees
    assert kind(curves([2.1, 1.94]), recipe=two) is None  # a good deal better than guessing, 2.30
    assert kind(curves([1.9]), recipe=dataclasses.replace(RECIPE, epochs=1)) is None


def test_rate_is_not_called_too_low_while_it_rises_or_once_the_loss_takes_off():
    slow = curves([2.30, 2.29, 2.28, 2.27])
    rising = dataclasses.replace(RECIPE, schedule="linear", warmup=0.5)
    assert kind(slow) == "too_low" and kind(slow, recipe=rising) is None
    assert kind(curves([2.38, 2.35, 2.32])) == "too_low"
    assert kind(curves([2.38, 2.35, 2.25])) is None


PLAIN = dataclasses.replace(RECIPE, model="residual", depth=44, skip=False)


def test_deep_network_without_skips_is_told_of_them_and_of_nothing_else():
    slow = curves([2.30, 2.28, 2.26, 2.24])
    sentence = advise(PLAIN, CLASSES, [], slow).sentence
    assert "ithout skip connections a network of 44 layers" in sentence and "rate" not in sentence
    for other in ({"skip": True}, {"depth": 8}):
        sentence = advise(dataclasses.replace(PLAIN, **other), CLASSES, [], slow).sentence
        assert "skip" not in sentence and "rate" in sentence


def test_collapsed_deep_network_without_skips_is_told_of_them_too():
    collapsed = curves([1.9, 1.9, 1.9], answers=ONE_FOR_ALL, recall=ONE_KNOWN)
    advice = advise(PLAIN, CLASSES, [], collapsed)
    assert (
        advice.kind == "collapse" and "skip connections" in advice.sentence and "rate" not in advice.sentence
    )
    assert "skip" not in advise(dataclasses.replace(PLAIN, skip=True), CLASSES, [], collapsed).sentence


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_loss_that_is_no_number_is_called_diverging_by_its_name(number):
    for name, epochs in (
        ("training", curves([1.0, number], [1.0, 1.0])),
        ("validation", curves([1.0, 1.0], [1.0, number])),
    ):
        advice = advise(RECIPE, CLASSES, [], epochs)
        assert advice.kind == "diverging" and f"the {name} loss of epoch 2" in advice.sentence


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_loss_that_was_no_number_once_hides_nothing_later(number):
    epochs = curves([1.0, *(epoch.train_loss for epoch in OVERFITTED)], [number, *[1.0] * 6])
    assert kind(epochs, [Step(1, 1, number, 0.1)]) is None
    later = [dataclasses.replace(epoch, epoch=epoch.epoch + 1) for epoch in OVERFITTED]
    assert kind([epochs[0], *later], [Step(1, 1, number, 0.1), Step(1, 90, number, 0.1)]) == "overfitting"


RECORDED = json.loads((Path(__file__).parent / "data" / "curves.json").read_text())
"""Real trainings on shapes, but `fast` and `improved` on CIFAR-10, their answers and steps left out for size."""


def replayed(name: str) -> list[str | None]:
    """What the coach said after each epoch of a recorded training."""
    record = RECORDED[name]
    recipe = Recipe(**record["recipe"])
    steps = [Step(*values, accuracy=0.5) for values in record["steps"]]
    epochs = [
        EpochEnd(number, step, loss, 0.5, judged, accuracy, rate, 1.0, 1.0, recall=recall, answers=answers)
        for number, step, loss, judged, accuracy, rate, recall, answers in record["epochs"]
    ]
    return [
        kind(
            epochs[:n],
            [step for step in steps if step.epoch <= n],
            recipe,
            CLASSES,
            record["validation_images"],
        )
        for n in range(1, len(epochs) + 1)
    ]


@pytest.mark.parametrize("name", [name for name, record in RECORDED.items() if record["epochs"][-1][4] > 0.7])
def test_good_training_is_left_alone_at_every_epoch(name):
    assert not any(replayed(name))


def test_bad_training_is_alarmed_soon_and_to_its_end():
    assert replayed("residual 44 without skips") == [None, None, *["too_low"] * 6]
    assert replayed("baseline at 0.3") == replayed("baseline at 0.15") == [None, None, *["too_high"] * 4]
    # Learns for four epochs, then is thrown out of it.
    assert replayed("baseline at 0.08") == [*[None] * 5, "too_high"]


def test_recorded_trainings_are_those_that_the_tests_speak_of():
    accuracies = sorted(record["epochs"][-1][4] for record in RECORDED.values())
    assert len([accuracy for accuracy in accuracies if accuracy > 0.7]) == 7
    assert all(accuracy < 0.12 for accuracy in accuracies[:4]) and len(accuracies) == 11


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
    return advise(recipe, shapes.classes, steps, epochs, len(data.validation_labels))


REAL = Recipe(width=0.0625, epochs=3, batch_size=64, learning_rate=0.02, log_every=10)


def test_real_training_at_a_rate_far_too_low_is_told_so(shapes):
    assert trained(shapes, dataclasses.replace(REAL, learning_rate=2e-5)).kind == "too_low"


@pytest.mark.parametrize("rate", [0.15, 0.7])
def test_real_training_at_a_rate_too_high_is_told_so(shapes, rate):
    assert trained(shapes, dataclasses.replace(REAL, learning_rate=rate)).kind == "too_high"


def test_real_training_at_a_good_rate_is_left_alone(shapes):
    assert trained(shapes, REAL) is None
