import dataclasses
import hashlib
import io
import itertools
import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import core.train
from core.checkpoints import to_bytes
from core.config import Recipe
from core.datasets import ImageData, Split
from core.datasets.split import split_indices
from core.device import choose_compute, prepare_process
from core.errors import UserError
from core.evaluate import by_class, fit_temperature, logits, loss_and_accuracy
from core.events import EpochEnd, Progress, Step
from core.seeds import generator
from core.train import Diverged, make_learner, prepare_data, steps_per_epoch, train

RECIPE = Recipe(width=0.03125, epochs=2, batch_size=32, learning_rate=0.02, log_every=3)


TRAIN_IMAGES = 160  # of 200, after the split


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
    learner = make_learner(recipe, 10, seed, compute, TRAIN_IMAGES)
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
    recipe = dataclasses.replace(RECIPE, precision="fp32", epochs=1)
    compute = choose_compute(recipe)
    ours, _ = trained(data, recipe)
    theirs = make_learner(recipe, 10, 1, compute, TRAIN_IMAGES)
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


def test_first_layer_is_computed_from_images_of_all_classes(data, monkeypatch):
    """Folders come sorted by class."""
    monkeypatch.setattr(core.train, "ADAPT_IMAGES", 20)
    order = np.argsort(data.train.labels, kind="stable")
    sorted_by_class = dataclasses.replace(
        data, train=Split(data.train.images[order], data.train.labels[order])
    )
    recipe = dataclasses.replace(RECIPE, model="fast")
    compute = choose_compute(recipe)
    learner, prepared = (
        make_learner(recipe, 10, 1, compute, TRAIN_IMAGES),
        prepare_data(sorted_by_class, recipe, 1, compute),
    )
    shown = []
    monkeypatch.setattr(type(learner.model), "adapt", lambda self, images: shown.append(images))
    core.train._adapt(learner, prepared)
    every = prepared.normalise(prepared.train_images / 255)
    rows = [(every == image).flatten(1).all(1).nonzero()[0, 0].item() for image in shown[0]]
    assert rows == list(range(0, 160, 8))
    assert set(prepared.train_labels[rows].tolist()) == set(range(10))


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
    learner = make_learner(recipe, 10, 0, compute, TRAIN_IMAGES)
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


def test_averaged_weights_are_what_is_judged_and_kept(data):
    recipe = dataclasses.replace(RECIPE, averaging=0.9, precision="fp32", label_smoothing=0.1, nesterov=True)
    learner, events = trained(data, recipe)
    plain, _ = trained(data, dataclasses.replace(recipe, averaging=0.0))
    assert digest(learner) == digest(plain)  # the mean only watches
    prepared = prepare_data(data, recipe, 1, compute := choose_compute(recipe))
    means = logits(learner.average.model, prepared.validation_images, prepared.normalise, compute)
    assert events[-1].validation_loss == loss_and_accuracy(means, prepared.validation_labels)[0]
    assert learner.chosen(recipe) == (learner.average.model, 2)


def test_label_smoothing_does_not_show_in_the_loss_that_is_told(data):
    """The first step starts from the same weights: its loss is the same with and without."""
    recipe = dataclasses.replace(RECIPE, log_every=1, epochs=1, precision="fp32")
    plain, smooth = (
        trained(data, dataclasses.replace(recipe, label_smoothing=share))[1] for share in (0.0, 0.3)
    )
    assert plain[0].loss == smooth[0].loss and plain[-1].train_loss != smooth[-1].train_loss


@pytest.fixture(scope="module")
def overfitted(data):
    """Labels without rhyme or reason: whatever is learned of them makes validation worse."""
    draws = np.random.default_rng(1)
    labels = draws.integers(0, 10, len(data.train))
    unlearnable = dataclasses.replace(data, train=Split(data.train.images.copy(), labels))
    recipe = dataclasses.replace(RECIPE, width=0.125, optimizer="adam", epochs=14, learning_rate=0.002)
    return recipe, unlearnable, trained(unlearnable, recipe)


