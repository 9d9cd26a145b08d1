"""Class names, folders and messages that are markup, in a real browser: no script runs, nothing is asked outside."""

import dataclasses
import re

import pytest

from core.config import Recipe
from core.datasets import source
from core.datasets.offered import register
from core.events import Failed, from_line, to_line
from core.labels import MOST_TAG_LETTERS
from core.launch import start_sweep
from core.paths import ROOT, data_dir, write_json
from core.store import RunStore
from core.worker import work
from tests import chromium
from tests.chromium import PATIENCE_MS, launched, served
from tests.faults.names import MARKUP, SCRIPTS, SLASHES, images_folder

pytestmark = [pytest.mark.faults, pytest.mark.browser]

OUTSIDE = re.compile(r"(https?|wss?)://(?!127\.0\.0\.1[:/])")
NOISE = re.compile(r"WebGL|\b404\b.*/_stcore/(health|host-config)$")
"""What Chromium says on a machine without a GPU, and where Streamlit looks for its server first from a deep link."""

ALIVE = ", ".join(
    (
        'img[src="x"]',
        'img[src*="evil"]',
        'script[src*="evil"]',
        'a[href*="evil"]',
        'a[href^="javascript"]',
        "[onerror]",
        "[onload]",
        "[onmouseover]",
        ".katex",
    )
)
"""Elements that would be there if a name were taken for more than text."""


@pytest.fixture
def trained(store: RunStore) -> RunStore:
    """Two recipes of three seeds each on a folder of hostile names; records hold names that no folder can have."""
    folder = images_folder(data_dir() / MARKUP[0], [*MARKUP, *SCRIPTS], images=8)
    images = source(f"folder:{folder}", 32)
    images.prepare(lambda stage, done, total: None)
    register(folder)
    recipe = Recipe(
        dataset=f"folder:{folder}",
        image_size=32,
        width=0.03125,
        epochs=1,
        batch_size=32,
        validation_share=0.2,
    )
    recipes = [recipe, dataclasses.replace(recipe, learning_rate=0.01)]
    for run in start_sweep(store, recipes, [0, 1, 2], []):
        work(run)
        lines = run.events_path.read_text().splitlines()
        started = from_line(lines[0])
        classes = [*SLASHES, *started.classes[len(SLASHES) :]]
        lines[0] = to_line(dataclasses.replace(started, classes=classes)).strip()
        run.events_path.write_text("\n".join([*lines, ""]))
        tags = [name[:MOST_TAG_LETTERS] for name in (*MARKUP, SCRIPTS[0])]
        write_json(
            run.folder / "labels.json", {"tags": tags, "star": True, "note": " ".join([*MARKUP, *SLASHES])}
        )
    failed, _ = store.open(dataclasses.replace(recipe, learning_rate=0.5), 0, images.ready_fingerprint())
    failed.events_path.write_text(to_line(Failed(1.0, "error", " ".join([*SLASHES, *MARKUP]))))
    return store


@pytest.fixture
def page(trained, tmp_path, monkeypatch):
    with (
        served("dashboard.py", ROOT, tmp_path / "server.log", {"TENFOLD_EXECUTOR": "inline"}) as address,
        launched() as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        page.address, page.outside, page.said = address, [], []
        page.on("request", lambda r: page.outside.append(r.url) if OUTSIDE.match(r.url) else None)
        page.on("console", lambda m: page.said.append(f"{m.text} {_place(m)}") if m.type == "error" else None)
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("dialog", lambda dialog: page.said.append(dialog.message) or dialog.dismiss())
        yield page


def _place(message) -> str:
    return message.location.get("url", "")


def settled(page) -> None:
    page.wait_for_timeout(120)
    chromium.settled(page, 2 * PATIENCE_MS)


def harmless(page, where: str) -> None:
    """Nothing of what was drawn is alive, and no page lets the reader see an exception."""
    assert page.evaluate("window.hacked || 0") == 0, where
    assert page.locator(ALIVE).count() == 0, (where, page.locator(ALIVE).first.evaluate("e => e.outerHTML"))
    assert page.locator('[data-testid="stException"]').count() == 0, where


def open_everything(page, where: str) -> int:
    """Each tab and each expander of the page, one after the other; returns how many."""
    opened = 0
    for number in range(page.get_by_role("tab").count()):
        tab = page.get_by_role("tab").nth(number)
        tab.click()
        settled(page)
        opened += 1 + _expanders(page)
        harmless(page, f"{where}, tab {number}")
    return opened + _expanders(page)


def _expanders(page) -> int:
    closed = page.locator('[data-testid="stExpander"] details:not([open]) > summary:visible')
    opened = 0
    while closed.count() and opened < 12:
        closed.first.click()
        settled(page)
        opened += 1
    return opened


def shown_letter_by_letter(page) -> None:
    """The Data page of the folder itself, whose classes are those of the disk."""
    page.goto(f"{page.address}/data")
    settled(page)
    page.locator('[data-testid="stSelectbox"]').first.click()
    page.get_by_role("option", name=re.compile("Folder: ")).first.click()
    settled(page)
    for name in ("<img src=x onerror", MARKUP[3], MARKUP[4], SCRIPTS[1]):
        page.get_by_text(name[:30], exact=False).first.wait_for()


def test_names_that_are_markup_are_text_on_every_page(page, trained):
    runs = trained.runs()
    shown_letter_by_letter(page)
    harmless(page, "the Data page")
    opened = open_everything(page, "the Data page")
    addresses = [
        "",
        f"train?run={runs[0].id}",
        f"runs?run={runs[0].id}",
        f"runs?run={runs[-1].id}",
        *("seeds", "classify", "report", "search", "experiments", "settings"),
    ]
    for name in addresses:
        page.goto(f"{page.address}/{name}")
        settled(page)
        reveal = page.get_by_role("button", name=re.compile("^Reveal"))
        if reveal.count():
            reveal.first.click()
            settled(page)
        harmless(page, name)
        opened += open_everything(page, name)
    assert opened >= 20
    assert page.outside == []
    assert [said for said in page.said if not NOISE.search(said)] == []
