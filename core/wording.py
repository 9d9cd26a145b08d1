"""A recipe's values as people write them: on pages, in reports, in files."""

from typing import Any

from core.config import KNOBS
from core.datasets import DATASETS, folder_place
from core.models import MODELS

_TITLES = {
    "normalisation": {"dataset": "the data set's own", "half": "0.5 and 0.5", "none": "none"},
    "model": {name: spec.title for name, spec in MODELS.items()},
    "activation": {"relu": "ReLU", "gelu": "GELU"},
    "optimizer": {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"},
    "schedule": {
        "constant": "constant",
        "plateau": "lower on a plateau",
        "linear": "linear warm-up and decay",
        "one-cycle": "one cycle",
    },
    "keep": {"last": "of the last epoch", "best": "of the best epoch"},
}


def value_title(name: str, value: Any) -> str:
    """A value of a field as people write it: "ReLU", "0.003", "1,024 images"."""
    if name == "dataset":
        return dataset_title(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str):
        return _TITLES.get(name, {}).get(value, value)
    unit = KNOBS[name].unit
    return f"{value:,.6g}{' ' if len(unit) > 1 else ''}{unit}"


def dataset_title(name: str) -> str:
    """A folder by its own name: its whole path is nobody's business in a class."""
    place = folder_place(name)
    return DATASETS[name].title if place is None else f"Folder: {place.name}"
