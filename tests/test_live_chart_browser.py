"""The chart that grows in place, in a page of its own: what a person set stays, and nothing comes twice."""

import json
import re

import pytest
from streamlit.testing.v1 import AppTest

from core.figures import plain
from core.paths import ROOT
from tests.chromium import PATIENCE_MS, launched, served

LARGEST_MESSAGE_BYTES = 100_000

NAME = "<b>dog</b> & <img src=x> &lt;"
SCRIPT = f"""
import numpy as np
import streamlit as st
from core.figures import plain
from pages.parts.live_chart import live_chart

@st.fragment(run_every=0.5)
def tick():
    n = st.session_state["n"] = st.session_state.get("n", 90) + 10
    x = np.arange(n) / 10
    names = [plain({NAME!r}), "cat", "ship"]
    data = [{{"name": name, "x": x, "y": np.sin(x + i)}} for i, name in enumerate(names)]
    data[0]["y"][3], data[1]["line"] = np.nan, {{"width": np.float32(2)}}
    live_chart({{"data": data, "layout": {{}}}}, "curves", 300, f"Curves of {{n}} points")
    live_chart({{"data": data[:1], "layout": {{}}}}, "other", 200, "Another")

tick()
"""


@pytest.fixture
def address(tmp_path):
    """The script above, served by itself."""
    (tmp_path / "app.py").write_text(SCRIPT)
    with served("app.py", tmp_path, tmp_path / "server.log", {"PYTHONPATH": str(ROOT)}) as address:
        yield address


@pytest.fixture
def page():
    """A light page of 1000 × 700 that notes what it asks for, what comes, and what goes wrong."""
    with launched() as chromium:
        page = chromium.new_page(viewport={"width": 1000, "height": 700}, color_scheme="light")
        page.set_default_timeout(PATIENCE_MS)
        page.asked, page.wrong, page.message_bytes = [], [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("console", lambda line: page.wrong.append(line.text) if line.type == "error" else None)
        page.on("websocket", lambda websocket: _listen(page, websocket))
        yield page


def _listen(page, websocket) -> None:
    page.asked.append(websocket.url)
    websocket.on("framereceived", lambda content: page.message_bytes.append(len(content)))


def chart(page) -> dict:
    """What the first chart shows."""
    return page.evaluate(
        """() => {
            const box = document.querySelector(".js-plotly-plot");
            return {
                points: box._fullData[0].x.length,
                visible: box._fullData.map((trace) => trace.visible),
                range: [...box._fullLayout.xaxis.range],
                mark: box.mark,
                width: box.querySelector(".main-svg").clientWidth,
                text: box._fullLayout.font.color,
            };
        }"""
    )


def wait_for_ticks(page, ticks: int) -> None:
    """Until the first chart has ten points more for each tick."""
    page.wait_for_function(
        "points => document.querySelector('.js-plotly-plot')._fullData[0].x.length >= points",
        arg=chart(page)["points"] + 10 * ticks,
    )


def drag(page, start: float, end: float) -> None:
    """Zoom in by drawing a rectangle, in shares of the first chart's width and height."""
    box = page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + start * box["width"], box["y"] + start * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], box["y"] + end * box["height"], steps=5)
    page.mouse.up()


@pytest.mark.browser
def test_zoom_and_hidden_curve_stay_while_the_chart_grows(page, address):
    page.goto(address)
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot').length === 2")
    page.evaluate("document.querySelector('.js-plotly-plot').mark = 'the same node'")
    first = chart(page)
    wait_for_ticks(page, 1)
    assert chart(page)["range"][1] > first["range"][1], "an axis nobody touched grows with the data"

    page.locator(".js-plotly-plot .legendtoggle").nth(1).click()
    page.wait_for_function("() => document.querySelector('.js-plotly-plot')._fullData[1].visible !== true")
    drag(page, 0.2, 0.6)
    page.wait_for_function(
        "() => document.querySelector('.js-plotly-plot')._fullLayout.xaxis.autorange === false"
    )
    zoomed = chart(page)
    wait_for_ticks(page, 3)
    page.set_viewport_size({"width": 700, "height": 700})
    page.emulate_media(color_scheme="dark")
    wait_for_ticks(page, 2)
    last = chart(page)

    assert last["range"] == zoomed["range"] and last["visible"] == [True, "legendonly", True]
    assert last["mark"] == "the same node"
    assert last["width"] < zoomed["width"] and last["text"] != zoomed["text"]
    assert page.locator(".legendtext").first.text_content() == NAME
    assert re.match(r"Curves of \d+ points", page.get_by_role("figure").first.get_attribute("aria-label"))
    assert sum("plotly.min.js" in url for url in page.asked) == 1, "two charts share one plotly"
    assert max(page.message_bytes) < LARGEST_MESSAGE_BYTES, "plotly does not come with the data"
    assert [url for url in page.asked if not re.match(r"(http|ws)://127\.0\.0\.1:|blob:|data:", url)] == []
    assert page.wrong == []


def test_chart_needs_no_browser(tmp_path, monkeypatch):
    """Pages with charts run under AppTest, which sees the figure as it would travel."""
    monkeypatch.syspath_prepend(str(ROOT))
    (tmp_path / "app.py").write_text(SCRIPT)
    app = AppTest.from_file(str(tmp_path / "app.py"), default_timeout=30).run()
    assert not app.exception
    (spec,) = json.loads(app.get("bidi_component")[0].proto.json)
    assert spec["alt"] == "Curves of 100 points"
    assert [trace["name"] for trace in spec["data"]] == [plain(NAME), "cat", "ship"]
    assert spec["data"][0]["y"]["dtype"] == "f8" and spec["data"][1]["line"]["width"] == 2
