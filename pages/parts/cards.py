"""Test images as cards, page by page: each enlarged, with a sentence under it."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from core.datasets import Split
from core.pictures import enlarged
from pages.parts.words import escaped

CARDS, CARD_PX = 18, 84


def cards(test: Split, indices: np.ndarray, caption: Callable[[int], str], key: str) -> None:
    """One page of them, and the choice of the page.

    Args:
        indices: of test images, at least one, in the order in which they are shown.
        caption: what is to be said of an image.
        key: of the choice of the page.
    """
    pages = -(-len(indices) // CARDS)
    page = st.number_input(
        f"Page (of {pages:,})",
        1,
        pages,
        1,
        key=key,
        width=160,
        help="There are more images than fit here; this shows the next ones.",
    )
    with st.container(horizontal=True):
        for index in indices[(page - 1) * CARDS : page * CARDS]:
            words = caption(int(index))
            st.image(
                enlarged(test.images[index], CARD_PX),
                caption=escaped(words),
                width=CARD_PX + 40,
                output_format="PNG",
                alt=f"Test image {index}, {words}",
            )
