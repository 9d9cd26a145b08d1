"""Small components that Streamlit lacks: an image from the clipboard or a pad, and images that can be clicked."""

import base64
import binascii
from pathlib import Path

import numpy as np
import streamlit as st

from core.images import MOST_BYTES
from core.pictures import enlarged_png

_HERE = Path(__file__).parent

_paste = st.components.v2.component(
    "tenfold_paste",
    html='<div class="paste" tabindex="0" role="textbox" aria-label="Paste an image here"></div>',
    css=""".paste { border: 1px dashed var(--st-border-color); border-radius: var(--st-base-radius);
        padding: 1.5rem; text-align: center; cursor: text; color: var(--st-text-color);
        background: var(--st-secondary-background-color); }
    .paste:focus { outline: 2px solid var(--st-primary-color); }""",
    js=(_HERE / "paste.js").read_text(encoding="utf-8"),
)

_tiles = st.components.v2.component(
    "tenfold_tiles",
    html='<div class="tiles"></div>',
    css=""".tiles { display: flex; flex-wrap: wrap; gap: 6px; }
    .tiles button { padding: 0; border: 2px solid transparent; background: none; cursor: pointer; }
    .tiles button:hover, .tiles button:focus { border-color: var(--st-primary-color); }
    .tiles img { display: block; image-rendering: pixelated; }""",
    js=(_HERE / "tiles.js").read_text(encoding="utf-8"),
)

_pad = st.components.v2.component(
    "tenfold_pad",
    html='<canvas role="img" aria-label="A pad to draw on"></canvas><div class="tools"></div>',
    css="""canvas { border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
        width: 280px; max-width: 100%; touch-action: none; cursor: crosshair; display: block; }
    .tools { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; margin-top: 0.5rem; }
    .tools button { border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
        background: var(--st-secondary-background-color); color: var(--st-text-color);
        padding: 0.25rem 0.75rem; cursor: pointer; }""",
    js=(_HERE / "draw.js").read_text(encoding="utf-8"),
)


def pasted(key: str) -> bytes | None:
    """The bytes of an image that was pasted just now; untrusted, like those of an upload."""
    label = "Click here, then paste an image: Ctrl + V, or ⌘ + V"
    found = _paste(key=key, data={"label": label, "most": MOST_BYTES}, on_pasted_change=lambda: None).pasted
    return _bytes(found)


def drawn(key: str) -> bytes | None:
    """The bytes of a picture whose last stroke ended just now, empty after "Clear"; untrusted, too."""
    return _bytes(
        _pad(key=key, data={"paper": "#9ec9ee", "ink": "#404040"}, on_drawn_change=lambda: None).drawn
    )


def _bytes(address: object) -> bytes | None:
    """What a `data:` address holds; None where it is none."""
    if not isinstance(address, str):
        return None
    try:
        return base64.b64decode(address.partition(",")[2], validate=True)
    except binascii.Error:
        return None


def clicked(
    images: np.ndarray, names: list[str], indices: np.ndarray, key: str, side_px: int = 64
) -> int | None:
    """Draw images in a row that wraps; gives the index of the one that was clicked just now.

    Args:
        images: (n, 3, h, w) uint8.
        names: of each, for people who point at it or can't see it.
        indices: (n,) what a click on each gives.
    """
    tiles = [
        {
            "source": f"data:image/png;base64,{base64.b64encode(enlarged_png(image, side_px)).decode('ascii')}",
            "name": name,
            "index": int(index),
        }
        for image, name, index in zip(images, names, indices, strict=True)
    ]
    found = _tiles(key=key, data={"tiles": tiles}, on_chosen_change=lambda: None).chosen
    return found if isinstance(found, int) and found in indices else None
