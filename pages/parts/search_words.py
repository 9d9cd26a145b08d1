"""How the pages of a search name fields and values."""

from typing import Any

from core.config import KNOBS
from pages.parts.recipe_form import value_title


def field_title(name: str) -> str:
    """ "Batch size (images)"."""
    knob = KNOBS[name]
    return f"{knob.label} ({knob.unit})" if knob.unit else knob.label


def value_name(name: str, value: Any) -> str:
    """A value without its unit, which stands in the title: "32", "ReLU", "on"."""
    return value_title(name, value) if isinstance(value, bool | str) else f"{value:.6g}"
