"""What Ray adds to a run, beside the local executor: `python -m benchmarks.cluster [--rounds 5] [--runs 12]`.

A Ray has to be up on this machine: `ray start --head --dashboard-host=127.0.0.1` (`TENFOLD_RAY_ADDRESS` names
another one). Each figure is taken with the same recipe on `shapes`, one thread a run, in turns; JSON is printed,
progress goes to stderr.

cold_seconds    from the first run's submission to its end, less the same with the local executor: the link connects,
                the code is sent, the driver starts. Once a session: the driver then waits for two minutes.
alone_seconds   the same for a run while the driver waits, medians. Bar: under 3 s.
sweep_seconds   the same for a sweep of `--runs`, divided by their number, medians. Bar: under 1 s.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from core import cluster
from core.cluster import Phase
from core.config import Recipe
from core.datasets import source
from core.events import Finished
from core.executors import Executor
from core.executors.local import Local
from core.executors.ray import Ray
from core.locks import is_held, last_holder
from core.paths import runs_dir
from core.runner import LOCK_NAME
from core.store import RunStore

BRIEF = Recipe(width=0.03125, epochs=2, batch_size=64, learning_rate=0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=12, help="of a sweep")
    options = parser.parse_args()
    os.environ.setdefault("TENFOLD_THREADS", "1")
    print(json.dumps(measured(options.rounds, options.runs), indent=1))


def measured(rounds: int, runs: int) -> dict[str, Any]:
    source("shapes").load()
    runs_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".benchmark-", dir=runs_dir()) as folder:
        here, there = RunStore(Path(folder) / "local"), RunStore(Path(folder) / "ray")
        try:
            return _measured(here, there, rounds, runs)
        finally:
            _end_link(there)


def _measured(here: RunStore, there: RunStore, rounds: int, runs: int) -> dict[str, Any]:
    cold = seconds(Ray(), there, [0]) - seconds(Local(), here, [0])
    alone, sweep, seed = [], [], 1
    for number in range(rounds):
        both = [seconds(*how, [seed + number]) for how in ((Local(), here), (Ray(), there))]
        alone.append(both[1] - both[0])
        _say(f"alone: local {both[0]:.2f} s, Ray {both[1]:.2f} s")
    seed += rounds
    for number in range(rounds):
        seeds = list(range(seed + number * runs, seed + (number + 1) * runs))
        both = [seconds(*how, seeds) for how in ((Local(), here), (Ray(), there))]
        sweep.append((both[1] - both[0]) / runs)
        _say(f"sweep of {runs}: local {both[0]:.2f} s, Ray {both[1]:.2f} s")
    return {
        "cold_seconds": round(cold, 2),
        "alone_seconds": round(statistics.median(alone), 2),
        "alone": [round(value, 2) for value in alone],
        "sweep_seconds": round(statistics.median(sweep), 3),
        "sweep": [round(value, 3) for value in sweep],
    }


def seconds(executor: Executor, store: RunStore, seeds: list[int]) -> float:
    """From the submission of new runs to the end of the last one.

    Raises:
        RuntimeError: a run ended in another way than it should, or no cluster answers.
    """
    store.folder.mkdir(exist_ok=True)
    while isinstance(executor, Local) and type(executor) is Local and is_held(store.folder / LOCK_NAME):
        time.sleep(0.1)  # each local run has a runner of its own, as a single one has
    begin = time.time()
    runs = [store.open(BRIEF, seed, source("shapes").load().fingerprint)[0] for seed in seeds]
    executor.start(store, runs)
    while store.queue():
        link = cluster.read_link(store)
        if link and link.phase in (Phase.CONNECTING, Phase.FAILED) and link.message:
            raise RuntimeError(link.message)
        time.sleep(0.05)
    ends = [run.history().end for run in runs]
    if not all(isinstance(end, Finished) for end in ends):
        raise RuntimeError(f"a run ended early: {ends}")
    return max(end.time for end in ends if end) - begin


def _end_link(store: RunStore) -> None:
    process = last_holder(store.folder / LOCK_NAME)
    if process and is_held(store.folder / LOCK_NAME):
        os.kill(process, 15)


def _say(text: str) -> None:
    print(f"{time.strftime('%X')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
