"""What a hyperparameter search may try: a recipe, some of its fields, and the values of each.

A field is searched over a list of values in order (the ticks or steps of its knob, its choices, on and off),
never over a continuum: whatever comes out is a recipe that the form can show. Where ticks are
logarithmic, so are the steps of the search.
"""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from core.config import KINDS, KNOBS, Recipe, applying_fields
from core.errors import UserError
from core.knobs import checked, parsed
from core.seeds import LARGEST_SEED

METHODS = {
    "tpe": (
        "Learning from results (TPE)",
        "Tries values at random first, then mostly near those that did well: pays from about ten runs on.",
    ),
    "random": (
        "Random",
        "Every run draws its values anew, whatever came before: a fair picture of what each field does.",
    ),
}
"""Name of a method -> its title and what it does, in simple words."""

FIRST_FIELDS = ("learning_rate", "batch_size", "width")
"""What a search varies unless a person says otherwise."""

REDUCTION = 3
"""Successive halving: one in so many goes on at each rung, and rungs lie so many times as far apart."""

FIRST_RUNG = 1

MOST_MINUTES = 7 * 24 * 60
MOST_RUNS = 1000
MOST_VALUES = 1000

_REACH = {"learning_rate": 5, "width": 1}
"""So many ticks to either side of the recipe's own value are searched unless said otherwise: a decade of
learning rates, yet only half and twice the width, as the work goes with its square."""
_USUAL_REACH = 2
_NEVER = ("dataset", "image_size", "validation_share")
"""Other images, or another share of them to judge by: accuracies that can't be compared."""
_GROUPS = ("Data", "Model", "Learning", "Augmentation")


@dataclass(frozen=True)
class Range:
    """A field and the values that it may take, distinct and in order.

    Raises:
        UserError: no such field, one that can't be searched, fewer than two values, or one that is not valid.
    """

    field: str
    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        _check_field(self.field)
        knob, kind = KNOBS[self.field], KINDS[self.field]
        values = [checked(self.field, knob, kind, value) for value in self.values]
        if kind in (int, float):
            values = sorted(set(values))
        object.__setattr__(self, "values", tuple(dict.fromkeys(values)))
        if not 2 <= len(self.values) <= MOST_VALUES:
            raise UserError(
                f"{knob.label} needs at least two values to choose between, and at most {MOST_VALUES:,}."
            )

    @property
    def ordered(self) -> bool:
        """Whether neighbours are alike: numbers, not choices."""
        return KINDS[self.field] in (int, float)


@dataclass(frozen=True)
class Search:
    """The whole plan of a search, fixed before its first run.

    `minutes` are those in which its runs train; `most_runs` counts runs that existed before, too. `halving`
    stops runs that fall behind early. `seed` is that of every run, so that all are judged by the same
    validation images, and of the search's own chance.

    Raises:
        UserError: values that are out of bounds, or fields that do nothing in this recipe.
    """

    base: Recipe
    ranges: tuple[Range, ...]
    method: str = "tpe"
    halving: bool = False
    minutes: float = 5.0
    most_runs: int = 100
    seed: int = 42

    def __post_init__(self) -> None:
        names = [one.field for one in self.ranges]
        if not names:
            raise UserError("Choose at least one field to search.")
        if len(set(names)) < len(names):
            raise UserError("Each field can be searched once only.")
        if self.method not in METHODS:
            raise UserError(f"method must be one of {', '.join(METHODS)}, not {self.method!r}.")
        if not 0 < self.minutes <= MOST_MINUTES:
            raise UserError(
                f"minutes must be above 0 and at most {MOST_MINUTES:,} (a week), not {self.minutes:g}."
            )
        if type(self.most_runs) is not int or not 1 <= self.most_runs <= MOST_RUNS:
            raise UserError(f"A search makes from 1 to {MOST_RUNS:,} runs, not {self.most_runs}.")
        if type(self.seed) is not int or not 0 <= self.seed <= LARGEST_SEED:
            raise UserError(f"The seed must be a whole number from 0 to {LARGEST_SEED:,}.")
        for one in self.ranges:
            if not self._matters(one.field):
                raise UserError(
                    f"{KNOBS[one.field].label} does nothing in this recipe: leave it out of the search."
                )

    def _matters(self, name: str) -> bool:
        """Whether a field does something in the recipe, or with some value of another field."""
        others = [
            dataclasses.replace(self.base, **{one.field: value})
            for one in self.ranges
            if one.field != name
            for value in one.values
        ]
        return any(KNOBS[name].applies(recipe) for recipe in (self.base, *others))

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return math.prod(len(one.values) for one in self.ranges)

    def recipe(self, values: dict[str, Any]) -> Recipe:
        """The recipe with these values.

        Raises:
            UserError: they don't go together.
        """
        return dataclasses.replace(self.base, **values)

    def to_dict(self) -> dict[str, Any]:
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        ranges = {one.field: list(one.values) for one in self.ranges}
        return {**values, "base": self.base.to_dict(), "ranges": ranges}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Search":
        """What `to_dict` made.

        Raises:
            UserError, KeyError, TypeError, AttributeError: anything else.
        """
        ranges = tuple(Range(name, tuple(found)) for name, found in values["ranges"].items())
        return cls(**{**values, "base": Recipe.from_dict(values["base"]), "ranges": ranges})


