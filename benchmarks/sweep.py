"""What a sweep costs beyond its trainings, and what one process a core gains for narrow networks.

`python -m benchmarks.sweep [--runs 10] [--rounds 3] [--only overhead|narrow]` prints JSON; progress goes
to stderr. Through the queue, as from the Train page: store, runner, workers.

overhead      time from the submission of a sweep to its last end, over that of the same trainings bare in
              one process with torch and images already loaded (data split, network, training, judging;
              no store, no files), minus 1. Half of the bare ones come before the sweep and half after it,
              since a machine's speed drifts. Bar: at most 0.05 for ten runs of about 20 s.
narrow_ratio  runs an hour of a sweep of narrow networks with one 1-thread process a core, over those with
              one process of all cores, in turn; the median of the rounds. Bar: at least 1.3 on two cores.

On `shapes`, the report's baseline at an eighth of its width. The runs of `overhead` have one thread and
one place (`TENFOLD_SLOTS=1`), which a busy machine disturbs least.

Measured once, `python -m benchmarks.sweep --only overhead`, Intel Xeon with AMX, two cores, no GPU, while
a foreign training kept about one core busy: overhead 0.045 (212.0 s against 202.8 s). Inside a run the
store costs about 0.15 s; the rest is mostly the start of runner and worker. `--only narrow`, same machine,
otherwise idle: ratios 1.06, 1.12 and 1.16, median 1.12 (603 runs an hour against 539), short of the bar of 1.3: with
AMX a second thread helps this network more than it did on the processor that `core/machine.py` speaks of.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from core.config import Recipe
from core.datasets import ImageData, source
from core.device import choose_compute, passport, prepare_process
from core.evaluate import logits, loss_and_accuracy
from core.events import Finished
from core.executors.local import Local
from core.locks import is_held
from core.machine import cores
from core.paths import runs_dir
from core.runner import LOCK_NAME
from core.store import RunStore
from core.train import make_learner, prepare_data, train

SHORT = Recipe(width=0.125, epochs=12, learning_rate=0.01)
"""About 20 s on one core."""

NARROW = dataclasses.replace(SHORT, epochs=6)

NARROW_RUNS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10, help="of the sweep whose overhead is measured")
    parser.add_argument("--rounds", type=int, default=3, help="of both ways to train narrow networks")
    parser.add_argument("--only", choices=("overhead", "narrow"), help="one figure in place of both")
    options = parser.parse_args()
    images = source("shapes").load()
    result: dict[str, Any] = {}
    if options.only != "narrow":
        result |= overhead(SHORT, options.runs, images)
    if options.only != "overhead":
        result |= narrow_ratio(NARROW, NARROW_RUNS, options.rounds, images)
    facts = passport(choose_compute(SHORT), images.fingerprint)
    names = ("device_name", "cores", "precision", "instruction_set", "torch", "commit")
    print(json.dumps({**result, "machine": {name: facts[name] for name in names}}, allow_nan=False))


def overhead(recipe: Recipe, runs: int, images: ImageData) -> dict[str, Any]:
    """Seconds of a sweep over seconds of the same trainings bare, minus 1."""
    bare(dataclasses.replace(recipe, epochs=1), [runs], images)  # what is slow the first time only
    seeds = list(range(runs))
    _say(f"{runs // 2} trainings bare")
    bare_seconds = bare(recipe, seeds[: runs // 2], images)
    _say(f"a sweep of {runs}")
    with patch.dict("os.environ", TENFOLD_SLOTS="1"):
        sweep_seconds = sweep(recipe, seeds, images)
    _say(f"{runs - runs // 2} trainings bare")
    bare_seconds += bare(recipe, seeds[runs // 2 :], images)
    return {
        "overhead": round(sweep_seconds / bare_seconds - 1, 4),
        "runs": runs,
        "sweep_seconds": round(sweep_seconds, 2),
        "bare_seconds": round(bare_seconds, 2),
    }


def narrow_ratio(recipe: Recipe, runs: int, rounds: int, images: ImageData) -> dict[str, Any]:
    """Runs an hour of one thread a process over those of all cores in one, each round the other way round."""
    hourly: dict[int, list[float]] = {1: [], cores(): []}
    for number in range(rounds):
        for threads in (1, cores()) if number % 2 == 0 else (cores(), 1):
            _say(f"round {number + 1} of {rounds}: narrow networks, {threads} thread(s) a process")
            with patch.dict("os.environ", TENFOLD_THREADS=str(threads)):
                hourly[threads].append(3600 * runs / sweep(recipe, list(range(runs)), images))
    ratios = [one / all_ for one, all_ in zip(hourly[1], hourly[cores()], strict=True)]
    return {
        "narrow_ratio": round(statistics.median(ratios), 3),
        "narrow_ratios": [round(ratio, 3) for ratio in ratios],
        "narrow_runs_an_hour": [round(value) for value in hourly[1]],
        "narrow_runs_an_hour_all_cores": [round(value) for value in hourly[cores()]],
    }


def bare(recipe: Recipe, seeds: list[int], images: ImageData) -> float:
    """Seconds of trainings one after another in this process, judged and forgotten."""
    prepare_process(recipe)
    compute = choose_compute(recipe)
    begin = time.monotonic()
    for seed in seeds:
        data = prepare_data(images, recipe, seed, compute)
        learner = make_learner(recipe, len(images.classes), seed, compute, len(data.train_labels))
        for _ in train(learner, data, recipe, seed, compute):
            pass
        model, _ = learner.chosen(recipe)
        for part, labels in (
            (data.validation_images, data.validation_labels),
            (data.test_images, data.test_labels),
        ):
            loss_and_accuracy(logits(model, part, data.normalise, compute, recipe.flip_test), labels)
    return time.monotonic() - begin


def sweep(recipe: Recipe, seeds: list[int], images: ImageData) -> float:
    """Seconds from the submission of a new sweep to the end of its last run.

    Raises:
        RuntimeError: a run ended in another way than it should.
    """
    runs_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".benchmark-", dir=runs_dir()) as folder:  # on the disk of runs
        store = RunStore(Path(folder))
        begin = time.time()
        runs = [store.open(recipe, seed, images.fingerprint)[0] for seed in seeds]
        Local().start(store, runs)
        while store.queue() or is_held(store.folder / LOCK_NAME):  # until its runner has left, too
            time.sleep(0.5)
        ends = [run.history().end for run in runs]
        if not all(isinstance(end, Finished) for end in ends):
            raise RuntimeError(f"a run ended early: {ends}")
        return max(end.time for end in ends if end) - begin


def _say(text: str) -> None:
    print(f"{time.strftime('%X')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
