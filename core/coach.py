"""What the curves of a run say about its recipe: one sentence with its evidence, or nothing.

Rules of thumb, in order of urgency; each speaks only where the figures that it names bear it out. A false
alarm costs more than a late one: whoever stops a good run for it loses the run, and the trust in the next
alarm. So what a good training does on its way (a class that is left for later, a loss that jumps while the
rate still rises) has to last before it counts, and nothing counts while the training loss falls fast.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.config import KNOBS, Recipe, applying_fields
from core.curves import LASTING, Curves
from core.events import EpochEnd, Step

COLLAPSED = 0.9
"""One class gets this share of all answers, and the others' images are hardly ever recognised."""

IMAGES_A_CLASS = 10
"""Validation images; of fewer, a class that is merely hard may go without an answer by chance."""

ABOVE_GUESSING = 1.1
"""A loss this many times that of guessing: chance does not explain it, steps that are too long do."""

JUMP = 1.03
JUMPS, JUMP_EPOCHS = 2, 10
"""A training loss that rose by 3 %, at least twice in the last ten epochs; less is the noise of a small rate."""

TAKING_OFF = 0.97
"""Training loss over that of the epoch before; below, a network that has learned nothing yet has begun to."""

HARDLY_ANYTHING = 0.95
HARDLY_LEARNED = 0.85
NOT_YET_GOOD = 0.6
"""Shares of the loss of guessing, ln(classes)."""

DEEP = 32
"""From so many layers on a network without skip connections may not learn at any rate."""

RISE, RISE_NATS = 1.05, 0.02
"""Validation loss over its lowest value, and above it; less is within its noise on 1,000 images."""


@dataclass(frozen=True)
class Advice:
    """`kind` is "diverging", "too_low", "collapse", "too_high", "dead_class" or "overfitting".

    A deep network without skip connections that has not learned is "too_low" as well, though its
    sentence speaks of the connections: no rate would help it.
    """

    kind: str
    sentence: str


def advise(
    recipe: Recipe,
    classes: Sequence[str],
    steps: Sequence[Step],
    epochs: Sequence[EpochEnd],
    validation_images: int | None = None,
) -> Advice | None:
    """The most urgent thing that the curves so far say, in one sentence; None if they look well.

    Args:
        classes: names, in the order of `EpochEnd.recall`.
        steps: logged so far; epochs: finished so far. Nothing is said before the first of these.
        validation_images: how many there are; None where nobody knows, then they count as enough.
    """
    if not epochs or len(classes) < 2:
        return None
    last = epochs[-1]
    for name, loss in (("training", last.train_loss), ("validation", last.validation_loss)):
        if not math.isfinite(loss):
            evidence = f"the {name} loss of epoch {last.epoch} is infinite or no number at all"
            return Advice("diverging", f"The training has diverged: {evidence}; {slower(recipe)}.")
    steps = [step for step in steps if math.isfinite(step.loss)]
    epochs = [epoch for epoch in epochs if math.isfinite(epoch.train_loss + epoch.validation_loss)]
    images = math.inf if validation_images is None else validation_images
    curves = Curves(recipe, classes, steps, epochs, images)
    for rule in (_diverging, _too_low, _collapse, _too_high, _dead_class, _overfitting):
        sentence = rule(curves)
        if sentence:
            return Advice(rule.__name__.removeprefix("_"), sentence)
    return None


def slower(recipe: Recipe) -> str:
    """What to try where steps are far too long: a tenth of the rate."""
    return f"try a learning rate of {recipe.learning_rate / 10:g}"


def _diverging(curves: Curves) -> str | None:
    lowest, last = min(curves.epochs, key=lambda epoch: epoch.train_loss), curves.last
    if last.train_loss <= ABOVE_GUESSING * max(curves.guessing, 2 * lowest.train_loss):
        return None
    return (
        f"The training is diverging: its loss rose from {lowest.train_loss:.2f} in epoch {lowest.epoch} to "
        f"{last.train_loss:.2f} in epoch {last.epoch}, more than guessing would cost "
        f"({curves.guessing:.2f}); {slower(curves.recipe)}."
    )


