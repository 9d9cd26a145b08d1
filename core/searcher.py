"""Goes through one search, in a process of its own: `python -m core.searcher RUNS_FOLDER ID`.

Asks what to try, has it trained by the executor like any other run, stops what falls behind, and ends with
the budget. It may be killed at any moment: each line of its log is written before what it speaks of is done,
and the next searcher goes on from log and runs.
"""

import errno
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import UserError
from core.executors import Executor, executor, pause, stop
from core.history import History
from core.launch import ready_fingerprint
from core.locks import FileLock
from core.machine import places_for, slots
from core.paths import write_json
from core.runner import KILL_SECONDS
from core.search import importances, keeps_up, propose
from core.search_log import Trial
from core.search_space import rungs
from core.searches import Outcome, SearchFiles, TrialState, find_search, outcome, write_end
from core.store import Run, RunState, RunStore

TICK_SECONDS = 0.2
NOTE_SECONDS = 2.0
"""How much of the budget a kill can give back."""

PATIENCE_SECONDS = KILL_SECONDS + 2
"""So long a run that is stopped may take to end."""

HOPELESS = 3
"""When all of the first so many trainings failed by themselves, the rest would, too."""

_AT_WORK = (RunState.STARTING, RunState.RUNNING, RunState.STOPPING)


