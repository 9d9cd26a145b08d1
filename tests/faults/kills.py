"""SIGKILL for workers, runners and dashboards at random moments: `python -m tests.faults.kills --kills 500 --seed 1`.

Runs are kept in the queue while the campaign kills whatever works on them: at any moment, or just when a
checkpoint, an event or the final weights are being written. After each kill the store is woken as the
dashboard does it. At the end every run is held against one of the same seed that nobody disturbed.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from core.config import Recipe
from core.events import EpochEnd, Finished, Started, from_line
from core.executors.local import Local
from core.locks import is_held, last_holder
from core.runner import LOCK_NAME
from core.store import Run, RunState, RunStore
from core.worker import work
from tests.faults.small import draw_images, leftovers, not_json, own_environment, queued, recipe_on
from tests.faults.victims import Dashboard, await_moment, kill, process_of, worker_of

AHEAD = 5
"""So many unfinished runs are kept in the queue."""

SEEDS = 10
"""So many seeds take turns, each again and again, so that ten undisturbed runs are enough to compare with."""

MOST_IN_VAIN = 2
"""A run may be killed this often between two of its commits: the fourth such death ends it, by design."""

PATIENCE_SECONDS = 300.0
ORPHAN_SECONDS = 10.0
MOMENTS = ("any", "checkpoint", "commit", "event", "end", "start", "any", "checkpoint")


@dataclass
class Campaign:
    """One store under fire; `killed` counts what was hit and when, `debris` what the kills left behind."""

    store: RunStore
    recipe: Recipe
    fingerprint: str
    random: random.Random
    ahead: int = AHEAD
    runs: list[Run] = field(default_factory=list)
    killed: Counter = field(default_factory=Counter)
    debris: Counter = field(default_factory=Counter)
    started: Counter = field(default_factory=Counter)  # by seed
    in_vain: dict[str, tuple[int, int]] = field(default_factory=dict)  # epochs at the last kill, kills since
    dashboard: "Dashboard | None" = None

    def go(self, plan: list[str]) -> None:
        """Kill what the plan names, in its order, then let all runs end.

        Args:
            plan: of "runner", "dashboard" and "worker MOMENT"; see `await_moment` for the moments.
        """
        begin = time.monotonic()
        deadline = begin + PATIENCE_SECONDS
        while plan:
            self._top_up()
            what, _, moment = plan[0].partition(" ")
            ways = {
                "worker": self._kill_worker,
                "runner": self._kill_runner,
                "dashboard": self._kill_dashboard,
            }
            if ways[what](moment):
                print(f"{time.monotonic() - begin:6.0f} s, {plan.pop(0)}", file=sys.stderr, flush=True)
                deadline = time.monotonic() + PATIENCE_SECONDS
            assert time.monotonic() < deadline, f"no {plan[0]} came to be killed"
        if self.dashboard:
            self.dashboard.kill()
        self._finish()

    def _top_up(self) -> None:
        unfinished = [run for run in self.runs if not run.state().ended]
        free = set(range(SEEDS)) - {run.spec.seed for run in unfinished}
        for seed in sorted(free, key=lambda seed: (self.started[seed], seed))[: self.ahead - len(unfinished)]:
            run, _ = self.store.open(self.recipe, seed, self.fingerprint, again=True)
            self.store.enqueue(run)
            self.runs.append(run)
            self.started[seed] += 1
        Local().wake(self.store)

    def _finish(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while waiting := self.store.queue():
            Local().wake(self.store)
            assert time.monotonic() < deadline, f"still queued: {[run.state() for run in waiting]}"
            time.sleep(0.2)

    def _kill_worker(self, moment: str) -> bool:
        victims = [(run, process) for run in self.runs if (process := worker_of(run, moment))]
        victims = [pair for pair in victims if self._may_die(pair[0])]
        if not victims:
            time.sleep(0.05)
            return False
        run, process = self.random.choice(victims)
        if not await_moment(moment, run, self.random):
            return False  # nothing was written for a while: a new victim
        if moment != "start" and (run.state().ended or last_holder(run.lock_path) != process.pid):
            return False  # it has gone on to another run
        if not kill(process):
            return False
        epochs = len(run.history().epochs)
        before, times = self.in_vain.get(run.id, (-1, 0))
        self.in_vain[run.id] = (epochs, times + 1 if epochs <= before else 1)
        self.killed[f"worker, {moment}"] += 1
        self.debris.update(_debris(run))
        return True

    def _may_die(self, run: Run) -> bool:
        epochs, times = self.in_vain.get(run.id, (-1, 0))
        return times < MOST_IN_VAIN or len(run.history().epochs) > epochs

    def _kill_runner(self, _: str) -> bool:
        time.sleep(self.random.uniform(0, 0.5))
        process = process_of(last_holder(self.store.folder / LOCK_NAME), "core.runner")
        if process is None or not kill(process):
            time.sleep(0.05)
            return False
        self.killed["runner"] += 1
        return True

    def _kill_dashboard(self, _: str) -> bool:
        """Killed while a page watches a run; runner and workers must live on."""
        if self.dashboard is None or not self.dashboard.answers():
            self.dashboard = Dashboard(self.store.folder.parent / "dashboard.log")
        self.dashboard.open_page()
        time.sleep(self.random.uniform(0, 0.5))
        runner = process_of(last_holder(self.store.folder / LOCK_NAME), "core.runner")
        self.dashboard.kill()
        self.killed["dashboard"] += 1
        if runner and not runner.is_running() and self.store.queue():
            self.debris["runners that died with a dashboard"] += 1
        return True

    def verdict(self, reference: RunStore) -> dict[str, object]:
        """Hold everything against runs that nobody disturbed; every list and number here should be empty or 0."""
        orphans = _orphans(self.store)
        undisturbed = {}
        for seed in self.started:
            (run,) = queued(reference, self.recipe, self.fingerprint, [seed])
            work(run)
            undisturbed[seed] = _weights(run)
        return {
            "runs lost": [run.id for run in self.runs if run.state() is not RunState.FINISHED],
            "torn records": not_json(self.store.folder),
            "epochs missing, twice or trained again": [run.id for run in self.runs if not _whole(run)],
            "other weights": [run.id for run in self.runs if _weights(run) != undisturbed[run.spec.seed]],
            "orphans": orphans,
            "phantoms": [run.id for run in self.runs if is_held(run.lock_path) or run.queued],
            "temporaries": leftovers(self.store),
            "runners that died with a dashboard": self.debris["runners that died with a dashboard"],
        }


# ---- what was left, and whether all is well


def _debris(run: Run) -> list[str]:
    """What a kill left half done: that it did shows that the kill hit the moment."""
    found = []
    if list(run.folder.glob(".checkpoint-*.tmp")):
        found.append("half a checkpoint")
    if list(run.folder.glob(".weights.pt*.tmp")) or list(run.folder.glob(".predictions*.tmp")):
        found.append("half the final files")
    committed = {epoch.checkpoint for epoch in run.history().epochs}
    if {path.name for path in run.folder.glob("checkpoint-*.pt")} - committed:
        found.append("a checkpoint without its event")
    events = run.events_path.read_bytes() if run.events_path.exists() else b""
    if events and not events.endswith(b"\n"):
        found.append("a torn event")
    if (run.folder / "weights.pt").exists() and not run.state().ended:
        found.append("final weights without their event")
    return found


def _whole(run: Run) -> bool:
    """Whether each epoch was committed once, and each worker went on after the last one committed."""
    done, ends = 0, 0
    for line in run.events_path.read_text().splitlines():
        event = from_line(line)
        if isinstance(event, Started) and event.resumed_from != done:
            return False
        if isinstance(event, EpochEnd):
            if event.epoch != done + 1:
                return False
            done = event.epoch
        ends += isinstance(event, Finished)
    shown = [epoch.epoch for epoch in run.history().epochs]
    return done == run.spec.recipe.epochs and ends == 1 and shown == list(range(1, done + 1))


def _weights(run: Run) -> list[str]:
    history = run.history()
    end = history.end.sha256["weights.pt"] if isinstance(history.end, Finished) else ""
    return [*(epoch.weights_sha256 for epoch in history.epochs), end]


def _orphans(store: RunStore) -> list[str]:
    """Processes of this store that are left some seconds after its last run has ended."""

    def left() -> list[str]:
        lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
        return [" ".join(line) for line in lines if str(store.folder) in line]

    deadline = time.monotonic() + ORPHAN_SECONDS
    while (found := left()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def campaign(
    folder: Path, plan: list[str], seed: int, ahead: int = AHEAD, **changes: int
) -> tuple[Campaign, dict[str, object]]:
    """Make a store below a folder, carry out the plan, and judge."""
    images = draw_images(folder / "images", {"dark": 60, "bright": 60})
    recipe, fingerprint = recipe_on(images, **{"batch_size": 8, "epochs": 12, **changes})
    store = RunStore(folder / "runs")
    ours = Campaign(store, recipe, fingerprint, random.Random(seed), ahead)
    ours.go(plan)
    return ours, ours.verdict(RunStore(folder / "undisturbed"))


def planned(kills: int, seed: int, share: float = 0.4) -> list[str]:
    """So large a share for workers, a 25th for dashboards, the rest for runners, in random order."""
    dashboards, workers = kills // 25, round(kills * share)
    plan = [f"worker {MOMENTS[number % len(MOMENTS)]}" for number in range(workers)]
    plan += ["dashboard"] * dashboards + ["runner"] * (kills - workers - dashboards)
    random.Random(seed).shuffle(plan)
    return plan


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begin = time.monotonic()
    with own_environment(TENFOLD_SLOTS="3", TENFOLD_EXECUTOR="local") as folder:
        ours, lost = campaign(folder, planned(options.kills, options.seed), options.seed)
        launches = sum(run.history().launches for run in ours.runs)
    print(json.dumps({"killed": ours.killed, "left half done": ours.debris, **lost}, indent=1))
    print(
        f"| SIGKILL | {sum(ours.killed.values())} kills of {len(ours.runs)} runs, taken up {launches} times | "
        f"{'nothing' if not any(lost.values()) else lost} | `python -m tests.faults.kills --kills {options.kills} "
        f"--seed {options.seed}`, {time.monotonic() - begin:,.0f} s |"
    )
    return int(any(lost.values()))


if __name__ == "__main__":
    sys.exit(main())
