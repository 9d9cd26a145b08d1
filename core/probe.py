"""How fast this machine trains, in a few seconds: `python -m core.probe RUNS_FOLDER`.

Times real steps of the baseline at several widths, narrow ones first, then of the other networks, and
writes each result at once. It gives way as soon as somebody wants to train.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.augment import apply, draw
from core.config import Recipe
from core.datasets import ImageData, Split
from core.device import Compute, choose_compute, passport, prepare_process
from core.errors import UserError
from core.estimate import PROBE_PRESETS, PROBE_WIDTHS, probe_lock, probe_path, speed_by_work
from core.events import Progress
from core.layers import totals
from core.locks import FileLock
from core.models import MODELS
from core.paths import read_json, write_json
from core.presets import PRESETS
from core.store import RunStore
from core.train import make_learner, prepare_data, strengths_of, train

IMAGES = 4096


def main(arguments: list[str]) -> int:
    """Probe what has not been probed yet, unless another process is at it."""
    store = RunStore(Path(arguments[0]))
    lock = FileLock(probe_lock(store))
    if not lock.acquire():
        return 0
    found = read_json(probe_path(store)) or {"points": []}
    try:
        _measure(store, found)
    except UserError as error:
        write_json(probe_path(store), {**found, "error": str(error)})
        return 1
    return 0


def _measure(store: RunStore, found: dict[str, Any]) -> None:
    for width in PROBE_WIDTHS[len(found["points"]) :]:
        recipe = Recipe(width=width, epochs=200)  # more than it will see
        prepare_process(recipe)
        compute = choose_compute(recipe)
        found["device_name"] = passport(compute, "")["device_name"]
        if "augmentation_seconds" not in found:
            found["augmentation_seconds"] = augmentation_seconds(compute)
        _, multiply_adds = totals(MODELS[recipe.model].describe(recipe, classes=10))
        speed = images_per_second(recipe, compute, give_way=lambda: bool(store.queue(most=1)))
        if speed is None:
            return
        found["points"].append({"multiply_adds": multiply_adds, "images_per_second": speed})
        write_json(probe_path(store), found)
    factors = found.setdefault("factors", {})
    for name in PROBE_PRESETS:
        # Without augmentation, which has its own figure; the rest of the recipe stays.
        recipe = replace(PRESETS[name].recipe, epochs=200, batch_size=128, flip=False, shift=0, cutout=0)
        if recipe.model in factors:
            continue
        prepare_process(recipe)
        speed = images_per_second(recipe, choose_compute(recipe), give_way=lambda: bool(store.queue(most=1)))
        if speed is None:
            return
        factors[recipe.model] = speed / speed_by_work({**found, "factors": {}}, recipe, classes=10)
        write_json(probe_path(store), found)


def images_per_second(recipe: Recipe, compute: Compute, give_way: Callable[[], bool]) -> float | None:
    """Speed of training steps on random images, from the first sign of progress to the second.

    What lies before the first is warming up. None if it was told to give way in between.
    """
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (IMAGES, 3, 32, 32), dtype=np.uint8)
    labels = draws.integers(0, 10, IMAGES)
    data = ImageData(tuple("0123456789"), Split(images, labels), Split(images[:1], labels[:1]), "")
    learner = make_learner(recipe, 10, 0, compute, IMAGES)
    signs = []
    for event in train(learner, prepare_data(data, recipe, 0, compute), recipe, 0, compute):
        if isinstance(event, Progress):
            signs.append((time.monotonic(), event.step))
            if give_way():
                return None
        if len(signs) == 2:
            break
    (begin, first), (end, last) = signs
    return (last - first) * recipe.batch_size / (end - begin)


def augmentation_seconds(compute: Compute) -> float:
    """What the improved recipe's augmentation costs an image, the second time it runs."""
    strengths = strengths_of(PRESETS["report-improved"].recipe)
    images = torch.rand(1024, 3, 32, 32, device=compute.device)
    draws = draw(strengths, len(images), 32, np.random.default_rng(0)).to(compute.device)
    for _ in range(2):
        begin = time.monotonic()
        apply(images, draws, strengths).sum().item()  # .item() waits for the device
    return (time.monotonic() - begin) / len(images)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
