"""Runs as folders: one folder a run, one writer a file, and a state that is derived, never stored.

runs/ID/run.json            recipe, seed, digest: written once, with the folder
        events.jsonl        what happened; the worker appends
        checkpoint-0003.pt  immutable, named after its epoch; the worker keeps the two newest
        weights.pt          the trained state dict     predictions.npz   logits and labels
        filters.npz         of the first layer
        progress.json       the heartbeat              worker.log        what the worker printed
        lock                held by the living worker  runner.json       launches, failure
        leases/             the same on a cluster (`core.lease`)
        cancel, pause       markers: a person's wishes
        looks.jsonl         each time that test figures were looked at, with a guess if one was made before
        proof.*             whether it can be repeated bit by bit (`core.proof`)
        exports/            files that were made to be taken home (`core.taking`); may be deleted at any time
        labels.json         star, tags, note (`core.labels`); the dashboard writes
runs/.queue/ID              an empty file for each run that somebody asked to be trained
runs/.proving/ID            an empty file for each run that is being proven (`core.estimate.proving`)
runs/.trash/ID              a run that was deleted, until the trash is emptied (`core.trash`)
runs/.index.sqlite          what `core.index` remembers of runs; may be deleted at any time
runs/.sweeps/DIGEST.json    which seeds were planned (`core.sweep`); `.index` beside them may be deleted at any time
runs/.changed               which ended runs were changed lately (`core.changes`); may be deleted at any time
"""

import contextlib
import enum
import errno
import functools
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from core import changes
from core.config import Recipe
from core.errors import UserError
from core.events import Event, Failed, Finished, Progress, from_line
from core.history import History, read_history
from core.lease import is_leased
from core.locks import is_held
from core.paths import read_json, sync_folder, write_json

FORMAT = 1
"""Of the run folder; a folder with a higher one comes from a newer Tenfold and is left alone."""

QUEUE = ".queue"

MOST_MISSING = 16
"""So many attempts in a row may have been deleted before those after them are overlooked."""

CREATE_TRIES = 20

RECIPES_KEPT = 16_384
"""So many different recipes are kept parsed; checking one takes about as long as reading its file."""

DISK_IS_FULL = "The disk is full: the run goes on by itself when there is room."
FULL_BYTES = 65_536
"""With less room than this not even the record of a run can grow."""

RUN_ID = re.compile(r"[0-9a-f]{32}")


class RunState(enum.StrEnum):
    """What a person is told about a run."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    RESUMING = "resuming"  # its worker died, or the machine was off; it is about to go on
    PAUSED = "paused"
    INTERRUPTED = "interrupted"  # and nobody asked for it to go on
    FINISHED = "finished"
    DIVERGED = "diverged"
    FAILED = "failed"
    CANCELLED = "stopped"

    @property
    def active(self) -> bool:
        """Whether something is still going to happen by itself."""
        return self in (
            RunState.QUEUED,
            RunState.STARTING,
            RunState.RUNNING,
            RunState.STOPPING,
            RunState.RESUMING,
        )

    @property
    def ended(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self in (RunState.FINISHED, RunState.DIVERGED, RunState.FAILED)

    @property
    def conclusive(self) -> bool:
        """Whether training it again would end the same way, so that it counts as the answer."""
        return self in (RunState.FINISHED, RunState.DIVERGED)


ACTIVE = frozenset(state for state in RunState if state.active)
"""For who asks it of a hundred thousand runs: in a tenth of the time that `RunState.active` takes."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run is: one training of a recipe with one seed. `attempt` counts "train again"."""

    recipe: Recipe
    seed: int
    digest: str
    data_fingerprint: str
    attempt: int
    created: float


