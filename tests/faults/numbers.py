"""Numbers that are none, rates that explode, data sets with holes: `python -m tests.faults.numbers`.

Whatever happens, a run must end by a name, its files be strict JSON, and its figures draw.
"""

import itertools
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import plotly.graph_objects as go
from torch.nn import functional

from core import figures, seed_figures
from core.config import KNOBS, Recipe
from core.errors import UserError
from core.events import Failed, Finished
from core.executors.inline import Inline
from core.index import RunIndex
from core.predictions import read_predictions
from core.runner import WorkerExit
from core.store import Run, RunState, RunStore
from core.study import robustness, study
from core.worker import work
from tests.faults.small import draw_images, not_json, own_environment, queued, recipe_on

OPTIMIZERS = KNOBS["optimizer"].choices
RATES = (10.0, 1.0, 0.1)
NOT_FINITE = (math.nan, math.inf)

FOLDERS = {
    "an empty class": {"dark": 20, "bright": 20, "empty": 0},
    "classes of one image": {"dark": 20, "bright": 20, "single": 1, "alone": 1},
    "one image a class": {"train/dark": 1, "train/bright": 1, "test/dark": 1, "test/bright": 1},
    "two images a class": {"dark": 2, "bright": 2},
    "a class that test lacks": {"train/dark": 20, "train/bright": 20, "train/third": 20, "test/dark": 9},
    "a class that training lacks": {"train/dark": 20, "train/bright": 20, "test/dark": 9, "test/third": 9},
}
REFUSED = {
    "one class": {"dark": 20},
    "one class with images, one without": {"dark": 20, "empty": 0},
    "no images": {"empty": 0, "none": 0},
    "nothing to test with": {"train/dark": 20, "train/bright": 20, "test/dark": 0},
    "one image of each class and no test part": {"dark": 1, "bright": 1},
}


@contextmanager
def loss_that_is(value: float, at_call: int) -> Iterator[None]:
    """The training loss becomes this at its n-th step; its gradients do, too."""
    real, calls = functional.cross_entropy, itertools.count(1)

    def cross_entropy(outputs, labels, **options):
        loss = real(outputs, labels, **options)
        return loss * value if outputs.requires_grad and next(calls) == at_call else loss

    with mock.patch.object(functional, "cross_entropy", cross_entropy):
        yield


def break_loss(folder: Path, value: float, at_call: int, **changes: object) -> Run:
    """A run whose loss is not finite from one step on; it must have diverged there, by name."""
    recipe, fingerprint = recipe_on(folder, **changes)
    name = f"{changes}-{value}-{at_call}".replace("/", "")
    run = queued(RunStore(folder.parent / "broken-losses" / name), recipe, fingerprint, [1])[0]
    with loss_that_is(value, at_call):
        assert work(run) is WorkerExit.DONE
    end = run.history().end
    assert isinstance(end, Failed) and end.reason == "diverged", (name, end)
    # Where it is looked at next: at a logged step, or at the end of the epoch.
    every, epoch = recipe.log_every, run.history().started.steps_per_epoch
    step = min(at_call + (-at_call) % every, at_call + (-at_call) % epoch)
    assert f"by step {step}:" in end.message and "learning rate" in end.message, (name, end.message)
    healthy(run)
    return run


def explode(folder: Path, rate: float, **changes: object) -> Run:
    """A training with a rate that is far too high; it must end, by one name or the other."""
    recipe, fingerprint = recipe_on(folder, learning_rate=rate, epochs=8, **changes)
    run = queued(RunStore(folder.parent / "exploding"), recipe, fingerprint, [1])[0]
    assert work(run) is WorkerExit.DONE
    assert run.state() in (RunState.FINISHED, RunState.DIVERGED), (rate, changes, run.history().end)
    healthy(run)
    return run


def healthy(run: Run) -> None:
    """Its files are strict JSON, its predictions finite where it finished, its figures draw."""
    assert not_json(run.folder) == []
    if isinstance(run.history().end, Finished):
        for part in ("validation", "test"):
            read_predictions(run, part)
    draw(run)


