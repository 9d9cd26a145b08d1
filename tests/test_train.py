import dataclasses
import hashlib
import math

import numpy as np
import pytest
import torch
from torch import nn

from core.config import Recipe
from core.datasets import ImageData, Split
from core.datasets.split import split_indices
from core.device import choose_compute, prepare_process
from core.errors import UserError
from core.evaluate import fit_temperature, logits, loss_and_accuracy
from core.events import EpochEnd, Progress, Step
from core.optim import end_of_epoch, learning_rate, make_optimizer, make_schedule
from core.train import Diverged, make_learner, prepare_data, steps_per_epoch, train

RECIPE = Recipe(width=0.03125, epochs=2, batch_size=32, learning_rate=0.02, log_every=3)


@pytest.fixture(scope="module")
def data() -> ImageData:
    """Ten colours, faintly, in noise: 200 training and 50 test images."""
    draws = np.random.default_rng(0)

    def part(n: int) -> Split:
        labels = np.arange(n) % 10
        images = draws.integers(0, 256, (n, 3, 32, 32))
        images = images // 2 + 12 * labels[:, None, None, None]
        return Split(images.astype(np.uint8), labels.astype(np.int64))

    return ImageData(tuple("abcdefghij"), part(200), part(50), "made up")


def trained(data, recipe, seed=1, stop_after=None, state=None):
    """The learner and its events, from the beginning or from a state; perhaps only some epochs."""
    prepare_process(recipe)
    compute = choose_compute(recipe)
    learner = make_learner(recipe, 10, seed, compute)
    if state is not None:
        learner.load_state_dict(state)
    events = []
    for event in train(learner, prepare_data(data, recipe, seed, compute), recipe, seed, compute):
        events.append(event)
        if isinstance(event, EpochEnd) and event.epoch == stop_after:
            break
    return learner, [event for event in events if not isinstance(event, Progress)]


def digest(learner) -> str:
    values = learner.model.state_dict().values()
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in values)).hexdigest()


def without_times(events):
    return [
        dataclasses.replace(event, train_seconds=0.0, images_per_second=0.0)
        if isinstance(event, EpochEnd)
        else event
        for event in events
    ]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("model", ["baseline", "improved"])
def test_same_seed_gives_the_same_weights_twice_and_after_a_resume(data, precision, model):
    augmented = {"flip": True, "rotation": 10, "brightness": 0.2, "shift": 2}
    recipe = dataclasses.replace(RECIPE, precision=precision, model=model, epochs=3, **augmented)
    whole, events = trained(data, recipe)
    again, events_again = trained(data, recipe)
    half, first = trained(data, recipe, stop_after=1)
    rest, second = trained(data, recipe, state=half.state_dict())
    assert digest(whole) == digest(again) == digest(rest)
    assert without_times(events) == without_times(events_again) == without_times(first + second)


def test_other_seed_gives_other_weights(data):
    assert digest(trained(data, RECIPE, seed=1)[0]) != digest(trained(data, RECIPE, seed=2)[0])


def test_training_lowers_the_loss(data):
    epochs = [
        event
        for event in trained(data, dataclasses.replace(RECIPE, epochs=6))[1]
        if isinstance(event, EpochEnd)
    ]
    assert epochs[-1].train_loss < epochs[0].train_loss - 0.3


def test_steps_are_logged_and_counted_from_one(data):
    _, events = trained(data, RECIPE)
    assert steps_per_epoch(160, 32) == 5
    assert [event.step for event in events if isinstance(event, Step)] == [3, 6, 9]
    assert [(event.epoch, event.step) for event in events if isinstance(event, EpochEnd)] == [(1, 5), (2, 10)]


def test_last_smaller_batch_is_not_left_out(data):
    _, events = trained(data, dataclasses.replace(RECIPE, batch_size=100, log_every=1, epochs=1))
    steps = [event for event in events if isinstance(event, Step)]
    epoch = events[-1]
    assert len(steps) == 2 == steps_per_epoch(160, 100)
    assert epoch.train_accuracy == pytest.approx((100 * steps[0].accuracy + 60 * steps[1].accuracy) / 160)


def test_epoch_figures_do_not_depend_on_how_often_is_logged(data):
    often, rarely = (trained(data, dataclasses.replace(RECIPE, log_every=every))[1] for every in (1, 1000))
    epochs = [
        without_times([event for event in events if isinstance(event, EpochEnd)])
        for events in (often, rarely)
    ]
    assert epochs[0] == epochs[1]


