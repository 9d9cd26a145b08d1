"""The main path in a real browser: open, Start, watch the curve grow, find the run again."""

import dataclasses
import time
from pathlib import Path

import psutil
import pytest

from core import proof
from core.executors.local import Local
from core.store import RunState, RunStore
from tests.chromium import settled

pytestmark = pytest.mark.browser


def points(page) -> int:
    """Points drawn in the first chart."""
    return page.evaluate(
        "() => [...document.querySelectorAll('.js-plotly-plot')].slice(0, 1)"
        ".flatMap(plot => plot._fullData || []).reduce((sum, trace) => sum + (trace.x ? trace.x.length : 0), 0)"
    )


def test_first_model_is_trained_and_found_again(page, address, store: RunStore):
    page.goto(address)
    page.locator(".st-key-first-run button").dblclick()
    begin = time.monotonic()
    page.wait_for_function("() => location.search.includes('run=')")
    page.wait_for_selector(".js-plotly-plot")
    while points(page) == 0:
        assert time.monotonic() - begin < 60, "no point of the curve came"
        page.wait_for_timeout(200)
    first = points(page)
    page.reload()
    page.get_by_text("Validation accuracy", exact=False).first.wait_for(timeout=90_000)
    assert points(page) > first
    (run,) = store.runs()  # a double click made one run
    assert run.state() is RunState.FINISHED
    assert run.history().end.validation_accuracy >= 0.8
    page.get_by_role("link", name="Runs").click()
    page.get_by_role("tab", name="Results").click()
    page.get_by_test_id("stMetricValue").get_by_text("covered").wait_for()
    page.get_by_role("tab", name="Take home").click()
    page.get_by_role("tab", name="Take home").click()
    page.get_by_text("Download the weights").first.wait_for()
    settled(page)
    with page.expect_download() as download:
        page.get_by_text("Download the weights").first.click()
    assert Path(download.value.path()).read_bytes() == (run.folder / "weights.pt").read_bytes()
    assert page.outside == []


def test_killed_worker_goes_on_while_the_page_watches(page, address, store, tiny_recipe, shapes_fingerprint):
    run, _ = store.open(dataclasses.replace(tiny_recipe, epochs=5, batch_size=32), 1, shapes_fingerprint)
    Local().start(store, [run])
    page.goto(f"{address}/train?run={run.id}")
    deadline = time.monotonic() + 60
    while not run.history().epochs:
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)
    for process in psutil.process_iter(["cmdline"]):
        if run.id in (process.info["cmdline"] or []):
            process.kill()
    page.get_by_text("Validation accuracy", exact=False).first.wait_for(timeout=90_000)
    history = run.history()
    assert history.launches == 2 and [epoch.epoch for epoch in history.epochs] == list(range(1, 6))


def test_run_is_proven_by_a_button(page, address, finished_run):
    page.goto(f"{address}/runs?run={finished_run.id}")
    page.get_by_role("tab", name="Passport").click()
    page.locator(f".st-key-prove-{finished_run.id} button").first.dblclick()
    page.get_by_text("Proven just now", exact=False).wait_for(timeout=90_000)
    assert proof.status(finished_run).holds


def test_recipe_is_repeated_over_seeds_and_its_figures_are_revealed(page, address, store, tiny_recipe):
    page.goto(f"{address}/seeds")
    page.locator(".st-key-launch\\.seeds input, .st-key-launch-seeds input").fill("3 seeds")
    page.keyboard.press("Enter")
    page.get_by_text("3 runs", exact=False).first.wait_for()
    page.locator(".st-key-launch\\.start button, .st-key-launch-start button").dblclick()
    page.get_by_text("of 3 seeds done", exact=False).wait_for()
    page.reload()
    page.get_by_role("button", name="Reveal the test figures of 3 runs").wait_for(timeout=120_000)
    runs = store.runs()
    assert sorted(run.spec.seed for run in runs) == [0, 1, 2]  # a double click made three runs, not six
    assert [run.history().launches for run in runs] == [1] * 3
    page.get_by_role("button", name="Reveal the test figures of 3 runs").click()
    page.get_by_role("tab", name="Robust?").click()
    page.get_by_text("points from seed to seed", exact=False).wait_for()
    assert [run.looks() for run in runs] == [1] * 3
    assert page.outside == []


def test_no_page_is_wider_than_the_window(page, address, finished_run):
    for width in (800, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for name in ("", "data", "train", "runs", "seeds"):
                page.goto(f"{address}/{name}")
                settled(page)
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, f"/{name} at {width} px, {scheme}"
    assert page.outside == []