def draw(run: Run) -> None:
    """Every figure of a run and of its sweep, to the last byte of its JSON."""
    history = run.history()
    started, epochs = history.started, history.epochs
    at = np.array([epoch.epoch for epoch in epochs], dtype=float)
    steps = np.array([step.step for step in history.steps]) / started.steps_per_epoch
    for quantity in ("accuracy", "loss"):
        values = {
            part: np.array([getattr(epoch, f"{part}_{quantity}") for epoch in epochs])
            for part in ("train", "validation")
        }
        logged = np.array([getattr(step, quantity) for step in history.steps])
        to_json(
            figures.curve(
                quantity,
                (steps, logged),
                (at, values["train"]),
                (at, values["validation"]),
                started.epochs,
            )
        )
        if len(epochs):
            to_json(seed_figures.curve_band(quantity, {"A": values["validation"][None]}))
    if epochs and epochs[-1].gradients:
        norms = np.array([norm or np.nan for norm in epochs[-1].gradients.values()], dtype=float)
        to_json(figures.gradient_sizes(list(epochs[-1].gradients), {"this run": {1: norms}}))
    rows = [row for row in RunIndex(RunStore(run.folder.parent)).rows() if row.state is RunState.FINISHED]
    rows = [row for row in rows if row.run.spec.digest == run.spec.digest]
    if rows:
        found = study(rows)
        robustness(found)
        to_json(seed_figures.class_by_seed(started.classes, found.seeds, found.recalls))
        to_json(seed_figures.wrong_in_k(found.wrong_counts))
        to_json(seed_figures.churn_matrix(found.seeds, found.churn))
        seen = np.array([row.validation_accuracy for row in rows])
        to_json(seed_figures.seed_strip({"A": seen}, {"A": None}, {"A": np.array(found.seeds)}, "accuracy"))


def to_json(spec: dict) -> None:
    """Draw as pages do; not-a-number must not reach the browser as a word."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    json.loads(go.Figure(spec, skip_invalid=False).to_json(), parse_constant=refuse)


def train_on(folder: Path, name: str, seeds: int = 2) -> RunStore:
    """A sweep on a folder with holes in it."""
    images = draw_images(folder / name.replace(" ", "-"), FOLDERS[name])
    recipe, fingerprint = recipe_on(images, batch_size=4)
    store = RunStore(folder / f"on-{name}".replace(" ", "-"))
    for seed in range(seeds):
        run, _ = store.open(recipe, seed, fingerprint)
        Inline().start(store, [run])
        assert run.state() in (RunState.FINISHED, RunState.DIVERGED), (name, run.history().end)
        healthy(run)
    return store


def refused_folder(folder: Path, name: str) -> str:
    """The sentence with which a folder is refused that nothing can be learned from."""
    images = draw_images(folder / name.replace(" ", "-"), REFUSED[name])
    try:
        recipe_on(images)
    except UserError as error:
        return str(error)
    raise AssertionError(f"{name} was taken")


def settings(recipe: Recipe) -> Iterator[dict[str, object]]:
    """What changes how numbers explode: optimiser, schedule, number format, averaging, which weights are kept."""
    for optimizer, schedule, precision in itertools.product(
        OPTIMIZERS, KNOBS["schedule"].choices, ("fp32", "bf16")
    ):
        for averaging, keep in ((0.0, "last"), (0.9, "best")):
            yield {
                "optimizer": optimizer,
                "schedule": schedule,
                "precision": precision,
                "averaging": averaging,
                "keep": keep,
            }


def main() -> int:
    with own_environment() as folder:
        images = draw_images(folder / "images", {"dark": 30, "bright": 30})
        broken = 0
        for optimizer, value, step in itertools.product(OPTIMIZERS, NOT_FINITE, range(1, 7)):
            for log_every in (1, 2):
                break_loss(images, value, step, optimizer=optimizer, log_every=log_every)
                broken += 1
        print(f"losses that are not finite: {broken}")
        ends = Counter()
        for rate in RATES:
            for chosen in settings(recipe_on(images)[0]):
                for model in ("baseline", "improved", "residual", "fast"):
                    ends[str(explode(images, rate, model=model, **chosen).state())] += 1
        print(f"exploding rates: {dict(ends)}")
        for name in FOLDERS:
            states = [str(run.state()) for run in train_on(folder / "folders", name).runs()]
            print(f"folder with {name}: {', '.join(states)}")
        for name in REFUSED:
            print(f"folder with {name}: refused, {refused_folder(folder / 'refused', name)}")
    print("Every run ended by a name, in strict JSON, with figures that draw.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
