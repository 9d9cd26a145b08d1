"""The command line: `python -m core COMMAND ...`, for scripts, servers and people who like it.

With `--json` one JSON document goes to standard output and nothing else; progress and messages go
to standard error. Exit status: 0 it worked, 1 the run failed or an image was refused, 2 wrong use.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict

import numpy as np

from core import classify_command, doctor_command, export_command, search_command, sweep_commands
from core.datasets import ImageData, channel_statistics
from core.errors import UserError
from core.events import Finished
from core.executors import take_back
from core.labels import read_labels
from core.paths import ROOT, runs_dir
from core.store import RunStore
from core.terminal import Outcome, absolute, add_recipe_options, load, recipe_of, summary, work_with_bar


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
    try:
        print(json.dumps(result, allow_nan=False) if options.json else text, flush=True)
    except BrokenPipeError:  # as in `... | head`: whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    data = commands.add_parser("data", help="class counts, shape, channel means and deviations")
    data.add_argument("--dataset", default="shapes", help="shapes, cifar10 or folder:PATH")
    data.set_defaults(command=data_command)

    train = commands.add_parser("train", help="train in the foreground, with a progress bar")
    add_recipe_options(train)
    train.add_argument("--seed", type=int, default=42)
    train.add_argument("--again", action="store_true", help="train even if the same run is there already")
    train.set_defaults(command=train_command)

    runs = commands.add_parser("runs", help="every run")
    runs.set_defaults(command=runs_command)

    bench = commands.add_parser("bench", help="speed of training against the plain loop, as ratios")
    bench.add_argument("--quick", action="store_true", help="under 50 s, with wider error bars")
    bench.set_defaults(command=bench_command)

    own = (sweep_commands, search_command, classify_command, export_command, doctor_command)
    more = [parser for module in own for parser in module.add_commands(commands)]
    for command in (data, train, runs, bench, *more):
        command.add_argument("--json", action="store_true", help="one JSON document on standard output")
    return parser


def data_command(options: argparse.Namespace) -> Outcome:
    """Prepare a data set if need be and tell what is in it; a folder is offered on the pages from then on."""
    images = load(absolute(options.dataset), image_size=32)
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
    recipe = recipe_of(options)
    images = load(recipe.dataset, recipe.image_size)
    store = RunStore(runs_dir())
    run, _ = store.open(recipe, options.seed, images.fingerprint, options.again)
    cached = run.state().conclusive
    if not cached:
        take_back(run)
        work_with_bar(run)
    result = {**summary(run, "command line"), "cached": cached}
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
    """Every run, archived ones too; test accuracies, and so a look at them, only with --json."""
    runs = RunStore(runs_dir()).runs()
    if options.json:
        found = [
            {**summary(run, "command line"), "cached": True, **asdict(read_labels(run.folder))}
            for run in runs
        ]
        return 0, found, ""
    lines = [f"{'id':32}  {'recipe':16} {'seed':>6} {'state':12} {'validation':>10}"]
    for run in runs:
        known = run.history().validation_accuracy
        accuracy = f"{'–':>10}" if known is None else f"{known:10.2%}"
        line = f"{run.id}  {run.spec.digest} {run.spec.seed:6} {run.state():12} {accuracy}"
        lines.append(f"{line}  archived" if read_labels(run.folder).archived else line)
    return 0, None, "\n".join(lines)


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


def _counts(images: ImageData, labels: np.ndarray) -> dict[str, int]:
    counts = np.bincount(labels, minlength=len(images.classes))
    return {name: int(number) for name, number in zip(images.classes, counts, strict=True)}


def _numbers(values: np.ndarray) -> str:
    return ", ".join(f"{value:.4f}" for value in values)


if __name__ == "__main__":
    sys.exit(main())