def _collapse(curves: Curves) -> str | None:
    recent, last = curves.lasting(), curves.last
    if not recent:
        return None
    favourite = last.answers.index(max(last.answers))
    if any(epoch.answers[favourite] < COLLAPSED for epoch in recent):
        return None
    others = [share for index, share in enumerate(last.recall) if index != favourite and share is not None]
    if not others or sum(others) / len(others) > 1 - COLLAPSED:
        return None
    if last.validation_accuracy > COLLAPSED * last.answers[favourite]:
        return None  # most images are of this class
    cure = (
        f"without skip connections a network of {curves.recipe.depth} layers hardly learns: switch them on, or "
        "take fewer layers."
        if _deep_and_plain(curves.recipe)
        else f"{slower(curves.recipe)}, or more epochs if it is low already."
    )
    return (
        f"The network has collapsed to one class: for {LASTING} epochs, in epoch {last.epoch} for "
        f"{last.answers[favourite]:.0%} of the validation images, its answer has been "
        f"“{curves.classes[favourite]}”; {cure}"
    )


def _too_high(curves: Curves) -> str | None:
    last, losses = curves.last, curves.losses
    if len(losses) < 2 or curves.warming(last) or curves.still_learning:
        return None
    # The plateau schedule lowers the rate by itself: the recipe's was another one, long ago.
    recipe = curves.recipe
    rate = last.learning_rate if recipe.schedule == "plateau" else recipe.learning_rate
    advice = f"try {rate / 3:.2g} in place of {rate:.3g}"
    step, loss = curves.worst()
    if loss > ABOVE_GUESSING * curves.guessing and last.train_loss > NOT_YET_GOOD * curves.guessing:
        return (
            f"The learning rate looks too high: around step {step:,} the training loss was {loss:.2f}, "
            f"more than guessing would cost ({curves.guessing:.2f}), and it is {last.train_loss:.2f} now; {advice}."
        )
    if _restless(curves):
        return (
            f"The learning rate looks too high: in each of the last {LASTING} epochs the network gave nearly all "
            f"validation images the same class, and not always the same one, and its training loss of "
            f"{last.train_loss:.2f} is that of guessing; {advice}."
        )
    recent = losses[-JUMP_EPOCHS - 1 :]
    jumps = sum(later > JUMP * earlier for earlier, later in pairwise(recent))
    often = jumps >= JUMPS and 3 * jumps >= len(recent) - 1
    if often and last.train_loss > 0.1 * curves.guessing:
        return (
            f"The learning rate looks too high: in {jumps} of the last {len(recent) - 1} epochs the training loss "
            f"rose by more than {JUMP - 1:.0%} instead of falling, and it stands at {last.train_loss:.2f}; {advice}."
        )
    return None


def _restless(curves: Curves) -> bool:
    """One class for all images, another one soon after, nothing learned: each step throws the weights about.

    At a rate that is too low they hardly move, and the favourite stays.
    """
    recent = curves.lasting()
    stuck = all(epoch.train_loss > HARDLY_ANYTHING * curves.guessing for epoch in recent)
    favourites = {epoch.answers.index(max(epoch.answers)) for epoch in recent}
    return stuck and len(favourites) > 1 and all(max(epoch.answers) > COLLAPSED for epoch in recent)


def _dead_class(curves: Curves) -> str | None:
    recent = curves.lasting()
    if not recent or curves.validation_images < IMAGES_A_CLASS * len(curves.classes):
        return None
    dead = [
        name
        for index, name in enumerate(curves.classes)
        if all(epoch.answers[index] == 0 and epoch.recall[index] == 0 for epoch in recent)
    ]
    if not dead:
        return None
    names = ", ".join(f"“{name}”" for name in dead[:3]) + (" and others" if len(dead) > 3 else "")
    return (
        f"A class is dead: in the last {LASTING} epochs, up to epoch {curves.last.epoch}, no validation image at "
        f"all was called {names}, though there are such images; look at them on the Data page, train longer, or "
        "lower the learning rate."
    )