def test_best_epoch_is_kept_where_the_recipe_says_so(overfitted):
    recipe, data, (last, events) = overfitted
    epochs = [event for event in events if isinstance(event, EpochEnd)]
    best = min(epochs, key=lambda epoch: epoch.validation_loss)
    assert best.epoch < recipe.epochs, "the example does not overfit"
    keeping = dataclasses.replace(recipe, keep="best")
    learner, _ = trained(data, keeping)
    assert digest(learner) == digest(last)  # it watches only
    model, epoch = learner.chosen(keeping)
    assert epoch == best.epoch and last.chosen(recipe) == (last.model, 14)
    prepared = prepare_data(data, recipe, 1, compute := choose_compute(recipe))
    outputs = logits(model, prepared.validation_images, prepared.normalise, compute)
    assert loss_and_accuracy(outputs, prepared.validation_labels)[0] == best.validation_loss


def test_training_stops_early_when_validation_does_not_improve(overfitted):
    recipe, data, (_, events) = overfitted
    losses = [event.validation_loss for event in events if isinstance(event, EpochEnd)]
    stopping = dataclasses.replace(recipe, early_stop=2)
    learner, stopped = trained(data, stopping)
    waits = [epoch + 1 - (1 + int(np.argmin(losses[: epoch + 1]))) for epoch in range(len(losses))]
    expected = next(epoch + 1 for epoch, waited in enumerate(waits) if waited == 2)
    assert learner.epoch == expected < recipe.epochs
    assert without_times(stopped) == without_times(events)[: len(stopped)]
    again, more = trained(data, stopping, state=learner.state_dict())
    assert more == [] and again.epoch == expected  # a resume after the stop trains no further


def test_early_stop_counts_on_after_a_resume(overfitted):
    """Resumed in the middle of its wait, it stops where the undisturbed training does."""
    recipe, data, _ = overfitted
    stopping = dataclasses.replace(recipe, early_stop=2)
    whole, events = trained(data, stopping)
    half, _ = trained(data, stopping, stop_after=whole.epoch - 1)
    assert half.best_epoch == whole.epoch - 2, "one epoch of the wait was over"
    state = torch.load(io.BytesIO(to_bytes(half.state_dict())), weights_only=True)
    rest, more = trained(data, stopping, state=state)
    assert rest.epoch == whole.epoch and digest(rest) == digest(whole)
    last = [without_times([run[-1]]) for run in (events, more)]
    assert last[0] == last[1]


def test_plateau_counts_on_after_a_resume(overfitted):
    """The epochs that it has waited, and the rate that it has come down to, are in the checkpoint."""
    recipe, data, _ = overfitted
    recipe = dataclasses.replace(recipe, schedule="plateau", plateau_patience=2, plateau_factor=0.1)
    whole, events = trained(data, recipe)
    rates = {event.epoch: event.learning_rate for event in events if isinstance(event, EpochEnd)}
    first = next(epoch for epoch in rates if rates[epoch] < recipe.learning_rate)
    for stop_after in (first - 2, first):  # in the middle of the wait, and after a fall
        half, _ = trained(data, recipe, stop_after=stop_after)
        state = torch.load(io.BytesIO(to_bytes(half.state_dict())), weights_only=True)
        assert half.schedule.num_bad_epochs > 0 or stop_after == first
        rest, more = trained(data, recipe, state=state)
        assert digest(rest) == digest(whole)
        assert {e.epoch: e.learning_rate for e in more if isinstance(e, EpochEnd)}.items() <= rates.items()


