"""What a person may turn: the meaning and the bounds of one field, and the check against them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.errors import UserError

GROUPS = ("Data", "Model", "Learning", "Augmentation", "Seed", "Machine")


@dataclass(frozen=True)
class Knob:
    """What a person sees of a field, and which values it may take.

    `low` and `high` bound a number, both included. `ticks` are the values that a slider offers
    where equal steps would be useless (learning rates); other values within the bounds are valid.
    `applies` tells whether the field does anything in a given recipe; one that does nothing is
    hidden, and left out of the digest.
    """

    label: str
    help: str
    group: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    ticks: tuple[float, ...] = ()
    unit: str = ""
    choices: tuple[str, ...] = ()
    main: bool = False  # among the few that matter most, shown first
    changes_result: bool = True
    later: bool = False  # younger than the first recipes: at its default it is no part of the digest
    applies: Callable[[Any], bool] = lambda recipe: True


def log_ticks(low: int, high: int) -> tuple[float, ...]:
    """1, 2, 3, 5 and 7 times each power of ten from 10^low up to 10^high, the last one alone."""
    marks = [float(f"{m}e{power}") for power in range(low, high) for m in (1, 2, 3, 5, 7)]
    return (*marks, float(f"1e{high}"))


def checked(name: str, knob: Knob, kind: type, value: Any) -> Any:
    """The value as the field's own type, if it is a valid one.

    Args:
        name: of the field, for the message.
        kind: bool, int, float or str; an int is taken for a float, nothing else is converted.

    Raises:
        UserError: wrong type, not finite, out of bounds, or none of the choices.
    """
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 1e300 else math.inf
    if type(value) is not kind:
        raise UserError(f"{name} must be {_KINDS[kind]}, not {value!r}.")
    if knob.choices and value not in knob.choices:
        raise UserError(f"{name} must be one of {', '.join(knob.choices)}, not {value!r}.")
    if kind in (int, float) and not _within(value, knob):
        unit = f" {knob.unit}" if knob.unit else ""
        raise UserError(
            f"{name} must lie between {knob.low:g} and {knob.high:g}{unit}, not {str(value)[:20]}."
        )
    return value


def parsed(name: str, knob: Knob, kind: type, text: str) -> Any:
    """The value that a person typed ("0.003", "true"), checked.

    Raises:
        UserError: the text is no value of this field.
    """
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in words:
            raise UserError(f"{name} must be true or false, not {text!r}.")
        return words[text.lower()]
    try:
        value = kind(text)
    except ValueError:
        raise UserError(f"{name} must be {_KINDS[kind]}, not {text!r}.") from None
    return checked(name, knob, kind, value)


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _within(value: float, knob: Knob) -> bool:
    """False for NaN too: no comparison with it holds."""
    low = -math.inf if knob.low is None else knob.low
    high = math.inf if knob.high is None else knob.high
    return low <= value <= high
