"""The curves of a run as the coach reads them: what has lasted, what is on its way, what is no chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.config import Recipe, applying_fields
from core.events import EpochEnd, Step

LASTING = 3
"""So many epochs on end have to show the same: deep networks answer with one class at first, then another."""

STILL_LEARNING = 0.9
"""Training loss over that of the epoch before; below, whatever is odd about the answers is on its way out."""

SAMPLE_IMAGES = 300
"""Steps are averaged over so many images: the loss of one small batch may be anything."""

BEGINNING = 0.05
"""The share of all steps at whose loss nobody looks: it tells of the initial weights, not of the rate."""


@dataclass(frozen=True)
class Curves:
    """All losses are finite, and there is at least one epoch."""

    recipe: Recipe
    classes: Sequence[str]
    steps: Sequence[Step]
    epochs: Sequence[EpochEnd]
    validation_images: float

    @property
    def last(self) -> EpochEnd:
        return self.epochs[-1]

    @property
    def guessing(self) -> float:
        """The loss of an answer that knows nothing."""
        return math.log(len(self.classes))

    @property
    def losses(self) -> list[float]:
        """Training loss of each epoch."""
        return [epoch.train_loss for epoch in self.epochs]

    @property
    def still_learning(self) -> bool:
        return len(self.epochs) > 1 and self.losses[-1] < STILL_LEARNING * self.losses[-2]

    def warming(self, epoch: EpochEnd) -> bool:
        """Whether the rate was still on its way up in this epoch."""
        return (
            "warmup" in applying_fields(self.recipe)
            and epoch.epoch <= self.recipe.warmup * self.recipe.epochs
        )

    def lasting(self) -> Sequence[EpochEnd]:
        """The last epochs, if what they have in common says something; none otherwise."""
        recent = self.epochs[-LASTING:]
        meaningless = len(recent) < LASTING or self.warming(recent[0]) or self.still_learning
        return [] if meaningless or not all(epoch.answers for epoch in recent) else recent

    def worst(self) -> tuple[int, float]:
        """Step and training loss where it was highest, as a mean over enough images; not at the beginning."""
        ends = {epoch.epoch: epoch.step for epoch in self.epochs}
        beginning = BEGINNING * self.recipe.epochs * self.last.step / self.last.epoch
        worst, before, images, total = (0, 0.0), 0, 0, 0.0
        for step in self.steps:
            # A logged loss is a mean since the one before it, or since the epoch began.
            begin, before = max(before, ends.get(step.epoch - 1, 0)), step.step
            if begin >= beginning:
                images += (step.step - begin) * self.recipe.batch_size
                total += (step.step - begin) * self.recipe.batch_size * step.loss
            if images >= SAMPLE_IMAGES:
                worst = max(worst, (step.step, total / images), key=lambda found: found[1])
                images, total = 0, 0.0
        return worst
