"""The form in which the index keeps rows: all seeds of a recipe together, so that a hundred thousand are back at once.

What nearly every page asks of every run is its head, and is unpacked for all of them; recipes and all else of a row
when somebody asks for it.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import cached_property, lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from core import config, datasets, knobs, models
from core.config import Recipe
from core.errors import UserError
from core.index_file import Group, Record
from core.index_rows import FIGURES, Entry, Row, Seen
from core.labels import Labels, labels_of
from core.store import RECIPES_KEPT, Run, RunSpec, RunState, recipe_of

_CODE_OF_RULES = b"".join(Path(module.__file__).read_bytes() for module in (config, knobs, models, datasets))

RULES = hashlib.sha256(_CODE_OF_RULES).hexdigest()[:16]
"""Another one whenever the code changes that says which recipes there may be."""

_STATES = {str(state): state for state in RunState}
_NO_LABELS = Labels()


class _Shared:
    """What the seeds of a recipe share in the file."""

    def __init__(self, runs: Path, group: Group) -> None:
        self.runs = runs
        common, _, self._recipe = group.shared.partition("\n")
        self._rules, self.digest, self.data_fingerprint, self.dataset, self.model = json.loads(common)
        self._rests = group.rests

    @property
    def by_these_rules(self) -> bool:
        return self._rules == RULES

    @property
    def accepted(self) -> bool:
        """Whether these rules have the recipe; checked now where others wrote it, which takes a hundred times longer."""
        if not self.by_these_rules:
            try:
                self.recipe = recipe_of(self._recipe)
            except (UserError, ValueError, TypeError, KeyError):
                return False
        return True

    @cached_property
    def recipe(self) -> Recipe:
        """Not checked: it has passed the very checks that it would pass now."""
        recipe = Recipe.__new__(Recipe)
        object.__setattr__(recipe, "__dict__", json.loads(self._recipe))
        return recipe

    @cached_property
    def rests(self) -> list["_Rest"]:
        """By the number of the run in its group."""
        return [_Rest(*line.split("\t")) for line in self._rests.split("\n")]


class _Rest(NamedTuple):
    """What is in a record beside the head, as texts; with tabs between them, as JSON has none of its own."""

    over: str
    seen: str
    attempt: str
    figures: str


class _KeptRow(Row, Seen):
    """A row out of the file, and its own entry: it takes out of its record what somebody asks for."""

    __slots__ = (
        "created",
        "digest",
        "id",
        "is_quiet",
        "labels",
        "number",
        "place",
        "seed",
        "shared",
        "state",
    )

    @property
    def row(self) -> Row:
        return self

    @property
    def run(self) -> Run:
        return self.__dict__.get("run") or self.__dict__.setdefault("run", _run(self))

    recipe, dataset, model, data_fingerprint = (
        property(attrgetter(f"shared.{name}")) for name in ("recipe", "dataset", "model", "data_fingerprint")
    )

    @property
    def over(self) -> bool:
        return self._rest.over == "over"

    @property
    def seen(self) -> str:
        return self._rest.seen

    @property
    def _rest(self) -> _Rest:
        return self.shared.rests[self.number]

    def __getattr__(self, name: str) -> Any:
        """One of the figures, which are unpacked when the first of them is asked for."""
        if name not in FIGURES:
            raise AttributeError(name)
        self.__dict__.update(zip(FIGURES, unpacked(self._rest.figures), strict=True))
        return self.__dict__[name]


def _run(row: _KeptRow) -> Run:
    attempt = int(row._rest.attempt)
    spec = RunSpec(row.recipe, row.seed, row.digest, row.data_fingerprint, attempt, row.created)
    return Run(row.shared.runs / row.id, spec)


def unpacked(figures: str) -> list[Any]:
    """The figures of a row, in the order of `FIGURES`."""
    return json.loads(figures)


def packed(entry: Entry | _KeptRow) -> Record:
    """An entry as the file has it."""
    spec, row = entry.row.run.spec, entry.row
    shared = _shared_text(spec.recipe, spec.digest, spec.data_fingerprint)
    labels = None if row.labels == _NO_LABELS else asdict(row.labels)
    head = [spec.seed, float(spec.created), row.state, entry.is_quiet, entry.place, labels]
    figures = json.dumps([getattr(row, name) for name in FIGURES])
    rest = _Rest("over" if entry.over else "", entry.seen, str(spec.attempt), figures)
    return Record(_name(shared), shared, row.id, json.dumps(head), "\t".join(rest))


class Restored(NamedTuple):
    """What a file says of all runs."""

    entries: dict[str, _KeptRow]
    """By id, the run that was made first at the front."""
    outdated: set[str]
    """Ids of those that other rules wrote: to be written anew."""
    refused: set[str]
    """Ids of those whose recipe these rules refuse: the runs themselves tell what to make of them."""


def restored(runs: Path, groups: Iterable[Group]) -> Restored:
    """The entries of a file.

    Args:
        runs: the folder that they are in.
    """
    rows, outdated, refused = [], set(), set()
    heads = iter(json.loads(f"[{','.join([group.heads for group in groups])}]".replace("\n", ",")))
    for group in groups:
        shared, ids = _Shared(runs, group), group.ids.split("\n")
        made = [_kept(shared, number, run_id, next(heads)) for number, run_id in enumerate(ids)]
        if not shared.accepted:
            refused.update(ids)
            continue
        if not shared.by_these_rules:
            outdated.update(ids)
        rows += made
    rows.sort(key=attrgetter("created"))
    return Restored({row.id: row for row in rows}, outdated, refused)


def _kept(shared: _Shared, number: int, run_id: str, head: list[Any]) -> _KeptRow:
    """Field by field, as a loop over them would take twice as long."""
    row = _KeptRow.__new__(_KeptRow)
    seed, created, state, is_quiet, place, labels = head
    _put_shared(row, shared)
    _put_digest(row, shared.digest)
    _put_number(row, number)
    _put_id(row, run_id)
    _put_seed(row, seed)
    _put_created(row, created)
    _put_state(row, _STATES[state])
    _put_is_quiet(row, is_quiet)
    _put_place(row, place)
    _put_labels(row, labels_of(labels) if labels else _NO_LABELS)
    return row


# In half the time of `setattr`, which the frozen class would refuse besides.
_put_shared, _put_digest = _KeptRow.shared.__set__, _KeptRow.digest.__set__
_put_number, _put_id, _put_seed = _KeptRow.number.__set__, _KeptRow.id.__set__, _KeptRow.seed.__set__
_put_created, _put_state = _KeptRow.created.__set__, _KeptRow.state.__set__
_put_is_quiet, _put_place = _KeptRow.is_quiet.__set__, _KeptRow.place.__set__
_put_labels = _KeptRow.labels.__set__


@lru_cache(maxsize=RECIPES_KEPT)
def _shared_text(recipe: Recipe, digest: str, fingerprint: str) -> str:
    common = [RULES, digest, fingerprint, recipe.dataset, recipe.model]
    return f"{json.dumps(common)}\n{json.dumps(recipe.to_dict())}"


@lru_cache(maxsize=RECIPES_KEPT)
def _name(shared: str) -> str:
    """What is shared by no other recipe and no other version."""
    return hashlib.sha256(shared.encode()).hexdigest()[:32]
