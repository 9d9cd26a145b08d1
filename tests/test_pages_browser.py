"""Every page in a real browser, opened by its own address as the first visit to a server with finished runs.

Each leaves a screenshot in the folder that TENFOLD_SCREENSHOTS names, if it does.
"""

from pathlib import Path

import pytest

from core.config import Recipe
from core.datasets import source
from core.paths import ROOT
from core.store import RunStore
from tests.chromium import PAGES, PATIENCE_MS, listen, served, settled, shot
from tests.finished import finished
from tests.test_pages import PAGES as FILES

pytestmark = pytest.mark.browser

RECIPE = Recipe(width=0.03125, epochs=2, log_every=5)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Two recipes with three finished seeds each, on `shapes` as it is."""
    home = tmp_path_factory.mktemp("pages")
    store, fingerprint = RunStore(home / "runs"), source("shapes").ready_fingerprint()
    for recipe in (RECIPE, RECIPE.changed(["learning_rate=0.02"])):
        for seed in range(3):
            finished(store, recipe, seed, fingerprint)
    return home


@pytest.fixture(scope="module")
def address(home):
    """One server for all; each page is the first that its browser sees, and the first page is the server's first."""
    environment = {
        "TENFOLD_RUNS": str(home / "runs"),
        "TENFOLD_DATA": str(home / "data"),
        "TENFOLD_EXECUTOR": "local",
    }
    with served("dashboard.py", ROOT, home / "server.log", environment, options=()) as address:
        yield address


def test_every_page_is_looked_at():
    assert set(PAGES) == {"" if page == "dashboard.py" else Path(page).stem for page in FILES}


@pytest.mark.parametrize("name", sorted(PAGES, reverse=True))  # the overview last: it makes deep links work
def test_page_opens_by_its_own_address_with_what_it_is_for(browser, address, home, name):
    heading, element = PAGES[name]
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    wrong = listen(page)
    page.goto(f"{address}/{name}")
    page.get_by_role("heading", name=heading, exact=True).wait_for()
    page.get_by_role("link", name="Settings").wait_for()  # the menu is ours
    page.locator(element).first.wait_for(state="attached")
    settled(page)
    shot(page, f"page-{name or 'overview'}")
    assert page.title() == f"{heading} · Tenfold"
    assert page.locator("[data-testid='stException'], [data-testid='stAlertContentError']").count() == 0
    assert wrong == []
    assert "Traceback" not in (home / "server.log").read_text()
    context.close()
