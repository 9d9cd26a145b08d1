"""A data set at a glance: how many images each class has, and one image of each, as it is and as the network gets it."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from core import figures, pictures
from core.datasets import ImageData, Split
from pages.parts.live_chart import live_chart
from pages.parts.words import escaped

CARD_PX = 128
CARDS_IN_A_ROW = 5
MOST_CARDS = 20
HISTOGRAM_PX = 320


def histogram(classes: tuple[str, ...], labels: np.ndarray, title: str, key: str) -> None:
    """How many images each class has, as a bar each."""
    counts = np.bincount(labels, minlength=len(classes))
    live_chart(
        figures.class_histogram(classes, {"images": counts}),
        key,
        HISTOGRAM_PX,
        f"{title}: {counts.min():,} to {counts.max():,} images a class",
    )


def one_of_each(
    data: ImageData,
    nth: int,
    change: Callable[[np.ndarray], np.ndarray] = lambda image: image,
    card_px: int = CARD_PX,
) -> None:
    """The n-th training image of each class, from 0, after a change of its (3, h, w) uint8."""
    with st.container(horizontal=True, width=CARDS_IN_A_ROW * (card_px + 16)):
        for label, name in enumerate(data.classes[:MOST_CARDS]):
            index = nth_of_class(data.train, label, nth)
            if index is None:
                continue
            picture = pictures.enlarged(change(data.train.images[index]), card_px)
            st.image(picture, caption=escaped(name), width=card_px, output_format="PNG", alt=f"One {name}")


def as_the_network_sees(mean: np.ndarray, std: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A change for `one_of_each`: normalised with (3,) mean and deviation, made visible."""
    return lambda image: pictures.displayable(pictures.normalised(image, mean, std))


def nth_of_class(split: Split, label: int, n: int) -> int | None:
    """Index of the n-th image of a class, counted around where there are fewer; None for none."""
    found = np.flatnonzero(split.labels == label)
    return int(found[n % len(found)]) if len(found) else None
