"""A plotly chart that grows in place; the one way in which pages draw figures.

`st.plotly_chart` mounts a new chart whenever its data change: zoom and hidden curves are lost, and
it blinks. This component calls `Plotly.react`, which changes the chart that is there.

A component's script travels with every message that mounts it, so `live_chart.js` is small and plotly
(4.8 MB) is no part of it: the first chart of a browser tab fetches it over HTTP, compressed, from the
installed wheel, and the browser keeps it. As the script of a second component without data it would
come through the websocket: 4.8 MB for each tab and each reload, in place of 1.5 MB once for each
browser, and 10 ms of server CPU for each run of a page. `declare_component` is the public way to have
Streamlit serve a folder without copying it into the project; nothing is drawn with it.

Measured with Streamlit 1.67 on two busy cores without a GPU: process CPU of `streamlit run` over 60
ticks of `st.fragment(run_every=1)` with Chromium watching, after `gc.freeze()`. An idle tick costs 10 ms
and 1 kB; with 5 curves of 1,000 points it is 12 ms and 113 kB, with 20 curves 18 ms and 436 kB. The same
5 curves as `go.Figure` cost 20 ms, as lists 24 ms, with `st.plotly_chart` 16 ms and more than twice the
work in the browser (163 against 61 ms). Hence plain dicts and numpy arrays.
"""

from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v1 import declare_component

from core.packing import packed

_folder = declare_component("plotly", path=str(files("plotly") / "package_data"))
_base = st.get_option("server.baseUrlPath").strip("/")
_PLOTLY = f"{'/' if _base else ''}{_base}/component/{_folder.name}/plotly.min.js?{version('plotly')}"

_chart = st.components.v2.component(
    "tenfold_chart",
    html='<div class="chart" role="figure"></div>',
    js=(Path(__file__).parent / "live_chart.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # plotly's style sheet goes into the document, where a shadow root does not see it
)


def live_chart(figure: dict[str, Any], key: str, height: int, alt: str) -> None:
    """Draw a figure, in place if it is drawn already; colours of page and grid follow the theme.

    A person's zoom and hidden curves stay as long as the figure asks for the same: an axis `range`
    that changes from tick to tick undoes the zoom, so leave it out (the axis then grows with the data)
    or keep it constant. Which curve is hidden is remembered by its place in "data", unless the traces
    have a `uid`: give one where curves come and go. Text that people supplied goes through
    `core.figures.plain`, as plotly reads markup in labels.

    Args:
        figure: "data" and "layout" as plotly.js knows them; numpy arrays of any kind, NaN is a gap.
        key: the same on each tick, another for each chart of a page.
        height: in pixels; the width is that of the place.
        alt: what the chart shows, for people who can't see it.
    """
    # In a list, since Streamlit searches a dict for tables, and imports pandas for that.
    _chart(key=key, data=[_spec(figure, height, alt)], height=height)


def load_ahead() -> None:
    """On a page without charts: have the browser get plotly now, so that the first chart need not wait for it.

    To fetch and compile it took 1.4 s of the first page with a chart, on two busy cores of a Xeon.
    """
    _chart(key="ahead", data=[{"ahead": True, "plotly": _PLOTLY}], height=1)


def clicked_cell(figure: dict[str, Any], key: str, height: int, alt: str) -> tuple[int, int] | None:
    """Draw a heat map as `live_chart` does; gives row and column of the cell that was clicked just now.

    What comes from a browser is checked to be two numbers; that there is such a cell is the caller's matter.
    """
    spec = {**_spec(figure, height, alt), "clicks": True}
    found = _chart(key=key, data=[spec], height=height, on_clicked_change=lambda: None).clicked
    if isinstance(found, list) and len(found) == 2 and all(type(number) is int for number in found):
        return found[0], found[1]
    return None


def _spec(figure: dict[str, Any], height: int, alt: str) -> dict[str, Any]:
    return {**packed(figure), "height": height, "alt": alt, "plotly": _PLOTLY}
