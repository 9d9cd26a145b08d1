"""How long pages take over a large store: `python -m benchmarks.large_store FOLDER [--pages Runs Seeds] [--rounds 3]`.

`python -m tests.many_runs FOLDER --recipes 10000 --seeds 10 --plans` makes a store of 100,000 runs. Each page is opened
in a process of its own, as a dashboard that was just started does it, without the browser: the first view, and
then some more, by `AppTest`. Prints one JSON document: medians over the rounds, in seconds, and the memory of
the process in MB. With `--anew` the index is deleted before: the first view makes it from the runs, which takes
minutes, and is told apart, with how often its bar moved. With `--browser` each page is opened in a real Chromium besides,
which takes as long again: `by_address` as the first page of a new server and a new browser, `by_click` after the Overview.

The folder gets an index; nothing else in it changes. Pages show the images of `TENFOLD_DATA`.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.index import INDEX_NAME
from core.paths import ROOT

PAGES = {
    "Overview": "dashboard.py",
    "Train": "pages/train.py",
    "Runs": "pages/runs.py",
    "Seeds": "pages/seeds.py",
    "Search": "pages/search.py",
    "Classify": "pages/classify.py",
    "Report": "pages/report.py",
    "Settings": "pages/settings.py",
}
LATER_VIEWS = 5
PATIENCE_SECONDS = 900


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="of runs")
    parser.add_argument("--pages", nargs="*", choices=PAGES, default=list(PAGES), help="all unless named")
    parser.add_argument("--rounds", type=int, default=3, help="processes for each page")
    parser.add_argument("--anew", action="store_true", help="time a first view without the index, too")
    parser.add_argument("--browser", action="store_true", help="time first views in a Chromium, too")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what the processes are asked for
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(_view(PAGES[options.one])))
        return 0
    folder = options.folder.resolve()
    result: dict[str, Any] = {"folder": str(folder), "cpus": os.cpu_count()}
    if options.anew:
        (folder / INDEX_NAME).unlink(missing_ok=True)
        result["without_index"] = _measured(folder, "Overview")
    elif not (folder / INDEX_NAME).exists():
        _measured(folder, "Overview")
    result["pages"] = {}
    for page in options.pages:
        rounds = [_measured(folder, page) for _ in range(options.rounds)]
        print(page, [one["first"] for one in rounds], file=sys.stderr, flush=True)
        names = ("first", "later", "first_cpu", "later_cpu", "memory")
        result["pages"][page] = {
            name: round(statistics.median(one[name] for one in rounds), 3) for name in names
        }
        if options.browser:
            result["pages"][page] |= _in_browser(folder, page, options.rounds)
    print(json.dumps(result, indent=1))
    return 0


def _measured(folder: Path, page: str) -> dict[str, Any]:
    environment = {**os.environ, "TENFOLD_RUNS": str(folder), "TENFOLD_EXECUTOR": "inline"}
    command = [sys.executable, "-m", "benchmarks.large_store", str(folder), "--one", page]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{page} could not be opened:\n{done.stderr.decode()}")
    return json.loads(done.stdout)


def _in_browser(folder: Path, page: str, rounds: int) -> dict[str, float]:
    """Medians of seconds until the page is whole, with a new server and a new browser for each."""
    from benchmarks.pages import READING_SECONDS, seconds_to, wait_until_whole

    name = "" if page == "Overview" else page.lower()
    by_address, by_click = [], []
    for _ in range(rounds):
        with _window(folder) as (window, address):
            begin = time.monotonic()
            window.goto(f"{address}/{name}")
            wait_until_whole(window, name)
            by_address.append(time.monotonic() - begin)
        if name:
            with _window(folder) as (window, address):
                window.goto(address)
                wait_until_whole(window, "")
                time.sleep(READING_SECONDS)
                by_click.append(seconds_to(window, name))
    found = {"by_address": by_address, "by_click": by_click}
    return {kind: round(statistics.median(values), 2) for kind, values in found.items() if values}


@contextmanager
def _window(folder: Path) -> Iterator[tuple[Any, str]]:
    """A blank page of a browser that was just started, and the address of a dashboard of which the same is true."""
    from tests.chromium import PATIENCE_MS, launched, served

    environment = {"TENFOLD_RUNS": str(folder), "TENFOLD_EXECUTOR": "inline"}
    with (
        tempfile.TemporaryDirectory() as logs,
        served("dashboard.py", ROOT, Path(logs) / "server.log", environment, options=()) as address,
        launched() as chromium,
    ):
        window = chromium.new_page(viewport={"width": 1440, "height": 900})
        window.set_default_timeout(PATIENCE_MS)
        yield window, address


def _view(page: str) -> dict[str, Any]:
    """In the process of one page: Streamlit is there, as in a server; what the page needs is not."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=PATIENCE_SECONDS)
    if page != "dashboard.py":
        app.switch_page(page)
    found = [_timed(app) for _ in range(1 + LATER_VIEWS)]
    if app.exception or app.error:
        raise SystemExit(f"{page}: {[one.value for one in (*app.exception, *app.error)]}")
    later = [statistics.median(values) for values in zip(*found[1:], strict=True)]
    return {
        "first": found[0][0],
        "first_cpu": found[0][1],
        "later": later[0],
        "later_cpu": later[1],
        "each": [round(one[0], 3) for one in found],
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }


def _timed(app: Any) -> tuple[float, float]:
    begin, cpu = time.perf_counter(), time.process_time()
    app.run()
    return time.perf_counter() - begin, time.process_time() - cpu


if __name__ == "__main__":
    sys.exit(main())
