"""Many processes start the same run at the same moment: `python -m tests.faults.races --rounds 100`.

Each round has a seed of its own. What is raced for is the whole way of a start: the folder, the queue, the
runner; in most rounds the runner's lock is held by the campaign, so that nothing is trained.
"""

import argparse
import dataclasses
import json
import multiprocessing
import os
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import Recipe
from core.executors import local
from core.locks import FileLock
from core.runner import LOCK_NAME
from core.store import RunState, RunStore
from tests.faults.small import draw_images, leftovers, not_json, own_environment, recipe_on

PROCESSES = 16
PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Start:
    """What each process does in a round."""

    folder: Path
    recipe: Recipe
    fingerprint: str
    launching: bool  # whether runners are really started

    def __call__(self, seed: int) -> tuple[str, bool]:
        store = RunStore(self.folder)
        run, made = store.open(self.recipe, seed, self.fingerprint)
        if not self.launching:
            local.spawn = lambda *arguments, **options: None
        local.Local().start(store, [run])
        return run.id, made


def _racer(start: Start, seeds: list[int], gate: Any, results: Any) -> None:
    """Wait at the gate with all others before each round."""
    for seed in seeds:
        gate.wait(PATIENCE_SECONDS)
        try:
            results.put((seed, *start(seed)))
        except Exception as error:
            results.put((seed, repr(error), False))


def race(start: Start, seeds: list[int], processes: int = PROCESSES) -> dict[int, list[tuple[str, bool]]]:
    """What each process got in each round: the run's id, or an error, and whether it made it."""
    # The tests' own: a server must never fork. Other ways to start import everything anew, 16 times.
    context = multiprocessing.get_context("fork")
    gate, results = context.Barrier(processes), context.Queue()
    racers = [
        context.Process(target=_racer, args=(start, seeds, gate, results), daemon=True)
        for _ in range(processes)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that this process has threads
        for racer in racers:
            racer.start()
    found: dict[int, list[tuple[str, bool]]] = {seed: [] for seed in seeds}
    for _ in range(processes * len(seeds)):
        seed, run, made = results.get(timeout=PATIENCE_SECONDS)
        found[seed].append((run, made))
    for racer in racers:
        racer.join(PATIENCE_SECONDS)
    return found


def check(store: RunStore, found: dict[int, list[tuple[str, bool]]]) -> None:
    """One run a round, made by one process, in the queue once, with nothing half-made beside it."""
    for seed, outcomes in found.items():
        ids = {run for run, _ in outcomes}
        assert len(ids) == 1 and sum(made for _, made in outcomes) == 1, (seed, outcomes)
    assert sorted(run.spec.seed for run in store.runs()) == sorted(found)
    assert sorted(run.spec.seed for run in store.queue()) == sorted(found)
    assert store.damaged() == [] == leftovers(store) and not_json(store.folder) == []


def only_opened(folder: Path, rounds: int) -> None:
    """The race for folder and queue, with no runner started."""
    recipe, fingerprint = recipe_on(draw_images(folder / "images", {"dark": 20, "bright": 20}))
    store = RunStore(folder / "runs")
    found = race(Start(store.folder, recipe, fingerprint, launching=False), list(range(rounds)))
    check(store, found)


def trained_once(folder: Path) -> int:
    """The whole way, up to the end of the training: one worker has had it; returns the seconds it took."""
    recipe, fingerprint = recipe_on(draw_images(folder / "images", {"dark": 20, "bright": 20}))
    store, begin = RunStore(folder / "trained"), time.monotonic()
    recipe = dataclasses.replace(recipe, epochs=2)
    found = race(Start(store.folder, recipe, fingerprint, launching=True), [0])
    assert len({run for run, _ in found[0]}) == 1
    (run,) = store.runs()
    while store.queue():
        assert time.monotonic() - begin < PATIENCE_SECONDS, run.state()
        time.sleep(0.1)
    assert run.state() is RunState.FINISHED and run.history().launches == 1
    assert run.runner_note()["launches"] == 1
    return round(time.monotonic() - begin)


def runners_wait(folder: Path, rounds: int) -> None:
    """The race with real runners, all of which find the lock held and leave."""
    recipe, fingerprint = recipe_on(draw_images(folder / "images", {"dark": 20, "bright": 20}))
    store = RunStore(folder / "held")
    store.folder.mkdir()
    lock = FileLock(store.folder / LOCK_NAME)
    assert lock.acquire()
    check(store, race(Start(store.folder, recipe, fingerprint, launching=True), list(range(rounds))))
    lock.release()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    with own_environment(TENFOLD_EXECUTOR="local") as folder:
        only_opened(folder, rounds)
        runners_wait(folder, max(1, rounds // 20))
        seconds = trained_once(folder)
    done = {"processes": PROCESSES, "rounds": rounds, "with real runners": max(1, rounds // 20) + 1}
    print(json.dumps({**done, "seconds to the end of the one training": seconds, "load": os.getloadavg()[0]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
