"""Which of many runs a person wants to see: words to search for, and choices among what there is."""

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from core.config import Recipe, in_words
from core.datasets import folder_place
from core.index import Row
from core.store import RECIPES_KEPT
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


def choices(rows: Iterable[Row]) -> Choices:
    """What runs differ in, whether or not they are archived."""
    states, datasets, models, tags = set(), set(), set(), set()
    for row in rows:
        recipe = row.run.spec.recipe
        states.add(str(row.state))
        datasets.add(recipe.dataset)
        models.add(recipe.model)
        tags.update(row.labels.tags)
    return Choices(sorted(states), sorted(datasets), sorted(models), sorted(tags, key=str.casefold))


def matching(rows: list[Row], wanted: Filter) -> list[Row]:
    """The rows that a filter lets through, in their order."""
    words = [together or word for together, word in _WORDS.findall(wanted.words.casefold())]
    kinds = (
        (frozenset(wanted.states), lambda row: str(row.state)),
        (frozenset(wanted.datasets), lambda row: row.run.spec.recipe.dataset),
        (frozenset(wanted.models), lambda row: row.run.spec.recipe.model),
    )
    tags = frozenset(wanted.tags)
    return [
        row
        for row in rows
        if (wanted.archived or not row.labels.archived)
        and (row.labels.star or not wanted.starred)
        and (not tags or not tags.isdisjoint(row.labels.tags))
        and all(not chosen or value(row) in chosen for chosen, value in kinds)
        and (not words or _has(row, words))
    ]


def _has(row: Row, words: list[str]) -> bool:
    spec, labels = row.run.spec, row.labels
    known = f"{_recipe_text(spec.recipe)} seed {spec.seed} {row.run.id}"
    if labels.tags or labels.note:
        known += f" {' '.join(labels.tags)} {labels.note}".casefold()
    return all(word in known for word in words)


@functools.lru_cache(maxsize=RECIPES_KEPT)
def _recipe_text(recipe: Recipe) -> str:
    """A folder by its own name: its whole path is not shown, so nobody should find it."""
    name = recipe.dataset if folder_place(recipe.dataset) is None else ""
    return f"{recipe_words(recipe)} {name} {dataset_title(recipe.dataset)}".casefold()
