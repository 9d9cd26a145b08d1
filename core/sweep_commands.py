"""`sweep` and `compare` on the command line: the same plan, queue and statistics as on the Seeds page."""

import argparse
import math
import os
import sys
import time
from typing import Any

import numpy as np

from core import stats
from core.datasets import folder_place
from core.errors import UserError
from core.estimate import estimate, learned_speeds, probed_device
from core.forecast import forecast, seconds_left
from core.index import Row, RunIndex
from core.launch import start_sweep
from core.locks import is_held
from core.naming import distinct_names
from core.paths import runs_dir
from core.runner import LOCK_NAME
from core.stats import Comparison, Interval
from core.store import Run, RunStore
from core.study import Study, study
from core.sweep import Sweep, find_sweep, parse_seeds, seeds_in_words, sweeps
from core.terminal import Bar, Outcome, add_recipe_options, load, recipe_of, summary
from core.verdicts import Judgement, judge

POLL_SECONDS = 1.0


def add_commands(commands: Any) -> list[argparse.ArgumentParser]:
    """Add both to the parser; gives their own parsers."""
    sweep = commands.add_parser("sweep", help="train a recipe with several seeds, in the background")
    add_recipe_options(sweep)
    sweep.add_argument("--seeds", default="0-9", help='"0-9", "1,7,42" or "10 seeds"')
    sweep.add_argument("--wait", action="store_true", help="wait until every seed has ended")
    sweep.add_argument("--slots", type=int, help="how many places there are: one a GPU, else one a core")
    sweep.set_defaults(command=sweep_command)

    compare = commands.add_parser("compare", help="is one recipe better than another, over their seeds?")
    compare.add_argument(
        "digests", nargs=2, metavar="DIGEST", help="of a recipe, as `runs` lists it; its beginning will do"
    )
    compare.add_argument(
        "--threshold",
        type=float,
        default=1.0,
        metavar="POINTS",
        help="the smallest difference that matters to you",
    )
    compare.set_defaults(command=compare_command)
    return [sweep, compare]


def sweep_command(options: argparse.Namespace) -> Outcome:
    """Queue what is missing of a sweep, perhaps wait for it, and tell what its seeds gave.

    Test figures are told, and a look counted, when every seed has ended: not while one could still choose.
    """
    seeds = parse_seeds(options.seeds)
    recipe = recipe_of(options)
    load(recipe.dataset, recipe.image_size)
    store = RunStore(runs_dir())
    _set_slots(store, options.slots)
    index = RunIndex(store)
    before = index.rows()
    runs = start_sweep(store, [recipe], seeds, before)
    if options.wait:
        _wait(store, {run.id for run in runs}, before)
    (found,) = [sweep for sweep in sweeps(store, index.rows()) if sweep.digest == runs[0].spec.digest]
    ended = {row.run.id for row in before if row.state.ended}
    complete = found.final and not found.lost
    status = 0 if complete or (found.under_way and not options.wait) else 1
    return status, _sweep_result(found, ended), _sweep_text(found)


def _set_slots(store: RunStore, wanted: int | None) -> None:
    """The runner that is started inherits it."""
    if wanted is None:
        return
    if wanted < 1:
        raise UserError(f"--slots must be at least 1, not {wanted}.")
    os.environ["TENFOLD_SLOTS"] = str(wanted)
    if is_held(store.folder / LOCK_NAME):
        print("a runner is at work already and keeps its number of places", file=sys.stderr)


def _wait(store: RunStore, ids: set[str], rows: list[Row]) -> None:
    """A bar over all runs, until each has ended or was stopped; leaving it stops nothing."""
    print("waiting for the sweep; Ctrl-C leaves it to go on in the background", file=sys.stderr)
    whole: dict[str, float | None] = {}
    speeds = learned_speeds(rows, probed_device(store))

    def left(run: Run) -> float | None:
        recipe, digest = run.spec.recipe, run.spec.digest
        if digest not in whole:
            data = load(recipe.dataset, recipe.image_size)
            found = estimate(store, recipe, len(data.classes), len(data.train), len(data.test), speeds)
            whole[digest] = found and found.seconds
        return seconds_left(run, run.history(), whole[digest])

    with Bar() as bar:
        while True:
            queue = store.queue()
            mine = [run for run in queue if run.id in ids]
            if not any(run.state().active for run in mine):
                return
            ends = forecast(queue, left)
            last = [ends[run.id] for run in mine]
            words = "" if None in last else f", {max(last):,.0f} s left"
            bar.stage(
                f"{len(ids) - len(mine)} of {len(ids)} seeds done{words}", len(ids) - len(mine), len(ids)
            )
            time.sleep(POLL_SECONDS)


def _sweep_result(sweep: Sweep, ended: set[str]) -> dict[str, Any]:
    """Args: ended: ids of the runs that had ended when the command began."""
    values = np.array([row.test_accuracy for row in sweep.finished]) if sweep.final else np.empty(0)
    found = stats.summarise(values) if len(values) else None
    return {
        "recipe": sweep.digest,
        "n": len(sweep.finished),
        "final": sweep.final,
        "seeds": [
            {**summary(row.run, "command line", test=sweep.final), "cached": row.run.id in ended}
            for row in sweep.rows
        ],
        "planned": list(sweep.plan.seeds) if sweep.plan else None,
        "added_later": [seed for added in sweep.plan.added for seed in added.seeds] if sweep.plan else [],
        "ended_without_figures": sweep.lost,
        "remarks": sweep.remarks(),
        "mean": found and found.mean,
        "sd": found.sd if found and found.n > 1 else None,
        "mean_interval": _pair(found and found.mean_interval),
        "sd_interval": _pair(found and found.sd_interval),
    }