def _overfitting(curves: Curves) -> str | None:
    best, last = min(curves.epochs, key=lambda epoch: epoch.validation_loss), curves.last
    least = max(RISE * best.validation_loss, best.validation_loss + RISE_NATS)
    recent = curves.epochs[-LASTING:]
    if any(epoch.validation_loss <= least for epoch in recent) or last.train_loss >= best.train_loss:
        return None
    return (
        f"Overfitting since epoch {best.epoch}: the validation loss rose from {_nats(best.validation_loss)} to "
        f"{_nats(last.validation_loss)} while the training loss fell from {_nats(best.train_loss)} to "
        f"{_nats(last.train_loss)}; try {_against_overfitting(curves.recipe)}."
    )


def _nats(loss: float) -> str:
    """Small ones with a digit more, or a fall would show as none."""
    return f"{loss:.2f}" if loss >= 0.1 else f"{loss:.3f}"


def _against_overfitting(recipe: Recipe) -> str:
    """What this recipe leaves to try; a field that does nothing in it is not named."""
    augmented = any(
        getattr(recipe, name)
        for name, knob in KNOBS.items()
        if knob.group == "Augmentation" and name not in ("alternate_flip", "flip_test")
    )
    ideas = ["stronger augmentation" if augmented else "augmentation"]
    if "dropout" in applying_fields(recipe):
        ideas.append("more dropout" if recipe.dropout else "dropout")
    ideas.append("more weight decay" if recipe.weight_decay else "weight decay")
    words = " or ".join([", ".join(ideas[:-1]), ideas[-1]])
    return words + (", or keep the best epoch's weights" if recipe.keep != "best" else "")


def _too_low(curves: Curves) -> str | None:
    """Little is learned, and what is learned comes steadily, so longer steps would do no harm.

    Before the rules on classes: a network that has hardly learned anything favours a few of them.
    """
    recipe, last, losses, guessing = curves.recipe, curves.last, curves.losses, curves.guessing
    nothing = losses[-1] > HARDLY_ANYTHING * guessing
    if losses[-1] < HARDLY_LEARNED * guessing or curves.warming(last) or curves.still_learning:
        return None
    # A beginning may be slow, if it is one at all.
    begun = not nothing or len(losses) < LASTING or losses[-1] < TAKING_OFF * losses[-2]
    if begun and last.epoch < recipe.epochs / 2:
        return None
    stands = f"after {_epochs(last.epoch)} the training loss is {losses[-1]:.2f} where guessing costs {guessing:.2f}"
    if _deep_and_plain(recipe):
        return (
            f"Without skip connections a network of {recipe.depth} layers hardly learns: {stands}; switch them on, "
            "or take fewer layers."
        )
    falls = [earlier - later for earlier, later in pairwise(losses)]
    if falls and last.validation_loss >= curves.epochs[-2].validation_loss:
        return None
    steady = (
        all(fall > 0 for fall in falls) and falls[-1] >= sum(falls) / len(falls) / 2 if falls else nothing
    )
    if not steady or curves.worst()[1] > ABOVE_GUESSING * guessing:
        return None
    return (
        f"The learning rate looks too low: {stands}"
        + (f", and the last epoch took {falls[-1]:.2g} off it; " if falls else "; ")
        + f"try {recipe.learning_rate * 3:.2g} in place of {recipe.learning_rate:g}, or more epochs."
    )


def _deep_and_plain(recipe: Recipe) -> bool:
    return recipe.model == "residual" and not recipe.skip and recipe.depth >= DEEP


def _epochs(number: int) -> str:
    return "1 epoch" if number == 1 else f"{number} epochs"
