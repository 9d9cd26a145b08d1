"""A click on a heat map in a real browser reaches the page as row and column."""

import pytest

from core.paths import ROOT
from tests.chromium import PATIENCE_MS, launched, served

pytestmark = pytest.mark.browser

HOVER_MS = 300
"""A hand rests on a cell before it clicks: plotly looks no more than every 50 ms at what is below the pointer, and
takes two clicks within 300 ms for one double click."""

SCRIPT = """
import numpy as np
import streamlit as st
from core.judge_figures import confusion
from pages.parts.live_chart import clicked_cell

matrix = np.array([[50, 3, 0], [2, 40, 9], [0, 1, 60]])
figure = confusion(matrix, ["cat", "dog", "ship"], "test")
figure["layout"]["dragmode"] = False
found = clicked_cell(figure, "matrix", 400, "A matrix")
st.session_state["found"] = found or st.session_state.get("found")
st.text(f"cell {st.session_state['found']}")
"""


def test_click_on_a_cell_gives_its_row_and_column_wrong_or_right(tmp_path):
    (tmp_path / "app.py").write_text(SCRIPT)
    environment = {"PYTHONPATH": str(ROOT)}
    with (
        served("app.py", tmp_path, tmp_path / "server.log", environment) as address,
        launched() as chromium,
    ):
        page = chromium.new_page(viewport={"width": 900, "height": 700})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        square = page.locator(".js-plotly-plot .nsewdrag")
        square.wait_for()
        for row, column in ((1, 2), (0, 0), (2, 0)):
            box = square.bounding_box()
            page.mouse.move(
                box["x"] + (column + 0.5) * box["width"] / 3, box["y"] + (row + 0.5) * box["height"] / 3
            )
            page.wait_for_timeout(HOVER_MS)
            page.mouse.down()
            page.mouse.up()
            page.get_by_text(f"cell ({row}, {column})", exact=True).wait_for()
