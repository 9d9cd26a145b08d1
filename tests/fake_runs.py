"""Finished and diverged runs of a chosen recipe, seed and accuracy, without a training."""

import dataclasses
import json
import time

import numpy as np

from core.config import Recipe
from core.events import Failed, to_line
from core.store import FORMAT, Run, RunSpec, RunStore, id_of
from tests.many_runs import _events, _predict


def finished(
    store: RunStore,
    recipe: Recipe,
    accuracies: dict[int, tuple[float, float]],
    fingerprint: str = "photographs",
    images: int = 0,
) -> list[Run]:
    """One run for each seed with its accuracies on validation and test; predictions on `images` if there are any."""
    made = []
    for seed, reached in accuracies.items():
        run = _made(store, recipe, seed, fingerprint)
        draws, files = np.random.default_rng(seed), {}
        if images:
            reached, files = _predict(run.folder, np.array(reached), images, draws)
        lines = map(to_line, _events(run.spec, draws, np.array(reached), files))
        run.events_path.write_text("".join(lines))
        made.append(run)
    return made


def diverged(store: RunStore, recipe: Recipe, seeds: list[int], fingerprint: str = "photographs") -> None:
    """Runs whose loss became infinite at once."""
    for seed in seeds:
        run = _made(store, recipe, seed, fingerprint)
        run.events_path.write_text(to_line(Failed(1.0, "diverged", "The loss became infinite.")))


def _made(store: RunStore, recipe: Recipe, seed: int, fingerprint: str) -> Run:
    digest = recipe.digest(fingerprint)
    spec = RunSpec(recipe, seed, digest, fingerprint, 1, time.time())
    run = Run(store.folder / id_of(digest, seed, 1), spec)
    run.folder.mkdir(parents=True)
    (run.folder / "run.json").write_text(json.dumps({"format": FORMAT, **dataclasses.asdict(spec)}))
    return run
