"""A store full of made-up finished runs, to see what grows slow.

`python -m tests.many_runs FOLDER --recipes 1000 --seeds 10 [--images 10000]`

They look as real ones do, save that no weights are there: `--images` adds predictions on so many
test images, about 90 % of them right, the hard ones being hard for every run; `--plans` the plan of each
recipe's sweep, as there is one of all that was started as a sweep.
"""

import argparse
import hashlib
import io
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from core.config import Recipe
from core.events import EpochEnd, Event, Finished, Started, Step, to_line
from core.paths import write_json
from core.store import FORMAT, RunSpec, id_of
from core.sweep import FOLDER as PLANS
from core.sweep import FORMAT as PLAN_FORMAT
from core.sweep import Plan

CLASSES = ["circle", "square", "triangle", "star", "cross", "ring", "heart", "moon", "arrow", "wave"]
LAYERS = ["conv1", "conv2", "conv3", "conv4", "fc1"]
PASSPORT = {
    "device": "cpu",
    "device_name": "Made-up CPU",
    "precision": "fp32",
    "threads": 1,
    "torch": "2.0.0",
    "data_fingerprint": "made up",
}
TRAINING, VALIDATION, EPOCHS, STEPS_LOGGED = 4000, 1000, 7, 5
SECONDS_APART = 260.0


def recipe_of(number: int) -> Recipe:
    """A different recipe for each number."""
    widths, batches = (0.03125, 0.0625, 0.125, 0.25), (16, 32, 64, 128, 256)
    return Recipe(
        width=widths[number % 4],
        batch_size=batches[number // 4 % 5],
        learning_rate=round(0.001 + 0.0005 * (number // 20), 6),
        epochs=EPOCHS,
        log_every=25,
    )


def make_runs(
    folder: Path,
    recipes: int,
    seeds: int,
    images: int = 0,
    fingerprint: str = "made up",
    short: bool = False,
) -> None:
    """Fill a store; what is there already stays. Not durable: an fsync a run would take minutes.

    Args:
        short: with the last epoch alone in the events, which takes a fifth of the time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    for number in range(recipes):
        recipe = recipe_of(number)
        digest = recipe.digest(fingerprint)
        skill = np.random.default_rng(number).normal(0.9, 0.015)
        for seed in range(seeds):
            age = SECONDS_APART * (recipes * seeds - number * seeds - seed)
            spec = RunSpec(recipe, seed, digest, fingerprint, 1, now - age)
            place = folder / id_of(digest, seed, 1)
            place.mkdir(exist_ok=True)
            (place / "run.json").write_text(json.dumps({"format": FORMAT, **asdict(spec)}, indent=1))
            draws = np.random.default_rng((number, seed))
            accuracies, files = np.clip(draws.normal(skill, 0.006, 2), 0, 0.99), {}
            if images:
                accuracies, files = _predict(place, accuracies, images, draws)
            events = _events(spec, draws, accuracies, files, first=recipe.epochs if short else 1)
            (place / "events.jsonl").write_text("".join(map(to_line, events)))


def make_plans(folder: Path, recipes: int, seeds: int, fingerprint: str = "made up") -> None:
    """The plans of `make_runs`: every seed was fixed before the first result."""
    (folder / PLANS).mkdir(parents=True, exist_ok=True)
    for number in range(recipes):
        path = folder / PLANS / f"{recipe_of(number).digest(fingerprint)}.json"
        plan = Plan(tuple(range(seeds)), time.time())
        write_json(path, {"format": PLAN_FORMAT, **asdict(plan)}, durable=False)


def _events(
    spec: RunSpec, draws: np.random.Generator, accuracies: np.ndarray, files: dict[str, str], first: int = 1
) -> Iterator[Event]:
    recipe = spec.recipe
    steps = -(-TRAINING // recipe.batch_size)
    counts = (recipe.epochs, steps, TRAINING, VALIDATION)
    yield Started(spec.created, 0, *counts, CLASSES, [0.5] * 3, [0.25] * 3, PASSPORT)
    validation, test = map(float, accuracies)
    for epoch in range(first, recipe.epochs + 1):
        reached = 1 - 0.6**epoch
        before = (epoch - 1) * steps
        for part in range(1, STEPS_LOGGED + 1) if first == 1 else ():
            yield Step(epoch, before + steps * part // STEPS_LOGGED, 2.3 - 2 * reached, 0.1 + 0.8 * reached)
        yield EpochEnd(
            epoch,
            epoch * steps,
            2.3 - 2 * reached,
            validation * reached,
            2.3 - 1.9 * reached,
            validation if epoch == recipe.epochs else validation * reached,
            recipe.learning_rate,
            float(draws.uniform(1.5, 2.5)),
            2000.0,
            f"checkpoint-{epoch:04}.pt",
            "0" * 64,
            [round(value, 6) for value in draws.uniform(0.5, 1, 10)],
            [0.1] * 10,
            {layer: float(draws.uniform(0.1, 1)) for layer in LAYERS},
            0.0,
            hashlib.sha256(draws.bytes(8)).hexdigest(),
        )
    end = spec.created + 20
    speed = float(draws.uniform(1900, 2100))
    yield Finished(end, 0.4, validation, 0.4, test, 1.2, 14.0, speed, files, recipe.epochs)


def _predict(
    place: Path, accuracies: np.ndarray, images: int, draws: np.random.Generator
) -> tuple[list[float], dict[str, str]]:
    """Write logits that are right as often as they should be; gives the accuracies they have."""
    arrays, reached = {}, []
    for part, accuracy, count in zip(("validation", "test"), accuracies, (VALIDATION, images), strict=True):
        shared = np.random.default_rng(count)  # the same images for every run
        labels = shared.permutation(count) % 10
        hardness = shared.exponential(2.0, count)
        taken_for = (labels + shared.integers(1, 10, count)) % 10
        logits = draws.normal(0, 0.7, (count, 10)).astype(np.float32)
        logits[np.arange(count), taken_for] += 1.5
        others = logits.copy()
        others[np.arange(count), labels] = -np.inf
        lead = others.max(1) + hardness + draws.normal(0, 0.5, count)  # what the right class has to make up
        logits[np.arange(count), labels] = others.max(1) + np.quantile(lead, accuracy) - lead
        arrays |= {f"{part}_logits": logits, f"{part}_labels": labels.astype(np.int64)}
        reached.append(float((logits.argmax(1) == labels).mean()))
    content = io.BytesIO()
    np.savez(content, **arrays)
    (place / "predictions.npz").write_bytes(content.getvalue())
    return reached, {"predictions.npz": hashlib.sha256(content.getvalue()).hexdigest()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recipes", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--images", type=int, default=0, help="of the test set, in predictions.npz; 0: none")
    parser.add_argument("--plans", action="store_true", help="a plan for each recipe")
    options = parser.parse_args()
    make_runs(options.folder, options.recipes, options.seeds, options.images)
    if options.plans:
        make_plans(options.folder, options.recipes, options.seeds)


if __name__ == "__main__":
    main()
