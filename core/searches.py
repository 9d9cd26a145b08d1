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
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from core.detached import spawn
from core.errors import UserError
from core.events import Finished
from core.history import History
from core.launch import ready_fingerprint
from core.locks import is_held
from core.paths import read_json, write_json
from core.search_log import SearchLog, Trial, is_amount, read_log
from core.search_space import Search
from core.store import Run, RunState, RunStore

FOLDER = ".searches"
FORMAT = 1
LATEST = 2**40
"""Seconds since 1970: a date beyond (in 36,000 years) can't be written."""

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
class Outcome:
    """A trial and how far its run is: `accuracies` on validation, one an epoch; `accuracy` when it has finished."""

    trial: Trial
    run: Run | None
    state: TrialState
    accuracies: tuple[float, ...] = ()
    accuracy: float | None = None

    @property
    def reached(self) -> float | None:
        """Its accuracy when it has finished, else that of its last epoch; None before any."""
        return next(reversed(self.accuracies), None) if self.accuracy is None else self.accuracy


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

    def log(self) -> SearchLog:
        """All that the searcher wrote so far."""
        try:
            content = self.path("jsonl").read_text(errors="replace")
        except FileNotFoundError:
            return SearchLog()
        return read_log(content, self.search)

    def trials(self) -> list[Trial]:
        """All so far, in order; what is damaged of the log is left out."""
        return list(self.log().trials)

    def spent_seconds(self) -> float:
        """Of the budget; where nothing readable tells, as much as had passed when a trial last ended."""
        seconds = (read_json(self.path("spent.json")) or {}).get("seconds")
        if is_amount(seconds):
            return seconds
        return max((trial.ended_at or 0.0 for trial in self.trials()), default=0.0)

    def end(self) -> End | None:
        values = read_json(self.path("end.json")) or {}
        if not isinstance(values.get("sentence"), str) or not is_amount(values.get("time")):
            return None  # damaged, or written by another version
        return End(values["time"], values["sentence"], values.get("failed") is True)

    def importances(self) -> dict[str, float]:
        """Field -> share of what decides about the best runs; empty as long as nobody can tell."""
        found = (read_json(self.path("importances.json")) or {}).get("importances")
        fields = {one.field for one in self.search.ranges}
        if not isinstance(found, dict):
            return {}
        return {name: share for name, share in found.items() if name in fields and is_amount(share)}

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


def compared(outcomes: list[Outcome]) -> int:
    """From how many runs the best one was chosen: all that ended with a validation accuracy, cut ones too."""
    return sum(not one.state.open and one.reached is not None for one in outcomes)


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
        if not 0 <= values["created"] <= LATEST:
            return None
        return SearchFiles(store, search_id, search, float(values["created"]), str(values["images"]))
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, UserError):
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