def test_reports_loop_gives_the_same_weights(data):
    """Against a loop as a tutorial writes it, in fp32, from the same weights and in the same order."""
    from core.seeds import generator

    recipe = dataclasses.replace(RECIPE, precision="fp32", epochs=1)
    compute = choose_compute(recipe)
    ours, _ = trained(data, recipe)
    theirs = make_learner(recipe, 10, 1, compute)
    prepared = prepare_data(data, recipe, 1, compute)
    sgd = torch.optim.SGD(theirs.model.parameters(), recipe.learning_rate, momentum=recipe.momentum)
    order = generator(1, "order", 1).permutation(160)
    for begin in range(0, 160, 32):
        rows = order[begin : begin + 32]
        images = prepared.normalise(prepared.train_images[rows] / 255)
        sgd.zero_grad()
        nn.CrossEntropyLoss()(theirs.model(images), prepared.train_labels[rows]).backward()
        sgd.step()
    for one, other in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_exploding_loss_has_a_name_and_advice(data, optimizer):
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer, learning_rate=10.0, epochs=30, weight_decay=1.0)
    if optimizer == "sgd":
        with pytest.raises(Diverged, match="learning rate of 1 in place of 10"):
            trained(data, recipe)
    else:  # Adam bounds its steps: it may stay finite, and then it has to end
        try:
            _, events = trained(data, recipe)
        except Diverged:
            return
        assert math.isfinite(events[-1].train_loss)


def test_test_images_do_not_touch_training(data):
    other = dataclasses.replace(data, test=Split(data.test.images[::-1].copy(), data.test.labels.copy()))
    assert digest(trained(data, RECIPE)[0]) == digest(trained(other, RECIPE)[0])


def test_split_is_disjoint_whole_and_its_own_for_each_seed():
    train_rows, validation_rows = split_indices(1000, 0.2, seed=3)
    assert (len(train_rows), len(validation_rows)) == (800, 200)
    assert sorted([*train_rows, *validation_rows]) == list(range(1000))
    assert not np.array_equal(validation_rows, split_indices(1000, 0.2, seed=4)[1])
    assert np.array_equal(validation_rows, split_indices(1000, 0.2, seed=3)[1])


@pytest.mark.parametrize(("n", "share"), [(2, 0.05), (2, 0.5), (3, 0.05), (10, 0.5)])
def test_split_of_few_images_leaves_neither_side_empty(n, share):
    assert all(len(rows) for rows in split_indices(n, share, seed=0))


def test_one_class_is_refused_in_a_sentence(data):
    lonely = dataclasses.replace(data, classes=("a",))
    with pytest.raises(UserError, match="two classes"):
        prepare_data(lonely, RECIPE, 0, choose_compute(RECIPE))


def test_evaluation_does_not_depend_on_its_batches(data, monkeypatch):
    recipe = dataclasses.replace(RECIPE, model="improved", precision="fp32")
    compute = choose_compute(recipe)
    learner = make_learner(recipe, 10, 0, compute)
    prepared = prepare_data(data, recipe, 0, compute)
    whole = logits(learner.model, prepared.test_images, prepared.normalise, compute)
    monkeypatch.setattr("core.evaluate.BATCH_SIZE", 7)
    parts = logits(learner.model, prepared.test_images, prepared.normalise, compute)
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-5)


def test_loss_and_accuracy_of_a_hand_worked_example():
    outputs = torch.tensor([[2.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    loss, accuracy = loss_and_accuracy(outputs, torch.tensor([0, 1, 0]))
    expected = (math.log(1 + math.exp(-2)) + math.log(2) + math.log(1 + math.exp(1))) / 3
    assert loss == pytest.approx(expected) and accuracy == pytest.approx(1 / 3)
    assert all(map(math.isnan, loss_and_accuracy(outputs[:0], torch.tensor([], dtype=torch.int64))))


def test_temperature_undoes_a_known_overconfidence():
    draws = np.random.default_rng(0)
    honest = draws.normal(size=(20_000, 5)) * 2
    labels = (honest + draws.gumbel(size=honest.shape)).argmax(1)  # drawn from softmax(honest)
    assert fit_temperature((3 * honest).astype(np.float32), labels) == pytest.approx(3, rel=0.05)
    assert fit_temperature(np.full((4, 2), np.nan), np.zeros(4, dtype=np.int64)) == 1.0


def test_plateau_halves_the_rate_after_patience():
    recipe = Recipe(schedule="plateau", plateau_factor=0.5, plateau_patience=1, learning_rate=0.1)
    optimizer = make_optimizer([torch.nn.Parameter(torch.zeros(1))], recipe)
    schedule = make_schedule(optimizer, recipe)
    rates = []
    for loss in (1.0, 0.9, 0.95, 0.95, 0.95, 0.95):
        end_of_epoch(schedule, loss)
        rates.append(learning_rate(optimizer))
    assert rates == [0.1, 0.1, 0.1, 0.05, 0.05, 0.025]


def test_constant_schedule_stays():
    optimizer = make_optimizer([torch.nn.Parameter(torch.zeros(1))], RECIPE)
    schedule = make_schedule(optimizer, RECIPE)
    optimizer.step()
    for _ in range(8):
        end_of_epoch(schedule, 1.0)
    assert learning_rate(optimizer) == RECIPE.learning_rate


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_gpu_gives_the_same_weights_twice(data, monkeypatch):
    monkeypatch.setenv("TENFOLD_DEVICE", "cuda")
    one, two = (trained(data, RECIPE)[0].model.cpu().state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