def _sweep_text(sweep: Sweep) -> str:
    """The result in words; before the end, how far it is."""
    (name,) = distinct_names([sweep.recipe])
    lines = [f"{name}, digest {sweep.digest}"]
    for row in sweep.rows:
        shown = f"  test {row.test_accuracy:.2%}" if sweep.final and row.test_accuracy is not None else ""
        lines.append(f"seed {row.run.spec.seed:6}  {row.state:12}{shown}")
    values = np.array([row.test_accuracy for row in sweep.finished])
    if sweep.final and len(values) > 1:
        found = stats.summarise(values)
        lines += [
            f"test accuracy over {found.n} seeds: mean {found.mean:.2%}, 95% {_percent(found.mean_interval)} (Student's t)",
            f"standard deviation {100 * found.sd:.2f} points, 95% {_points(found.sd_interval)} (chi-square)",
        ]
    lines += sweep.remarks()
    if sweep.under_way:
        seeds = seeds_in_words([row.run.spec.seed for row in sweep.under_way])
        lines.append(f"{len(sweep.under_way)} go on in the background (seeds {seeds}); --wait waits for them")
    return "\n".join(lines)


def compare_command(options: argparse.Namespace) -> Outcome:
    """Both intervals, the check, power, and the sentence; counts as a look at the test figures."""
    if not 0 < options.threshold < math.inf:
        raise UserError(f"--threshold must be above 0 points, not {options.threshold:g}.")
    store = RunStore(runs_dir())
    found = sweeps(store, RunIndex(store).rows())
    a, b = (find_sweep(found, digest) for digest in options.digests)
    if a.digest == b.digest:
        raise UserError("Both digests name the same recipe: give two different ones.")
    for sweep in (a, b):
        if not sweep.finished:
            raise UserError(f"No run of recipe {sweep.digest} has finished yet: wait for it, or train it.")
    studies = study(a.finished), study(b.finished)
    _same_images(a, b, *studies)
    for row in (*a.finished, *b.finished):
        row.run.look("command line")
    threshold = options.threshold / 100
    compared = stats.compare(studies[0].correct, studies[1].correct, threshold)
    said = judge(a, b, compared, threshold)
    names = distinct_names([a.recipe, b.recipe])
    return 0, _compare_result(a, b, compared, said, threshold), _compare_text(names, compared, said)


def _same_images(a: Sweep, b: Sweep, one: Study, other: Study) -> None:
    if a.data_fingerprint != b.data_fingerprint or not np.array_equal(one.labels, other.labels):
        places = [folder_place(sweep.recipe.dataset) or sweep.recipe.dataset for sweep in (a, b)]
        raise UserError(
            f"These recipes were tested on different images ({places[0]}, {places[1]}): they can't be compared."
        )


def _compare_result(
    a: Sweep, b: Sweep, found: Comparison, said: Judgement, threshold: float
) -> dict[str, Any]:
    return {
        "a": a.digest,
        "b": b.digest,
        "n_a": found.n_a,
        "n_b": found.n_b,
        "difference": found.difference,
        "welch_interval": _pair(found.welch),
        "image_interval": _pair(found.image_paired),
        "p_a_better": found.p_a_better,
        "p_a_better_interval": _pair(found.p_a_better_interval),
        "welch_p": None if math.isnan(found.welch_p) else found.welch_p,
        "check": {"name": found.check.name, "p": found.check.p} if found.check else None,
        "minimum_detectable": None if math.isnan(found.minimum_detectable) else found.minimum_detectable,
        "seeds_needed": found.seeds_needed,
        "threshold": threshold,
        "verdict": str(said.verdict),
        "sentence": said.sentence,
        "final": said.final,
        "remarks": list(said.remarks),
    }


def _compare_text(names: list[str], found: Comparison, said: Judgement) -> str:
    lines = [f"A: {names[0]}, {found.n_a} seed(s)", f"B: {names[1]}, {found.n_b} seed(s)", said.sentence]
    lines += said.remarks
    lines.append(f"A minus B: {100 * found.difference:+.2f} points of test accuracy")
    if found.welch:
        lines.append(f"  95% over seeds, these images (Welch): {_points(found.welch, sign=True)}")
    lines.append(f"  95% over images, these models (paired): {_points(found.image_paired, sign=True)}")
    lines.append(f"A is ahead in {found.p_a_better:.0%} of pairs of seeds")
    if found.check:
        lines.append(f"p: Welch {found.welch_p:.4f}, {found.check.name} {found.check.p:.4f}")
        lines.append(f"these seeds show {100 * found.minimum_detectable:.2f} points in 4 of 5 cases")
    return "\n".join(lines)


def _pair(interval: Interval | None) -> list[float] | None:
    return list(interval) if interval else None


def _percent(interval: Interval) -> str:
    return f"{interval.low:.2%} to {interval.high:.2%}"


def _points(interval: Interval, sign: bool = False) -> str:
    form = "+.2f" if sign else ".2f"
    return f"{100 * interval.low:{form}} to {100 * interval.high:{form}} points"
