"""Every page in a real browser, opened by its own address as the first visit to a server with finished runs.

Each leaves a screenshot in the folder that TENFOLD_SCREENSHOTS names, if it does.
"""

from pathlib import Path

import pytest

from core.config import Recipe
from core.datasets import source
from core.experiments import EXPERIMENTS
from core.paths import ROOT
from core.report import NUMBERS
from core.searches import searches
from core.store import RunStore
from tests import fake_runs
from tests.chromium import PAGES, PATIENCE_MS, listen, served, settled, shot
from tests.finished import finished
from tests.test_pages import PAGES as FILES
from tests.waiting import wait_until

pytestmark = pytest.mark.browser

RECIPE = Recipe(width=0.03125, epochs=2, log_every=5)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Two recipes with three finished seeds each, on `shapes` as it is, and the runs of an experiment."""
    home = tmp_path_factory.mktemp("pages")
    store, fingerprint = RunStore(home / "runs"), source("shapes").ready_fingerprint()
    for recipe in (RECIPE, RECIPE.changed(["learning_rate=0.02"])):
        for seed in range(3):
            finished(store, recipe, seed, fingerprint)
    (depth,) = (experiment for experiment in EXPERIMENTS if experiment.name == "depth")
    for arm, level in zip(depth.arms, (0.3, 0.9), strict=True):
        reached = {seed: (level + 0.002 * seed, level - 0.1) for seed in depth.seeds}
        fake_runs.finished(store, arm.recipe, reached, fingerprint)
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


@pytest.fixture
def visit(browser, address, home):
    """Open an address of the server in a fresh browser; in the end nothing may have gone wrong."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    wrong = listen(page)

    def visit(name: str):
        page.goto(f"{address}/{name}")
        heading, element = PAGES[name.partition("?")[0]]
        page.get_by_role("heading", name=heading, exact=True).wait_for()
        page.get_by_role("link", name="Settings").wait_for()  # the menu is ours
        page.locator(element).first.wait_for(state="attached")
        settled(page)
        return page

    yield visit
    assert page.locator("[data-testid='stException'], [data-testid='stAlertContentError']").count() == 0
    assert wrong == []
    assert "Traceback" not in (home / "server.log").read_text()
    context.close()


@pytest.mark.parametrize("name", sorted(PAGES, reverse=True))  # the overview last: it makes deep links work
def test_page_opens_by_its_own_address_with_what_it_is_for(visit, name):
    page = visit(name)
    shot(page, f"page-{name or 'overview'}")
    assert page.title() == f"{PAGES[name][0]} · Tenfold"


def test_experiment_is_answered_after_a_guess(visit):
    page = visit("experiments?experiment=depth")
    page.get_by_text("The residual one", exact=True).click()
    page.get_by_text("Your runs say", exact=False).wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    shot(page, "path-experiments")


def test_search_is_started_and_stopped(visit, home):
    page = visit("search")
    page.locator(".st-key-search-start button").click()
    store = RunStore(home / "runs")
    wait_until(lambda: any(trial.run_id for one in searches(store) for trial in one.trials()), 60)
    # By its key: Streamlit has a "Stop" of its own, which comes and goes.
    page.locator(".st-key-search-stop button").first.click()
    go_on = page.locator(".st-key-search-go-on button").first
    go_on.wait_for()
    (search,) = searches(store)
    wait_until(lambda: not search.stopping, 60)
    assert search.stopped
    runs = [store.get(trial.run_id) for trial in search.trials() if trial.run_id]
    assert runs and not any(run.state().active for run in runs)
    shot(page, "path-search")


def test_number_of_the_report_is_revealed_and_counted(visit, home):
    page = visit("report")
    card = page.locator(f".st-key-number-{NUMBERS[0].name}")
    card.get_by_role("button", name="Reveal test").click()
    card.get_by_role("button", name="Reveal test").wait_for(state="detached")
    shot(page, "path-report")
    assert any(run.looks() for run in RunStore(home / "runs").runs())


def test_cover_that_is_switched_off_stays_off_after_a_reload(visit):
    page = visit("settings")
    page.get_by_text("Test figures begin covered", exact=True).click()
    settled(page)
    page.reload()
    page.get_by_text("Test figures begin covered", exact=True).wait_for()
    settled(page)
    toggle = page.get_by_role("switch", name="Test figures begin covered")
    assert toggle.get_attribute("aria-checked") == "false" or not toggle.is_checked()
    shot(page, "path-settings")


def test_images_of_a_class_are_looked_at(visit):
    page = visit("data")
    page.get_by_role("tab", name="Samples").click()
    page.locator("[data-testid='stImage'] img").first.wait_for()
    shot(page, "path-data")
