"""How long a person waits for the dashboard, in a real Chromium: `python -m benchmarks.pages [--rounds 5] [--no-training]`.

Prints JSON, in seconds; progress goes to stderr. Wants a checkout with `requirements-dev.txt` and Debian's Chromium.

first_page      from the command that starts the server to a whole Overview in a browser that was open already; a new
                server each round. Bar: 4.
page_change     from a click on the menu to the whole page, the median of all pages over the rounds; `slowest` names the
                page whose own median is the highest. Each page was opened once before. Bar: 1, Classify apart when torch
                is loaded for the first time.
first_visits    the same for the very first click on each page of a server, after 3 s on its Overview: it imports what
                nobody needed before.
while_training  `page_change` while a `quick` training with many epochs takes a core, and its slowest page. Bar: 2.

In a store of 20 recipes with 10 seeds each, made up, with predictions on 1,000 test images. A page counts as whole once its
heading, the element that stands for it and the whole menu are there and its script has ended.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.config import Recipe
from core.datasets import source
from core.executors import stop
from core.executors.local import Local
from core.machine import cores
from core.paths import ROOT
from core.store import RunState, RunStore
from tests.chromium import PAGES, PATIENCE_MS, launched, served
from tests.many_runs import make_runs

RECIPES, SEEDS, TEST_IMAGES = 20, 10, 1000
LONG = Recipe(width=0.0625, epochs=200, learning_rate=0.02, log_every=25)
"""What trains meanwhile: it does not end before the measurement does."""

WHOLE = """([heading, element, links]) =>
    document.querySelector('h1')?.innerText === heading && document.querySelector(element)
    && document.querySelectorAll('[data-testid="stSidebar"] a').length >= links
    && document.querySelector('[data-test-script-state="notRunning"]')"""

READING_SECONDS = 3.0
"""Nobody is faster on the first page of all."""

Times = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-training", action="store_true", help="leave `while_training` out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, launched() as chromium:
        home = Path(folder)
        os.environ |= {
            "TENFOLD_RUNS": str(home / "runs"),
            "TENFOLD_DATA": str(home / "data"),
            "TENFOLD_EXECUTOR": "local",
        }
        make_runs(home / "runs", RECIPES, SEEDS, TEST_IMAGES, source("shapes").ready_fingerprint())
        _leave_no_probe(home / "runs")
        found = {"first_page": _summary({"": [_first_page(chromium, home) for _ in range(options.rounds)]})}
        with _dashboard(chromium, home) as page:
            time.sleep(READING_SECONDS)
            found["first_visits"] = _summary(_changes(page, 1))
            found["page_change"] = _summary(_changes(page, options.rounds))
            if not options.no_training:
                with _training(RunStore(home / "runs")):
                    found["while_training"] = _summary(_changes(page, options.rounds))
    print(json.dumps({**found, "cores": cores(), "load_before": LOAD}))


LOAD = round(os.getloadavg()[0], 2)


def _first_page(chromium: Any, home: Path) -> float:
    begin = time.monotonic()
    with _dashboard(chromium, home):
        return time.monotonic() - begin


@contextmanager
def _dashboard(chromium: Any, home: Path) -> Iterator[Any]:
    """A new server with a whole Overview in a browser."""
    with served("dashboard.py", ROOT, home / "server.log", {}, options=()) as address:
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        wait_until_whole(page, "")
        yield page
        context.close()


def wait_until_whole(page: Any, name: str) -> None:
    """`name` as in the address."""
    page.wait_for_function(WHOLE, arg=[*PAGES[name], len(PAGES)], polling=10)


def seconds_to(page: Any, name: str) -> float:
    """From a click on the menu to the whole page; `name` as in the address."""
    link = page.locator("[data-testid='stSidebar'] a").filter(has_text=PAGES[name][0]).first
    begin = time.monotonic()
    link.click()
    wait_until_whole(page, name)
    return time.monotonic() - begin


def _changes(page: Any, rounds: int) -> Times:
    """Seconds of each change, by the page that was gone to."""
    times: Times = {name: [] for name in PAGES}
    for number in range(rounds):
        for name in [*list(PAGES)[1:], ""]:
            times[name].append(seconds_to(page, name))
        print(f"round {number + 1}: {sum(one[-1] for one in times.values()):.1f} s", file=sys.stderr)
    return times


def _summary(times: Times) -> dict[str, Any]:
    """Medians, of all and of each page."""
    each = {PAGES[name][0]: round(statistics.median(values), 2) for name, values in times.items()}
    together = [value for values in times.values() for value in values]
    found = {"median": round(statistics.median(together), 2), "slowest": max(each, key=each.get)}
    return {**found, "slowest_median": max(each.values()), "worst": round(max(together), 2), "pages": each}


@contextmanager
def _training(store: RunStore) -> Iterator[None]:
    run, _ = store.open(LONG, 1, source("shapes").ready_fingerprint())
    Local().start(store, [run])
    deadline = time.monotonic() + 60
    while not run.history().epochs:
        if time.monotonic() > deadline:
            raise TimeoutError("the training did not begin")
        time.sleep(0.1)
    try:
        yield
        if run.state() is not RunState.RUNNING:
            raise RuntimeError("the training ended before the measurement did")
    finally:
        stop(store, run)


def _leave_no_probe(runs: Path) -> None:
    """Time the machine now, which the first form would otherwise do while pages are timed."""
    subprocess.run([sys.executable, "-m", "core.probe", str(runs)], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
