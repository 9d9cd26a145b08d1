"""What the curves of a run say about its recipe: one sentence with its evidence, or nothing.

Rules of thumb, in order of urgency; each speaks only where the figures that it names bear it out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.config import Recipe
from core.events import EpochEnd, Step

COLLAPSED = 0.9
"""One class gets this share of all answers, and the others' images are hardly ever recognised."""

ABOVE_GUESSING = 1.1
"""A loss this many times that of guessing: chance does not explain it, steps that are too long do."""

NEAR_GUESSING = 0.95
HARDLY_LEARNED = 0.6
"""Shares of the loss of guessing, ln(classes): nothing learned yet, and little learned yet."""

DEEP = 32
"""From so many layers on a network without skip connections may not learn at any rate."""

RISE = 1.05
"""Validation loss over its lowest value; less than 5 % more is within its noise on 1,000 images."""


@dataclass(frozen=True)
class Advice:
    """`kind` is "diverging", "collapse", "too_high", "dead_class", "overfitting" or "too_low"."""

    kind: str
    sentence: str


def advise(
    recipe: Recipe, classes: Sequence[str], steps: Sequence[Step], epochs: Sequence[EpochEnd]
) -> Advice | None:
    """The most urgent thing that the curves so far say, in one sentence; None if they look well.

    Args:
        classes: names, in the order of `EpochEnd.recall`.
        steps: logged so far; epochs: finished so far. Nothing is said before the first of these.
    """
    if not epochs or len(classes) < 2:
        return None
    for rule in (_diverging, _too_low, _collapse, _too_high, _dead_class, _overfitting):
        sentence = rule(recipe, classes, steps, epochs)
        if sentence:
            return Advice(rule.__name__.removeprefix("_"), sentence)
    return None


def slower(recipe: Recipe) -> str:
    """What to try where steps are far too long: a tenth of the rate."""
    return f"try a learning rate of {recipe.learning_rate / 10:g}"


def _diverging(
    recipe: Recipe, classes: Sequence[str], steps: Sequence[Step], epochs: Sequence[EpochEnd]
) -> str | None:
    lowest, last = min(epochs, key=lambda epoch: epoch.train_loss), epochs[-1]
    if last.train_loss > ABOVE_GUESSING * max(math.log(len(classes)), 2 * lowest.train_loss):
        return (
            f"The training is diverging: its loss rose from {lowest.train_loss:.2f} in epoch {lowest.epoch} to "
            f"{last.train_loss:.2f} in epoch {last.epoch}, more than guessing would cost "
            f"({math.log(len(classes)):.2f}); {slower(recipe)}."
        )
    return None


def _collapse(
    recipe: Recipe, classes: Sequence[str], steps: Sequence[Step], epochs: Sequence[EpochEnd]
) -> str | None:
    last = epochs[-1]
    if not last.answers or max(last.answers) < COLLAPSED:
        return None
    favourite = last.answers.index(max(last.answers))
    others = [share for index, share in enumerate(last.recall) if index != favourite and share is not None]
    if not others or sum(others) / len(others) > 1 - COLLAPSED:
        return None  # most images may well be of this class
    return (
        f"The network has collapsed to one class: in epoch {last.epoch} it called {last.answers[favourite]:.0%} of "
        f"the validation images “{classes[favourite]}”; {slower(recipe)}, or "
        "more epochs if it is low already."
    )


