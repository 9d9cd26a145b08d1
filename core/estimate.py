"""How long a training would take on this machine, told before it starts.

From runs that finished here with the same network, batch and number format, if there are any; else
from a short probe (`core.probe`) that timed a few sizes of network. No torch.
"""

import os
from collections import defaultdict
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from core.config import AUGMENTING, Recipe
from core.index import Row, RunIndex
from core.layers import totals
from core.locks import is_held
from core.models import MODELS
from core.paths import read_json
from core.store import RunState, RunStore

PROVING = ".proving"
"""Folder in the store with an empty file for each run that is being proven, by its id."""

PROBE_WIDTHS = (0.0625, 0.125, 0.25, 0.5, 1.0)
"""Of the baseline: how speed falls with the work."""

MOST_ASKED = 3
"""Runs of a recipe, whether they ran on this machine: else ten thousand that were copied here would all be asked."""

PROBE_PRESETS = ("residual", "fast")
"""Whose networks are timed besides: how much slower they are than a baseline with as much work."""
START_SECONDS = 6.0
"""Process, torch, images: what passes before the first step; about 5 s on two cores."""

FORWARD_SHARE = 1 / 3
"""What an image costs that is only judged: a backward pass is twice a forward pass."""

_SPEED_FIELDS = (
    "model",
    "width",
    "depth",
    "activation",
    "batch_size",
    "image_size",
    "precision",
    "compile",
    "deterministic",
)
_speed_values = attrgetter(*_SPEED_FIELDS)
_augmentations = attrgetter(*AUGMENTING)

Work = tuple[Any, ...]
"""All fields of a recipe on which its speed depends."""


@dataclass(frozen=True)
class Estimate:
    """Seconds from Start to the end, and what that rests on: "earlier runs" or "a short probe"."""

    seconds: float
    source: str


def estimate(
    store: RunStore,
    recipe: Recipe,
    classes: int,
    train: int,
    test: int,
    speeds: dict[Work, float] | None = None,
) -> Estimate | None:
    """How long one run takes alone on this machine; None before anything was measured.

    Args:
        train, test: images of the data set, the training images before the split.
        speeds: what the runs of this store tell, `learned_speeds`, for who has it at hand.
    """
    if speeds is None:
        speeds = learned_speeds(RunIndex(store).rows(), probed_device(store))
    speed, source = speeds.get(_work(recipe)), "earlier runs"
    if speed is None:
        speed, source = _probed_speed(store, recipe, classes), "a short probe"
    if speed is None:
        return None
    validation = train * recipe.validation_share
    images = recipe.epochs * (train - validation + judging_images(recipe, validation))
    images += judging_images(recipe, test)
    return Estimate(START_SECONDS + images / speed, source)


def judging_images(recipe: Recipe, images: float) -> float:
    """What judging so many images costs, in images that are trained on: twice as much where it sees both sides."""
    return images * FORWARD_SHARE * (2 if recipe.flip_test else 1)


def learned_speeds(rows: list[Row], device: str | None) -> dict[Work, float]:
    """Images a second of the newest finished run of each kind of work, of each recipe's newest `MOST_ASKED`.

    Args:
        rows: newest first.
        device: on what a run would compute here, so that runs copied from elsewhere don't count; None: not known.
    """
    found: dict[Work, float] = {}
    works: dict[int, Work] = {}  # by the identity of recipes, which are shared: hashing one takes longer
    asked: dict[int, int] = defaultdict(int)
    for row in rows:
        recipe = row.recipe
        key = id(recipe)
        if asked[key] == MOST_ASKED or row.state is not RunState.FINISHED:
            continue
        if key not in works:
            works[key] = _work(recipe)
        work = works[key]
        if work not in found and row.images_per_second is not None and device in (None, row.device_name):
            found[work] = row.images_per_second
        asked[key] = MOST_ASKED if work in found else asked[key] + 1
    return found


def _work(recipe: Recipe) -> Work:
    return (*_speed_values(recipe), any(_augmentations(recipe)))


def _probed_speed(store: RunStore, recipe: Recipe, classes: int) -> float | None:
    return speed_by_work(read_json(probe_path(store)) or {}, recipe, classes)


def speed_by_work(probe: dict[str, Any], recipe: Recipe, classes: int) -> float | None:
    """Images a second between the probed networks, in proportion on logarithmic scales; beyond them, by
    their ends. None before anything was probed.
    """
    points = sorted((point["multiply_adds"], point["images_per_second"]) for point in probe.get("points", []))
    if not points:
        return None
    work, speed = np.array(points).T
    _, wanted = totals(MODELS[recipe.model].describe(recipe, classes))
    found = float(np.exp(np.interp(np.log(wanted), np.log(work), np.log(speed))))
    if wanted > work[-1]:
        found *= work[-1] / wanted
    found *= probe.get("factors", {}).get(recipe.model, 1.0)
    if any(_augmentations(recipe)):
        found = 1 / (1 / found + probe.get("augmentation_seconds", 0.0))
    return found


def probe_path(store: RunStore) -> Path:
    return store.folder / ".speed.json"


def probe_lock(store: RunStore) -> Path:
    return store.folder / ".speed.lock"


def probed_device(store: RunStore) -> str | None:
    """On what a run would compute, in words, as far as the probe has told."""
    return (read_json(probe_path(store)) or {}).get("device_name")


def probe_error(store: RunStore) -> str | None:
    """Why the last probe could not measure anything, if so."""
    return (read_json(probe_path(store)) or {}).get("error")


def probed_all(probe: dict[str, Any]) -> bool:
    """Whether a probe has nothing left to time."""
    return len(probe.get("points", [])) >= len(PROBE_WIDTHS) and len(probe.get("factors", {})) >= len(
        PROBE_PRESETS
    )


def proving(store: RunStore) -> bool:
    """Whether some run is being trained again to prove it (`core.proof`)."""
    try:
        marks = os.listdir(store.folder / PROVING)  # noqa: PTH208
    except OSError:
        return False
    return any(is_held(store.folder / name / "proof.lock") for name in marks)


def worth_probing(store: RunStore) -> bool:
    """Whether a probe is unfinished and has not failed, nobody is at it, and no training or proof would
    disturb it or be disturbed.
    """
    probe = read_json(probe_path(store)) or {}
    return (
        not probe.get("error")
        and not probed_all(probe)
        and not is_held(probe_lock(store))
        and not store.queue(most=1)
        and not proving(store)
    )
