"""Training as a generator of events. Knows neither files nor processes.

Everything random in an epoch is drawn from streams of (seed, epoch), so a training that goes on
from the state at the end of an epoch repeats the undisturbed one bit by bit, and no generator's
state needs saving.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from core.augment import Strengths, apply, draw
from core.config import Recipe
from core.datasets import ImageData, normalisation
from core.datasets.split import split_indices
from core.device import Compute
from core.errors import UserError
from core.evaluate import Normalise, logits, loss_and_accuracy, scale
from core.events import EpochEnd, Progress, Step
from core.models import MODELS
from core.optim import end_of_epoch, learning_rate, make_optimizer, make_schedule
from core.seeds import derive, generator

CHUNK = 1024
"""Images that are gathered, augmented and normalised together: many small batches cost more."""

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
    epoch: int = 0  # epochs done
    step: int = 0  # steps done

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.epoch, self.step = state["epoch"], state["step"]


def prepare_data(data: ImageData, recipe: Recipe, seed: int, compute: Compute) -> TrainingData:
    """Split and move a data set to the device, once.

    Raises:
        UserError: fewer than two training images, or fewer than two classes.
    """
    if len(data.train) < 2 or len(data.classes) < 2:
        raise UserError("Training needs at least two classes and two training images: add images first.")
    train, validation = split_indices(len(data.train), recipe.validation_share, seed)
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


def make_learner(recipe: Recipe, classes: int, seed: int, compute: Compute) -> Learner:
    """A network with the initial weights of this seed, and its optimiser."""
    torch.manual_seed(derive(seed, "weights"))
    model = MODELS[recipe.model].build(recipe, classes)
    model = model.to(compute.device, memory_format=torch.channels_last)
    optimizer = make_optimizer(model.parameters(), recipe)
    return Learner(model, optimizer, make_schedule(optimizer, recipe))


def train(
    learner: Learner, data: TrainingData, recipe: Recipe, seed: int, compute: Compute
) -> Iterator[Step | Progress | EpochEnd]:
    """Train from the learner's epoch to the recipe's last, telling what happens.

    When an `EpochEnd` is yielded the learner holds exactly the state that it speaks of: the caller
    may save it before asking for the next event.

    Raises:
        Diverged: the training loss is not finite; noticed within one logging step.
    """
    while learner.epoch < recipe.epochs:
        yield from _train_epoch(learner, data, recipe, seed, compute)


def steps_per_epoch(images: int, batch_size: int) -> int:
    """The last batch may be smaller; no image is left out."""
    return math.ceil(images / batch_size)


def _train_epoch(
    learner: Learner, data: TrainingData, recipe: Recipe, seed: int, compute: Compute
) -> Iterator[Step | Progress | EpochEnd]:
    epoch = learner.epoch + 1
    torch.manual_seed(derive(seed, "dropout", epoch))
    begin = time.monotonic()
    logged, whole = _Sums(compute.device), _Sums(compute.device)
    learner.model.train()
    last_sign, images_seen = begin, 0
    for images, labels in _batches(data, recipe, seed, epoch):
        loss, hits = _step(learner, images, labels, compute)
        for sums in (logged, whole):
            sums.add(loss, hits, len(labels))
        images_seen += len(labels)
        now = time.monotonic()
        if learner.step % recipe.log_every == 0:
            yield Step(epoch, learner.step, *_finite(logged, recipe, learner.step))
            logged = _Sums(compute.device)
        if now - last_sign > PROGRESS_SECONDS:
            yield Progress(epoch, learner.step, images_seen / (now - begin))
            last_sign = now
    train_loss, train_accuracy = _finite(whole, recipe, learner.step)
    seconds = time.monotonic() - begin
    outputs = logits(learner.model, data.validation_images, data.normalise, compute)
    validation_loss, validation_accuracy = loss_and_accuracy(outputs, data.validation_labels)
    if not math.isfinite(validation_loss):
        raise _diverged(recipe, learner.step)
    used_rate = learning_rate(learner.optimizer)
    end_of_epoch(learner.schedule, validation_loss)
    learner.epoch = epoch
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
    )


def _step(learner: Learner, images: Tensor, labels: Tensor, compute: Compute) -> tuple[Tensor, Tensor]:
    """One update of the weights; gives mean loss and number of right answers, still on the device."""
    with compute.autocast():
        outputs = learner.model(images)
        loss = functional.cross_entropy(outputs.float(), labels)
    loss.backward()
    learner.optimizer.step()
    learner.optimizer.zero_grad(set_to_none=True)
    learner.step += 1
    return loss.detach(), (outputs.detach().argmax(1) == labels).sum()


def _batches(data: TrainingData, recipe: Recipe, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The epoch's batches, augmented and normalised, in the order of (seed, epoch)."""
    n, size = len(data.train_labels), recipe.batch_size
    device = data.train_labels.device
    order = torch.from_numpy(generator(seed, "order", epoch).permutation(n))
    strengths = strengths_of(recipe)
    draws = draw(strengths, n, recipe.image_size, generator(seed, "augment", epoch))
    chunk = size * max(1, CHUNK // size)
    for begin in range(0, n, chunk):
        rows = order[begin : begin + chunk].to(device)
        images = scale(data.train_images[rows])
        images = apply(images, draws[begin : begin + chunk].to(device), strengths)
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
        f"The loss became infinite at or before step {step}: try a learning rate of "
        f"{recipe.learning_rate / 10:g} in place of {recipe.learning_rate:g}."
    )