def test_flip_alternates_between_epochs(data):
    recipe = dataclasses.replace(RECIPE, flip=True, alternate_flip=True, batch_size=200)
    prepared = prepare_data(data, recipe, 1, choose_compute(recipe))
    by_epoch = []
    for epoch in (1, 2, 3):
        (images, _), *more = core.train._batches(prepared, recipe, 1, epoch)
        assert not more
        order = generator(1, "order", epoch).permutation(TRAIN_IMAGES)
        back = torch.empty_like(images)
        back[torch.from_numpy(order)] = images
        by_epoch.append(back)
    first, second, third = by_epoch
    assert torch.equal(second, first.flip(-1)) and torch.equal(third, first)
    plain = prepared.normalise(prepared.train_images / 255)
    mirrored = (first != plain).flatten(1).any(1).float().mean()
    assert 0.35 < mirrored < 0.65


def test_both_sides_are_judged_alike(data):
    recipe = dataclasses.replace(RECIPE, precision="fp32")
    compute = choose_compute(recipe)
    learner = make_learner(recipe, 10, 0, compute, TRAIN_IMAGES)
    prepared = prepare_data(data, recipe, 0, compute)
    images = prepared.test_images
    one, other, plain = (
        logits(learner.model, shown, prepared.normalise, compute, both)
        for shown, both in ((images, True), (images.flip(-1), True), (images, False))
    )
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(one, plain, atol=1e-4)


