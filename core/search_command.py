"""`search` on the command line: the same plan and the same searching process as on the Search page."""

import argparse
import os
import sys
import time
from typing import Any

from core import terminal
from core.config import KNOBS
from core.errors import UserError
from core.executors import executor
from core.paths import runs_dir
from core.search_space import FIRST_FIELDS, METHODS, Search, parse_range
from core.search_worth import worth
from core.searches import (
    Outcome,
    SearchFiles,
    begin,
    best,
    compared,
    find_search,
    outcome,
    stop_search,
    wake_searches,
)
from core.store import Run, RunStore
from core.terminal import Bar, add_recipe_options, load, recipe_of, summary

POLL_SECONDS = 0.5
WAKE_SECONDS = 10.0


def add_commands(commands: Any) -> list[argparse.ArgumentParser]:
    """Add it to the parser; gives its own parser."""
    search = commands.add_parser("search", help="try values of some fields within a budget of minutes")
    add_recipe_options(search)
    search.add_argument(
        "--field",
        nargs="+",
        action="extend",
        metavar="FIELD[=VALUES]",
        help=f'"learning_rate=0.0001:0.1", "batch_size=32,64" or "momentum"; {", ".join(FIRST_FIELDS)} unless given',
    )
    search.add_argument("--method", default="tpe", choices=METHODS)
    search.add_argument("--halving", action="store_true", help="stop runs that fall behind early")
    search.add_argument("--minutes", type=float, default=5.0, help="how long its runs may train in all")
    search.add_argument("--runs", type=int, default=100, help="how many runs it makes at most")
    search.add_argument("--seed", type=int, default=42, help="of every run, and of the search's own chance")
    search.add_argument("--slots", type=int, help="how many places there are: one a GPU, else one a core")
    search.add_argument(
        "--test", action="store_true", help="tell the winner's test accuracy: counts as a look"
    )
    search.add_argument("--background", action="store_true", help="don't wait for its end")
    search.add_argument("--stop", metavar="ID", help="stop the search of this id, and nothing else")
    search.set_defaults(command=search_command)
    return [search]


def search_command(options: argparse.Namespace) -> terminal.Outcome:
    """Begin a search (or join the same one), wait for its end, and tell its trials and its winner."""
    store = RunStore(runs_dir())
    if options.stop:
        files = find_search(store, options.stop)
        stop_search(files)
        return 0, _result(files, test=False), "It stops within seconds; the same search can go on later."
    recipe = recipe_of(options)
    texts = options.field or list(FIRST_FIELDS)
    search = Search(
        recipe,
        tuple(parse_range(text, recipe) for text in texts),
        options.method,
        options.halving,
        options.minutes,
        options.runs,
        options.seed,
    )
    load(recipe.dataset, recipe.image_size)
    if options.slots is not None:
        if options.slots < 1:
            raise UserError(f"--slots must be at least 1, not {options.slots}.")
        os.environ["TENFOLD_SLOTS"] = str(options.slots)  # searcher and runner inherit it
    files = begin(store, search)
    if not options.background:
        _wait(files)
    result = _result(files, options.test and files.over)
    end = files.end()
    failed = (end is not None and end.failed) or (files.over and not result["best"])
    return (1 if failed else 0), result, _text(files, result)


def _wait(files: SearchFiles) -> None:
    """A bar over the budget, until the search is over or was stopped; leaving it stops nothing."""
    print(
        f"search {files.id}; Ctrl-C leaves it to go on in the background, --stop {files.id} ends it",
        file=sys.stderr,
    )
    budget, woken = 60 * files.search.minutes, time.monotonic()
    with Bar() as bar:
        while files.running or files.stopping:
            found = _outcomes(files)
            winner = best(found)
            words = f", best {winner.accuracy:.2%} on validation" if winner else ""
            spent = min(files.spent_seconds(), budget)
            bar.stage(
                f"{sum(not one.state.open for one in found)} of {len(found)} runs done{words}", spent, budget
            )
            time.sleep(POLL_SECONDS)
            if time.monotonic() - woken > WAKE_SECONDS:
                woken = time.monotonic()
                wake_searches(files.store)
                executor().wake(files.store)


def _outcomes(files: SearchFiles) -> list[Outcome]:
    return [outcome(files, trial, Run.history) for trial in files.trials()]


def _result(files: SearchFiles, test: bool) -> dict[str, Any]:
    """Args: test: whether to tell the winner's test accuracy, which counts as a look."""
    found, end = _outcomes(files), files.end()
    winner, search = best(found), files.search
    return {
        "search": files.id,
        "over": files.over,
        "sentence": end.sentence if end else None,
        "method": search.method,
        "halving": search.halving,
        "minutes": search.minutes,
        "spent_seconds": files.spent_seconds(),
        "fields": {one.field: list(one.values) for one in search.ranges},
        "importances": files.importances(),
        "trials": [_trial(one) for one in found],
        "best": winner and _best(winner, compared(found), test),
    }


def _best(winner: Outcome, compared: int, test: bool) -> dict[str, Any]:
    started = winner.run.history().started
    words = worth(winner.accuracy, compared, started and started.validation_images)
    return {**summary(winner.run, "command line", test), "values": winner.trial.values, "worth": words}


def _trial(one: Outcome) -> dict[str, Any]:
    return {
        "number": one.trial.number,
        "run": one.trial.run_id,
        "values": one.trial.values,
        "state": str(one.state),
        "epochs": len(one.accuracies),
        "stopped_after_epoch": one.trial.cut_at,
        "validation_accuracy": one.accuracy
        if one.accuracy is not None
        else next(reversed(one.accuracies), None),
        "cached": one.trial.known,
    }


def _text(files: SearchFiles, result: dict[str, Any]) -> str:
    lines = [f"search {files.id}"]
    for trial in result["trials"]:
        values = ", ".join(f"{KNOBS[name].label.lower()} {value}" for name, value in trial["values"].items())
        accuracy = trial["validation_accuracy"]
        shown = "" if accuracy is None else f"{accuracy:.2%}"
        lines.append(f"{trial['number']:4}  {trial['state']:14} {shown:>7}  {values}")
    if importances := result["importances"]:
        words = ", ".join(f"{KNOBS[name].label.lower()} {share:.0%}" for name, share in importances.items())
        lines.append(f"what decides about the best runs: {words}")
    lines += [result["sentence"]] if result["sentence"] else []
    if best_one := result["best"]:
        lines.append(f"best on validation: {best_one['validation_accuracy']:.2%}. {best_one['worth']}")
        if best_one["test_accuracy"] is not None:
            lines.append(f"its test accuracy: {best_one['test_accuracy']:.2%}")
        lines.append(best_one["folder"])
    return "\n".join(lines)
