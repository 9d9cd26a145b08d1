"""What a searcher wrote down, read back line by line.

A file of a person's disk may be damaged anywhere. Each line is judged by itself: one that can't be what the
searcher wrote is left out and counted, and the rest of the search stays.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from core.errors import UserError
from core.search_space import Search


@dataclass(frozen=True)
class Trial:
    """What the searcher wrote of one of its runs; `number` counts from 1.

    `ours` tells whether the search made or started the run: it may stop no other. `known` are runs that had
    ended before they were asked for. `rungs` maps an epoch to whether the run went on from there. `ended_at`
    is how much of the budget had passed when its end was noticed, in seconds.
    """

    number: int
    values: dict[str, Any]
    run_id: str | None = None
    ours: bool = False
    known: bool = False
    rungs: dict[int, bool] = field(default_factory=dict)
    ended_at: float | None = None

    @property
    def cut_at(self) -> int | None:
        """The epoch at which the search stopped it."""
        return next((epoch for epoch, kept in self.rungs.items() if not kept), None)


@dataclass(frozen=True)
class SearchLog:
    """`trials` in the order in which they were tried; `damaged` lines are those that were left out."""

    trials: tuple[Trial, ...] = ()
    damaged: int = 0


def read_log(content: str, search: Search) -> SearchLog:
    """The trials of a log; a last line that was torn by a kill is left out, and is no damage."""
    found: dict[int, Trial] = {}
    damaged = 0
    for line in content.rpartition("\n")[0].split("\n"):
        if not line:
            continue
        try:
            trial = _after(json.loads(line), found, search)
            found[trial.number] = trial
        except (ValueError, KeyError, RecursionError, UserError):
            damaged += 1
    return SearchLog(tuple(found.values()), damaged)


def is_amount(value: Any) -> bool:
    """Whether it is a number that a clock or a share may show: finite, and not below zero."""
    try:
        return type(value) in (int, float) and math.isfinite(value) and value >= 0
    except OverflowError:  # digits without end
        return False


def _after(event: Any, found: dict[int, Trial], search: Search) -> Trial:
    """The trial that a line speaks of, after what the line says.

    Raises:
        ValueError, KeyError, UserError: the searcher of this search writes no such line.
    """
    if not isinstance(event, dict):
        raise ValueError("no object")
    number = _checked(event["trial"], _is_count)
    if "values" in event:
        _checked(number, lambda new: new not in found)
        return Trial(number, _values(event["values"], search))
    trial = found[number]
    if "run" in event:
        run_id, ours, known = (_checked(event[key], _is(kind)) for key, kind in _ABOUT.items())
        return replace(trial, run_id=run_id, ours=ours, known=known)
    if "epoch" in event:
        rung = {_checked(event["epoch"], _is_count): _checked(event["kept"], _is(bool))}
        return replace(trial, rungs={**trial.rungs, **rung})
    return replace(trial, ended_at=_checked(event["ended_at"], is_amount))


_ABOUT = {"run": str, "ours": bool, "known": bool}


def _values(values: Any, search: Search) -> dict[str, Any]:
    """One value of each field's own list: a figure has a place for no other."""
    if not isinstance(values, dict) or set(values) != {one.field for one in search.ranges}:
        raise ValueError("other fields")
    for one in search.ranges:
        value = values[one.field]
        _checked(
            value, lambda new, known=one.values: any(type(new) is type(old) and new == old for old in known)
        )
    search.recipe(values)
    return values


def _checked(value: Any, valid: Callable[[Any], bool]) -> Any:
    if not valid(value):
        raise ValueError("not a value that is written here")
    return value


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: type(value) is kind


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 1
