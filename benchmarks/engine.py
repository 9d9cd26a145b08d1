"""The training engine against a tutorial's loop and against this machine's own limit.

`python -m core bench [--quick] [--json]` runs this. Each figure is the median of rounds in which both
sides take turns, since a machine's speed drifts by more than the differences that matter:

improved_ratio      images a second of the report's improved recipe at full width, ours over the tutorial's
narrow_ratio        the same at width 0.125
fast_ratio          the same for the fast recipe
matmul_share        of this machine's best matrix product, in the precision of the training (bf16, or fp32 where the
                    processor computes no bf16), that the report's baseline reaches at full width: a
                    multiply-add counts as two operations, a backward pass as two forward ones
augmentation_ratio  CPU seconds an image: PIL in a DataLoader over ours, improved recipe, both normalised
augmentation_share  time of our augmentation over that of a step of the improved recipe at full width
loop_overhead       CPU time of everything around the network (data, metrics, sizes of gradients, events,
                    checkpoints, a reader of the curves) over the time of an epoch of the baseline at full width

All on the CPU, even where there is a GPU. On random images: speed does not depend on what they show.
"""

import argparse
import dataclasses
import json
import os
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

import core.opening
import core.train
import core.worker
from benchmarks.tutorial import TutorialLoop, loader
from core import figures
from core.augment import apply, draw
from core.config import Recipe
from core.datasets import ImageData, Split
from core.device import Compute, choose_compute, passport, prepare_process
from core.events import EpochEnd, Progress, Step
from core.gradients import GradientNorms
from core.history import History
from core.layers import totals
from core.machine import cores
from core.models import MODELS
from core.presets import PRESETS
from core.store import RunStore
from core.train import make_learner, prepare_data, strengths_of, train

IMAGES = 40_000
"""More than any round sees, so that no validation falls into one."""

BASELINE = PRESETS["report-baseline"].recipe
IMPROVED = PRESETS["report-improved"].recipe
NARROW = dataclasses.replace(IMPROVED, width=0.125)
FAST = PRESETS["fast"].recipe

Samples = dict[str, list[float]]


@dataclasses.dataclass(frozen=True)
class Form:
    """How long to measure: rounds, and seconds of a side in each."""

    rounds: int
    seconds: float
    fast_batch: int


LONG = Form(rounds=5, seconds=6.0, fast_batch=1024)
QUICK = Form(rounds=3, seconds=0.7, fast_batch=256)  # in batches of 1,024 one step takes seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="under 50 s, with wider error bars")
    options = parser.parse_args()
    os.environ["TENFOLD_DEVICE"] = "cpu"  # where the tutorial's loop and the matrix products are, too
    print(json.dumps(measure(QUICK if options.quick else LONG), allow_nan=False))


def measure(form: Form) -> dict[str, Any]:
    """All figures: medians by name, and `samples` with every round of each."""
    data = random_images(IMAGES)
    compute = choose_compute(BASELINE)
    fast = dataclasses.replace(FAST, batch_size=form.fast_batch)
    samples: Samples = {}
    for name, recipe in (("improved", IMPROVED), ("narrow", NARROW), ("fast", fast)):
        _say(f"{name}: ours and the tutorial's loop in turn")
        samples |= against_tutorial(name, recipe, data, compute, form)
    _say("baseline: training and matrix products in turn")
    samples |= against_matmul(data, compute, form)
    _say("augmentation: ours and PIL in turn")
    samples |= augmentation(data, compute, form, statistics.median(samples["improved_images_per_second"]))
    _say("the loop around the network")
    samples |= loop_overhead(data, form, statistics.median(samples["baseline_images_per_second"]))
    figures = (
        "improved_ratio",
        "narrow_ratio",
        "fast_ratio",
        "matmul_share",
        "augmentation_ratio",
        "augmentation_share",
        "loop_overhead",
    )
    facts = passport(compute, "")
    machine = {
        name: facts[name]
        for name in ("device", "device_name", "cores", "precision", "instruction_set", "torch")
    }
    return {
        **{name: round(statistics.median(samples[name]), 4) for name in figures},
        "rounds": form.rounds,
        "fast_batch": form.fast_batch,
        "machine": machine,
        "samples": {name: [float(f"{value:.5g}") for value in values] for name, values in samples.items()},
    }


