"""All sweeps of a store, for who asks again and again: only those are put together anew whose runs or plan changed."""

import operator

from core.index import Row
from core.plan_index import PlanIndex
from core.store import RunStore
from core.sweep import FOLDER, Sweep, by_digest


class SweepList:
    """The sweeps of one store. Not for several threads at once: whoever shares it brings a lock."""

    def __init__(self, store: RunStore) -> None:
        self._plans = PlanIndex(store.folder / FOLDER)
        self._rows: list[Row] | None = None
        self._known: dict[str, Sweep] = {}
        self._found: list[Sweep] = []

    def of(self, rows: list[Row]) -> list[Sweep]:
        """As `core.sweep.sweeps`: the very same list as long as neither a run nor a plan has changed.

        Args:
            rows: of `RunIndex.rows`, which is another list as soon as a run has changed.
        """
        if not self._plans.update() and rows is self._rows:
            return self._found
        self._known = {digest: self._sweep(digest, group) for digest, group in by_digest(rows).items()}
        self._rows = rows
        self._found = list(self._known.values())
        return self._found

    def examine(self) -> str:
        """For the doctor: compare what is written down of the plans with the plans themselves."""
        return self._plans.examine()

    def _sweep(self, digest: str, group: list[Row]) -> Sweep:
        known, (plan, planned) = self._known.get(digest), self._plans.of(digest)
        if known and (known.plan is plan and known.planned == planned) and _same(known.attempts, group):
            return known
        return Sweep(group, plan, planned)


def _same(known: list[Row], group: list[Row]) -> bool:
    return len(known) == len(group) and all(map(operator.is_, known, group))
