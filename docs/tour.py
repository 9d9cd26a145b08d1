"""Takes the README's five pictures from the running program: `python -m docs.tour [FOLDER]`.

Starts from nothing: a fresh folder of runs, two recipes with five seeds each on `shapes` (two minutes on two cores), the
dashboard, and Debian's Chromium at a fixed size. Wants `requirements-dev.txt`. FOLDER is `docs/` unless it is named.
With `TENFOLD_TOUR_RUNS` the runs lie there, and are trained once for several tours.
"""

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from core.paths import ROOT
from core.store import Run, RunStore
from tests.chromium import launched, served, settled

WIDTHS = (0.0625, 0.03125)
"""Of the two recipes; the first has the run that is looked at by itself."""

SHOWN_IMAGE = 9
"""Of the first page of test images: a triangle that noise has eaten at."""

WIDTH_PX, HEIGHT_PX = 1280, 2600
"""Of the window: high enough that nothing scrolls."""

MENU_PX, MARGIN_PX = 222, 10
MOST_BYTES = 120_000
PATIENCE_MS = 60_000
DRAWN_MS = 1500
"""A chart has moved into its place by then."""


Box = tuple[float, float, float]
"""Of a picture, in the window: its left, upper and lower edge."""


def data(page: Any, address: str, run: Run) -> Box:
    page.goto(f"{address}/data")
    page.get_by_role("tab", name="One of each class").click()
    below = _below(page.get_by_text("Normalised values are shown", exact=False))
    return MENU_PX, _above(page.get_by_role("tab", name="One of each class")), below


def train(page: Any, address: str, run: Run) -> Box:
    page.goto(f"{address}/train?run={run.id}")
    page.locator(".js-plotly-plot").nth(1).wait_for()
    return 0, 0, _below(page.locator(".js-plotly-plot").nth(1))


def seeds(page: Any, address: str, run: Run) -> Box:
    page.goto(f"{address}/seeds")
    page.get_by_role("button", name="Reveal the test figures of 10 runs").click()
    settled(page)
    page.get_by_role("tab", name="Recipe against recipe").click()
    return 0, 0, _below(page.locator(".js-plotly-plot").first)


def mistakes(page: Any, address: str, run: Run) -> Box:
    page.goto(f"{address}/runs?run={run.id}")
    page.get_by_role("tab", name="Confusion").click()
    below = _below(page.locator(".cards button").first)
    return MENU_PX, _above(page.get_by_role("tab", name="Confusion")), below


def classify(page: Any, address: str, run: Run) -> Box:
    page.goto(f"{address}/classify?model=sweep:{run.spec.digest}")
    page.get_by_text("Test image", exact=True).click()
    page.locator(".tiles button").nth(SHOWN_IMAGE).click()
    below = _below(page.get_by_alt_text("Blue speaks against, orange for the class"))
    return MENU_PX, _above(page.locator(".tiles")), below


def _above(element: Any) -> float:
    element.wait_for()
    return element.bounding_box()["y"] - MARGIN_PX


def _below(element: Any) -> float:
    element.wait_for()
    settled(element.page)
    element.page.wait_for_timeout(DRAWN_MS)
    box = element.bounding_box()
    return box["y"] + box["height"] + MARGIN_PX


PICTURES: dict[str, Callable[[Any, str, Run], Box]] = {
    "data": data,
    "train": train,
    "seeds": seeds,
    "mistakes": mistakes,
    "classify": classify,
}
"""Each goes to what is shown, and tells where that stands in the window."""


def trained(folder: Path) -> Run:
    """Fill a folder of runs; gives one of the first recipe."""
    for width in WIDTHS:
        command = ["sweep", "--preset", "quick", "--set", f"width={width}", "--seeds", "0-4", "--wait"]
        subprocess.run([sys.executable, "-m", "core", *command], cwd=ROOT, check=True)
    of_first = [run for run in RunStore(folder).runs() if run.spec.recipe.width == WIDTHS[0]]
    return min(of_first, key=lambda run: run.spec.seed)


def saved(png: bytes, path: Path) -> None:
    """With as many colours as it may have to stay small."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64, 32):
        picture.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size < MOST_BYTES:
            return
    raise RuntimeError(f"{path.name} has {path.stat().st_size:,} bytes: show less on it")


def main() -> None:
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs"
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(os.environ.get("TENFOLD_TOUR_RUNS") or Path(folder) / "runs")
        own = {"TENFOLD_RUNS": str(runs), "TENFOLD_DATA": f"{folder}/data", "TENFOLD_EXECUTOR": "local"}
        os.environ.update(own)
        run = trained(runs)
        with (
            served("dashboard.py", ROOT, Path(folder) / "server.log", own) as address,
            launched() as chromium,
        ):
            page = chromium.new_page(color_scheme="light", viewport={"width": WIDTH_PX, "height": HEIGHT_PX})
            page.set_default_timeout(PATIENCE_MS)
            for name, show in PICTURES.items():
                left, top, bottom = show(page, address, run)
                page.mouse.move(MENU_PX - 1, HEIGHT_PX - 1)  # nothing lights up under it
                page.wait_for_timeout(DRAWN_MS)
                clip = {"x": left, "y": top, "width": WIDTH_PX - left, "height": bottom - top}
                path = place / f"{name}.png"
                saved(page.screenshot(clip=clip), path)
                print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
