"""The command line: `python -m core COMMAND ...`, for scripts, servers and people who like it.

With `--json` one JSON document goes to standard output and nothing else; progress and messages go
to standard error. Exit status: 0 it worked, 1 the run failed, 2 wrong use.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np

from core.datasets import DATASETS, ImageData, channel_statistics, folder_place, source
from core.errors import UserError
from core.events import EpochEnd, Event, Failed, Finished, Progress, Started
from core.executors import take_back
from core.machine import memory_gb
from core.paths import ROOT, data_dir, runs_dir
from core.presets import PRESETS
from core.store import Run, RunStore


def main(arguments: list[str] | None = None) -> int:
    """Parse, run the command, print its result; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status, result, text = options.command(options)
    except UserError as error:
        if options.json:
            print(json.dumps({"error": str(error)}))
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        reason = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
        print(f"A file or folder can't be used ({reason}).", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where it can.", file=sys.stderr)
        return 130
    print(json.dumps(result, allow_nan=False) if options.json else text)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    data = commands.add_parser("data", help="class counts, shape, channel means and deviations")
    data.add_argument("--dataset", default="shapes", help="shapes, cifar10 or folder:PATH")
    data.set_defaults(command=data_command)

    train = commands.add_parser("train", help="train in the foreground, with a progress bar")
    train.add_argument("--preset", default="quick", choices=PRESETS)
    train.add_argument("--dataset", help="shapes, cifar10 or folder:PATH; the preset's own unless given")
    train.add_argument("--seed", type=int, default=42)
    train.add_argument("--set", nargs="+", action="extend", default=[], metavar="FIELD=VALUE")
    train.add_argument("--again", action="store_true", help="train even if the same run is there already")
    train.set_defaults(command=train_command)

    runs = commands.add_parser("runs", help="every run")
    runs.set_defaults(command=runs_command)

    doctor = commands.add_parser("doctor", help="device, versions, data sets, health of the store")
    doctor.set_defaults(command=doctor_command)

    bench = commands.add_parser("bench", help="speed of training against the plain loop, as ratios")
    bench.add_argument("--quick", action="store_true", help="under 50 s, with wider error bars")
    bench.set_defaults(command=bench_command)

    for command in (data, train, runs, doctor, bench):
        command.add_argument("--json", action="store_true", help="one JSON document on standard output")
    return parser


Outcome = tuple[int, Any, str]
"""Exit status, the value that --json prints, the text that is printed otherwise."""


def data_command(options: argparse.Namespace) -> Outcome:
    """Prepare a data set if need be and tell what is in it; a folder is offered on the pages from then on."""
    images = _load(_absolute(options.dataset), image_size=32)
    mean, std = channel_statistics(images.train.images)
    result = {
        "classes": list(images.classes),
        "train": _counts(images, images.train.labels),
        "test": _counts(images, images.test.labels),
        "shape": list(images.train.images.shape[1:]),
        "mean": mean.tolist(),
        "std": std.tolist(),
        "fingerprint": images.fingerprint,
        "skipped": [{"file": name, "reason": reason} for name, reason in images.skipped],
    }
    lines = [f"{'class':20} {'training':>9} {'test':>9}"]
    lines += [f"{name:20} {result['train'][name]:9,} {result['test'][name]:9,}" for name in images.classes]
    lines += [
        f"{'all':20} {len(images.train):9,} {len(images.test):9,}",
        f"shape {' × '.join(map(str, result['shape']))} (channels, height, width)",
        f"channel means {_numbers(mean)}, deviations {_numbers(std)} on the scale 0 to 1",
    ]
    lines += [f"skipped {name}: {reason}" for name, reason in images.skipped[:20]]
    if len(images.skipped) > 20:
        lines.append(f"and {len(images.skipped) - 20:,} more skipped; --json lists them all")
    return 0, result, "\n".join(lines)


def train_command(options: argparse.Namespace) -> Outcome:
    """Train one recipe with one seed to its end, or open the run that did so before."""
    recipe = PRESETS[options.preset].recipe
    if options.dataset:
        recipe = dataclasses.replace(recipe, dataset=_absolute(options.dataset))
    recipe = recipe.changed(options.set)
    recipe = dataclasses.replace(recipe, dataset=_absolute(recipe.dataset))
    images = _load(recipe.dataset, recipe.image_size)
    store = RunStore(runs_dir())
    run, _ = store.open(recipe, options.seed, images.fingerprint, options.again)
    cached = run.state().conclusive
    if not cached:
        take_back(run)
        _work_with_bar(run)
    result = {**_summary(run, "command line"), "cached": cached}
    end = run.history().end
    if isinstance(end, Finished):
        text = (
            f"validation {end.validation_accuracy:.2%}, test {end.test_accuracy:.2%}, "
            f"{end.images_per_second:,.0f} images a second, {end.train_seconds:,.0f} s"
            f"{' (trained before; --again trains it anew)' if cached else ''}\n{run.folder}"
        )
    else:
        text = end.message if end else f"The run is {run.state()}: the same command goes on with it."
    return (0 if isinstance(end, Finished) else 1), result, text


def runs_command(options: argparse.Namespace) -> Outcome:
    """Every run; test accuracies, and so a look at them, only with --json."""
    runs = RunStore(runs_dir()).runs()
    if options.json:
        return 0, [{**_summary(run, "command line"), "cached": True} for run in runs], ""
    lines = [f"{'id':32}  {'recipe':16} {'seed':>6} {'state':12} {'validation':>10}"]
    for run in runs:
        known = run.history().validation_accuracy
        accuracy = f"{'–':>10}" if known is None else f"{known:10.2%}"
        lines.append(f"{run.id}  {run.spec.digest} {run.spec.seed:6} {run.state():12} {accuracy}")
    return 0, None, "\n".join(lines)


def doctor_command(options: argparse.Namespace) -> Outcome:
    """What a person who asks for help is asked first."""
    from core.device import choose_compute, passport

    recipe = PRESETS["quick"].recipe
    store = RunStore(runs_dir())
    states = [str(run.state()) for run in store.runs()]
    result = {
        **passport(choose_compute(recipe), ""),
        "memory_gb": round(memory_gb(), 1),
        "runs_folder": str(store.folder),
        "runs": {state: states.count(state) for state in sorted(set(states))},
        "damaged_runs": [str(path) for path in store.damaged()],
        "data_folder": str(data_dir()),
        "ready": {
            name: source(name).ready_fingerprint() is not None for name in DATASETS if name != "folder"
        },
        "writable": {
            str(folder): os.access(_existing(folder), os.W_OK) for folder in (store.folder, data_dir())
        },
    }
    del result["data_fingerprint"]
    healthy = not result["damaged_runs"] and all(result["writable"].values())
    lines = [f"{name.replace('_', ' '):16} {value}" for name, value in result.items()]
    lines.append("Everything is in order." if healthy else "Something above needs attention.")
    return (0 if healthy else 1), result, "\n".join(lines)


def bench_command(options: argparse.Namespace) -> Outcome:
    """The figures of `benchmarks/engine.py`, in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.engine", *(["--quick"] if options.quick else [])]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise UserError("The benchmark ended early; what it printed above says why.")
    result = json.loads(done.stdout)
    figures = {name: value for name, value in result.items() if isinstance(value, float)}
    lines = [f"{result['machine']['device_name']}, {result['rounds']} rounds, medians (lowest to highest):"]
    for name, value in figures.items():
        samples = result["samples"][name]
        lines.append(f"{name:20} {value:8.3f}  ({min(samples):.3f} to {max(samples):.3f})")
    return 0, result, "\n".join(lines)


def _load(dataset: str, image_size: int) -> ImageData:
    """The images, prepared with a progress bar on standard error where that takes long."""
    images = source(dataset, image_size)
    if images.ready_fingerprint() is None:
        with _Bar() as bar:
            images.prepare(bar.stage)
    loaded = images.load()
    if folder_place(dataset) is not None:
        from core.datasets.offered import register

        register(folder_place(dataset))
    return loaded


def _work_with_bar(run: Run) -> None:
    """Train here, or watch the worker that has the run already."""
    from core.runner import WorkerExit
    from core.worker import work

    recipe = run.spec.recipe
    print(f"{recipe.model} on {recipe.dataset}, seed {run.spec.seed}: loading", file=sys.stderr)
    with _Bar() as bar:
        seen = 0
        while work(run, bar.event) is WorkerExit.BUSY:
            history = run.history()
            if history.started and not seen:
                bar.event(history.started)
            for epoch in history.epochs[seen:]:
                bar.event(epoch)
            seen = len(history.epochs)
            time.sleep(1)


class _Bar:
    """A tqdm bar that follows events of a run, or stages of a preparation."""

    def __enter__(self) -> "_Bar":
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


def _summary(run: Run, where: str) -> dict[str, Any]:
    """The keys that scripts rely on; showing a test accuracy counts as a look at it."""
    history = run.history()
    end = history.end if isinstance(history.end, Finished) else None
    last = history.epochs[-1] if history.epochs else None
    if end:
        run.look(where)
    return {
        "run": run.id,
        "folder": str(run.folder),
        "state": str(run.state()),
        "recipe": run.spec.digest,
        "seed": run.spec.seed,
        "device": history.started.passport["device"] if history.started else None,
        "validation_accuracy": history.validation_accuracy,
        "test_accuracy": end.test_accuracy if end else None,
        "images_per_second": end.images_per_second if end else last and last.images_per_second,
        "seconds": sum(epoch.train_seconds for epoch in history.epochs),
        "message": history.end.message if isinstance(history.end, Failed) else None,
    }


def _absolute(dataset: str) -> str:
    """A folder by its whole path: the worker may run elsewhere."""
    place = folder_place(dataset)
    return dataset if place is None else f"folder:{place.expanduser().resolve()}"


def _counts(images: ImageData, labels: np.ndarray) -> dict[str, int]:
    counts = np.bincount(labels, minlength=len(images.classes))
    return {name: int(number) for name, number in zip(images.classes, counts, strict=True)}


def _numbers(values: np.ndarray) -> str:
    return ", ".join(f"{value:.4f}" for value in values)


def _existing(folder: Any) -> Any:
    """The folder, or the nearest one above it that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder


if __name__ == "__main__":
    sys.exit(main())
