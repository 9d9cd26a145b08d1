"""What all campaigns train: a few dozen noisy images of two classes, and a recipe for them that takes moments."""

import dataclasses
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from core.config import Recipe
from core.datasets import source
from core.store import Run, RunStore

SMALL = Recipe(width=0.03125, epochs=3, batch_size=16, learning_rate=0.02, log_every=1, precision="fp32")


def draw_images(folder: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """A folder of classes with so many noisy images each; a class's name is a path such as "train/cat"."""
    generator = np.random.default_rng(seed)
    for label, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = generator.integers(0, 160, (32, 32, 3)) + 90 * (label % 2)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def recipe_on(folder: Path, **changes: object) -> tuple[Recipe, str]:
    """The small recipe on a folder of images, and the fingerprint of these."""
    recipe = dataclasses.replace(SMALL, dataset=f"folder:{folder}", **changes)
    images = source(recipe.dataset, recipe.image_size)
    images.prepare(lambda *progress: None)
    return recipe, images.ready_fingerprint()


def queued(store: RunStore, recipe: Recipe, fingerprint: str, seeds: list[int]) -> list[Run]:
    """New runs of these seeds, in the queue."""
    runs = [store.open(recipe, seed, fingerprint)[0] for seed in seeds]
    for run in runs:
        store.enqueue(run)
    return runs


def not_json(folder: Path) -> list[str]:
    """Every file of records below a folder, or line of one, that strict JSON does not allow."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    bad = []
    for path in sorted(folder.rglob("*.json*")):
        text = path.read_text()
        for line in text.splitlines() if path.suffix == ".jsonl" else [text]:
            try:
                json.loads(line, parse_constant=refuse)
            except ValueError as error:
                bad.append(f"{path.name}: {error}")
        if path.suffix == ".jsonl" and text and not text.endswith("\n"):
            bad.append(f"{path.name}: its last line is torn")
    return bad


def leftovers(store: RunStore) -> list[str]:
    """Temporary files and folders that nobody will rename any more."""
    found = [*store.folder.glob("*/.*.tmp"), *store.folder.glob(".*.tmp"), *store.folder.glob(".new-*")]
    return [str(path.relative_to(store.folder)) for path in found]


@contextmanager
def own_environment(**more: str) -> Iterator[Path]:
    """A fresh folder for a campaign by command, with runs and data of its own; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="tenfold-faults-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        ours = {"TENFOLD_RUNS": str(folder / "runs"), "TENFOLD_DATA": str(folder / "data")}
        ours |= {"TENFOLD_DEVICE": "cpu", "TENFOLD_THREADS": "1", "OMP_NUM_THREADS": "1", **more}
        before = dict(os.environ)
        os.environ.update(ours)
        try:
            yield folder
        finally:
            os.environ.clear()
            os.environ.update(before)
