"""A sweep: one recipe, several seeds. Which seeds were planned, which came later, and what they gave.

How many seeds there are is fixed before the first result, in `runs/.sweeps/DIGEST.json`: whoever adds
seeds until the figures please him proves nothing. Adding is allowed and stays written there, with how
many results were known by then. Runs that nobody planned (trained one by one) make up a sweep of their
own where there is no plan, and stand beside it where there is one.
"""

import re
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from core.config import Recipe
from core.errors import UserError
from core.index import Row
from core.locks import FileLock
from core.paths import read_json, write_json
from core.seeds import LARGEST_SEED
from core.store import RunState, RunStore

FOLDER = ".sweeps"
FORMAT = 1
MOST_SEEDS = 1000

_DIGEST = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Added:
    """Seeds that came after the plan, and what was known by then."""

    seeds: tuple[int, ...]
    time: float
    finished: int
    """Runs of the recipe that had ended."""
    looks: int
    """How often test figures of the recipe had been looked at."""


@dataclass(frozen=True)
class Plan:
    """The seeds of a sweep as they were fixed, and those that were added."""

    seeds: tuple[int, ...]
    created: float
    added: tuple[Added, ...] = ()
    known: int = 0
    """Runs of this recipe, whatever their seeds, that had ended when the seeds were fixed."""
    looks: int = 0
    """How often test figures of the recipe had been looked at by then."""

    @property
    def all_seeds(self) -> list[int]:
        return [*self.seeds, *(seed for added in self.added for seed in added.seeds)]


@dataclass(frozen=True)
class Sweep:
    """A recipe on certain images: all its runs, and the plan of its seeds.

    What it says of them is worked out when it is asked for the first time, and kept, as pages have ten thousand
    sweeps and ask little of most: not to be changed by who gets it.
    """

    attempts: list[Row]
    """Every run of the recipe, whatever its seed; newest first, at least one."""
    plan: Plan | None
    planned: bool = False
    """Whether there is a file of a plan, be it one that can't be read."""

    @property
    def plan_unreadable(self) -> bool:
        return self.planned and self.plan is None

    @property
    def digest(self) -> str:
        return self.attempts[0].digest

    @property
    def recipe(self) -> Recipe:
        return self.attempts[0].recipe

    @property
    def data_fingerprint(self) -> str:
        return self.attempts[0].data_fingerprint

    @cached_property
    def runs(self) -> dict[int, Row | None]:
        """Each seed that counts with the run that answers for it, or None where it was planned and never started."""
        counted = sorted(self.plan.all_seeds) if self.plan else self._answers
        return {seed: self._answers.get(seed) for seed in counted}

    @cached_property
    def outside(self) -> list[Row]:
        """The runs of other seeds, which were trained without being part of the plan."""
        return [self._answers[seed] for seed in sorted(self._answers.keys() - self.runs.keys())]

    @cached_property
    def _answers(self) -> dict[int, Row]:
        attempts: dict[int, list[Row]] = defaultdict(list)
        for row in self.attempts:
            attempts[row.seed].append(row)
        return {seed: answering(rows) for seed, rows in sorted(attempts.items())}

    @cached_property
    def final(self) -> bool:
        """Whether each seed that counts has ended: before that, figures may still move, and nobody may
        stop where they please him."""
        return all(row is not None and row.state.ended for row in self.runs.values())

    def remarks(self) -> list[str]:
        """What a reader of its figures has to know: seeds that are missing, and what was known when."""
        found = []
        if not self.final:
            planned = "planned seeds" if self.plan else "seeds"
            found.append(f"not final: {len(self.finished)} of {len(self.runs)} {planned} have figures so far")
        found += [f"{number} {state}: without figures, not in them" for state, number in self.lost.items()]
        return found + self.plan_remarks()

    def plan_remarks(self) -> list[str]:
        """How far its seeds were fixed before anything was known."""
        found = []
        if self.plan_unreadable:
            found.append("its plan can't be read")
        if self.plan and self.plan.known:
            found.append(f"planned after {_known(self.plan.known, self.plan.looks)}")
        for added in self.plan.added if self.plan else ():
            found.append(f"{len(added.seeds)} added after {_known(added.finished, added.looks)}")
        if self.plan is None and len(self.runs) > 1:
            found.append("seeds chosen one by one")
        if self.outside:
            found.append(f"{len(self.outside)} more trained apart, not counted")
        return found

    @cached_property
    def rows(self) -> list[Row]:
        """The runs that exist among those that count, by seed."""
        return [row for row in self.runs.values() if row]

    @cached_property
    def finished(self) -> list[Row]:
        """Those with figures."""
        return [row for row in self.rows if row.state is RunState.FINISHED]

    @cached_property
    def under_way(self) -> list[Row]:
        return [row for row in self.rows if row.state.active]

    @cached_property
    def lost(self) -> dict[str, int]:
        """How many ended without figures, by state ("diverged", "failed"): counted, never left out silently."""
        return self._counts(lambda row: row.state.ended and row.state is not RunState.FINISHED)

    @cached_property
    def halted(self) -> dict[str, int]:
        """How many wait for a person, by state; those that were never started among them."""
        counts = self._counts(lambda row: not row.state.ended and not row.state.active)
        missing = sum(row is None for row in self.runs.values())
        return {**counts, **({"not started": missing} if missing else {})}

    def _counts(self, wanted: Callable[[Row], bool]) -> dict[str, int]:
        counts: dict[str, int] = defaultdict(int)
        for row in self.rows:
            if wanted(row):
                counts[str(row.state)] += 1
        return dict(counts)


