"""A plotly chart that grows in place; the one way in which pages draw figures.

`st.plotly_chart` mounts a new chart whenever its data change: zoom and hidden curves are lost, and
it blinks. This component calls `Plotly.react`, which changes the chart that is there.

A component's script travels with every message that mounts it, so plotly (4.8 MB) must not be part
of the chart's own. It is the script of a second component, without data, which draws nothing: its
message never changes, so Streamlit's cache of messages sends it once a browser session.
"""

import base64
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

_PLOTLY = (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")

_loader = st.components.v2.component("tenfold_plotly", js=f"{_PLOTLY}\nexport default function () {{}}")
_chart = st.components.v2.component(
    "tenfold_chart",
    html='<div class="chart" role="img"></div>',
    js=(Path(__file__).parent / "live_chart.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # plotly puts its style sheet into the document, where a shadow root can't see it
)


def load_plotly() -> None:
    """Bring plotly to the browser; once on each page, outside of fragments."""
    _loader(key="plotly", height=1)


def live_chart(figure: dict[str, Any], key: str, height: int, alt: str) -> None:
    """Draw a figure of `core.figures`, in place if it is drawn already.

    Args:
        figure: "data" and "layout"; arrays travel as bytes, so they may be long.
        key: the same on each tick.
        height: in pixels; the width is that of the place.
        alt: what the chart shows, for people who can't see it.
    """
    _chart(key=key, data={**_packed(figure), "height": height, "alt": alt}, height=height)


def _packed(value: Any) -> Any:
    """Arrays as base64, which plotly reads: 100 times faster than lists, and NaN is allowed."""
    if isinstance(value, dict):
        return {name: _packed(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_packed(part) for part in value]
    if isinstance(value, np.ndarray):
        kind = "i4" if value.dtype.kind in "iu" else "f8"
        return {"dtype": kind, "bdata": base64.b64encode(value.astype(kind).tobytes()).decode()}
    return value
