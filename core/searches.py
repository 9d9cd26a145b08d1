"""Searches as files beside the runs: asked for here, gone through by `core.searcher`, read here.

runs/.searches/ID.json        the plan: written once, never changed
               ID.jsonl       what the searcher did, a line each, written before it is done
               ID.spent.json  seconds of the budget that have passed: all that a restart has to know beside
               ID.end.json    why it ended, in a sentence
               ID.importances.json   what the search says of its fields so far
               ID.stop        marker: a person has seen enough; taken away, the search goes on
               ID.lock        held by the searcher while it lives      ID.log   what it printed
What a run of a search is about stands in the run's own folder and nowhere else.
"""

import enum
import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from core.detached import spawn
from core.errors import UserError
from core.events import Finished
from core.history import History
from core.launch import ready_fingerprint
from core.locks import is_held
from core.paths import read_json, write_json
from core.search_space import Search
from core.store import Run, RunState, RunStore

FOLDER = ".searches"
FORMAT = 1
_ID = re.compile(r"[0-9a-f]{12}")

Histories = Callable[[Run], History]


class TrialState(enum.StrEnum):
    """What a person is told about a trial: one run of a search."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    CUT = "stopped early"  # by successive halving
    DIVERGED = "diverged"
    FAILED = "failed"
    STOPPED = "stopped"  # by a person, or at the end of the budget
    GONE = "deleted"

    @property
    def open(self) -> bool:
        return self in (TrialState.WAITING, TrialState.RUNNING)


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
class Outcome:
    """A trial and how far its run is: `accuracies` on validation, one an epoch; `accuracy` when it has finished."""

    trial: Trial
    run: Run | None
    state: TrialState
    accuracies: tuple[float, ...] = ()
    accuracy: float | None = None


@dataclass(frozen=True)
class End:
    """Why a search is over; `failed` where that is nothing that was planned."""

    time: float
    sentence: str
    failed: bool = False


class SearchFiles:
    """One search on disk. Cheap to make; what changes is read when asked for."""

    def __init__(self, store: RunStore, search_id: str, search: Search, created: float, images: str) -> None:
        """Args: images: fingerprint of the data set when the search was asked for."""
        self.store, self.id, self.search = store, search_id, search
        self.created, self.images = created, images

    def path(self, suffix: str) -> Path:
        return self.store.folder / FOLDER / f"{self.id}.{suffix}"

    def trials(self) -> list[Trial]:
        """All so far, in order; a line that was torn by a kill is left out."""
        found: dict[int, Trial] = {}
        try:
            content = self.path("jsonl").read_text(errors="replace")
        except FileNotFoundError:
            return []
        for line in content.rpartition("\n")[0].splitlines():
            event = json.loads(line)
            number = event["trial"]
            if "values" in event:
                found[number] = Trial(number, event["values"])
            elif "run" in event:
                about = {"run_id": event["run"], "ours": event["ours"], "known": event["known"]}
                found[number] = replace(found[number], **about)
            elif "epoch" in event:
                rungs = {**found[number].rungs, event["epoch"]: event["kept"]}
                found[number] = replace(found[number], rungs=rungs)
            else:
                found[number] = replace(found[number], ended_at=event["ended_at"])
        return list(found.values())

    def spent_seconds(self) -> float:
        return (read_json(self.path("spent.json")) or {}).get("seconds", 0.0)

    def end(self) -> End | None:
        values = read_json(self.path("end.json"))
        try:
            return End(**values) if values else None
        except TypeError:  # written by another version
            return None

    def importances(self) -> dict[str, float]:
        """Field -> share of what decides about the best runs; empty as long as nobody can tell."""
        return (read_json(self.path("importances.json")) or {}).get("importances", {})

    @property
    def over(self) -> bool:
        return self.path("end.json").exists()

    @property
    def stopped(self) -> bool:
        """Whether a person stopped it; it can go on."""
        return not self.over and self.path("stop").exists()

    @property
    def running(self) -> bool:
        """Whether it goes on by itself: its process lives, or is about to be started (again)."""
        return not self.over and not self.path("stop").exists()

    @property
    def stopping(self) -> bool:
        return self.stopped and is_held(self.path("lock"))


def outcome(files: SearchFiles, trial: Trial, history_of: Histories) -> Outcome:
    """How far a trial's run is."""
    if trial.run_id is None:
        return Outcome(trial, None, TrialState.WAITING)
    try:
        run = files.store.get(trial.run_id)
    except UserError:
        return Outcome(trial, None, TrialState.GONE)
    state, history = run.state(), history_of(run)
    accuracies = tuple(epoch.validation_accuracy for epoch in history.epochs)
    final = history.end.validation_accuracy if isinstance(history.end, Finished) else None
    if trial.cut_at:
        return Outcome(trial, run, TrialState.CUT, accuracies[: trial.cut_at])
    return Outcome(trial, run, _state_of(run, state), accuracies, final)


