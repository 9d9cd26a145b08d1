"""The first ten minutes of a class, in a real browser: data, a model, five seeds, a comparison, a photograph.

Each stage leaves a screenshot in the folder that TENFOLD_SCREENSHOTS names, if it does. Every page on the way is looked
at by axe-core, at its stage, in the light and in the dark theme: what it calls serious or critical fails the test.
"""

import os
import re
import time

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.chromium import listen, settled, shot
from tests.test_classify_page import picture

pytestmark = pytest.mark.browser

WHOLE_PATH_SECONDS = 360 * (2 if "PYTEST_XDIST_WORKER" in os.environ else 1)
"""Six minutes on two cores; twice as long where another test has one of them."""

TRAINED_MS = 300_000

NOT_OURS = (
    "aria-allowed-attr",  # Streamlit's own menus and sliders
)

FOLDED_MENU = 'data-testid="stSidebarContent"'
"""Streamlit's, too: on a phone the menu is folded away, with links that the keyboard then passes over."""


def inspected(page, rules: tuple[str, ...] = ()) -> list[str]:
    """What axe-core calls serious or critical on this page, and where; by these rules alone if there are any."""
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical") and one["id"] not in NOT_OURS
        for node in one["nodes"]
        if FOLDED_MENU not in node["html"][:100]
    ]


def in_both_themes(page) -> list[str]:
    """`inspected` in the light theme; in the dark one for its contrasts, as the rest is the same."""
    found = []
    for scheme, rules in (("dark", ("color-contrast",)), ("light", ())):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(
            "scheme => getComputedStyle(document.querySelector('.stApp')).colorScheme === scheme", arg=scheme
        )
        settled(page)
        found += [f"{scheme}: {fault}" for fault in inspected(page, rules)]
    return found


def repeat(page, place: str, seeds: str) -> None:
    """Fill the form of a sweep and start it."""
    field = page.locator(f".st-key-{place}\\.seeds input, .st-key-{place}-seeds input")
    field.fill(seeds)
    page.keyboard.press("Enter")
    page.get_by_text(f"{seeds.split()[0]} runs", exact=False).first.wait_for()
    page.locator(f".st-key-{place}\\.start button, .st-key-{place}-start button").click()


def test_first_ten_minutes_of_a_class(page, address):
    problems, errors, begin = {}, listen(page), time.monotonic()

    def stage(name: str) -> None:
        settled(page)
        shot(page, name)
        problems[name] = in_both_themes(page)

    page.goto(address)
    page.get_by_text("0 of 5 steps taken").wait_for()
    stage("overview")
    page.get_by_role("link", name="See the images").click()
    page.get_by_role("heading", name="Data").wait_for()
    stage("data")
    page.get_by_role("link", name="Overview").click()
    page.locator(".st-key-first-run button").click()
    page.get_by_text("Validation accuracy", exact=False).first.wait_for(timeout=90_000)
    stage("train")
    page.get_by_role("link", name="Seeds").click()
    page.get_by_role("heading", name="Seeds").wait_for()
    settled(page)
    if not page.locator(".st-key-launch-start button, .st-key-launch\\.start button").count():
        page.get_by_text("Repeat over seeds").first.click()
    repeat(page, "launch", "5 seeds")
    page.get_by_text(re.compile(r"of 5 seeds done|Reveal the test figures of 5 runs")).first.wait_for()
    page.get_by_role("link", name="Train").click()
    page.get_by_role("heading", name="Train").wait_for()
    settled(page)
    page.get_by_text("Width", exact=False).first.wait_for()
    slider = page.locator(".st-key-field-width input, .st-key-field\\.width input").first
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.get_by_text("Changed from", exact=False).wait_for()
    page.get_by_text("Repeat over seeds").first.click()
    repeat(page, "train", "5 seeds")
    page.get_by_role("heading", name="Seeds").wait_for()
    page.get_by_role("button", name=re.compile("Reveal the test figures of (5|10) runs")).wait_for(
        timeout=TRAINED_MS
    )
    page.wait_for_function(
        "() => !document.querySelector('[class*=\"st-key-sweep-\"], .st-key-sweeps-all')", timeout=TRAINED_MS
    )
    page.goto(f"{address}/seeds")
    page.get_by_role("button", name="Reveal the test figures of 10 runs").click(timeout=60_000)
    settled(page)
    page.get_by_role("tab", name="Recipe against recipe").click()
    page.get_by_text(
        re.compile("is better than|no evidence of a difference|too few seeds", re.I)
    ).first.wait_for()
    stage("compare")
    page.get_by_role("link", name="Classify").click()
    page.locator('input[type="file"]').first.wait_for(state="attached")
    page.locator('input[type="file"]').first.set_input_files(
        {"name": "photograph.png", "mimeType": "image/png", "buffer": picture()}
    )
    page.get_by_text("the 32 × 32 pixels", exact=False).first.wait_for()
    stage("classify")
    page.get_by_role("link", name="Overview").click()
    page.get_by_text("Latest results").wait_for()
    assert page.get_by_text("of 5 steps taken").count() == 0, "a step that was taken is not ticked"
    assert time.monotonic() - begin < WHOLE_PATH_SECONDS
    assert errors == []
    assert {name: found for name, found in problems.items() if found} == {}
