"""Guided experiments: a question, a guess, a few trainings, and what one's own runs answer.

Nothing is claimed beforehand: every answer that may come out has its own two sentences, and the runs choose
among them by a test over seeds on validation images. These are the same in all runs of an experiment
(`vary_split` is off), so that accuracies compare.

Each is sized for `shapes` on two cores. Seconds from the click to the last run's end, on two cores of a Xeon
with AMX that had other work to do besides, and mean validation accuracy of each arm in per cent:

    learning-rate   95   0.0005: 28.4   0.02: 87.4   0.5: 10.0
    improved       136   baseline 87.1   improved 94.1
    seeds           64   82.9 to 86.2 over eight seeds
    augmentation   210   as they are 89.5   augmented 93.7
    depth          179   plain 40.5   residual 91.3
    normalisation   68   computed 85.7   0.5 and 0.5 84.8   none 79.2
    gelu           111   ReLU 93.2   GELU 95.5

For `depth`, a learning rate of 0.1 and batches of 64 were tried first: plain networks of 44 layers then ended
anywhere from 27 to 69 %, which three seeds can't tell from the residual ones' 94 %. The preset's 0.2 and 128 can.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from core import stats
from core.config import Recipe
from core.presets import PRESETS

LEVEL = 0.05
"""Below this p, after Holm's correction for all pairs of arms, one arm counts as ahead of another."""


@dataclass(frozen=True)
class Arm:
    """One of the recipes that are compared, by a name of a few words."""

    name: str
    recipe: Recipe

    def on(self, dataset: str) -> Recipe:
        return replace(self.recipe, dataset=dataset)


@dataclass(frozen=True)
class Result:
    """What the runs of an arm gave: (n,) validation accuracies of the finished, and how many had none."""

    accuracies: np.ndarray
    lost: int = 0


@dataclass(frozen=True)
class Experiment:
    """A question that a person's own runs answer.

    `answers` are what one may guess; `because` has two sentences for each, `answer` tells from the results
    of the arms, in their order, which one it is.
    """

    name: str
    title: str
    question: str
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    answers: tuple[str, ...]
    because: tuple[str, ...]
    answer: Callable[[Sequence[Result]], int]
    look_at: str


def leader(results: Sequence[Result]) -> int:
    """Which arm is ahead of every other one over seeds; the number of arms where none is.

    Welch's test of each pair, Holm's correction for all of them. An arm whose runs were mostly lost (their
    loss became infinite) is behind every other that was not.
    """
    running = [place for place, one in enumerate(results) if one.lost < len(one.accuracies)]
    if len(running) == 1:
        return running[0]
    if not running or any(len(results[place].accuracies) < 2 for place in running):
        return len(results)
    pairs = list(combinations(running, 2))
    ps = stats.holm(
        np.array([stats.welch_p(*(results[place].accuracies for place in pair)) for pair in pairs])
    )
    first = max(running, key=lambda place: float(results[place].accuracies.mean()))
    clear = all(p < LEVEL for pair, p in zip(pairs, ps, strict=True) if first in pair)
    return first if clear else len(results)


SPREADS = (0.01, 0.03, 0.06)
"""Where the answers about luck part, fractions."""


def spread(results: Sequence[Result]) -> int:
    """How far the best and the worst seed of the first arm lie apart, as a place among `SPREADS`."""
    values = results[0].accuracies
    return int(np.searchsorted(SPREADS, np.ptp(values))) if len(values) else 0


_BASELINE = Recipe(width=0.0625, learning_rate=0.02, log_every=25, vary_split=False)
_IMPROVED = replace(
    PRESETS["report-improved"].recipe,
    dataset="shapes",
    width=0.0625,
    learning_rate=0.002,
    schedule="constant",
    log_every=25,
    vary_split=False,
)
_RESIDUAL = replace(
    PRESETS["residual"].recipe,
    dataset="shapes",
    width=0.25,
    depth=44,
    epochs=5,
    log_every=10,
    vary_split=False,
)
_FEW = replace(_BASELINE, epochs=20, optimizer="adam", learning_rate=0.002, validation_share=0.5)
_NO_DIFFERENCE = "No clear difference"