class Run:
    """One run folder. Cheap to make; everything is read when asked for."""

    def __init__(self, folder: Path, spec: RunSpec) -> None:
        self.folder = folder
        self.id = folder.name
        self.spec = spec

    @property
    def events_path(self) -> Path:
        return self.folder / "events.jsonl"

    @property
    def log_path(self) -> Path:
        return self.folder / "worker.log"

    @property
    def lock_path(self) -> Path:
        return self.folder / "lock"

    @property
    def attended(self) -> bool:
        """Whether a living worker has it: a lock says so on one machine, a lease on a cluster."""
        return is_held(self.lock_path) or is_leased(self.folder)

    @property
    def queued(self) -> bool:
        """Whether somebody asked for it to be trained, and it has not ended since."""
        return (self.folder.parent / QUEUE / self.id).exists()

    def state(self) -> RunState:
        """Derived from the last event, the worker's lock or lease, the markers and the runner's note."""
        end = self._last_event()
        if isinstance(end, Finished):
            return RunState.FINISHED
        if isinstance(end, Failed):
            return RunState.DIVERGED if end.reason == "diverged" else RunState.FAILED
        if self.attended:
            return RunState.STOPPING if self.marked("cancel") else RunState.RUNNING
        note = self.runner_note()
        if note.get("failure"):
            return RunState.FAILED
        if self.marked("cancel"):
            return RunState.CANCELLED
        if self.marked("pause") or self.hindrance():
            return RunState.PAUSED
        if not self.queued:
            return RunState.INTERRUPTED
        if end is not None:
            return RunState.RESUMING
        return RunState.STARTING if note.get("launches") else RunState.QUEUED

    def hindrance(self) -> str:
        """Why it can't go on for now, as a sentence; empty if it can. Derived where no note could be written."""
        if waiting := self.runner_note().get("waiting"):
            return str(waiting)
        if not os.access(self.folder, os.W_OK) and self.folder.exists():
            return "Its folder can't be written to: the run goes on by itself when it can."
        with contextlib.suppress(OSError):
            if shutil.disk_usage(self.folder).free < FULL_BYTES:
                return DISK_IS_FULL
        return ""

    @property
    def over(self) -> bool:
        """Whether its last event is its end: then no lock, marker or note counts any more."""
        return isinstance(self._last_event(), Finished | Failed)

    def history(self) -> History:
        """All its events so far."""
        return read_history(self.events_path)

    def progress(self) -> Progress | None:
        """The worker's last sign of life, None before the first."""
        values = read_json(self.folder / "progress.json")
        try:
            return Progress(**values) if values else None
        except TypeError:  # written by another version
            return None

    def runner_note(self) -> dict[str, Any]:
        """What the runner wrote: `launches`, `failure` where it gave up, `waiting` where it can't go on yet."""
        return read_json(self.folder / "runner.json") or {}

    def mark(self, name: str) -> None:
        """Leave a person's wish ("cancel", "pause") for runner and worker."""
        (self.folder / name).touch()

    def unmark(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def marked(self, name: str) -> bool:
        return (self.folder / name).exists()

    def look(self, where: str, guess: float | None = None, runs: int = 1) -> int:
        """Record that this run's test figures were looked at; returns how often so far.

        Args:
            guess: of the test accuracy, made before, a fraction; of `runs` runs together their mean was guessed.
        """
        guessed = {} if guess is None else {"guess": guess} | ({"runs": runs} if runs > 1 else {})
        line = json.dumps({"time": time.time(), "where": where, **guessed}) + "\n"
        with (self.folder / "looks.jsonl").open("a") as file:
            file.write(line)
        changes.note(self.folder)
        return self.looks()

    def looks(self) -> int:
        """How often this run's test figures were looked at."""
        try:
            return (self.folder / "looks.jsonl").read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0

    def _last_event(self) -> Event | None:
        """The last whole event: where a run has ended, that is its end."""
        try:
            with self.events_path.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - 65_536))
                lines = file.read().rpartition(b"\n")[0].split(b"\n")
        except FileNotFoundError:
            return None
        return from_line(lines[-1].decode(errors="replace")) if lines[-1] else None


