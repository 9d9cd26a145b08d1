"""Reports are one file: nothing in it runs or is fetched but ours, and every figure draws without network."""

import base64
import dataclasses
import hashlib
import html
import json
import re

import numpy as np
import pytest

from core import stats
from core.config import Recipe
from core.figures import plain
from core.html_report import Chart, Report, Section, Table, TableRow, render
from core.index import RunIndex
from core.naming import distinct_names
from core.report_of_run import run_report
from core.report_of_sweeps import Verdict, sweeps_report
from core.seed_table import Entry
from core.study import robustness, study
from core.sweep import sweeps
from core.verdicts import judge, on_validation
from tests.chromium import PATIENCE_MS, launched
from tests.finished import CLASSES, finished

HOSTILE = "</script><script>alert(1)</script><img src=https://example.com/x onerror=alert(2)>"
MOST_BYTES = 8_000_000


def text_of(content: bytes) -> str:
    """What a reader sees: no scripts, no style."""
    whole = re.sub(r"<(script|style).*?</\1>", "", content.decode(), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", whole))


def hostile_report() -> Report:
    figure = {"data": [{"type": "bar", "x": [plain(HOSTILE)], "y": np.array([1.0, np.nan])}], "layout": {}}
    return Report(
        HOSTILE,
        [HOSTILE],
        HOSTILE,
        [HOSTILE],
        [],
        [
            Section(
                "a",
                HOSTILE,
                [HOSTILE],
                [Chart(HOSTILE, figure, 200, HOSTILE, HOSTILE)],
                [Table(HOSTILE, [HOSTILE], [TableRow([HOSTILE], "marked")], HOSTILE)],
            )
        ],
    )


@pytest.fixture
def two_recipes(store):
    """Ten seeds of one recipe and three of another, judged on the same 10,000 test images."""
    first = Recipe(width=0.03125)
    for seed in range(10):
        finished(store, first, seed, test=10_000)
    for seed in range(3):
        finished(store, dataclasses.replace(first, epochs=2, flip=True), seed, test=10_000)
    return sorted(sweeps(store, RunIndex(store).rows()), key=lambda sweep: -len(sweep.finished))


def report_of(found, test: bool) -> bytes:
    studies = {sweep.digest: study(sweep.finished) for sweep in found}
    names = distinct_names([sweep.recipe for sweep in found])
    entries = [
        Entry(name, sweep, test, robustness(studies[sweep.digest]) if test else None, tuple(CLASSES))
        for name, sweep in zip(names, found, strict=True)
    ]
    verdict = None
    if test and len(found) == 2:
        a, b = found
        compared = stats.compare(studies[a.digest].correct, studies[b.digest].correct, 0.01)
        verdict = Verdict(compared, judge(a, b, compared, 0.01), 0.01)
    return render(sweeps_report(entries, lambda sweep: studies[sweep.digest], verdict))


def test_hostile_text_stays_text():
    content = render(hostile_report()).decode()
    assert content.count("<script") == 3 and "<img" not in re.sub(
        r"<script>.*?</script>", "", content, flags=re.DOTALL
    )
    data = re.search(r'<script type="application/json" id="figures">(.*?)</script>', content, re.DOTALL)[1]
    (figure,) = json.loads(data).values()
    assert figure["data"][0]["x"] == [plain(HOSTILE)]
    assert text_of(content.encode()).count(HOSTILE) >= 6


def test_policy_forbids_requests_and_names_the_digest_of_each_script():
    content = render(hostile_report()).decode()
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', content)[1])
    assert "default-src 'none'" in policy and "http" not in policy and "unsafe-eval" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", content, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = re.search(r"script-src ([^;]+);", policy)[1]
    assert allowed.split() == [f"'sha256-{digest}'" for digest in digests]


def test_comparison_of_ten_seeds_on_10000_images_is_under_8_mb_and_says_what_the_page_says(two_recipes):
    content = report_of(two_recipes, test=True)
    assert len(content) < MOST_BYTES
    a, b = two_recipes
    compared = stats.compare(study(a.finished).correct, study(b.finished).correct, 0.01)
    words = text_of(content)
    assert judge(a, b, compared, 0.01).sentence in words
    assert f"{100 * compared.difference:+.2f}" in words
    assert f"{stats.summarise(study(a.finished).accuracies).mean:.2%}" in words
    assert all(row.run.id in words for row in (*a.finished, *b.finished))
    assert all(name in words for name in ("Passports", "Augmentation", "Flip", a.digest, b.digest)[2:])
    assert content.decode().count('data-figure="') == 10


def test_covered_test_figures_are_nowhere_in_a_report(two_recipes):
    content = report_of(two_recipes, test=False)
    words = text_of(content)
    assert "Test figures are covered" in words
    a, b = ([row.validation_accuracy for row in sweep.finished] for sweep in two_recipes)
    assert on_validation(np.array(a), np.array(b)) in words
    for sweep in two_recipes:
        for row in sweep.finished:
            assert f"{100 * row.test_accuracy:.2f}" not in words.replace(
                f"{100 * row.validation_accuracy:.2f}", ""
            )
    run = two_recipes[0].finished[0].run
    alone = text_of(render(run_report(run, test=False)))
    assert "Test figures are covered" in alone and f"{run.history().end.test_accuracy:.2%}" not in alone
    assert f"{run.history().end.test_accuracy:.2%}" in text_of(render(run_report(run, test=True)))


def test_class_names_of_a_person_are_shown_and_do_nothing(store):
    run = finished(store, Recipe(width=0.03125))
    content = render(run_report(run, test=True)).decode()
    assert "<b>dog</b>" not in content and "&lt;b&gt;dog&lt;/b&gt;" in content


_EMPTY = """[...document.querySelectorAll(".chart")]
    .filter((box) => !box.querySelector(".scatterlayer path, .barlayer path, .heatmaplayer image"))
    .map((box) => box.getAttribute("aria-label"))"""


@pytest.mark.browser
def test_all_figures_draw_from_disk_without_network(two_recipes, tmp_path):
    files = {
        "comparison": report_of(two_recipes, test=True),
        "sweep": report_of(two_recipes[:1], test=True),
        "run": render(run_report(two_recipes[0].finished[0].run, test=True)),
        "hostile": render(hostile_report()),
    }
    with launched() as chromium:
        for name, content in files.items():
            (tmp_path / f"{name}.html").write_bytes(content)
            scheme = "dark" if name == "comparison" else "light"
            context = chromium.new_context(
                offline=True, color_scheme=scheme, viewport={"width": 800, "height": 900}
            )
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            asked, wrong = [], []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
            page.on("dialog", lambda dialog, wrong=wrong: wrong.append("a dialog opened"))
            page.on(
                "console", lambda line, wrong=wrong: wrong.append(line.text) if line.type == "error" else None
            )
            page.goto((tmp_path / f"{name}.html").as_uri())
            # Not wait_for_function: it evaluates text in the page, which the page's own policy forbids.
            for number in range(page.locator(".chart").count()):
                page.locator(".chart").nth(number).locator(".main-svg .subplot.xy").first.wait_for(
                    state="attached"
                )
            assert page.locator(".chart").count() == content.decode().count('data-figure="') > 0
            assert page.evaluate(_EMPTY) == []
            assert [address for address in asked if not address.startswith(("file:", "data:", "blob:"))] == []
            assert wrong == []
            assert page.evaluate("document.documentElement.scrollWidth") <= 800
            context.close()