EXPERIMENTS = (
    Experiment(
        "learning-rate",
        "Learning rate: too low, too high",
        "Three trainings that differ in one number, how far each step moves the weights. Which ends best?",
        tuple(
            Arm(f"learning rate {rate:g}", replace(_BASELINE, epochs=6, learning_rate=rate))
            for rate in (0.0005, 0.02, 0.5)
        ),
        (0, 1, 2),
        ("0.0005, the careful one", "0.02, the middle one", "0.5, the bold one", _NO_DIFFERENCE),
        (
            "In your runs small steps were enough: each moved the weights a little, and that sufficed. With more "
            "epochs the middle rate usually gets further still.",
            "Too small a step leaves the network on its way when the epochs are over; too large a step throws it back "
            "each time, until it answers as if it guessed. Between them lies a rate that learns quickly and still "
            "settles, and it is the first thing to look for in any new training.",
            "In your runs the boldest steps paid off, which is rare: at such rates the loss usually jumps or becomes "
            "infinite. Repeat it with other seeds before you trust it.",
            "Your seeds do not tell these rates apart. Usually the smallest one is still learning when the epochs are "
            "over, and the largest one guesses.",
        ),
        leader,
        "The loss: one curve still falls at the end, one falls and settles, one never comes down.",
    ),
    Experiment(
        "improved",
        "Baseline against improved",
        "The report adds batch normalisation, a hidden layer with dropout, augmentation and Adam to its baseline. "
        "With the same number of epochs, is that better?",
        (
            Arm("baseline", replace(_BASELINE, epochs=10, learning_rate=0.003)),
            Arm("improved", replace(_IMPROVED, epochs=10)),
        ),
        (0, 1, 2, 3),
        ("The baseline", "The improved network", _NO_DIFFERENCE),
        (
            "In your runs the baseline won: so many additions need more epochs before they pay off. The report gave its "
            "improved network 60 epochs in place of 4.",
            "The improved network won, as in the report. Which of its additions did it, this can't say, since they came "
            "together: the ablation ladder on the Seeds page adds one at a time.",
            "Your seeds do not tell the two apart. That isn't proof that they are equal: more seeds, or more epochs for "
            "the improved one, may show a difference.",
        ),
        leader,
        "Training (dashed on the Train page) against validation: the improved network is judged without its "
        "augmentation and dropout, so its validation can lie above its training.",
    ),
    Experiment(
        "seeds",
        "Is it the seed?",
        "Eight trainings of the very same recipe; only chance differs: the initial weights and the order of the images. "
        "How far apart will the best and the worst of them end?",
        (Arm("the same recipe", replace(_BASELINE, epochs=4)),),
        tuple(range(8)),
        ("Less than 1 point", "1 to 3 points", "3 to 6 points", "More than 6 points"),
        (
            "Less than a point: this recipe hardly cares about its seed on these images. Whoever reports one run of it "
            "reports nearly the same as whoever reports the best of eight.",
            "A few points by chance alone: nothing about the recipe changed. A new idea that gains as much in a single "
            "run may have gained nothing, so compare several seeds of both.",
            "Several points by chance alone: nothing about the recipe changed. Had these been two different recipes "
            "with one run each, you might have called one of them better, and been wrong.",
            "More than six points by chance alone: some seeds did not get going in so few epochs. A single run of such "
            "a recipe says next to nothing; more epochs or a lower learning rate bring seeds together.",
        ),
        spread,
        "The band of the curves: where in the training do the seeds lie furthest apart, and do they come together?",
    ),
    Experiment(
        "augmentation",
        "What augmentation buys",
        "Each training image is flipped, turned and moved a little by chance, so that no epoch sees the same images "
        "again. Only half of the images are learned from here (2,500 of shapes), and for long. Does it help?",
        (
            Arm("as they are", _FEW),
            Arm("augmented", replace(_FEW, flip=True, rotation=15, shift=3)),
        ),
        (0, 1, 2, 3),
        ("Without is better", "With is better", _NO_DIFFERENCE),
        (
            "In your runs augmentation cost accuracy: the changed images are harder, and so few epochs did not repay it. "
            "It pays where a network would otherwise learn its images by heart, so try more epochs.",
            "Augmentation won: the network could not learn its images by heart, since it never saw the same one twice. "
            "Its training accuracy is lower and its validation accuracy higher, and validation is what counts.",
            "Your seeds do not tell the two apart: what the changed images taught, their difficulty cost. Augmentation "
            "pays where a network learns its images by heart, so try more epochs or a wider network.",
        ),
        leader,
        "The gap between training and validation of one run of each (open them on the Runs page): augmentation closes it.",
    ),
    Experiment(
        "depth",
        "Deep: plain against residual",
        "Two networks of 44 layers with the same weights to learn. In one, each block adds its input to its output (a "
        "skip connection). Which learns better?",
        (
            Arm("plain", replace(_RESIDUAL, skip=False)),
            Arm("residual", _RESIDUAL),
        ),
        (0, 1, 2),
        ("The plain one", "The residual one", _NO_DIFFERENCE),
        (
            "In your runs the plain network won, against what is usual at this depth. Repeat it with more seeds, or with "
            "more layers: the deeper, the harder plain networks train.",
            "The residual network won: through the skips, gradients reach the early layers undiminished. The plain network "
            "could represent the same answers, but it does not find them: it is harder to train, not too small.",
            "Your seeds do not tell the two apart. In plain networks of this depth some seeds learn and others "
            "only guess, so look at each seed by itself.",
        ),
        leader,
        "The size of the gradients, layer by layer (Runs page, tab Gradients): lay a plain and a residual run over each other.",
    ),
    Experiment(
        "normalisation",
        "Normalisation: computed, 0.5 or none",
        "The report subtracts the data set's own mean and divides by its deviation; an earlier variant used 0.5 for "
        "both, and one can leave the values as they are. Does it matter?",
        tuple(
            Arm(name, replace(_BASELINE, epochs=5, normalisation=kind))
            for name, kind in (("computed", "dataset"), ("0.5 and 0.5", "half"), ("none", "none"))
        ),
        (0, 1, 2, 3),
        ("Computed is best", "0.5 is best", "None is best", _NO_DIFFERENCE),
        (
            "The computed figures won: with mean 0 and deviation 1 the first layer starts where its gradients are "
            "largest. The others lose time, and with more epochs usually catch up.",
            "0.5 and 0.5 won in your runs. It brings the values near 0 as well, and on these images that did as much as "
            "computing the figures, or more.",
            "Values as they are won in your runs. They lie between 0 and 1 there, so that the first steps are smaller: "
            "at this learning rate that happened to help.",
            "Your seeds do not tell the best two apart. If “none” lies behind them, that is because its values "
            "do not lie around 0; by which figures exactly they are brought there counts less.",
        ),
        leader,
        "The first two epochs: if normalisation matters, it does so at the start.",
    ),
    Experiment(
        "gelu",
        "Does GELU help?",
        "The report tried GELU, a smoother bend, in place of ReLU after each convolution, and says that it did not help. "
        "Do your runs agree?",
        (
            Arm("ReLU", replace(_IMPROVED, epochs=8)),
            Arm("GELU", replace(_IMPROVED, epochs=8, activation="gelu")),
        ),
        (0, 1, 2, 3),
        ("ReLU is better", "GELU is better", _NO_DIFFERENCE),
        (
            "In your runs ReLU was ahead, so GELU did not help, as the report says. On other images and with longer "
            "trainings that may change.",
            "In your runs GELU was ahead, against what the report says of CIFAR-10. Other images, another length and "
            "width: one experiment does not contradict another that asked something else.",
            "Your seeds do not tell the two apart, which fits the report's “did not help”. With so few seeds a "
            "small gain would stay hidden: the Seeds page says how many it would take.",
        ),
        leader,
        "How far the dots of the two overlap: a gain smaller than their spread can't be seen with so few seeds.",
    ),
)