def random_images(n: int) -> ImageData:
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)
    labels = draws.integers(0, 10, n)
    return ImageData(tuple("0123456789"), Split(images, labels), Split(images[:500], labels[:500]), "random")


class OurLoop:
    """The engine's own loop, run for as long as it is told to; it goes on from there the next time."""

    def __init__(self, recipe: Recipe, data: ImageData, compute: Compute) -> None:
        self.recipe = dataclasses.replace(recipe, validation_share=0.05, log_every=10)
        prepare_process(recipe)
        prepared = prepare_data(data, self.recipe, 0, compute)
        learner = make_learner(self.recipe, 10, 0, compute, len(prepared.train_labels))
        self._events = train(learner, prepared, self.recipe, 0, compute)
        self._next_sign()

    def run(self, seconds: float) -> float:
        """Images a second, between two signs of progress at least so far apart."""
        prepare_process(self.recipe)  # its number of threads; the other side has its own
        begin, first = self._next_sign()
        now, step = self._next_sign()
        while now - begin < seconds:
            now, step = self._next_sign()
        return (step - first) * self.recipe.batch_size / (now - begin)

    def _next_sign(self) -> tuple[float, int]:
        event = next(event for event in self._events if isinstance(event, Step | Progress))
        return time.monotonic(), event.step


def against_tutorial(name: str, recipe: Recipe, data: ImageData, compute: Compute, form: Form) -> Samples:
    """Rounds of our loop and the tutorial's, ours with a worker's threads, theirs with torch's own choice."""
    ours = OurLoop(recipe, data, compute)
    torch.set_num_threads(cores())
    theirs = TutorialLoop(data.train.images, data.train.labels, recipe)
    theirs.run(0)
    ratios, speeds = [], []
    for _ in range(form.rounds):
        ours_speed = ours.run(form.seconds)
        torch.set_num_threads(cores())
        ratios.append(ours_speed / theirs.run(form.seconds))
        speeds.append(ours_speed)
    return {f"{name}_ratio": ratios, f"{name}_images_per_second": speeds}


def against_matmul(data: ImageData, compute: Compute, form: Form) -> Samples:
    """Operations a second of the baseline's training over those of the best matrix product."""
    ours = OurLoop(BASELINE, data, compute)
    layers = MODELS["baseline"].describe(BASELINE, 10)
    _, forward = totals(layers)
    # Forward, and twice as much backward, but for the gradient of the image itself, which nobody needs.
    operations = 2 * (3 * forward - layers[0].multiply_adds)
    kind = torch.bfloat16 if compute.precision == "bf16" else torch.float32
    speeds = [(ours.run(form.seconds), best_matmul(form.seconds / 4, kind)) for _ in range(form.rounds)]
    return {
        "matmul_share": [speed * operations / best for speed, best in speeds],
        "baseline_images_per_second": [speed for speed, _ in speeds],
        "matmul_operations_per_second": [best for _, best in speeds],
    }


def best_matmul(seconds: float, kind: torch.dtype) -> float:
    """Operations a second of a product of squares, the best of three sizes; those above the first that does not fit the
    time are left out."""
    best = 0.0
    for size in (1024, 2048, 4096):
        one, other = (torch.randn(size, size).to(kind) for _ in range(2))
        one @ other
        begin, count = time.monotonic(), 0
        while time.monotonic() - begin < seconds / 3 or not count:
            one @ other
            count += 1
        taken = time.monotonic() - begin
        best = max(best, 2 * size**3 * count / taken)
        if taken / count > seconds / 3:
            break
    return best


