"""Every page on a phone, in both themes, and the way to a revealed test accuracy by keyboard alone."""

import dataclasses

import pytest

from core.paths import ROOT
from core.presets import PRESETS
from core.store import RunStore
from pages.parts.frame import PAGES
from tests.chromium import PATIENCE_MS, served, settled
from tests.fake_runs import finished
from tests.test_classroom_browser import in_both_themes

pytestmark = pytest.mark.browser

PHONE_PX = 360
SEEN_IN_CLASS = ("Overview", "Data", "Train", "Classify")
"""Pages whose contrasts the test of the first ten minutes has seen."""

TRAINED_MS = 120_000

RUNS_OFF = """width => [document.documentElement, document.querySelector('[data-testid="stMain"]')]
    .filter(part => part.scrollWidth > width).map(part => part.scrollWidth)"""

STOP = """passed => {
    const stop = document.activeElement
    for (const moving of document.getAnimations()) try { moving.finish() } catch { /* one without an end */ }
    const looks = () => {
        const found = []
        for (let part = stop, depth = 0; part && depth < 5; part = part.parentElement, depth++) {
            const style = getComputedStyle(part)
            found.push(style.outline, style.boxShadow, style.borderColor, style.backgroundColor)
        }
        return found.join()
    }
    const before = window.walked && window.walked.looks() === window.walked.at ? window.walked.name : ''
    const name = stop.getAttribute('aria-label') || stop.innerText.slice(0, 60)
    window.walked = { looks, at: looks(), name: passed.includes(stop.tagName) ? '' : name || stop.tagName }
    return { name, role: stop.getAttribute('role') || stop.tagName, unseen: before }
}"""
"""Where the keyboard is, and whether the stop before looked the same with the keyboard on it as it looks now."""

SHOWN_OTHERWISE = ["BODY", "MAIN", "CANVAS"]
"""No stops of their own, the first two, and a table draws a frame around its cell by itself."""


@pytest.fixture
def phone(browser, tmp_path, shapes_fingerprint):
    """A page as wide as a small phone, of a dashboard with two recipes of three seeds each."""
    store = RunStore(tmp_path / "runs")
    recipe = dataclasses.replace(PRESETS["quick"].recipe, epochs=2)
    for one in (recipe, dataclasses.replace(recipe, model="improved", epochs=30, flip=True)):
        finished(
            store, one, {0: (0.7, 0.69), 1: (0.72, 0.7), 2: (0.71, 0.7)}, shapes_fingerprint, images=1000
        )
    with served("dashboard.py", ROOT, tmp_path / "server.log", {"TENFOLD_EXECUTOR": "local"}) as address:
        context = browser.new_context(viewport={"width": PHONE_PX, "height": 900}, base_url=address)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        yield page
        context.close()


def test_every_page_fits_a_phone_and_can_be_read_in_both_themes(phone):
    found = {}
    for path, (title, _) in PAGES.items():
        phone.goto("/" if path == "dashboard.py" else path.removeprefix("pages").removesuffix(".py"))
        phone.get_by_role("heading", name=title, exact=True).first.wait_for()
        settled(phone)
        phone.wait_for_timeout(300)  # charts are drawn after the script has ended
        found[title] = phone.evaluate(RUNS_OFF, PHONE_PX)
        found[title] += in_both_themes(phone) if title not in SEEN_IN_CLASS else []
    assert {title: faults for title, faults in found.items() if faults} == {}


def tab_to(page, unseen: list[str], role: str, name: str, most: int = 80) -> None:
    """Press Tab until there; stops at which nothing shows where the keyboard is are added to `unseen`."""
    settled(page)
    for _ in range(most):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP, SHOWN_OTHERWISE)
        if stop["unseen"]:
            unseen.append(stop["unseen"])
        if stop["role"] == role and name in stop["name"]:
            return
    pytest.fail(f"Tab does not reach {name}")


def test_quick_is_trained_and_revealed_by_keyboard_alone(page, address):
    unseen, press = [], page.keyboard.press
    page.goto(address)
    tab_to(page, unseen, "A", "Train")
    press("Enter")
    page.get_by_role("heading", name="Train", exact=True).wait_for()
    tab_to(page, unseen, "combobox", "Preset")
    press("ArrowDown")
    page.get_by_role("option", name="Quick start").wait_for()
    press("Escape")
    tab_to(page, unseen, "INPUT", "Epochs")
    press("ArrowLeft")
    page.get_by_text("epochs 7 → 6", exact=False).wait_for()
    tab_to(page, unseen, "BUTTON", "Reset")
    press("Enter")
    page.get_by_text("nothing is changed", exact=False).wait_for()
    tab_to(page, unseen, "BUTTON", "Start")
    press("Enter")
    page.get_by_text("Validation accuracy", exact=False).first.wait_for(timeout=TRAINED_MS)
    tab_to(page, unseen, "A", "Runs")
    press("Enter")
    page.get_by_role("heading", name="Runs", exact=True).wait_for()
    tab_to(page, unseen, "tab", "Recipe")
    press("ArrowRight")
    press("ArrowRight")
    press("Space")
    page.get_by_role("button", name="Reveal").wait_for()
    tab_to(page, unseen, "BUTTON", "Reveal")
    press("Space")
    page.get_by_text("Looked at 1 time so far.").wait_for()
    assert unseen == []
