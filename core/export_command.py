"""The command `export`: a run, a recipe over its seeds or a comparison as files to take home."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core import stats
from core.errors import UserError
from core.export_tables import epochs_table, file_stem, finished, predictions_table, render, steps_table
from core.html_report import render as render_report
from core.index import RunIndex
from core.naming import distinct_names
from core.paths import runs_dir, write_atomically
from core.recipe_sharing import to_json
from core.report_of_run import run_report
from core.report_of_sweeps import Verdict, sweeps_report
from core.seed_table import Entry
from core.store import Run, RunStore
from core.study import Study, robustness, study
from core.sweep import Sweep, find_sweep, sweeps
from core.taking import MADE
from core.terminal import Outcome
from core.verdicts import judge

RUN_ID_DIGITS = 32

WITH_TEST = ("tensorboard", "csv", "parquet", "html")
"""Kinds in which test figures are, where they are asked for: only these count as a look."""

Files = dict[str, bytes]
"""Name to content."""


def add_commands(commands: Any) -> list[argparse.ArgumentParser]:
    """Add it to the parser; gives its own parser."""
    parser = commands.add_parser("export", help="take a run home: weights, ONNX, tables, a script, a report")
    parser.add_argument(
        "names",
        nargs="+",
        metavar="RUN",
        help="a run's id; for html also a recipe's digest, or two to compare",
    )
    kinds = [*MADE, "csv", "parquet", "recipe", "html"]
    parser.add_argument("--as", dest="kind", required=True, choices=kinds, help="what to make")
    parser.add_argument(
        "--out", type=Path, default=Path(), help="a folder, or the file itself where it is one"
    )
    parser.add_argument("--test", action="store_true", help="with test figures; counts as a look at them")
    parser.add_argument(
        "--threshold",
        type=float,
        default=1.0,
        metavar="POINTS",
        help="the smallest difference that matters to you",
    )
    parser.set_defaults(command=export_command)
    return [parser]


def export_command(options: argparse.Namespace) -> Outcome:
    """Make the files, write them, and tell where they are and what was checked."""
    store = RunStore(runs_dir())
    by_digest = len(options.names[0]) < RUN_ID_DIGITS
    if len(options.names) > (2 if by_digest else 1):
        raise UserError("Give one run, one recipe's digest, or two digests to compare.")
    if by_digest and options.kind != "html":
        raise UserError(
            f"A recipe over its seeds can be taken home as html only: give a run's id for {options.kind}."
        )
    note = ""
    if by_digest:
        files, runs = _sweeps(store, options)
    else:
        run = store.get(options.names[0])
        files, note = _of_run(run, options.kind, options.test)
        runs = [run]
    if options.test and options.kind in WITH_TEST:
        for run in runs:
            run.look("command line")
    paths = _write(files, options.out)
    result = {"as": options.kind, "files": [str(path) for path in paths], "test": options.test, "note": note}
    return 0, result, "\n".join([*map(str, paths), *([note] if note else [])])


def _of_run(run: Run, kind: str, test: bool) -> tuple[Files, str]:
    """The files of one run, and what was checked."""
    stem = file_stem(run)
    if kind in MADE:
        from core.export_child import make

        name, content, note = make(run, kind, test)
        return {name: content}, note
    if kind in ("csv", "parquet"):
        finished(run)
        tables: dict[str, Callable[[], Any]] = {
            "predictions": lambda: predictions_table(run, test),
            "epochs": lambda: epochs_table(run, test),
        }
        if run.history().steps:
            tables["steps"] = lambda: steps_table(run)
        return {f"{stem}-{name}.{kind}": render(table(), kind) for name, table in tables.items()}, ""
    if kind == "recipe":
        return {f"{stem}-recipe.json": to_json(run.spec.recipe, run.spec.seed).encode()}, ""
    return {f"{stem}.html": render_report(run_report(run, test))}, ""


def _sweeps(store: RunStore, options: argparse.Namespace) -> tuple[Files, list[Run]]:
    """The report of one recipe over its seeds, or of two of them."""
    known = sweeps(store, RunIndex(store).rows())
    found = [find_sweep(known, digest) for digest in options.names]
    if len({sweep.digest for sweep in found}) < len(found):
        raise UserError("Both digests name the same recipe: give two different ones.")
    for sweep in found:
        if not sweep.finished:
            raise UserError(f"No run of recipe {sweep.digest} has finished yet: wait for it, or train it.")
    if len({sweep.data_fingerprint for sweep in found}) > 1:
        raise UserError("These recipes were trained on different images: they can't be compared.")
    studies: dict[str, Study] = {}

    def study_of(sweep: Sweep) -> Study:
        if sweep.digest not in studies:
            studies[sweep.digest] = study(sweep.finished)
        return studies[sweep.digest]

    entries = [
        _entry(name, sweep, study_of(sweep) if options.test else None)
        for name, sweep in zip(distinct_names([sweep.recipe for sweep in found]), found, strict=True)
    ]
    verdict = _verdict(found, study_of, options.threshold) if options.test and len(found) > 1 else None
    name = "-against-".join(sweep.digest[:8] for sweep in found)
    report = render_report(sweeps_report(entries, study_of, verdict))
    return {f"tenfold-{name}.html": report}, [row.run for sweep in found for row in sweep.finished]


def _entry(name: str, sweep: Sweep, found: Study | None) -> Entry:
    started = sweep.finished[0].run.history().started
    classes = tuple(started.classes) if started else ()
    return Entry(name, sweep, found is not None, robustness(found) if found else None, classes)


def _verdict(found: list[Sweep], study_of: Callable[[Sweep], Study], points: float) -> Verdict:
    if not points > 0:
        raise UserError(f"--threshold must be above 0 points, not {points:g}.")
    a, b = found
    compared = stats.compare(study_of(a).correct, study_of(b).correct, points / 100)
    return Verdict(compared, judge(a, b, compared, points / 100), points / 100)


def _write(files: Files, out: Path) -> list[Path]:
    """Into a folder under their own names; a single file also under a name of the person's."""
    single = len(files) == 1 and not out.is_dir() and out.suffix
    folder = out.parent if single else out
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in files.items():
        paths.append((out if single else folder / name).resolve())
        write_atomically(paths[-1], content)
    return paths
