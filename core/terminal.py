"""What the commands of the command line share: recipes from options, progress bars, the record of a run."""

import argparse
import dataclasses
import sys
import time
from typing import Any

from core.config import Recipe
from core.datasets import ImageData, folder_place, source
from core.events import EpochEnd, Event, Failed, Finished, Progress, Started
from core.presets import PRESETS
from core.store import Run

Outcome = tuple[int, Any, str]
"""Exit status, the value that --json prints, the text that is printed otherwise."""


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which recipe is meant."""
    parser.add_argument("--preset", default="quick", choices=PRESETS)
    parser.add_argument("--dataset", help="shapes, cifar10 or folder:PATH; the preset's own unless given")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="FIELD=VALUE")


def recipe_of(options: argparse.Namespace) -> Recipe:
    """The recipe that these options ask for; a folder by its whole path.

    Raises:
        UserError: a field that does not exist, or a value that is not valid.
    """
    recipe = PRESETS[options.preset].recipe
    if options.dataset:
        recipe = dataclasses.replace(recipe, dataset=absolute(options.dataset))
    recipe = recipe.changed(options.set)
    return dataclasses.replace(recipe, dataset=absolute(recipe.dataset))


def load(dataset: str, image_size: int) -> ImageData:
    """The images, prepared with a progress bar on standard error where that takes long."""
    images = source(dataset, image_size)
    if images.ready_fingerprint() is None:
        with Bar() as bar:
            images.prepare(bar.stage)
    loaded = images.load()
    if folder_place(dataset) is not None:
        from core.datasets.offered import register

        register(folder_place(dataset))
    return loaded


def work_with_bar(run: Run) -> None:
    """Train here, or watch the worker that has the run already."""
    from core.runner import WorkerExit
    from core.worker import work

    recipe = run.spec.recipe
    print(f"{recipe.model} on {recipe.dataset}, seed {run.spec.seed}: loading", file=sys.stderr)
    with Bar() as bar:
        seen = 0
        while work(run, bar.event) is WorkerExit.BUSY:
            history = run.history()
            if history.started and not seen:
                bar.event(history.started)
            for epoch in history.epochs[seen:]:
                bar.event(epoch)
            seen = len(history.epochs)
            time.sleep(1)


class Bar:
    """A tqdm bar that follows events of a run, or stages of a preparation."""

    def __enter__(self) -> "Bar":
        from tqdm import tqdm

        self._started: Started | None = None
        form = "{desc} {percentage:3.0f}% |{bar:30}| {postfix}"
        self._tqdm = tqdm(total=1, desc="preparing", file=sys.stderr, bar_format=form, leave=False)
        return self

    def __exit__(self, *error: object) -> None:
        self._tqdm.close()

    def stage(self, stage: str, done: int, total: int) -> None:
        self._show(stage, done, total, "")

    def event(self, event: Event) -> None:
        if isinstance(event, Started):
            self._started = event
            self._tqdm.write(
                f"on {event.passport['device_name']}, {event.passport['precision']}, "
                f"{event.passport['threads']} CPU thread(s)"
                + (f", going on after epoch {event.resumed_from}" if event.resumed_from else ""),
                file=sys.stderr,
            )
        elif isinstance(event, Progress | EpochEnd) and self._started:
            started = self._started
            total = started.epochs * started.steps_per_epoch
            left = (total - event.step) * started.train_images / started.steps_per_epoch
            note = f"{event.images_per_second:,.0f} images/s, {left / event.images_per_second:,.0f} s left"
            self._show(f"epoch {event.epoch}/{started.epochs}", event.step, total, note)
            if isinstance(event, EpochEnd):
                self._tqdm.write(
                    f"epoch {event.epoch}: training {event.train_loss:.3f} {event.train_accuracy:.2%}, "
                    f"validation {event.validation_loss:.3f} {event.validation_accuracy:.2%}",
                    file=sys.stderr,
                )

    def _show(self, text: str, done: int, total: int, note: str) -> None:
        self._tqdm.total = total
        self._tqdm.n = done
        self._tqdm.set_description_str(text, refresh=False)
        self._tqdm.set_postfix_str(note)


def summary(run: Run, where: str, test: bool = True) -> dict[str, Any]:
    """The keys that scripts rely on; showing a test accuracy counts as a look at it.

    Args:
        test: False leaves the test accuracy out, and counts no look.
    """
    history = run.history()
    end = history.end if isinstance(history.end, Finished) else None
    last = history.epochs[-1] if history.epochs else None
    if end and test:
        run.look(where)
    return {
        "run": run.id,
        "folder": str(run.folder),
        "state": str(run.state()),
        "recipe": run.spec.digest,
        "seed": run.spec.seed,
        "device": history.started.passport["device"] if history.started else None,
        "validation_accuracy": history.validation_accuracy,
        "test_accuracy": end.test_accuracy if end and test else None,
        "images_per_second": end.images_per_second if end else last and last.images_per_second,
        "seconds": sum(epoch.train_seconds for epoch in history.epochs),
        "message": history.end.message if isinstance(history.end, Failed) else None,
    }


def absolute(dataset: str) -> str:
    """A folder by its whole path: the worker may run elsewhere."""
    place = folder_place(dataset)
    return dataset if place is None else f"folder:{place.expanduser().resolve()}"