def _state_of(run: Run, state: RunState) -> TrialState:
    if state in (RunState.FINISHED, RunState.DIVERGED, RunState.FAILED):
        return TrialState(str(state))
    if state is RunState.CANCELLED:
        return TrialState.STOPPED
    if state is RunState.PAUSED:  # where the disk is full, it goes on by itself
        return TrialState.WAITING if run.runner_note().get("waiting") else TrialState.STOPPED
    return TrialState.WAITING if state in (RunState.QUEUED, RunState.INTERRUPTED) else TrialState.RUNNING


def best(outcomes: list[Outcome]) -> Outcome | None:
    """The finished trial with the highest validation accuracy, the first of equals; None before any."""
    finished = [one for one in outcomes if one.state is TrialState.FINISHED]
    return max(finished, key=lambda one: one.accuracy, default=None)


def searches(store: RunStore) -> list[SearchFiles]:
    """All that can be read here, the newest first."""
    found = [read(store, search_id) for search_id in _ids(store)]
    return sorted((one for one in found if one), key=lambda one: one.created, reverse=True)


def find_search(store: RunStore, search_id: str) -> SearchFiles:
    """Raises: UserError: no such search, or one that can't be read."""
    found = read(store, search_id) if _ID.fullmatch(search_id) else None
    if found is None:
        raise UserError("There is no such search here: choose one from the list.")
    return found


def read(store: RunStore, search_id: str) -> SearchFiles | None:
    """A search; None for none, or for one that is damaged or of a newer version."""
    values = read_json(store.folder / FOLDER / f"{search_id}.json")
    if not values or values.get("format") != FORMAT:
        return None
    try:
        search = Search.from_dict(values["search"])
        return SearchFiles(store, search_id, search, float(values["created"]), str(values["images"]))
    except (KeyError, TypeError, ValueError, AttributeError, UserError):
        return None


def begin(store: RunStore, search: Search) -> SearchFiles:
    """Write a search down and start it; one that is under way with the same plan is joined, not doubled.

    Raises:
        UserError: the images are not prepared yet, or the folder of runs can't be written to.
    """
    images = ready_fingerprint(search.base)
    try:
        (store.folder / FOLDER).mkdir(parents=True, exist_ok=True)
        files = _write(store, search, images)
        go_on(files)
    except OSError as error:
        raise UserError(
            f"A search can't be written down in {store.folder} ({error.strerror}): "
            "make room there, or set TENFOLD_RUNS to a folder that you may write to."
        ) from error
    return files


def _write(store: RunStore, search: Search, images: str) -> SearchFiles:
    """The first file of this plan that is not over, made if there is none: named after what is in it, so that
    a double click meets there."""
    plan = json.dumps([search.to_dict(), images], sort_keys=True)
    for attempt in count(1):
        search_id = hashlib.sha256(f"{plan}/{attempt}".encode()).hexdigest()[:12]
        found = read(store, search_id)
        if found is None:
            values = {"format": FORMAT, "created": time.time(), "images": images, "search": search.to_dict()}
            write_json(store.folder / FOLDER / f"{search_id}.json", values)
            return read(store, search_id)
        if not found.over:
            return found
    raise AssertionError("count ends never")


def go_on(files: SearchFiles) -> None:
    """Start the process of a search, or start it again; a stop is taken back."""
    files.path("stop").unlink(missing_ok=True)
    _launch(files)


def stop_search(files: SearchFiles) -> None:
    """Ask for the end: its process stops the runs that it began; one that died is started for this."""
    if not files.over:
        files.path("stop").touch()
        if not is_held(files.path("lock")):
            _launch(files)


def wake_searches(store: RunStore) -> None:
    """Go on with searches whose process died, or whose machine was off."""
    for search_id in _ids(store):
        folder = store.folder / FOLDER
        if (folder / f"{search_id}.end.json").exists() or (folder / f"{search_id}.stop").exists():
            continue
        if is_held(folder / f"{search_id}.lock"):
            continue
        if files := read(store, search_id):
            _launch(files)


def _launch(files: SearchFiles) -> None:
    """One that finds another at work leaves again."""
    spawn("core.searcher", str(files.store.folder), files.id, log=files.path("log"))


def _ids(store: RunStore) -> list[str]:
    """A test for each end costs less than reading plans: this is asked every few seconds."""
    folder = store.folder / FOLDER
    if not folder.is_dir():
        return []
    return [path.stem for path in folder.glob("*.json") if _ID.fullmatch(path.stem)]


def write_end(files: SearchFiles, sentence: str, failed: bool = False) -> None:
    write_json(files.path("end.json"), asdict(End(time.time(), sentence, failed)))