def _too_high(
    recipe: Recipe, classes: Sequence[str], steps: Sequence[Step], epochs: Sequence[EpochEnd]
) -> str | None:
    guessing = math.log(len(classes))
    worst = max(steps, key=lambda step: step.loss, default=None)
    advice = f"try {recipe.learning_rate / 3:.2g} in place of {recipe.learning_rate:g}"
    if worst and worst.loss > ABOVE_GUESSING * guessing and epochs[-1].train_loss > HARDLY_LEARNED * guessing:
        return (
            f"The learning rate looks too high: around step {worst.step:,} the training loss was {worst.loss:.2f}, "
            f"more than guessing would cost ({guessing:.2f}), and it is {epochs[-1].train_loss:.2f} now; {advice}."
        )
    losses = [epoch.train_loss for epoch in epochs]
    rises = sum(later > earlier for earlier, later in pairwise(losses))
    if len(epochs) >= 4 and 3 * rises >= len(epochs) - 1 and losses[-1] > 0.1 * guessing:
        return (
            f"The learning rate looks too high: the training loss rose in {rises} of {len(epochs) - 1} epochs "
            f"instead of falling, and stands at {losses[-1]:.2f}; {advice}."
        )
    return None


def _dead_class(
    recipe: Recipe, classes: Sequence[str], steps: Sequence[Step], epochs: Sequence[EpochEnd]
) -> str | None:
    last = epochs[-1]
    dead = [
        name
        for name, share, recall in zip(classes, last.answers, last.recall, strict=False)
        if share == 0 and recall == 0
    ]
    if not dead or (last.epoch < 2 and recipe.epochs > 1):  # a first epoch may leave a class for later
        return None
    names = ", ".join(f"“{name}”" for name in dead[:3]) + (" and others" if len(dead) > 3 else "")
    return (
        f"A class is dead: after epoch {last.epoch} no validation image at all was called {names}, though there are "
        "such images; look at them on the Data page, train longer, or lower the learning rate."
    )


def _overfitting(
    recipe: Recipe, classes: Sequence[str], steps: Sequence[Step], epochs: Sequence[EpochEnd]
) -> str | None:
    best, last = min(epochs, key=lambda epoch: epoch.validation_loss), epochs[-1]
    risen = last.validation_loss > RISE * best.validation_loss
    if last.epoch < best.epoch + 2 or not risen or last.train_loss >= best.train_loss:
        return None
    return (
        f"Overfitting since epoch {best.epoch}: the validation loss rose from {best.validation_loss:.2f} to "
        f"{last.validation_loss:.2f} while the training loss fell from {best.train_loss:.2f} to "
        f"{last.train_loss:.2f}; try augmentation, dropout or weight decay, or keep the best epoch's weights."
    )


def _too_low(
    recipe: Recipe, classes: Sequence[str], steps: Sequence[Step], epochs: Sequence[EpochEnd]
) -> str | None:
    """Little is learned, and what is learned comes steadily, so longer steps would do no harm.

    Before the rules on classes: a network that has hardly learned anything favours a few of them.
    """
    guessing, losses = math.log(len(classes)), [epoch.train_loss for epoch in epochs]
    nothing = losses[-1] > NEAR_GUESSING * guessing
    early = epochs[-1].epoch < recipe.epochs / 2  # a beginning may be slow, if it is one at all
    if losses[-1] < HARDLY_LEARNED * guessing or (early and not (nothing and len(epochs) > 1)):
        return None
    if any(step.loss > ABOVE_GUESSING * guessing for step in steps):
        return None
    falls = [earlier - later for earlier, later in pairwise(losses)]
    steady = (
        all(fall > 0 for fall in falls) and falls[-1] >= sum(falls) / len(falls) / 2 if falls else nothing
    )
    if not steady:
        return None
    return (
        f"The learning rate looks too low: after {_epochs(epochs[-1].epoch)} the training loss is "
        f"{losses[-1]:.2f} where guessing costs {guessing:.2f}"
        + (f", and the last epoch took {falls[-1]:.2g} off it; " if falls else "; ")
        + f"try {recipe.learning_rate * 3:.2g} in place of {recipe.learning_rate:g}, or more epochs"
        + (
            ", or skip connections, without which deep networks hardly learn."
            if _deep_and_plain(recipe)
            else "."
        )
    )


def _deep_and_plain(recipe: Recipe) -> bool:
    return recipe.model == "residual" and not recipe.skip and recipe.depth >= DEEP


def _epochs(number: int) -> str:
    return "1 epoch" if number == 1 else f"{number} epochs"