class RunStore:
    """All runs below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._waiting: dict[str, tuple[tuple[int, int], Run]] = {}
        self._last_place: int | None = None

    def runs(self) -> list[Run]:
        """Every readable run, newest first; damaged folders are left out (`damaged` lists them)."""
        found = [self.read(path) for path in self._folders()]
        return sorted((run for run in found if run), key=lambda run: run.spec.created, reverse=True)

    def damaged(self) -> list[Path]:
        """Run folders whose run.json can't be read here: cut, or written by a newer Tenfold."""
        return [path for path in self._folders() if self.read(path) is None]

    def get(self, run_id: str) -> Run:
        """The run of this id.

        Raises:
            UserError: no id at all, or no such run.
        """
        run = self.read(self.folder / run_id) if RUN_ID.fullmatch(run_id) else None
        if run is None:
            raise UserError(self._why_not(run_id))
        return run

    def _why_not(self, run_id: str) -> str:
        """Why there is no such run, in a sentence."""
        version = None
        if RUN_ID.fullmatch(run_id):
            version = (read_json(self.folder / run_id / "run.json") or {}).get("format")
        if type(version) is int and version > FORMAT:
            return (
                "This run was made by a newer Tenfold, so it is left as it is: open it with that version "
                f"(its format is {version}, this one reads {FORMAT})."
            )
        return "There is no such run here: it may have been deleted; choose one from the list."

    def enqueue(self, run: Run) -> None:
        """Ask for a run to be trained; one that waits already keeps its place."""
        queue = self.folder / QUEUE
        queue.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            if self._last_place is None:
                self._last_place = max((place for place, _ in self._queued()), default=0)
            # Behind the last one even where the clock was set back. A file system's own clock is too coarse to
            # tell a sweep's runs apart.
            self._last_place = max(time.time_ns(), self._last_place + 1)
            (queue / run.id).touch(exist_ok=False)
            os.utime(queue / run.id, ns=(self._last_place, self._last_place))

    def dequeue(self, run: Run) -> None:
        (self.folder / QUEUE / run.id).unlink(missing_ok=True)

    def queued_ids(self) -> list[str]:
        """The names in the queue, first come first, without a look at the runs themselves."""
        return [name for _, name in sorted(self._queued())]

    def _queued(self) -> list[tuple[int, str]]:
        """When each came, in nanoseconds, and its name."""
        entries = []
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for entry in os.scandir(self.folder / QUEUE):
                with contextlib.suppress(FileNotFoundError):  # taken out at this very moment
                    entries.append((entry.stat().st_mtime_ns, entry.name))
        return entries

    def queue(self, most: int | None = None) -> list[Run]:
        """The runs that were asked for and have not ended, first come first; the first `most` of them.

        Asked for five times a second by the runner, so a run's record is parsed once.
        """
        runs, known, self._waiting = [], self._waiting, {}
        for name in self.queued_ids():
            if most is not None and len(runs) >= most:
                break
            record = _signature(self.folder / name / "run.json")
            before, run = known.get(name, (None, None))
            if record is None or record != before:
                run = self.read(self.folder / name) if RUN_ID.fullmatch(name) else None
            if run:
                runs.append(run)
                if record:
                    self._waiting[name] = record, run
            elif not (self.folder / name).exists():  # its folder was deleted
                (self.folder / QUEUE / name).unlink(missing_ok=True)
        return runs

    def find(self, digest: str, seed: int) -> Run | None:
        """The run that answers for this recipe and seed: finished, diverged, or on its way."""
        states = [(run, run.state()) for _, run in self._attempts(digest, seed) if run]
        on_its_way = [run for run, state in states if state.active]
        conclusive = [run for run, state in states if state.conclusive]
        return next(iter(reversed(on_its_way or conclusive)), None)

    def open(self, recipe: Recipe, seed: int, data_fingerprint: str, again: bool = False) -> tuple[Run, bool]:
        """The run of this recipe and seed, made if there is none to answer for it.

        A run that was stopped or paused goes on; one that failed is left as it is, and a new
        attempt made. `again` makes a new attempt beside those that ended, yet joins one that is
        still on its way, so that a double click starts one run.

        Returns:
            The run, and whether it was made by this very call.

        Raises:
            UserError: the folder of runs can't be written to.
        """
        digest = recipe.digest(data_fingerprint)
        attempts = list(self._attempts(digest, seed))
        newest = attempts[-1][0] if attempts else 0
        answer = self.find(digest, seed)
        if answer and not (again and answer.state().conclusive):
            return answer, False
        for _, run in reversed(attempts):
            if run and not run.state().ended:  # stopped, paused or interrupted
                return run, False
        spec = RunSpec(recipe, seed, digest, data_fingerprint, newest + 1, time.time())
        return self._create(spec)

    def _create(self, spec: RunSpec) -> tuple[Run, bool]:
        """Make the folder appear whole, by rename: of several callers exactly one makes it."""
        target = self.folder / id_of(spec.digest, spec.seed, spec.attempt)
        for _ in range(CREATE_TRIES):
            try:
                self._make(target, spec)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise UserError(
                        f"A run can't be made in {self.folder} ({error.strerror}): "
                        "make room there, or set TENFOLD_RUNS to a folder that you may write to."
                    ) from error
                if run := self.read(target):
                    return run, False
                continue  # somebody deleted in this very moment what was in the way
            return Run(target, spec), True
        raise UserError("Somebody else starts and deletes the same run just now: try again in a moment.")

    def _make(self, target: Path, spec: RunSpec) -> None:
        temporary = self.folder / f".new-{secrets.token_hex(8)}"
        try:
            temporary.mkdir(parents=True)
            write_json(temporary / "run.json", {"format": FORMAT, **asdict(spec)})
            temporary.rename(target)  # refused if the folder is there
            sync_folder(self.folder)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def _attempts(self, digest: str, seed: int) -> Iterator[tuple[int, Run | None]]:
        """Every attempt of a recipe and seed with its number, in order; None for a damaged folder.

        Some may have been deleted among those that are left.
        """
        missing = 0
        for attempt in count(1):
            folder = self.folder / id_of(digest, seed, attempt)
            if folder.exists():
                missing = 0
                yield attempt, self.read(folder)
            elif (missing := missing + 1) > MOST_MISSING:
                return

    def ids(self) -> list[str]:
        """The names of all run folders, readable or not, in no order."""
        try:
            with os.scandir(self.folder) as entries:
                return [entry.name for entry in entries if RUN_ID.fullmatch(entry.name)]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _folders(self) -> list[Path]:
        return [self.folder / name for name in self.ids()]

    def read(self, folder: Path, run_id: str | None = None) -> Run | None:
        """The run in a folder; None where its record is damaged or of a newer Tenfold.

        Args:
            run_id: what it has to be, where that is not the folder's name.
        """
        values = read_json(folder / "run.json")
        if not values or values.pop("format", None) != FORMAT:
            return None
        try:
            spec = RunSpec(**{**values, "recipe": recipe_of(json.dumps(values["recipe"]))})
        except (KeyError, TypeError, ValueError, UserError):
            return None
        # Its name tells digest, seed and attempt: a flipped bit in one of them would give it to another seed.
        named = id_of(spec.digest, spec.seed, spec.attempt)
        return Run(folder, spec) if named == (run_id or folder.name) else None


@functools.lru_cache(maxsize=RECIPES_KEPT)
def recipe_of(text: str) -> Recipe:
    """The recipe of a JSON text; seeds of a sweep share one, which is immutable.

    Raises:
        UserError: as `Recipe.from_dict`.
    """
    return Recipe.from_dict(json.loads(text))


def _signature(path: Path) -> tuple[int, int] | None:
    """What changes when a file is replaced; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def id_of(digest: str, seed: int, attempt: int) -> str:
    """32 hexadecimal digits that depend on what the run is, so that two starts meet in one folder."""
    return hashlib.sha256(f"{digest}/{seed}/{attempt}".encode()).hexdigest()[:32]
