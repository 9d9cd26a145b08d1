"""The Classify page in a real browser: every way in, its speed, and what must not bring it down."""

import re
import time

import psutil
import pytest

from core.executors.local import Local
from core.store import RunState
from tests.chromium import settled
from tests.hostile import kinds
from tests.test_classify_page import picture

pytestmark = pytest.mark.browser

LEFT_OVER_BYTES = 30e6
"""Aimed at are 20 MB; one session and its images more or less make a few MB."""


def server_of(address: str) -> psutil.Process:
    port = int(address.rpartition(":")[2])
    return next(
        process
        for process in psutil.process_iter(["cmdline"])
        if f"--server.port={port}" in (process.info["cmdline"] or [])
    )


def upload(page, *files) -> None:
    page.locator('input[type="file"]').first.set_input_files(
        [{"name": name, "mimeType": "image/png", "buffer": content} for name, content in files]
    )


def answered(page) -> None:
    page.get_by_text("the 32 × 32 pixels", exact=False).first.wait_for()
    settled(page)


def test_first_answer_comes_soon_and_a_killed_process_is_replaced(page, address):
    begin = time.monotonic()
    page.goto(f"{address}/classify")
    page.locator('input[type="file"]').first.wait_for(state="attached")
    upload(page, ("red.png", picture()))
    answered(page)
    assert time.monotonic() - begin < 45  # 9 s where nothing else runs; beside trainings 24 were seen
    for child in server_of(address).children():
        if "core.answering" in child.cmdline():
            child.kill()
    upload(page, ("blue.png", picture(colour=(20, 40, 220))))
    page.get_by_text("2 images.", exact=False).wait_for()
    answered(page)
    assert page.get_by_test_id("stAlertContentError").count() == 0
    assert page.outside == []


def test_image_comes_from_clipboard_pad_and_test_set(page, address):
    page.goto(f"{address}/classify")
    page.get_by_text("Paste", exact=True).click()
    field = page.locator(".paste")
    field.wait_for()
    field.evaluate(
        """async (field) => {
            const pad = new OffscreenCanvas(60, 40);
            pad.getContext('2d').fillRect(0, 0, 60, 40);
            const data = new DataTransfer();
            data.items.add(new File([await pad.convertToBlob()], 'black.png', {type: 'image/png'}));
            field.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}));
        }"""
    )
    answered(page)
    page.get_by_text("Draw", exact=True).click()
    pad = page.locator("canvas[aria-label='A pad to draw on']")
    pad.wait_for()
    page.get_by_text("the 32 × 32 pixels", exact=False).first.wait_for(state="hidden")
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 180, steps=5)
    page.mouse.up()
    answered(page)
    page.get_by_role("button", name="Clear").click()
    page.get_by_text("the 32 × 32 pixels", exact=False).first.wait_for(state="hidden")
    page.get_by_text("Test image", exact=True).click()
    page.locator(".tiles button").nth(3).dblclick()
    answered(page)
    page.get_by_text(re.compile("It is labelled|Right|Wrong")).first.wait_for()
    assert page.outside == []


def test_hostile_batch_leaves_no_memory_behind(page, address):
    page.goto(f"{address}/classify")
    page.locator('input[type="file"]').first.wait_for(state="attached")
    upload(
        page, ("red.png", picture()), ("blue.png", picture(colour=(20, 40, 220)))
    )  # loads what tables need
    answered(page)
    server = server_of(address)
    page.reload()
    settled(page)
    before = server.memory_info().rss
    files = [
        (f"{number}-{kind.name[-60:]}".replace("/", "_"), kind.content) for number, kind in enumerate(kinds())
    ]
    upload(page, *files)
    page.get_by_text("files could not be read", exact=False).wait_for(timeout=120_000)
    page.get_by_text("images.", exact=False).first.wait_for(timeout=120_000)
    page.reload()
    settled(page)
    page.wait_for_timeout(2000)
    grown = server.memory_info().rss - before
    assert grown < LEFT_OVER_BYTES, f"{len(files)} files left {grown / 1e6:.1f} MB behind"
    assert page.outside == []


def test_page_stays_live_while_a_training_runs(page, address, store, tiny_recipe, shapes_fingerprint):
    run, _ = store.open(tiny_recipe.changed(["epochs=40", "width=0.0625"]), 1, shapes_fingerprint)
    Local().start(store, [run])
    page.goto(f"{address}/classify")
    page.locator('input[type="file"]').first.wait_for(state="attached")
    upload(page, ("red.png", picture()))
    answered(page)
    assert run.state() in (RunState.RUNNING, RunState.STARTING)
    run.mark("cancel")
