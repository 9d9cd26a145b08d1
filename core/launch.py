"""What a page starts: the training of a recipe with a seed or several, and the probe of the machine before it."""

import contextlib
import time

from core.config import Recipe
from core.datasets import source
from core.detached import spawn
from core.errors import UserError
from core.estimate import worth_probing
from core.executors import executor
from core.index import Row
from core.store import Run, RunStore
from core.sweep import settle_plan

PROBE_STARTING_SECONDS = 10.0
"""So long a probe may take from its start to its lock: torch is loaded in between."""


def start(store: RunStore, recipe: Recipe, seed: int, again: bool = False) -> tuple[Run, bool]:
    """Have a recipe trained with a seed, unless it was already, or is on its way.

    Args:
        again: make a new attempt beside one that has ended.

    Returns:
        The run, and whether it was made by this call; one that was not may have ended long ago.

    Raises:
        UserError: the images are not prepared yet, or the folder of runs can't be written to.
    """
    fingerprint = ready_fingerprint(recipe)
    run, created = store.open(recipe, seed, fingerprint, again)
    if not run.state().ended:
        executor().start(store, [run])
    return run, created


def start_sweep(store: RunStore, recipes: list[Recipe], seeds: list[int], rows: list[Row]) -> list[Run]:
    """Have recipes trained with each of these seeds; runs that exist are reused, stopped ones go on.

    Args:
        rows: all runs of the store; which results were known decides whether seeds count as added later.

    Returns:
        The run of each seed, recipe by recipe, in the order of the seeds; some may have ended long ago.

    Raises:
        UserError: the images are not prepared yet, or the folder of runs can't be written to.
    """
    fingerprints = [ready_fingerprint(recipe) for recipe in recipes]  # all, before anything begins
    digests = [recipe.digest(fingerprint) for recipe, fingerprint in zip(recipes, fingerprints, strict=True)]
    known: dict[str, list[Row]] = {digest: [] for digest in digests}
    for row in rows:
        if row.digest in known:
            known[row.digest].append(row)
    runs = []
    for recipe, fingerprint, digest in zip(recipes, fingerprints, digests, strict=True):
        settle_plan(store, digest, seeds, known[digest])
        runs += [store.open(recipe, seed, fingerprint)[0] for seed in seeds]
    executor().start(store, [run for run in runs if not run.state().ended])
    return runs


def begin_probe(store: RunStore) -> None:
    """Time this machine in the background, once, and not while it trains; a page may ask at every turn."""
    if not worth_probing(store):
        return
    log = store.folder / ".speed.log"
    with contextlib.suppress(OSError):
        if 0 <= time.time() - log.stat().st_mtime < PROBE_STARTING_SECONDS:
            return
    with contextlib.suppress(OSError):  # a folder that can't be written to is told of at Start
        store.folder.mkdir(parents=True, exist_ok=True)
        log.touch()
        spawn("core.probe", str(store.folder), log=log)


def ready_fingerprint(recipe: Recipe) -> str:
    """Of the images of a recipe, looked up on disk.

    Raises:
        UserError: they are not prepared.
    """
    fingerprint = source(recipe.dataset, recipe.image_size).ready_fingerprint()
    if fingerprint is None:
        raise UserError("The images of this data set are not prepared yet: prepare them first.")
    return fingerprint