def augmentation(data: ImageData, compute: Compute, form: Form, step_speed: float) -> Samples:
    """From bytes to normalised batches, in CPU seconds of all threads; and our share of a training step."""
    prepare_process(IMPROVED)
    chunks = max(1, round(form.seconds))
    normalise = prepare_data(data, IMPROVED, 0, compute).normalise
    images = torch.from_numpy(data.train.images[:1024].copy())
    strengths = strengths_of(IMPROVED)

    def ours() -> None:
        for _ in range(chunks):
            draws = draw(strengths, 1024, 32, np.random.default_rng(0))
            normalise(apply(images.float() / 255, draws, strengths))

    def pil() -> None:
        for _ in loader(data.train.images[:1024], data.train.labels[:1024], IMPROVED, workers=0):
            pass

    ours()
    ratios, shares = [], []
    for _ in range(form.rounds):
        ours_cpu, ours_wall = (seconds / chunks for seconds in _timed(ours))
        pil_cpu, _ = _timed(pil)
        ratios.append(pil_cpu / ours_cpu)
        shares.append(ours_wall / 1024 * step_speed)
    return {"augmentation_ratio": ratios, "augmentation_share": shares}


def loop_overhead(data: ImageData, form: Form, step_speed: float) -> Samples:
    """A whole run of one epoch through the worker with a step that trains nothing, at full width."""
    overheads = []
    for number in range(form.rounds if form is LONG else 1):
        cpu = _empty_run(data, number)
        overheads.append(cpu / (IMAGES * (1 - BASELINE.validation_share) / step_speed))
    return {"loop_overhead": overheads}


def _empty_run(data: ImageData, number: int) -> float:
    """CPU seconds from the first event to the end of the only epoch, with somebody reading the curves."""
    recipe = dataclasses.replace(BASELINE, dataset="shapes", epochs=1)
    zero = torch.zeros(())

    def no_step(learner: Any, images: Any, labels: Any, *more: Any) -> tuple[Any, Any]:
        if not learner.step:
            for weight in learner.model.parameters():
                weight.grad = torch.zeros_like(weight)
        for norms in more:
            if isinstance(norms, GradientNorms):
                norms.take()
        learner.step += 1
        return zero, zero.long()

    def no_logits(model: Any, images: torch.Tensor, *more: Any) -> torch.Tensor:
        return torch.zeros(len(images), 10)

    class Images:
        def __init__(self, *name: Any) -> None: ...

        def load(self) -> ImageData:
            return data

    used: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(action="ignore"),  # torch misses the optimiser's steps
        patch.object(core.train, "_step", no_step),
        patch.object(core.train, "logits", no_logits),
        patch.object(core.worker, "logits", no_logits),
        patch.object(core.opening, "source", Images),
    ):
        run, _ = RunStore(Path(folder)).open(recipe, number, data.fingerprint)
        ended = threading.Event()
        reader = threading.Thread(target=_watch, args=(History(run.events_path), ended), daemon=True)

        def listen(event: Any) -> None:
            if not used:
                used.append(time.process_time())
                reader.start()
            if isinstance(event, EpochEnd):
                ended.set()
                reader.join()
                used.append(time.process_time())

        core.worker.work(run, listen)
        if len(used) < 2:
            raise RuntimeError(f"the run ended early: {run.history().end}")
    return used[1] - used[0]


def _watch(history: History, ended: threading.Event) -> None:
    """What a dashboard does once a second, in a run so short that it is done all the time."""
    while not ended.wait(0.1):
        history.read_new()
        steps = np.array([step.step for step in history.steps], dtype=float)
        losses = np.array([step.loss for step in history.steps])
        nothing = np.array([])
        figures.curve("loss", (steps, losses), (nothing, nothing), (nothing, nothing), 1)


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    """CPU and wall seconds."""
    cpu, wall = time.process_time(), time.monotonic()
    work()
    return time.process_time() - cpu, time.monotonic() - wall


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