def _known(finished: int, looks: int) -> str:
    results = "1 result was known" if finished == 1 else f"{finished} results were known"
    return results + (" and test was looked at" if looks else "")


def sweeps(store: RunStore, rows: list[Row]) -> list[Sweep]:
    """Every recipe that was trained, with its seeds; the one with the newest run first.

    Args:
        rows: newest first.
    """
    plans = _plans(store)
    return [Sweep(group, plans.get(digest), digest in plans) for digest, group in by_digest(rows).items()]


def by_digest(rows: list[Row]) -> dict[str, list[Row]]:
    """The runs of each recipe, in their order."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.digest].append(row)
    return groups


def find_sweep(found: list[Sweep], digest: str) -> Sweep:
    """The sweep that a person names by its digest, or by the first digits of it.

    Raises:
        UserError: none, or several, begin like this.
    """
    matching = [sweep for sweep in found if sweep.digest.startswith(digest.lower())]
    if len(matching) != 1:
        what = (
            "No recipe was trained whose digest begins" if not matching else "Several recipes' digests begin"
        )
        raise UserError(f"{what} with {digest!r}: `python -m core runs` lists them.")
    return matching[0]


def answering(attempts: list[Row]) -> Row:
    """Of the attempts at one seed, the one that counts.

    The first that was conclusive: else one could train again until the figure pleases. Without one, the
    newest.
    """
    if len(attempts) == 1:
        return attempts[0]
    ordered = sorted(attempts, key=lambda row: row.run.spec.attempt)
    return next((row for row in ordered if row.state.conclusive), ordered[-1])


def settle_plan(store: RunStore, digest: str, seeds: list[int], rows: list[Row]) -> Plan:
    """Fix the seeds of a recipe's sweep, or note which ones are added to those that were fixed.

    Args:
        rows: the runs of this digest so far, of whatever seeds: what was known by now.

    Raises:
        UserError: the folder of runs can't be written to, or the plan that is there can't be read.
    """
    folder = store.folder / FOLDER
    path = folder / f"{digest}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{digest}.lock")
        if not lock.acquire(patience_seconds=10):
            raise UserError("Somebody else is starting the same sweep: try again in a moment.")
        try:
            before = read_plan(path)
            if before is None and path.exists():
                raise UserError(
                    f"The plan of this sweep can't be read ({path}): it is damaged or of a newer Tenfold; "
                    "move it away to plan the sweep anew."
                )
            plan = _with(before, seeds, rows)
            if plan != before:
                write_json(path, {"format": FORMAT, **asdict(plan)})
        finally:
            lock.release()
    except OSError as error:
        raise UserError(
            f"A sweep can't be written down in {store.folder} ({error.strerror}): "
            "make room there, or set TENFOLD_RUNS to a folder that you may write to."
        ) from error
    return plan


def _with(plan: Plan | None, seeds: list[int], rows: list[Row]) -> Plan:
    """What anybody could know of the recipe by now decides: of all its runs, in the plan or not."""
    known, looks = sum(row.state.ended for row in rows), sum(row.looks for row in rows)
    if plan is None:
        return Plan(tuple(seeds), time.time(), (), known, looks)
    new = tuple(seed for seed in seeds if seed not in plan.all_seeds)
    if not new:
        return plan
    if not known:  # nobody could know anything yet: the plan is larger, that is all
        return replace(plan, seeds=(*plan.seeds, *new))
    return replace(plan, added=(*plan.added, Added(new, time.time(), known, looks)))


def read_plan(path: Path) -> Plan | None:
    """The plan in a file; None for none, or for one that can't be read here."""
    values = read_json(path)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        return None
    try:
        added = tuple(
            Added(_seeds(one["seeds"]), float(one["time"]), int(one["finished"]), int(one["looks"]))
            for one in values["added"]
        )
        known, looks = int(values.get("known", 0)), int(values.get("looks", 0))
        return Plan(_seeds(values["seeds"]), float(values["created"]), added, known, looks)
    except (KeyError, TypeError, ValueError, OverflowError):  # Infinity is no whole number
        return None


