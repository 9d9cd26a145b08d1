"""Training as a generator of events. Knows neither files nor processes.

Everything random in an epoch is drawn from streams of (seed, epoch), so a training that goes on
from the state at the end of an epoch repeats the undisturbed one bit by bit, and no generator's
state needs saving.

Longer than other modules so that all of it can be read in order: what a checkpoint holds, what an
epoch does, what a step does.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from core.augment import Strengths, apply, draw
from core.averaging import Average
from core.checkpoints import state_sha256
from core.coach import slower
from core.compiling import compiled
from core.config import Recipe
from core.datasets import ImageData, normalisation
from core.datasets.split import split_indices
from core.device import Compute
from core.errors import UserError
from core.evaluate import Normalise, by_class, logits, loss_and_accuracy, scale
from core.events import EpochEnd, Progress, Step
from core.gradients import GradientNorms
from core.models import MODELS
from core.optim import (
    end_of_epoch,
    end_of_step,
    learning_rate,
    load_schedule,
    make_optimizer,
    make_schedule,
)
from core.seeds import derive, generator, sources_of

CHUNK = 1024
"""Images that are gathered, augmented and normalised together: many small batches cost more."""

ADAPT_IMAGES = 2000
"""So many of the training images a network may compute a layer from."""

PROGRESS_SECONDS = 0.5


class Diverged(UserError):
    """The loss is no finite number any more; the message says at which step and what to try."""


@dataclass(frozen=True)
class TrainingData:
    """A data set on the training device, split by the run's seed; images uint8, labels int64."""

    train_images: Tensor
    train_labels: Tensor
    validation_images: Tensor
    validation_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    normalise: Normalise


