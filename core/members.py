"""Trained networks asked together about images: what each says, what they say on average, how far they agree.

Images are shown to a network exactly as its run's test images were, so that the same ones get the same
logits, bit by bit, where machine and precision are the same. One of them alone gets its logits up to
rounding: some processors add up in another order when there are fewer. `core.classify` opens what can be asked.
"""

import threading
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from core.config import Recipe
from core.device import Compute, choose_compute, settle_arithmetic
from core.energy import Alarm, energy
from core.errors import UserError
from core.evaluate import BATCH_SIZE, Normalise, logits
from core.judge import softmax

ARITHMETIC = threading.RLock()
"""Held while a network computes: threads and algorithms are settings of the whole process."""


@dataclass(frozen=True, eq=False)
class Member:
    """One trained network in evaluation mode, and all that it takes to ask it.

    `mean` and `std` (channels, on the scale 0 to 1) normalise an image for it; `temperature` divides its
    logits for calibrated probabilities, None where nobody fitted it. `sha256` is that of the file of
    weights; `data_fingerprint` is empty where nobody knows what it learned from. `alarm` tells unusual
    images, where that could be found out.
    """

    name: str
    model: nn.Module
    recipe: Recipe
    classes: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray
    temperature: float | None
    seed: int | None
    sha256: str
    data_fingerprint: str
    alarm: Alarm | None

    @cached_property
    def compute(self) -> Compute:
        """On what it computes here."""
        return compute_here(self.recipe)

    @cached_property
    def normalise(self) -> Normalise:
        return Normalise(self.mean, self.std, self.compute.device)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """(n, classes) float32, not calibrated, for (n, 3, s, s) uint8.

        Raises:
            UserError: they are no finite numbers.
        """
        answers = [np.empty((0, len(self.classes)), np.float32)]
        for begin in range(0, len(images), BATCH_SIZE):
            batch = torch.tensor(images[begin : begin + BATCH_SIZE], device=self.compute.device)
            with ARITHMETIC:  # for one batch: between two of them somebody else gets an answer
                settle_arithmetic(self.recipe)
                answer = logits(self.model, batch, self.normalise, self.compute, self.recipe.flip_test)
            answers.append(answer.cpu().numpy())
        found = np.concatenate(answers)
        if not np.isfinite(found).all():
            raise UserError(f"{self.name} answers with numbers that are not finite: use other weights.")
        return found


@dataclass(frozen=True, eq=False)
class Answers:
    """What m networks say of n images.

    `probabilities` (m, n, classes) float32, calibrated by the temperature of each network, and `logits`
    of the same shape, as they came out. `mean` (n, classes) is that of the probabilities over networks
    and `spread` their standard deviation, 0 for one network. `agreement` (n,) is the share of networks
    whose answer is the class of the highest mean. `energy` (n,) is the mean over networks, `unusual` (n,)
    whether the alarm tells of it; nothing is, without one.
    """

    probabilities: np.ndarray
    logits: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    agreement: np.ndarray
    energy: np.ndarray
    unusual: np.ndarray


@dataclass(frozen=True, eq=False)
class Classifier:
    """One network or several of the same classes, asked together.

    `note` says in words on what they were trained and how well they do. `alarm` has the mean thresholds of
    all networks and the share of usual images that they are wrong about; None where nobody could measure it.
    `parts` names what was put together and how many members, in their order, belong to each; empty for one thing.
    """

    members: list[Member]
    title: str
    note: str
    alarm: Alarm | None
    parts: tuple[tuple[str, int], ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        return self.members[0].classes

    @property
    def image_size(self) -> int:
        return self.members[0].recipe.image_size

    @property
    def calibrated(self) -> bool:
        """Whether probabilities were fitted on images that the networks did not learn from."""
        return all(member.temperature is not None for member in self.members)

    def classify(self, images: np.ndarray) -> Answers:
        """Ask every network about (n, 3, s, s) uint8, s being `image_size`.

        Raises:
            UserError: a network answers with numbers that are not finite.
        """
        size = self.image_size
        if images.dtype != np.uint8 or images.shape[1:] != (3, size, size):
            raise ValueError(f"(n, 3, {size}, {size}) uint8 are expected, not {images.shape} {images.dtype}")
        found = np.stack([member.logits(images) for member in self.members])
        temperatures = [1.0 if one.temperature is None else one.temperature for one in self.members]
        probabilities = np.stack([softmax(one / t) for one, t in zip(found, temperatures, strict=True)])
        mean = probabilities.mean(axis=0)
        several = len(self.members) > 1
        spread = probabilities.std(axis=0, ddof=1) if several else np.zeros_like(mean)
        agreement = (probabilities.argmax(axis=2) == mean.argmax(axis=1)).mean(axis=0)
        energies = mean_energy(found)
        unusual = self.alarm.tells(energies) if self.alarm else np.zeros(len(energies), bool)
        return Answers(probabilities, found, mean, spread, agreement, energies, unusual)


def mean_energy(found: np.ndarray) -> np.ndarray:
    """(n,) energies, averaged over the first axis of (m, n, classes) logits."""
    return np.mean([energy(one) for one in found], axis=0)


def compute_here(recipe: Recipe) -> Compute:
    """As `choose_compute`; a network that was trained in TF32 computes in fp32 where there is none."""
    if recipe.precision == "tf32" and not torch.cuda.is_available():
        recipe = recipe.changed(["precision=fp32"])
    return choose_compute(recipe)