class Searcher:
    """One `tick` looks at everything once; `loop` repeats it until the search is over or stopped."""

    def __init__(
        self,
        files: SearchFiles,
        trainer: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: clock: seconds that no change of the machine's date moves."""
        self.files, self.search, self.store = files, files.search, files.store
        self._trainer, self._clock = trainer or executor(), clock
        self._log = _Log(files.path("jsonl"))
        self._histories: dict[str, History] = {}
        self._spent, self._looked_at, self._noted = files.spent_seconds(), clock(), 0.0
        self.outcomes = [self._outcome(trial) for trial in files.trials()]
        for place, one in enumerate(self.outcomes):
            self._take_up(place, one)

    def loop(self) -> None:
        while not self.tick():
            time.sleep(TICK_SECONDS)

    def tick(self) -> bool:
        """Look, stop, ask; True when nothing is left to do."""
        self._pass_time()
        for place, one in enumerate(self.outcomes):
            if one.state.open or one.trial.ended_at is None:
                self._look_at(place)
        if self.files.path("stop").exists():
            self._stop_all()
            return True
        if sentence := self._finished():
            stopped = self._stop_all()
            write_end(self.files, f"{sentence} {_stopped_in_words(stopped)}".strip())
            return True
        self._fill()
        return False

    def _outcome(self, trial: Trial) -> Outcome:
        return outcome(self.files, trial, self._history)

    def _history(self, run: Run) -> History:
        found = self._histories.setdefault(run.id, History(run.events_path, with_steps=False))
        found.read_new()
        return found

    def _take_up(self, place: int, one: Outcome) -> None:
        """Do what was written down and perhaps not done: a kill may have come in between."""
        if one.trial.run_id is None:
            if not self.files.stopped:
                self._open(place)
        elif one.trial.cut_at:
            if one.trial.ended_at is None:
                self._pause(one.run)  # later it is paused for sure, or a person had it go on since
        elif one.trial.ours and one.trial.ended_at is None and one.run and not self.files.stopped:
            # Perhaps it was stopped with the search, which goes on now; or it waits for a process that is gone.
            state = one.run.state()
            if not state.ended and state not in _AT_WORK:
                self._trainer.start(self.store, [one.run])

    def _pass_time(self) -> None:
        """The budget is of minutes in which something of the search trains: not of those that it waits in line."""
        now = self._clock()
        if any(one.state is TrialState.RUNNING for one in self.outcomes) or not self._in_flight():
            self._spent += now - self._looked_at
        self._looked_at = now
        if self._spent - self._noted >= NOTE_SECONDS:
            self._note_time()

    def _note_time(self) -> None:
        self._noted = self._spent
        write_json(self.files.path("spent.json"), {"seconds": self._spent}, durable=False)

    def _in_flight(self) -> list[Outcome]:
        return [one for one in self.outcomes if one.state.open]

    def _look_at(self, place: int) -> None:
        """Notice how far a run is, and its end."""
        one = self.outcomes[place] = self._outcome(self.outcomes[place].trial)
        if one.state is TrialState.RUNNING and self.search.halving and one.trial.ours:
            self._judge(place, one)
            one = self.outcomes[place]
        if one.state.open or one.trial.ended_at is not None:
            return
        self._write(place, {"ended_at": round(self._spent, 2)}, ended_at=round(self._spent, 2))
        if one.state in (TrialState.FINISHED, TrialState.CUT, TrialState.DIVERGED):
            found = importances(self.search, self.outcomes)
            write_json(self.files.path("importances.json"), {"importances": found}, durable=False)

    def _judge(self, place: int, one: Outcome) -> None:
        """At each rung that a run has newly reached: does it go on? Once decided, it stays decided."""
        for epoch in rungs(one.run.spec.recipe.epochs):
            if epoch in one.trial.rungs or len(one.accuracies) < epoch:
                continue
            others = [
                other.accuracies[epoch - 1]
                for other in self.outcomes
                if other is not one and len(other.accuracies) >= epoch
            ]
            kept = keeps_up(one.accuracies[epoch - 1], others)
            rung = {**self.outcomes[place].trial.rungs, epoch: kept}
            self._write(place, {"epoch": epoch, "kept": kept}, rungs=rung)
            if not kept:
                self._pause(one.run)
                self.outcomes[place] = self._outcome(self.outcomes[place].trial)
                return

    def _pause(self, run: Run | None) -> None:
        """Not `stop`: for that the runner ends the worker's whole process, and the next run waits for torch."""
        if run and run.state() is not RunState.CANCELLED:
            pause(self.store, run)

    def _finished(self) -> str:
        """Why the search is over, in a sentence; empty if it is not."""
        open_ones = self._in_flight()
        failed = [one for one in self.outcomes if one.state is TrialState.FAILED]
        if len(failed) >= HOPELESS and len(failed) == len(self.outcomes) - len(open_ones):
            reason = self._history(failed[-1].run).end
            why = getattr(reason, "message", "") or "see the logs of its runs."
            return f"The first {len(failed)} trainings all failed: {why}"
        if self._spent >= 60 * self.search.minutes:
            minutes = self.search.minutes
            return "Its minute is over." if minutes == 1 else f"Its {minutes:g} minutes are over."
        if open_ones:
            return ""
        if len(self.outcomes) >= self.search.most_runs:
            return "It has made all the runs that it was to make."
        if self.outcomes and propose(self.search, self.outcomes) is None:
            return "Every combination was tried."
        return ""

    def _fill(self) -> None:
        """Keep every place busy and one run waiting: a worker goes on with that one at once, in the same process."""
        while len(self.outcomes) < self.search.most_runs and self._spent < 60 * self.search.minutes:
            taken = sum(places_for(self._recipe(one)) for one in self._in_flight())
            if taken > slots():
                return
            values = propose(self.search, self.outcomes)
            if values is None:
                return
            trial = Trial(1 + max((one.trial.number for one in self.outcomes), default=0), values)
            self._log.append({"trial": trial.number, "time": time.time(), "values": values})
            self.outcomes.append(Outcome(trial, None, TrialState.WAITING))
            self._open(len(self.outcomes) - 1)
            self._pass_time()

    def _recipe(self, one: Outcome) -> Any:
        return self.search.recipe(one.trial.values)

    def _open(self, place: int) -> None:
        """Find or make the run of a trial; one that has ended counts at once, one of somebody else is joined.

        Raises:
            UserError: the images have changed, or no run can be made.
        """
        trial = self.outcomes[place].trial
        recipe = self.search.recipe(trial.values)
        images = ready_fingerprint(recipe)
        if images != self.files.images:
            raise UserError("The images have changed since this search was begun: begin it anew.")
        run, _ = self.store.open(recipe, self.search.seed, images)
        state = run.state()
        known, ours = state.ended, not state.ended and not state.active
        about = {"run": run.id, "ours": ours, "known": known}
        self._write(place, about, run_id=run.id, ours=ours, known=known)
        if ours:
            self._trainer.start(self.store, [run])
        self._look_at(place)

    def _stop_all(self) -> int:
        """Stop what this search began and has not finished, and wait until it has; gives how many there were."""
        mine = [one.run for one in self._in_flight() if one.trial.ours and one.run]
        for run in mine:
            stop(self.store, run)
        self._note_time()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(run.state().active for run in mine) and time.monotonic() < deadline:
            time.sleep(TICK_SECONDS)
        return len(mine)

    def _write(self, place: int, event: dict[str, Any], **changes: Any) -> None:
        one = self.outcomes[place]
        self._log.append({"trial": one.trial.number, **event})
        self.outcomes[place] = replace(one, trial=replace(one.trial, **changes))


def _stopped_in_words(number: int) -> str:
    if not number:
        return ""
    return "1 unfinished run was stopped." if number == 1 else f"{number} unfinished runs were stopped."


class _Log:
    """Appends lines that survive a power cut; one torn by a kill is cut when the log is opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)

    def append(self, event: dict[str, Any]) -> None:
        with self._path.open("ab") as file:
            file.write(json.dumps(event).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def main(arguments: list[str]) -> int:
    """Search, unless another process is at it; how it ended is in the search's own files."""
    files = find_search(RunStore(Path(arguments[0])), arguments[1])
    lock = FileLock(files.path("lock"))
    if not lock.acquire():
        return 0
    try:
        if files.over:
            return 0
        Searcher(files).loop()
    except UserError as error:
        write_end(files, str(error), failed=True)
        return 1
    except Exception as error:
        traceback.print_exc()
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return 1  # woken again until there is room, as its runs are
        write_end(files, f"The search ended on a fault ({type(error).__name__}); its log has more.", True)
        return 1
    finally:
        lock.release()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
