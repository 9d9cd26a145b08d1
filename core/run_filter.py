"""Which of many runs a person wants to see: words to search for, and choices among what there is."""

import functools
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter

from core.config import Recipe, in_words
from core.datasets import folder_place
from core.index import Row
from core.store import ACTIVE, RECIPES_KEPT, Run, RunState
from core.wording import dataset_title

_WORDS = re.compile(r'"([^"]+)"|([^\s"]+)')

recipe_words = functools.lru_cache(maxsize=RECIPES_KEPT)(in_words)


@dataclass(frozen=True)
class Filter:
    """What a run has to be to be shown. Of several choices of one kind any will do, of none all."""

    words: str = ""
    """Each has to be found in the recipe, data set, seed, tags, note or id of the run; case does not count.
    Words between quotation marks have to be found together: "seed 4"."""
    states: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    starred: bool = False
    """Those with a star alone."""
    archived: bool = False
    """Those that were archived, too."""

    @property
    def narrows(self) -> bool:
        """Whether it may leave out anything but archived runs."""
        return any((self.words.strip(), self.states, self.datasets, self.models, self.tags, self.starred))


@dataclass(frozen=True)
class Choices:
    """What there is to choose from among some runs, each in the order of the alphabet."""

    states: list[str]
    datasets: list[str]
    models: list[str]
    tags: list[str]


@dataclass(frozen=True)
class Order:
    """How a table of runs may be ordered, and by what; runs without it come last."""

    by: Callable[[Row], float | None]
    falling: bool = True


ORDERS = {
    "newest first": Order(lambda row: row.created),
    "oldest first": Order(lambda row: row.created, falling=False),
    "best validation accuracy first": Order(lambda row: row.validation_accuracy),
    "lowest validation accuracy first": Order(lambda row: row.validation_accuracy, falling=False),
    "longest training first": Order(lambda row: row.train_seconds if row.epochs else None),
    "shortest training first": Order(lambda row: row.train_seconds if row.epochs else None, falling=False),
}
"""The first is the one in which rows come."""


def choices(rows: list[Row]) -> Choices:
    """What runs differ in, whether or not they are archived."""
    return Choices(
        sorted({str(state) for state in {row.state for row in rows}}),
        sorted({row.dataset for row in rows}),
        sorted({row.model for row in rows}),
        sorted({tag for row in rows for tag in row.labels.tags}, key=str.casefold),
    )


def newest_finished(rows: list[Row], most: int | None = None) -> list[Row]:
    """Those with figures, in their order; the first of them if there are more than `most`."""
    return list(itertools.islice((row for row in rows if row.state is RunState.FINISHED), most))


def active_runs(rows: list[Row]) -> dict[str, Run]:
    """The runs to which something is going to happen, by id."""
    return {row.run.id: row.run for row in rows if row.state in ACTIVE}


def number_archived(rows: list[Row]) -> int:
    """How many of them a table hides unless asked for them."""
    return sum(row.labels.archived for row in rows)


def matching(rows: list[Row], wanted: Filter, order: str = next(iter(ORDERS))) -> list[Row]:
    """The rows that a filter lets through.

    Args:
        rows: newest first.
        order: a name among `ORDERS`.
    """
    words = tuple(together or word for together, word in _WORDS.findall(wanted.words.casefold()))
    fits, tags = _of_recipe(wanted, words), frozenset(wanted.tags)
    found = [
        row
        for row in rows
        if (wanted.archived or not row.labels.archived)
        and (row.labels.star or not wanted.starred)
        and (not tags or not tags.isdisjoint(row.labels.tags))
        and (not wanted.states or str(row.state) in wanted.states)
        and fits(row)
    ]
    return found if order == next(iter(ORDERS)) else _ordered(found, ORDERS[order])


def _ordered(rows: list[Row], order: Order) -> list[Row]:
    """Where two are alike, in the order in which they come."""
    values = [(order.by(row), row) for row in rows]
    known = [(value, row) for value, row in values if value is not None and value == value]
    without = [row for value, row in values if value is None or value != value]
    known.sort(key=itemgetter(0), reverse=order.falling)
    return [row for _, row in known] + without


def _of_recipe(wanted: Filter, words: tuple[str, ...]) -> Callable[[Row], bool]:
    """What depends on the recipe is looked up once for all its seeds, by its identity: it is shared by them."""
    if not (words or wanted.datasets or wanted.models):
        return lambda row: True
    known: dict[int, tuple[bool, str, tuple[str, ...]]] = {}

    def fits(row: Row) -> bool:
        recipe = row.recipe
        found = known.get(id(recipe))
        if found is None:
            text = _recipe_text(recipe)
            # A word that the recipe has is found; any other may still stand in what is the run's own.
            missing = tuple(word for word in words if word not in text)
            found = known[id(recipe)] = (_is_chosen(recipe, wanted), text, missing)
        chosen, text, missing = found
        return chosen and (not missing or _has(row, text, missing))

    return fits


def _is_chosen(recipe: Recipe, wanted: Filter) -> bool:
    return (not wanted.datasets or recipe.dataset in wanted.datasets) and (
        not wanted.models or recipe.model in wanted.models
    )


def _has(row: Row, recipe_text: str, words: tuple[str, ...]) -> bool:
    labels = row.labels
    known = f"{recipe_text} seed {row.seed} {row.id}"
    if labels.tags or labels.note:
        known += f" {' '.join(labels.tags)} {labels.note}".casefold()
    return all(word in known for word in words)


@functools.lru_cache(maxsize=RECIPES_KEPT)
def _recipe_text(recipe: Recipe) -> str:
    """A folder by its own name: its whole path is not shown, so nobody should find it."""
    name = recipe.dataset if folder_place(recipe.dataset) is None else ""
    return f"{recipe_words(recipe)} {name} {dataset_title(recipe.dataset)}".casefold()