def searchable(recipe: Recipe) -> list[str]:
    """The fields of a recipe that a search may vary, in order: those that do something and change the result."""
    return [name for name in applying_fields(recipe) if _may_be_searched(name)]


def domain(name: str, recipe: Recipe) -> tuple[Any, ...]:
    """All values that a search may give to a field, in order; the recipe's own one among them.

    Where that lies above all ticks, so does twice as much, if it is valid: else only less could be tried.
    """
    knob, kind = KNOBS[name], KINDS[name]
    if kind is bool:
        return (False, True)
    if knob.choices:
        return knob.choices
    if knob.ticks:
        own, ticks = getattr(recipe, name), set(map(kind, knob.ticks))
        beyond = {2 * own} if own > max(ticks) and 2 * own <= knob.high else set()
        return tuple(sorted({*ticks, own, *beyond}))
    steps = round((knob.high - knob.low) / knob.step)
    return tuple(kind(round(knob.low + index * knob.step, 10)) for index in range(steps + 1))


def first_range(name: str, recipe: Recipe) -> Range:
    """What of a field is searched unless a person says otherwise: around its value where it has ticks, else all."""
    _check_field(name)
    values = domain(name, recipe)
    if KNOBS[name].ticks:
        place = values.index(getattr(recipe, name))
        reach = _REACH.get(name, _USUAL_REACH)
        values = values[max(0, place - reach) : place + reach + 1]
    return Range(name, values)


def parse_range(text: str, recipe: Recipe) -> Range:
    """A range as it is typed: "batch_size", "learning_rate=0.0001:0.1" or "optimizer=sgd,adam".

    Raises:
        UserError: no such field, or bounds or values that are not valid.
    """
    name, equals, wanted = text.strip().partition("=")
    _check_field(name)
    if not equals:
        return first_range(name, recipe)
    knob, kind = KNOBS[name], KINDS[name]
    low, colon, high = wanted.partition(":")
    if not colon:
        return Range(name, tuple(parsed(name, knob, kind, part.strip()) for part in wanted.split(",")))
    if kind not in (int, float):
        raise UserError(
            f"{name} has no range: write its values as {name}={','.join(map(str, domain(name, recipe)))}."
        )
    bounds = parsed(name, knob, kind, low.strip()), parsed(name, knob, kind, high.strip())
    if bounds[0] >= bounds[1]:
        raise UserError(f"Write a range of {name} as low:high, not {wanted!r}.")
    inside = within(domain(name, recipe), *bounds)
    if len(inside) < 2:
        raise UserError(
            f"Fewer than two values of {name} lie between {low} and {high}: list them, as {name}={low},{high}."
        )
    return Range(name, inside)


def within(values: Iterable[Any], low: Any, high: Any) -> tuple[Any, ...]:
    """Those between two bounds, both included."""
    return tuple(value for value in values if low <= value <= high)


def rungs(epochs: int) -> list[int]:
    """The epochs at which successive halving judges a run of so many: 1, 3, 9, 27 and so on, before its end."""
    found, rung = [], FIRST_RUNG
    while rung < epochs:
        found.append(rung)
        rung *= REDUCTION
    return found


def share_trained(epochs: int) -> float:
    """How much of its epochs a run trains on average under successive halving, if one in three goes on each time."""
    ends = [*rungs(epochs), epochs]
    begins = [0, *ends[:-1]]
    steps = zip(begins, ends, strict=True)
    return sum((end - begin) / REDUCTION**place for place, (begin, end) in enumerate(steps)) / epochs


def _may_be_searched(name: str) -> bool:
    return KNOBS[name].group in _GROUPS and name not in _NEVER and KNOBS[name].changes_result


def _check_field(name: str) -> None:
    if name not in KNOBS or not _may_be_searched(name):
        fields = ", ".join(field for field in KNOBS if _may_be_searched(field))
        raise UserError(f"{name!r} can't be searched: fields are {fields}.")
