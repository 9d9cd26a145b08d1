"""Several runs beside each other: names that tell them apart, what differs, their curves, their confusions."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from core.config import KINDS, KNOBS, applying_fields
from core.datasets import folder_place
from core.history import History
from core.index import Row
from core.judge import confusion_matrix, row_shares
from core.naming import distinct_names
from core.predictions import Predictions

MOST_CURVES = 12
"""So many runs are drawn over each other: there are no more colours with symbols that the eye tells apart."""

AXES = {
    "epoch": "epochs",
    "step": "steps (updates of the weights)",
    "seconds": "seconds of training",
    "images": "training images seen",
}
"""What a curve may be drawn against, and the title of that axis."""

CIRCUMSTANCES = {
    "seed": "Seed",
    "attempt": "Attempt",
    "data_fingerprint": "Content of the data set",
    "device_name": "Device",
    "precision_used": "Precision it computed in",
    "threads": "CPU threads",
    "instruction_set": "Instruction set",
    "torch": "PyTorch",
    "commit": "Code (commit)",
}
"""What may differ between runs beside the fields of their recipes, with its title."""

MOST_IN_A_NAME = 3
_NOT_NAMED = ("log_every",)


def differing(rows: Sequence[Row], histories: Sequence[History]) -> dict[str, list[Any]]:
    """Where runs are not alike: fields of their recipes first, then `CIRCUMSTANCES`.

    Args:
        histories: of the same runs, for their passports.

    Returns:
        Name -> value of each run; None where the field does nothing in its recipe, or nothing is known yet.
    """
    applying = [set(applying_fields(row.run.spec.recipe)) for row in rows]
    found = {
        name: [
            getattr(row.run.spec.recipe, name) if name in fields else None
            for row, fields in zip(rows, applying, strict=True)
        ]
        for name in KNOBS
        if any(name in fields for fields in applying)
    }
    passports = [history.started.passport if history.started else {} for history in histories]
    found |= {name: [getattr(row.run.spec, name) for row in rows] for name in ("seed", "attempt")}
    found["data_fingerprint"] = [row.run.spec.data_fingerprint for row in rows]
    for name in ("device_name", "precision_used", "threads", "instruction_set", "torch", "commit"):
        found[name] = [passport.get(name.removesuffix("_used")) for passport in passports]
    return {name: values for name, values in found.items() if len(set(values)) > 1}


def short_names(rows: Sequence[Row], told: Callable[[str, Any], str]) -> list[str]:
    """A name for each run, all different, as short as what differs allows: "width 0.25 ×, seed 1".

    Args:
        told: writes a value of a field for people.
    """
    fields = [name for name in _differing_fields(rows) if name not in _NOT_NAMED]
    seeds = len({row.run.spec.seed for row in rows}) > 1
    if len(fields) + seeds <= MOST_IN_A_NAME:
        names = [", ".join(_told(name, row, told) for name in fields) for row in rows]
    else:
        names = _by_recipe(rows)
    named = [
        ", ".join(filter(None, [name, f"seed {row.run.spec.seed}" if seeds or not name else ""]))
        for name, row in zip(names, rows, strict=True)
    ]
    attempts = [row.run.spec.attempt for row in rows]
    if len(set(attempts)) > 1:
        named = [f"{name}, attempt {attempt}" for name, attempt in zip(named, attempts, strict=True)]
    if len(set(named)) < len(named):  # the same recipe on images that changed since
        named = [f"{name} ({row.run.id[:6]})" for name, row in zip(named, rows, strict=True)]
    return named


def _by_recipe(rows: Sequence[Row]) -> list[str]:
    recipes = list(dict.fromkeys(row.run.spec.recipe for row in rows))
    names = dict(zip(recipes, distinct_names(recipes), strict=True))
    return [names[row.run.spec.recipe] for row in rows]


def _differing_fields(rows: Sequence[Row]) -> list[str]:
    recipes = {row.run.spec.recipe for row in rows}
    applying = {name for recipe in recipes for name in applying_fields(recipe)}
    return [
        name for name in KNOBS if name in applying and len({getattr(recipe, name) for recipe in recipes}) > 1
    ]


def _told(name: str, row: Row, told: Callable[[str, Any], str]) -> str:
    recipe = row.run.spec.recipe
    value = getattr(recipe, name)
    if name == "dataset" and (place := folder_place(value)):
        return place.name
    if KINDS[name] is str:  # speaks for itself: "Adam", "linear"
        return told(name, value)
    return f"{KNOBS[name].label[0].lower()}{KNOBS[name].label[1:]} {told(name, value)}"


def positions(history: History, axis: str) -> np.ndarray:
    """Where the epochs of a run lie on an axis.

    Args:
        axis: one of `AXES`. Seconds are those of its steps alone, without judging and interruptions.

    Returns:
        (n_epochs,) float64, growing.
    """
    epochs = history.epochs
    if axis == "seconds":
        return np.cumsum([epoch.train_seconds for epoch in epochs], dtype=float)
    if axis == "step":
        return np.array([epoch.step for epoch in epochs], dtype=float)
    images = history.started.train_images if history.started and axis == "images" else 1
    return np.array([epoch.epoch * images for epoch in epochs], dtype=float)


def values(history: History, quantity: str) -> np.ndarray:
    """One figure of each epoch, such as "validation_loss"; not finite where training was not."""
    return np.array([getattr(epoch, quantity) for epoch in history.epochs], dtype=float)


def share_difference(a: Predictions, b: Predictions) -> np.ndarray:
    """How much more of each class B takes for each class than A does.

    Shares of the rows, not counts: two runs may have been judged on different images.

    Returns:
        (classes, classes) between -1 and 1; rows add up to 0. A class without images in either is NaN.
    """
    first, second = (
        row_shares(confusion_matrix(one.labels, one.answers, one.logits.shape[1])) for one in (a, b)
    )
    return second - first


def varying_fields(rows: Sequence[Row]) -> list[str]:
    """The fields in which these runs differ and which can change a result, in the order of the form."""
    recipes = {row.run.spec.recipe for row in rows}
    seen: dict[str, set[Any]] = {}
    for recipe in recipes:
        for name in applying_fields(recipe):
            seen.setdefault(name, set()).add(getattr(recipe, name))
    return [name for name in KNOBS if len(seen.get(name, ())) > 1 and KNOBS[name].changes_result]


def is_numeric(name: str) -> bool:
    """Whether a field has an order and distances: learning rate, not the model."""
    return KINDS[name] in (int, float)


def field_values(rows: Sequence[Row], name: str) -> list[Any]:
    """The value of a field in each run; None where it does nothing in the recipe."""
    return [
        getattr(row.run.spec.recipe, name) if KNOBS[name].applies(row.run.spec.recipe) else None
        for row in rows
    ]
