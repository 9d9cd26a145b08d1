"""The main path in a real browser: open, Start, watch the curve grow, find the run again."""

import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.events import EpochEnd, Started, Step, to_line
from core.locks import FileLock
from core.paths import ROOT
from core.store import RunState, RunStore

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def address(tmp_path):
    """A dashboard of its own, started as a user starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "TENFOLD_EXECUTOR": "local"}
    command = [sys.executable, "-m", "streamlit", "run", "dashboard.py", "--server.headless=true"]
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, f"--server.port={port}"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.send_signal(signal.SIGTERM)
    server.wait(10)


@pytest.fixture
def page(browser, address):
    """A page of 1440 × 900 that may talk to this machine only."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.outside = []
    page.on("request", lambda request: page.outside.append(request.url) if is_outside(request.url) else None)
    yield page
    context.close()


def is_outside(url: str) -> bool:
    return not re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:", url)


def settled(page) -> None:
    page.wait_for_selector('[data-test-script-state="notRunning"]')


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
    page.get_by_role("tab", name="Results and weights").click()
    page.get_by_test_id("stMetricValue").get_by_text("covered").wait_for()
    with page.expect_download() as download:
        page.get_by_text("Download the weights").click()
    assert Path(download.value.path()).read_bytes() == (run.folder / "weights.pt").read_bytes()
    assert page.outside == []


def test_run_survives_the_dashboard_and_a_killed_worker(page, address, store: RunStore):
    import psutil

    page.goto(f"{address}/train")
    settled(page)
    page.locator(".st-key-start button").click()
    page.wait_for_function("() => location.search.includes('run=')")
    deadline = time.monotonic() + 60
    while not (store.runs() and store.runs()[0].history().epochs):
        assert time.monotonic() < deadline
        page.wait_for_timeout(100)
    (run,) = store.runs()
    for process in psutil.process_iter(["cmdline"]):
        if run.id in (process.info["cmdline"] or []):
            process.kill()
    page.get_by_text("Validation accuracy", exact=False).first.wait_for(timeout=90_000)
    history = run.history()
    assert history.launches == 2 and [epoch.epoch for epoch in history.epochs] == [1, 2, 3, 4, 5, 6, 7]


def test_zoom_and_hidden_curve_survive_while_the_curve_grows(page, address, store, tiny_recipe):
    """With a run whose worker is this test: it holds the lock and writes the events."""
    run, _ = store.open(dataclasses.replace(tiny_recipe, epochs=50), 1, "data")
    store.enqueue(run)
    lock = FileLock(run.lock_path)
    lock.acquire()
    passport = {"device_name": "test", "precision": "fp32", "threads": 1, "torch": "2"}
    log = run.events_path.open("a", buffering=1)
    log.write(to_line(Started(1.0, 0, 50, 10, 4000, 1000, ["a", "b"], [0.5] * 3, [0.2] * 3, passport)))

    def grow(epoch: int) -> None:
        values = (2 / epoch, 1 - 1 / epoch)
        log.write(to_line(Step(epoch, 10 * epoch - 5, *values)))
        log.write(to_line(EpochEnd(epoch, 10 * epoch, *values, *values, 0.1, 1.0, 100.0)))

    for epoch in range(1, 11):
        grow(epoch)
    page.goto(f"{address}/train?run={run.id}")
    page.wait_for_function(
        "() => document.querySelector('.js-plotly-plot')?._fullData?.[1]?.x?.length === 10"
    )
    page.evaluate("document.querySelector('.js-plotly-plot').mark = 'the same node'")
    page.locator(".js-plotly-plot .legendtoggle").nth(1).click()
    page.wait_for_function(
        "() => document.querySelector('.js-plotly-plot')._fullData[1].visible === 'legendonly'"
    )
    box = page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + 0.05 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.8 * box["height"], steps=5)
    page.mouse.up()
    zoom = "() => JSON.stringify(document.querySelector('.js-plotly-plot')._fullLayout.xaxis.range)"
    page.wait_for_function(f"() => ({zoom})() !== '[0,51]'")
    zoomed = page.evaluate(zoom)
    for epoch in range(11, 14):
        grow(epoch)
        page.wait_for_function(
            f"() => document.querySelector('.js-plotly-plot')._fullData[2].x.length === {epoch}"
        )
    assert page.evaluate(zoom) == zoomed
    assert page.evaluate("document.querySelector('.js-plotly-plot').mark") == "the same node"
    assert page.evaluate("document.querySelector('.js-plotly-plot')._fullData[1].visible") == "legendonly"
    log.close()
    lock.release()


def test_no_page_is_wider_than_the_window(page, address, finished_run):
    for width in (800, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for name in ("", "data", "train", "runs"):
                page.goto(f"{address}/{name}")
                settled(page)
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, f"/{name} at {width} px, {scheme}"
    assert page.outside == []