def test_training_waits_for_the_device_only_where_it_logs(data):
    """Each read of a value from a GPU would stop the queue of work: two a logged step, few an epoch."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Reads(TorchDispatchMode):
        number = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            self.number += function is torch.ops.aten._local_scalar_dense.default
            return function(*args, **(kwargs or {}))

    def reads(batch_size: int) -> int:
        recipe = dataclasses.replace(
            RECIPE, model="improved", batch_size=batch_size, log_every=10_000, epochs=1, averaging=0.9
        )
        with Reads() as mode:
            trained(data, dataclasses.replace(recipe, schedule="linear", label_smoothing=0.1, flip=True))
        return mode.number

    assert reads(8) == reads(80) <= 12  # 20 steps or 2, it makes no difference


def test_epoch_moves_its_order_and_draws_to_the_device_once(data, monkeypatch):
    """Each such copy to a GPU waits for the work before it: none may happen for each batch."""
    real, copies = torch.Tensor.to, []

    def counting(self, *arguments, **more):
        copies.append(arguments)
        return real(self, *arguments, **more)

    def copied(batch_size: int) -> int:
        recipe = dataclasses.replace(
            RECIPE, batch_size=batch_size, flip=True, alternate_flip=True, rotation=10, hue=0.1, cutout=4
        )
        prepared = prepare_data(data, recipe, 1, choose_compute(recipe))
        copies.clear()
        monkeypatch.setattr(torch.Tensor, "to", counting)
        list(core.train._batches(prepared, recipe, 1, 1))
        monkeypatch.setattr(torch.Tensor, "to", real)
        return len([arguments for arguments in copies if isinstance(arguments[0], torch.device)])

    monkeypatch.setattr(core.train, "CHUNK", 1)
    assert copied(8) == copied(80) > 0


@pytest.mark.parametrize("schedule", ["linear", "one-cycle"])
def test_epochs_tell_the_rate_that_their_last_step_used(data, schedule):
    recipe = dataclasses.replace(RECIPE, schedule=schedule, warmup=0.25)
    learner = make_learner(recipe, 10, 1, choose_compute(recipe), TRAIN_IMAGES)
    rates = learner.schedule.lr_lambdas[0]
    _, events = trained(data, recipe)
    told = [event.learning_rate for event in events if isinstance(event, EpochEnd)]
    whole = 1.0 if schedule == "one-cycle" else recipe.learning_rate
    assert told == [pytest.approx(whole * rates(step)) for step in (4, 9)]
    assert told[-1] > 0


def test_progress_is_told_across_short_epochs(data, monkeypatch):
    """On a clock that each look moves on by a second: an epoch of five steps has seven looks."""
    monkeypatch.setattr(core.train, "PROGRESS_SECONDS", 9.0)
    monkeypatch.setattr(core.train, "time", SimpleNamespace(monotonic=itertools.count().__next__))
    recipe = dataclasses.replace(RECIPE, epochs=6)
    compute = choose_compute(recipe)
    learner = make_learner(recipe, 10, 1, compute, TRAIN_IMAGES)
    events = train(learner, prepare_data(data, recipe, 1, compute), recipe, 1, compute)
    assert sum(isinstance(event, Progress) for event in events) >= 3


def test_epochs_tell_of_each_class_and_layer(data):
    _, events = trained(data, RECIPE)
    epoch = events[-1]
    assert len(epoch.recall) == len(epoch.answers) == 10
    assert sum(epoch.answers) == pytest.approx(1, abs=1e-4)
    assert [*epoch.gradients] == [
        "features.conv1",
        "features.conv2",
        "features.conv3",
        "features.conv4",
        "fc1",
    ]
    assert all(norm > 0 for norm in epoch.gradients.values())


def test_recall_and_answers_of_a_hand_worked_example():
    outputs = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 1.0, 0], [0, 1.0, 0]])
    recall, answers = by_class(outputs, torch.tensor([0, 0, 1, 1]))
    assert recall == [0.5, 1.0, None]
    assert answers == [0.25, 0.75, 0.0]


@pytest.mark.parametrize("model", ["residual", "fast"])
def test_every_network_resumes_bit_by_bit(data, model):
    """With all that a checkpoint has to hold: averages, schedules within epochs, a layer computed from images."""
    recipe = dataclasses.replace(
        RECIPE,
        model=model,
        width=0.125,
        depth=8,
        epochs=4,
        schedule="one-cycle" if model == "residual" else "linear",
        averaging=0.9,
        keep="best",
        flip=True,
        alternate_flip=True,
        flip_test=True,
        learning_rate=0.05,
    )
    whole, _ = trained(data, recipe)
    half, _ = trained(data, recipe, stop_after=3)
    state = torch.load(io.BytesIO(to_bytes(half.state_dict())), weights_only=True)
    rest, _ = trained(data, recipe, state=state)
    for one, other in zip(_judged(whole, recipe), _judged(rest, recipe), strict=True):
        assert torch.equal(one, other)


def _judged(learner, recipe):
    return [*learner.model.state_dict().values(), *learner.chosen(recipe)[0].state_dict().values()]


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_compiled_network_learns_the_same(data):
    recipe = dataclasses.replace(RECIPE, model="improved", precision="fp32", epochs=1, dropout=0.0)
    _, plain = trained(data, recipe)
    _, compiled = trained(data, dataclasses.replace(recipe, compile=True))
    assert compiled[-1].compile_seconds > 0 == plain[-1].compile_seconds
    assert compiled[-1].train_loss == pytest.approx(plain[-1].train_loss, rel=1e-3)


def test_compiled_training_resumes_bit_by_bit_and_with_the_same_code(data, monkeypatch):
    """With a smaller last batch, and a first layer that stops learning at the epoch it goes on with.

    What is translated is written down instead, shapes that are left open as "s": that takes seconds.
    """
    real, shapes = torch.compile, []

    def write_down(graph, inputs):
        sizes = [value.shape for value in inputs if torch.is_tensor(value) and value.shape[1:] == (3, 32, 32)]
        shapes.append(str(*(size[0] for size in sizes)))
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda model, **more: real(model, backend=write_down, **more))
    recipe = dataclasses.replace(RECIPE, model="fast", compile=True, batch_size=100, epochs=4)
    whole, _ = trained(data, recipe)
    assert shapes == ["100", "60", "100", "60"]
    half, _ = trained(data, recipe, stop_after=3)
    shapes.clear()
    rest, _ = trained(data, recipe, state=half.state_dict())
    assert shapes == ["100", "60"]
    assert digest(whole) == digest(rest)


@pytest.mark.parametrize(
    ("message", "ending"),
    [
        ("No working C++ compiler found", "switch Compile off, or install a C++ compiler such as g++."),
        ("torch.compiler does not know this", "switch Compile off."),
    ],
)
def test_network_that_cannot_be_compiled_is_a_sentence(data, monkeypatch, message, ending):
    def fail(model, dynamic):
        def forward(images):
            raise torch._dynamo.exc.TorchDynamoException(message)

        return forward

    monkeypatch.setattr(torch, "compile", fail)
    with pytest.raises(UserError) as error:
        trained(data, dataclasses.replace(RECIPE, compile=True))
    assert str(error.value).endswith(ending)


def test_fault_that_is_not_the_compilers_keeps_its_name(data, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        trained(data, dataclasses.replace(RECIPE, compile=True))


def test_compiled_network_is_tried_with_every_size_of_batch(data):
    recipe = dataclasses.replace(RECIPE, batch_size=100)
    prepared = prepare_data(data, recipe, 1, choose_compute(recipe))
    for batch_size, sizes in ((100, [100, 60]), (32, [32]), (500, [160])):
        assert [len(images) for images in core.train._batch_of_each_size(prepared, batch_size)] == sizes


def test_tf32_is_refused_where_there_is_none():
    with pytest.raises(UserError, match="NVIDIA"):
        choose_compute(Recipe(precision="tf32"))


@pytest.mark.parametrize("switch", [True, False])
def test_determinism_is_a_switch(switch):
    prepare_process(Recipe(deterministic=switch))
    assert torch.are_deterministic_algorithms_enabled() is switch
    prepare_process(Recipe())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_gpu_gives_the_same_weights_twice(data, monkeypatch):
    monkeypatch.setenv("TENFOLD_DEVICE", "cuda")
    one, two = (trained(data, RECIPE)[0].model.cpu().state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


ALL_HELD = {"vary_weights": False, "vary_order": False, "vary_augmentation": False, "vary_split": False}


def chances(data, recipe, seed) -> dict[str, object]:
    """What each source of chance decided in a run: weights before the first step, images aside, first batch."""
    compute = choose_compute(recipe)
    prepared = prepare_data(data, recipe, seed, compute)
    learner = make_learner(recipe, 10, seed, compute, TRAIN_IMAGES)
    images, labels = next(core.train._batches(prepared, recipe, seed, 1))
    return {
        "vary_weights": digest(learner),
        "vary_split": prepared.validation_images.numpy().tobytes(),
        "vary_order": labels.numpy().tobytes(),
        "vary_augmentation": images.numpy().tobytes(),
    }


@pytest.mark.parametrize("source", ALL_HELD)
def test_one_source_of_chance_alone_follows_the_seed(data, source):
    recipe = dataclasses.replace(RECIPE, flip=True, shift=4, **{**ALL_HELD, source: True})
    one, other = chances(data, recipe, 1), chances(data, recipe, 2)
    differs = {name for name in ALL_HELD if one[name] != other[name]}
    # Other images or another order give other batches, too.
    carried = {"vary_order": {"vary_augmentation"}, "vary_split": {"vary_augmentation", "vary_order"}}
    assert differs - carried.get(source, set()) == {source}
    assert chances(data, recipe, 1) == one


def test_seeds_of_a_recipe_that_holds_all_chance_fixed_train_the_same_weights(data):
    recipe = dataclasses.replace(RECIPE, flip=True, model="improved", epochs=1, **ALL_HELD)
    assert digest(trained(data, recipe, seed=1)[0]) == digest(trained(data, recipe, seed=2)[0])


def test_dropout_alone_makes_seeds_differ_where_only_augmentation_varies(data):
    recipe = dataclasses.replace(
        RECIPE, model="improved", epochs=1, **{**ALL_HELD, "vary_augmentation": True}
    )
    assert digest(trained(data, recipe, seed=1)[0]) != digest(trained(data, recipe, seed=2)[0])