def _seeds(values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or not values:
        raise ValueError("no list of seeds")
    if not all(type(seed) is int and 0 <= seed <= LARGEST_SEED for seed in values):
        raise ValueError("what is no seed")
    return tuple(values)


def _plans(store: RunStore) -> dict[str, Plan | None]:
    """By digest; None where there is a file that can't be read."""
    folder = store.folder / FOLDER
    if not folder.is_dir():
        return {}
    return {path.stem: read_plan(path) for path in folder.glob("*.json") if _DIGEST.fullmatch(path.stem)}


def parse_seeds(text: str) -> list[int]:
    """Seeds as people write them: "0-9", "1, 7, 42", "0-4, 42", or "10 seeds" for 0 to 9.

    Raises:
        UserError: no seed, one that is no whole number from 0 to 2**31 - 1, or more than 1,000.
    """
    counted = re.fullmatch(r"\s*(\d{1,9})\s*seeds?\s*", text)
    if counted:
        text = f"0-{int(counted[1]) - 1}" if int(counted[1]) else ""
    seeds: list[int] = []
    for part in re.split(r"[,;\s]+", re.sub(r"\s*(?:-|–|\.\.)\s*", "-", text.strip())):
        match = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", part)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if low > high or high > LARGEST_SEED:
            raise UserError(
                f"Write seeds as 0-9, as 1, 7, 42 or as 10 seeds: {text.strip() or 'nothing'!r} is none of these."
            )
        if high - low >= MOST_SEEDS or len(seeds) + high - low >= MOST_SEEDS:
            raise UserError(f"More than {MOST_SEEDS:,} seeds at once: take fewer.")
        seeds += range(low, high + 1)
    return list(dict.fromkeys(seeds))


def seeds_in_words(seeds: list[int]) -> str:
    """ "0–9" or "1, 7, 42": runs of three and more are drawn together."""
    groups: list[list[int]] = []
    for seed in sorted(seeds):
        if groups and seed == groups[-1][-1] + 1:
            groups[-1].append(seed)
        else:
            groups.append([seed])
    parts = []
    for group in groups:
        parts += [f"{group[0]}–{group[-1]}"] if len(group) > 2 else map(str, group)
    return ", ".join(parts)
