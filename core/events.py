"""The events of a run, each one line of its `events.jsonl`.

They are facts in the order in which they happened; the state of a run and its curves are derived
from them (`core.store`, `core.history`). Losses are mean nats an image, accuracies fractions, times
seconds. A number that is not finite is written as null: NaN is no JSON.
"""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Started:
    """A worker took the run up; a run that was interrupted has several.

    `resumed_from` is the epoch whose checkpoint it goes on from, 0 for the beginning: whatever was
    recorded after that epoch is void. `classes`, `mean` and `std` (channels, on the scale 0 to 1)
    are what the weights need to be used without the data set. `passport` says where and with what
    the run computes (`core.device`); `changes` tells where it differs from the worker's before: then
    the weights need not be those of an undisturbed run.
    """

    time: float
    resumed_from: int
    epochs: int
    steps_per_epoch: int
    train_images: int
    validation_images: int
    classes: list[str]
    mean: list[float]
    std: list[float]
    passport: dict[str, Any]
    changes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """Loss and accuracy on training images since the last such event of the epoch, while weights moved."""

    epoch: int
    step: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Progress:
    """How far a worker is; not recorded, only shown as the heartbeat."""

    epoch: int
    step: int
    images_per_second: float


@dataclass(frozen=True)
class EpochEnd:
    """The commit point of an epoch: its figures, and the checkpoint that they belong to.

    Training figures are means over the epoch's steps, while the weights moved and augmentation and
    dropout were on; validation is measured after the last step. `learning_rate` is the one that the last
    step used. `train_seconds` is the time of the steps alone; `compile_seconds` what compiling took
    before it.

    `recall` is, for each class, the share of its validation images that were recognised (null without
    any), `answers` the share of all answers that named it. `gradients` maps each layer to the L2 norm
    of the gradient of its weights, a mean over some steps of the epoch. `weights_sha256` is that of the
    network's state: two trainings that agree in it are at the same place, bit by bit. `averaged_sha256` is
    that of the averaged weights, empty where the recipe has none and in records of older versions.
    """

    epoch: int
    step: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    train_seconds: float
    images_per_second: float
    checkpoint: str = ""
    sha256: str = ""
    recall: list[float | None] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    gradients: dict[str, float] = field(default_factory=dict)
    compile_seconds: float = 0.0
    weights_sha256: str = ""
    averaged_sha256: str = ""


@dataclass(frozen=True)
class Finished:
    """The end of a whole run, measured on the weights that its recipe keeps.

    `epoch` is the one that these weights are of: the last one, or the best on validation (0 in the
    record of a run that is older than the choice: the last one).
    `temperature` divides logits for calibrated probabilities; fitted on validation. `sha256` maps
    each file that the run leaves behind (`weights.pt`, `predictions.npz`) to its digest.
    """

    time: float
    validation_loss: float
    validation_accuracy: float
    test_loss: float
    test_accuracy: float
    temperature: float
    train_seconds: float
    images_per_second: float
    sha256: dict[str, str]
    epoch: int = 0


@dataclass(frozen=True)
class Failed:
    """The run ended early: `reason` is "diverged", "out_of_memory", "refused" or "error"."""

    time: float
    reason: str
    message: str


Event = Started | Step | Progress | EpochEnd | Finished | Failed

_KINDS: dict[str, type] = {
    "started": Started,
    "step": Step,
    "progress": Progress,
    "epoch": EpochEnd,
    "finished": Finished,
    "failed": Failed,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_FIELDS = {
    kind: {item.name: item.type is float for item in dataclasses.fields(kind)} for kind in _KINDS.values()
}
"""The fields of each kind, and whether each is a number, so that null means one that was not finite."""


def to_line(event: Event) -> str:
    """One line of JSON, newline included."""
    values = {name: _finite(value) for name, value in dataclasses.asdict(event).items()}
    return json.dumps({"event": _NAMES[type(event)], **values}, allow_nan=False) + "\n"


def from_line(line: str) -> Event | None:
    """The event of a line; None where the line is none of ours (damaged, or from a newer version)."""
    try:
        values = json.loads(line)
        kind = _KINDS[values.pop("event")]
        is_float = _FIELDS[kind]
        kept = {name: value for name, value in values.items() if name in is_float}
        for name, value in kept.items():
            if value is None and is_float[name]:
                kept[name] = math.nan
        return kind(**kept)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