@dataclass
class Learner:
    """A network and what changes it: all that a checkpoint has to hold."""

    model: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler
    average: Average | None = None
    epoch: int = 0  # epochs done
    step: int = 0  # steps done
    lowest_loss: float = math.inf  # on validation, and after which epoch
    best_epoch: int = 0
    best: dict[str, Tensor] | None = None  # the judged weights of that epoch, where they are to be kept
    compiled: Callable[[Tensor], Tensor] | None = None  # what the steps call in place of the network
    compile_seconds: float = 0.0  # of what was compiled since the last epoch
    last_sign: float = 0.0  # when it last told of its progress, on the monotonic clock

    @property
    def forward(self) -> Callable[[Tensor], Tensor]:
        """What a step calls."""
        return self.model if self.compiled is None else self.compiled

    @property
    def judged(self) -> nn.Module:
        """The network that validation and test images are shown: the averaged one where there is one."""
        return self.average.model if self.average else self.model

    def state_dict(self) -> dict[str, Any]:
        state = {name: getattr(self, name) for name in _PLAIN}
        parts = {name: getattr(self, name).state_dict() for name in ("model", "optimizer", "schedule")}
        average = self.average.model.state_dict() if self.average else None
        return {**parts, "average": average, **state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in ("model", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        load_schedule(self.schedule, state["schedule"])
        if self.average:
            self.average.model.load_state_dict(state["average"])
        for name in _PLAIN:
            setattr(self, name, state.get(name, getattr(self, name)))  # older checkpoints have fewer

    def digests(self) -> tuple[str, str]:
        """The SHA-256 of the weights and of the averaged ones, the latter empty where there are none."""
        averaged = state_sha256(self.average.model.state_dict()) if self.average else ""
        return state_sha256(self.model.state_dict()), averaged

    def chosen(self, recipe: Recipe) -> tuple[nn.Module, int]:
        """The network to keep, as the recipe says, and after which epoch it had these weights."""
        if recipe.keep == "best" and self.best is not None:
            self.judged.load_state_dict(self.best)
            return self.judged, self.best_epoch
        return self.judged, self.epoch

    def note(self, validation_loss: float, recipe: Recipe) -> None:
        """Remember the epoch if it is the best so far on validation."""
        if validation_loss < self.lowest_loss:
            self.lowest_loss, self.best_epoch = validation_loss, self.epoch
            if recipe.keep == "best":
                self.best = {name: value.clone() for name, value in self.judged.state_dict().items()}

    def done(self, recipe: Recipe) -> bool:
        """Whether the last epoch is over, or validation has not improved for as long as the recipe waits."""
        waited = self.epoch - self.best_epoch
        return self.epoch >= recipe.epochs or 0 < recipe.early_stop <= waited


_PLAIN = ("epoch", "step", "lowest_loss", "best_epoch", "best")


def prepare_data(data: ImageData, recipe: Recipe, seed: int, compute: Compute) -> TrainingData:
    """Split and move a data set to the device, once.

    Raises:
        UserError: fewer than two training images, or fewer than two classes.
    """
    if len(data.train) < 2 or len(data.classes) < 2:
        raise UserError("Training needs at least two classes and two training images: add images first.")
    train, validation = split_indices(
        len(data.train), recipe.validation_share, sources_of(recipe, seed).split
    )
    device = compute.device

    def tensor(array: np.ndarray) -> Tensor:
        return torch.tensor(array, device=device)

    return TrainingData(
        tensor(data.train.images[train]),
        tensor(data.train.labels[train]),
        tensor(data.train.images[validation]),
        tensor(data.train.labels[validation]),
        tensor(data.test.images),
        tensor(data.test.labels),
        Normalise(*normalisation(recipe.normalisation, data), device),
    )


def make_learner(recipe: Recipe, classes: int, seed: int, compute: Compute, images: int) -> Learner:
    """A network with the initial weights of this seed, and its optimiser.

    Args:
        images: how many it will be trained on an epoch; schedules that move with each step need it.
    """
    torch.manual_seed(derive(sources_of(recipe, seed).weights, "weights"))
    model = MODELS[recipe.model].build(recipe, classes)
    model = model.to(compute.device, memory_format=torch.channels_last)
    optimizer = make_optimizer(model, recipe)
    steps = recipe.epochs * steps_per_epoch(images, recipe.batch_size)
    average = Average(model, recipe.averaging) if recipe.averaging else None
    return Learner(model, optimizer, make_schedule(optimizer, recipe, steps), average)


def train(
    learner: Learner, data: TrainingData, recipe: Recipe, seed: int, compute: Compute
) -> Iterator[Step | Progress | EpochEnd]:
    """Train from the learner's epoch to the recipe's last, telling what happens.

    When an `EpochEnd` is yielded the learner holds exactly the state that it speaks of: the caller
    may save it before asking for the next event.

    Raises:
        Diverged: the training loss is not finite; noticed within one logging step.
        UserError: the network can't be compiled here.
    """
    if learner.step == 0:
        _adapt(learner, data)
    learner.last_sign = time.monotonic()  # across epochs: each of them may be shorter than the pause
    if recipe.compile and not learner.done(recipe):
        batches = _batch_of_each_size(data, recipe.batch_size)
        learner.compiled, learner.compile_seconds = compiled(
            learner.model, batches, learner.epoch + 1, compute
        )
    while not learner.done(recipe):
        yield from _train_epoch(learner, data, recipe, seed, compute)
        learner.compile_seconds = 0.0


def steps_per_epoch(images: int, batch_size: int) -> int:
    """The last batch may be smaller; no image is left out."""
    return math.ceil(images / batch_size)


def _batch_of_each_size(data: TrainingData, batch_size: int) -> list[Tensor]:
    """Normalised images, as many as a batch has, and as many as the last one where that is smaller."""
    n = len(data.train_labels)
    sizes = dict.fromkeys((min(batch_size, n), n % batch_size or min(batch_size, n)))
    return [data.normalise(scale(data.train_images[:size])) for size in sizes]


def _adapt(learner: Learner, data: TrainingData) -> None:
    """Let a network that computes a layer from training images do so."""
    if hasattr(learner.model, "adapt"):
        n = len(data.train_images)
        count = min(n, ADAPT_IMAGES)
        # Evenly spaced: the first images of a folder are all of its first class.
        rows = torch.arange(count, device=data.train_images.device) * n // count
        learner.model.adapt(data.normalise(scale(data.train_images[rows])))
        if learner.average:
            learner.average.model.load_state_dict(learner.model.state_dict())


def _train_epoch(
    learner: Learner, data: TrainingData, recipe: Recipe, seed: int, compute: Compute
) -> Iterator[Step | Progress | EpochEnd]:
    epoch = learner.epoch + 1
    torch.manual_seed(derive(sources_of(recipe, seed).augmentation, "dropout", epoch))
    begin = time.monotonic()
    logged, whole = _Sums(compute.device), _Sums(compute.device)
    gradients = GradientNorms(learner.model, steps_per_epoch(len(data.train_labels), recipe.batch_size))
    learner.model.train()
    if hasattr(learner.model, "begin_epoch"):
        learner.model.begin_epoch(epoch)
    used_rate, images_seen = 0.0, 0
    for images, labels in _batches(data, recipe, seed, epoch):
        used_rate = learning_rate(learner.optimizer)  # before the step, which moves the schedule on
        loss, hits = _step(learner, images, labels, recipe, compute, gradients)
        for sums in (logged, whole):
            sums.add(loss, hits, len(labels))
        images_seen += len(labels)
        now = time.monotonic()
        if learner.step % recipe.log_every == 0:
            yield Step(epoch, learner.step, *_finite(logged, recipe, learner.step))
            logged = _Sums(compute.device)
        if now - learner.last_sign > PROGRESS_SECONDS:
            yield Progress(epoch, learner.step, images_seen / (now - begin))
            learner.last_sign = now
    train_loss, train_accuracy = _finite(whole, recipe, learner.step)
    seconds = time.monotonic() - begin
    outputs = logits(learner.judged, data.validation_images, data.normalise, compute, recipe.flip_test)
    validation_loss, validation_accuracy = loss_and_accuracy(outputs, data.validation_labels)
    if not math.isfinite(validation_loss):
        raise _diverged(recipe, learner.step)
    end_of_epoch(learner.schedule, validation_loss)
    learner.epoch = epoch
    learner.note(validation_loss, recipe)
    recall, answers = by_class(outputs, data.validation_labels)
    yield EpochEnd(
        epoch,
        learner.step,
        train_loss,
        train_accuracy,
        validation_loss,
        validation_accuracy,
        used_rate,
        seconds,
        images_seen / seconds,
        recall=recall,
        answers=answers,
        gradients=gradients.read(),
        compile_seconds=learner.compile_seconds,
    )


def _step(
    learner: Learner,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    compute: Compute,
    gradients: GradientNorms,
) -> tuple[Tensor, Tensor]:
    """One update of the weights; gives mean loss and number of right answers, still on the device."""
    with compute.autocast():
        outputs = learner.forward(images).float()
        goal = functional.cross_entropy(outputs, labels, label_smoothing=recipe.label_smoothing)
    goal.backward()
    gradients.take()
    learner.optimizer.step()
    learner.optimizer.zero_grad(set_to_none=True)
    end_of_step(learner.schedule)
    learner.step += 1
    if learner.average:
        learner.average.update(learner.step)
    outputs = outputs.detach()
    # Without smoothing, so that the training loss can be held against validation's.
    loss = functional.cross_entropy(outputs, labels) if recipe.label_smoothing else goal.detach()
    return loss, (outputs.argmax(1) == labels).sum()


def _batches(data: TrainingData, recipe: Recipe, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The epoch's batches, augmented and normalised, in the order of (seed, epoch).

    Order and draws are moved to the device once: each copy to a GPU waits for the work before it.
    """
    n, size = len(data.train_labels), recipe.batch_size
    device = data.train_labels.device
    sources = sources_of(recipe, seed)
    order = torch.from_numpy(generator(sources.order, "order", epoch).permutation(n))
    strengths = strengths_of(recipe)
    draws = draw(strengths, n, recipe.image_size, generator(sources.augmentation, "augment", epoch))
    if recipe.flip and recipe.alternate_flip:
        # Of image k, not of place k.
        first = torch.from_numpy(generator(sources.augmentation, "flip").random(n) < 0.5)
        draws = dataclasses.replace(draws, flip=first[order] ^ (epoch % 2 == 0))
    order, draws = order.to(device), draws.to(device)
    chunk = size * max(1, CHUNK // size)
    for begin in range(0, n, chunk):
        rows = order[begin : begin + chunk]
        images = scale(data.train_images[rows])
        images = apply(images, draws[begin : begin + chunk], strengths)
        yield from zip(data.normalise(images).split(size), data.train_labels[rows].split(size), strict=True)


def strengths_of(recipe: Recipe) -> Strengths:
    """What the recipe's augmentation fields ask of `core.augment`."""
    return Strengths(
        recipe.flip,
        recipe.rotation,
        recipe.shift,
        recipe.brightness,
        recipe.contrast,
        recipe.saturation,
        recipe.hue,
        recipe.cutout,
    )


class _Sums:
    """Running loss and hits of images, kept on the device so that a step waits for nothing."""

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), dtype=torch.float32, device=device)
        self._hits = torch.zeros((), dtype=torch.int64, device=device)
        self._images = 0

    def add(self, loss: Tensor, hits: Tensor, images: int) -> None:
        self._loss += loss * images
        self._hits += hits
        self._images += images

    def read(self) -> tuple[float, float]:
        """Mean loss and accuracy; waits for the device."""
        return self._loss.item() / self._images, self._hits.item() / self._images


def _finite(sums: _Sums, recipe: Recipe, step: int) -> tuple[float, float]:
    loss, accuracy = sums.read()
    if not math.isfinite(loss):
        raise _diverged(recipe, step)
    return loss, accuracy


def _diverged(recipe: Recipe, step: int) -> Diverged:
    return Diverged(
        f"The training or validation loss became infinite or no number by step {step}: {slower(recipe)} "
        f"in place of {recipe.learning_rate:g}."
    )
