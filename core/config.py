"""A recipe: everything that defines a training except the seed.

A hyperparameter is one field of `Recipe`. Its `Knob` says what it means and what it may be; the
form, the command line, the check of a file and the table of runs all read it from there.

Longer than other modules, as it is mostly the list of these fields, which nobody should have to look for
in two places.
"""

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.datasets import DATASETS
from core.errors import UserError
from core.knobs import Knob, checked, log_ticks, parsed
from core.models import MODELS

TRAINING_VERSION = 1
"""Raised with each change of the code that makes the same recipe and seed give other weights.

A change that touches one network alone raises its `ModelSpec.training_version` instead.
"""


def _knob(default: Any, label: str, help: str, group: str, **more: Any) -> Any:
    return field(default=default, metadata={"knob": Knob(label, help, group, **more)})


def _has(name: str) -> Callable[[Any], bool]:
    return lambda recipe: name in MODELS[recipe.model].fields


AUGMENTING = ("flip", "rotation", "shift", "brightness", "contrast", "saturation", "hue", "cutout")
"""Fields by which chance changes the training images."""


def _augments(recipe: Any) -> bool:
    return any(getattr(recipe, name) for name in AUGMENTING)


@dataclass(frozen=True)
class Recipe:
    """One way to train a classifier; immutable, checked when it is made.

    Raises:
        UserError: a value of the wrong type, out of its bounds, or two that don't go together.
    """

    # Data
    dataset: str = _knob("shapes", "Data set", "The images to learn from.", "Data", main=True)
    image_size: int = _knob(
        32,
        "Image size",
        "Images of a folder are cropped to a square and resized to this many pixels a side.",
        "Data",
        low=24,
        high=96,
        step=8,
        unit="px",
        applies=lambda r: r.dataset.startswith("folder:"),
    )
    normalisation: str = _knob(
        "dataset",
        "Normalisation",
        "What is subtracted from each channel and what it is divided by: the data set's own mean and "
        "standard deviation, 0.5 and 0.5, or nothing (values stay between 0 and 1).",
        "Data",
        choices=("dataset", "half", "none"),
    )
    validation_share: float = _knob(
        0.2,
        "Validation share",
        "The part of the training images that is set aside at random, to judge with while training.",
        "Data",
        low=0.05,
        high=0.5,
        step=0.05,
    )

    # Model
    model: str = _knob(
        "baseline", "Model", "The network to train.", "Model", choices=tuple(MODELS), main=True
    )
    width: float = _knob(
        0.125,
        "Width",
        "Multiplies the number of channels of every convolution: 1 is the network as it was published, "
        "0.125 trains the report's on a laptop. Half the width is about a quarter of the work.",
        "Model",
        low=0.03125,
        high=2,
        ticks=(0.03125, 0.0625, 0.125, 0.25, 0.5, 1.0, 2.0),
        unit="×",
        main=True,
    )
    activation: str = _knob(
        "relu",
        "Activation",
        "The non-linear function after each convolution. The report tried GELU in place of ReLU and "
        "saw no gain.",
        "Model",
        choices=("relu", "gelu"),
    )
    dropout: float = _knob(
        0.5,
        "Dropout",
        "The share of features before the last layer that is switched off at random in each training step.",
        "Model",
        low=0,
        high=0.9,
        step=0.05,
        applies=_has("dropout"),
    )
    batch_norm: bool = _knob(
        True,
        "Batch normalisation",
        "After the first and the fourth convolution, each channel is brought to mean 0 and deviation 1 over "
        "the images of a step.",
        "Model",
        applies=_has("batch_norm"),
        later=True,
    )
    hidden: bool = _knob(
        True,
        "Hidden layer",
        "A layer of 512 features, times the width, between the convolutions and the answer. Without it and "
        "without batch normalisation and dropout, the improved network is the baseline.",
        "Model",
        applies=_has("hidden"),
        later=True,
    )
    depth: int = _knob(
        20,
        "Depth",
        "How many layers with weights the network has: 2 and a multiple of 6.",
        "Model",
        low=8,
        high=110,
        ticks=(8, 14, 20, 26, 32, 44, 56, 80, 110),
        unit="layers",
        applies=_has("depth"),
        main=True,
        later=True,
    )
    skip: bool = _knob(
        True,
        "Skip connections",
        "Each block adds its input to its output, so that gradients reach early layers. Switched off, the "
        "plain network of the same depth and weights is left.",
        "Model",
        applies=_has("skip"),
        main=True,
        later=True,
    )

    # Learning
    epochs: int = _knob(
        4,
        "Epochs",
        "How often the training goes through all its images.",
        "Learning",
        low=1,
        high=200,
        ticks=(1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 40, 50, 60, 80, 100, 150, 200),
        main=True,
    )
    learning_rate: float = _knob(
        0.003,
        "Learning rate",
        "How far one step moves the weights. Too high: the loss jumps or becomes infinite; too low: "
        "it hardly falls.",
        "Learning",
        low=1e-6,
        high=10,
        ticks=log_ticks(-5, 0),
        main=True,
    )
    batch_size: int = _knob(
        32,
        "Batch size",
        "How many images one step looks at. Larger batches need fewer steps and more memory.",
        "Learning",
        low=1,
        high=4096,
        ticks=(8, 16, 32, 64, 128, 256, 512, 1024),
        unit="images",
        main=True,
    )
    optimizer: str = _knob(
        "sgd",
        "Optimiser",
        "The rule that turns gradients into steps: SGD with momentum, Adam, or AdamW.",
        "Learning",
        choices=("sgd", "adam", "adamw"),
    )
    momentum: float = _knob(
        0.9,
        "Momentum",
        "How much of the last step is kept in the next one.",
        "Learning",
        low=0,
        high=0.99,
        step=0.01,
        applies=lambda r: r.optimizer == "sgd",
    )
    nesterov: bool = _knob(
        False,
        "Nesterov",
        "Momentum that looks one step ahead: the gradient counts as if the step were taken already.",
        "Learning",
        applies=lambda r: r.optimizer == "sgd" and r.momentum > 0,
        later=True,
    )
    weight_decay: float = _knob(
        0.0,
        "Weight decay",
        "Pulls every weight towards 0 a little in each step, which works against overfitting.",
        "Learning",
        low=0,
        high=1,
        ticks=(0.0, *log_ticks(-5, -1)),
    )
    schedule: str = _knob(
        "constant",
        "Schedule",
        "How the learning rate changes: constant; lowered when the validation loss stops falling (plateau); "
        "raised and then lowered step by step, along straight lines (linear) or cosines (one-cycle).",
        "Learning",
        choices=("constant", "plateau", "linear", "one-cycle"),
    )
    warmup: float = _knob(
        0.25,
        "Warm-up",
        "The part of all steps in which the learning rate rises to its full value.",
        "Learning",
        low=0,
        high=0.9,
        step=0.01,
        applies=lambda r: r.schedule in ("linear", "one-cycle"),
        later=True,
    )
    plateau_factor: float = _knob(
        0.5,
        "Plateau factor",
        "What the learning rate is multiplied by on a plateau.",
        "Learning",
        low=0.05,
        high=0.95,
        step=0.05,
        applies=lambda r: r.schedule == "plateau",
    )
    plateau_patience: int = _knob(
        5,
        "Plateau patience",
        "How many epochs without a lower validation loss are accepted before the learning rate falls.",
        "Learning",
        low=0,
        high=50,
        step=1,
        unit="epochs",
        applies=lambda r: r.schedule == "plateau",
    )
    label_smoothing: float = _knob(
        0.0,
        "Label smoothing",
        "The part of the right answer that is spread evenly over all classes, so that the network does not "
        "strive for certainty. Losses are shown without it.",
        "Learning",
        low=0,
        high=0.5,
        step=0.05,
        later=True,
    )
    averaging: float = _knob(
        0.0,
        "Averaged weights",
        "How much of the running mean of the weights is kept in each step (EMA); 0 switches it off. "
        "Where it is on, the mean is what is judged and kept.",
        "Learning",
        low=0,
        high=0.9999,
        ticks=(0.0, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999),
        later=True,
    )
    early_stop: int = _knob(
        0,
        "Stop early",
        "After how many epochs without a lower validation loss the training ends before its time; 0: never.",
        "Learning",
        low=0,
        high=50,
        step=1,
        unit="epochs",
        later=True,
    )
    keep: str = _knob(
        "last",
        "Weights kept",
        "Those of the last epoch, as in the report, or of the epoch with the lowest validation loss.",
        "Learning",
        choices=("last", "best"),
        later=True,
    )

    flip_test: bool = _knob(
        False,
        "Judge both sides",
        "Validation and test images are judged as they are and mirrored, and the two answers averaged.",
        "Learning",
        later=True,
    )

    # Augmentation
    flip: bool = _knob(
        False, "Flip", "Each training image is mirrored left to right with probability 0.5.", "Augmentation"
    )
    alternate_flip: bool = _knob(
        False,
        "Alternate the flip",
        "Chance decides in the first epoch only; from then on each image is mirrored in every other epoch, "
        "so that any two epochs in a row show both sides.",
        "Augmentation",
        applies=lambda r: r.flip,
        later=True,
    )
    rotation: float = _knob(
        0.0,
        "Rotation",
        "Each training image is turned by a random angle up to this many degrees either way.",
        "Augmentation",
        low=0,
        high=180,
        step=5,
        unit="°",
    )
    shift: int = _knob(
        0,
        "Shift",
        "Each training image is moved by up to this many pixels; the border is filled by reflection.",
        "Augmentation",
        low=0,
        high=8,
        step=1,
        unit="px",
    )
    brightness: float = _knob(
        0.0,
        "Brightness",
        "Brightness is multiplied by a random factor between 1 − this and 1 + this.",
        "Augmentation",
        low=0,
        high=1,
        step=0.05,
    )
    contrast: float = _knob(
        0.0,
        "Contrast",
        "Contrast is multiplied by a random factor between 1 − this and 1 + this.",
        "Augmentation",
        low=0,
        high=1,
        step=0.05,
    )
    saturation: float = _knob(
        0.0,
        "Saturation",
        "Saturation is multiplied by a random factor between 1 − this and 1 + this.",
        "Augmentation",
        low=0,
        high=1,
        step=0.05,
    )
    hue: float = _knob(
        0.0,
        "Hue",
        "Colours are turned around the colour circle by a random part of it, up to this, either way.",
        "Augmentation",
        low=0,
        high=0.5,
        step=0.05,
        unit="turns",
    )
    cutout: int = _knob(
        0,
        "Cutout",
        "A random square of this many pixels a side is greyed out in each training image.",
        "Augmentation",
        low=0,
        high=24,
        step=2,
        unit="px",
    )

    # What another seed changes; held fixed, it is the same for all seeds of the recipe
    vary_weights: bool = _knob(
        True,
        "Seed varies the initial weights",
        "Off: every seed starts from the same weights.",
        "Seed",
        later=True,
    )
    vary_order: bool = _knob(
        True,
        "Seed varies the order",
        "Off: every seed sees the images in the same order.",
        "Seed",
        later=True,
    )
    vary_augmentation: bool = _knob(
        True,
        "Seed varies augmentation and dropout",
        "Off: every seed changes its images, and switches features off, in the same way.",
        "Seed",
        applies=lambda r: _augments(r) or ("dropout" in MODELS[r.model].fields and r.dropout > 0),
        later=True,
    )
    vary_split: bool = _knob(
        True,
        "Seed varies the split",
        "Off: every seed sets the same images aside for validation, so that validation accuracies compare too.",
        "Seed",
        later=True,
    )

    # Machine
    precision: str = _knob(
        "auto",
        "Precision",
        "The number format of the arithmetic. bf16 is up to twice as fast as fp32 where the hardware has it; "
        "auto takes it there. tf32 keeps numbers in fp32 and multiplies them rounded to 10 bits after the "
        "point, on NVIDIA GPUs from Ampere on.",
        "Machine",
        choices=("auto", "fp32", "bf16", "tf32"),
    )
    compile: bool = _knob(
        False,
        "Compile",
        "Translates the network with torch.compile before the first step, which takes up to a minute and a "
        "C++ compiler. Meant for GPUs: on every CPU measured so far it was slower.",
        "Machine",
        later=True,
    )
    deterministic: bool = _knob(
        True,
        "Deterministic",
        "The same seed gives the same weights, bit by bit. Costs nothing on a CPU; on a GPU, published "
        "measurements range from hardly anything to several times the time.",
        "Machine",
        later=True,
    )
    log_every: int = _knob(
        300,
        "Log every",
        "After how many steps loss and accuracy on the training images are written down.",
        "Machine",
        low=1,
        high=10_000,
        ticks=(1, 5, 10, 25, 50, 100, 200, 300, 500, 1000),
        unit="steps",
        changes_result=False,
    )

    def __post_init__(self) -> None:
        for name, knob in KNOBS.items():
            object.__setattr__(self, name, checked(name, knob, KINDS[name], getattr(self, name)))
        kind = self.dataset.partition(":")[0]
        if kind not in DATASETS:
            raise UserError(
                f"There is no data set called {self.dataset!r}: choose one of {', '.join(DATASETS)}."
            )
        if kind != "folder" and self.image_size != 32:
            raise UserError(f"{kind} has images of 32 × 32 pixels only: leave image_size at 32.")
        if self.depth % 6 != 2:
            below, above = (6 * (max(self.depth - 2, 6) // 6 + more) + 2 for more in (0, 1))
            raise UserError(
                f"depth must be 2 and a multiple of 6, not {self.depth}: take {below} or {above}."
            )
        smallest = MODELS[self.model].smallest_px
        if self.image_size < smallest:
            raise UserError(f"The {self.model} network needs images of at least {smallest} pixels a side.")

    def to_dict(self) -> dict[str, Any]:
        """Every field by name, in order; `Recipe.from_dict` takes it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """The recipe of a file or a link; fields that are missing have their defaults.

        Raises:
            UserError: a field that does not exist, or a value that is not valid.
        """
        for name in values:
            _known(name)
        return cls(**values)

    def changed(self, settings: list[str]) -> "Recipe":
        """This recipe with "field=value" texts applied, as they are typed on the command line.

        Raises:
            UserError: no "=" in a text, no such field, or a value that is not valid.
        """
        values = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            if not equals:
                raise UserError(f"Write a setting as field=value, not {setting!r}.")
            values[name] = parsed(name, _known(name), KINDS[name], text)
        return dataclasses.replace(self, **values)

    def digest(self, data_fingerprint: str) -> str:
        """What names this recipe on these images: 16 hexadecimal digits.

        Covers the content of the data set (not its place), the training version and each field
        that can change the result here: momentum counts under SGD only. A field that came later
        does not count at its default, so that older recipes keep their name.
        """
        values = {
            name: getattr(self, name)
            for name in applying_fields(self)
            if KNOBS[name].changes_result
            and not (KNOBS[name].later and getattr(self, name) == _DEFAULTS[name])
        }
        del values["dataset"]
        whole = {"version": TRAINING_VERSION, "data": data_fingerprint, **values}
        if MODELS[self.model].training_version > 1:
            whole["model_version"] = MODELS[self.model].training_version
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


KNOBS: dict[str, Knob] = {item.name: item.metadata["knob"] for item in dataclasses.fields(Recipe)}
_DEFAULTS: dict[str, Any] = {item.name: item.default for item in dataclasses.fields(Recipe)}
KINDS: dict[str, type] = {item.name: item.type for item in dataclasses.fields(Recipe)}


def applying_fields(recipe: Recipe) -> list[str]:
    """The names of the fields that do something in this recipe, in order."""
    return [name for name, knob in KNOBS.items() if knob.applies(recipe)]


def differences(recipe: Recipe, other: Recipe) -> dict[str, tuple[Any, Any]]:
    """The fields in which two recipes differ, with the value of each; fields that do nothing in both left out."""
    return {
        name: (getattr(recipe, name), getattr(other, name))
        for name, knob in KNOBS.items()
        if getattr(recipe, name) != getattr(other, name) and (knob.applies(recipe) or knob.applies(other))
    }


def in_words(recipe: Recipe) -> str:
    """A line that tells recipes apart in a table: "baseline × 0.125, SGD 0.003, batch 32, 4 epochs"."""
    depth = [f"{recipe.depth} layers"] if KNOBS["depth"].applies(recipe) else []
    without = [
        words for name, words in _WITHOUT.items() if not getattr(recipe, name) and KNOBS[name].applies(recipe)
    ]
    parts = [
        f"{recipe.model} × {recipe.width:g}",
        *depth,
        *without,
        f"{_OPTIMIZER_TITLES[recipe.optimizer]} {recipe.learning_rate:g}",
        f"batch {recipe.batch_size}",
        "1 epoch" if recipe.epochs == 1 else f"{recipe.epochs} epochs",
    ]
    parts += ["augmented"] if any(getattr(recipe, name) for name in _AUGMENTATION) else []
    return ", ".join(parts + _held(recipe))


def _held(recipe: Recipe) -> list[str]:
    """What the seed varies, where that is not everything."""
    sources = {
        name: getattr(recipe, f"vary_{name}") for name in ("weights", "order", "augmentation", "split")
    }
    if all(sources.values()):
        return []
    return ["seed varies " + (" and ".join(name for name, varies in sources.items() if varies) or "nothing")]


_AUGMENTATION = [name for name, knob in KNOBS.items() if knob.group == "Augmentation"]
_WITHOUT = {"skip": "no skips", "batch_norm": "no batch normalisation", "hidden": "no hidden layer"}
_OPTIMIZER_TITLES = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}


def _known(name: str) -> Knob:
    if name not in KNOBS:
        close = difflib.get_close_matches(name, KNOBS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"fields are {', '.join(KNOBS)}."
        raise UserError(f"A recipe has no field called {name!r}: {hint}")
    return KNOBS[name]
