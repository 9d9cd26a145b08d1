"""Which classes are taken for which: a matrix whose cells can be clicked, and the images in the cell."""

import numpy as np
import streamlit as st

from core import judge, judge_figures
from core.store import Run
from pages.parts.judged import Judged, judge_in_fragment
from pages.parts.judged_cards import judged_cards
from pages.parts.live_chart import clicked_cell

MOST_CELLS = 200
"""That can be chosen by name; any other by a click."""


def confusion(run: Run) -> None:
    """For a finished run."""
    judge_in_fragment(run, _confusion)


def _confusion(judged: Judged) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        numbers = st.segmented_control(
            "Numbers",
            ["Images", "Shares"],
            default="Images",
            required=True,
            key="depth.numbers",
            persist_state="session",
            help="Images: how many. Shares: in percent of all images of the class, so that rare classes count as much.",
        )
        order = st.segmented_control(
            "Classes",
            ["As they come", "Most mistakes first"],
            default="As they come",
            required=True,
            key="depth.order",
            persist_state="session",
            help="Mistakes of a class: its images that were taken for another, and others that were taken for it.",
        )
    count = len(judged.classes)
    places = np.arange(count) if order == "As they come" else judge.by_mistakes(judged.matrix)
    names = [judged.classes[place] for place in places]
    figure = judge_figures.confusion(
        judged.matrix[np.ix_(places, places)], names, judged.part, numbers == "Shares"
    )
    # A click is a click, and no beginning of a zoom; above the matrix there is room for the buttons.
    figure["layout"] |= {"dragmode": False, "margin": {"t": 36}}
    height = min(760, 210 + 34 * count)
    clicked = clicked_cell(figure, f"confusion-{judged.part}", height, _alt(judged))
    cell = f"depth.cell.{judged.run.id}.{judged.part}"
    if clicked is not None and max(clicked) < count and min(clicked) >= 0:
        st.session_state[cell] = (int(places[clicked[0]]), int(places[clicked[1]]))
    _images(judged, cell)


def _images(judged: Judged, key: str) -> None:
    """The images of the cell that was clicked, or was chosen by name; at first of the most frequent mistake."""
    pairs = _pairs(judged, st.session_state.get(key))
    truth, answer = st.selectbox(
        "Images of the cell",
        pairs,
        format_func=lambda pair: _words(judged, pair),
        key=key,
        help="Click a cell of the matrix, or choose one here. The surest answers come first.",
    )
    labels, answers = judged.predictions.labels, judged.predictions.answers
    inside = np.flatnonzero((labels == truth) & (answers == answer))
    order = inside[np.argsort(-judged.shares[inside, answer], kind="stable")]
    judged_cards(judged, order, f"confusion.{judged.part}.{truth}.{answer}")


def _pairs(judged: Judged, chosen: tuple[int, int] | None) -> list[tuple[int, int]]:
    """Mistakes by their number, then right answers, and the cell that is chosen, which may be empty."""
    mistakes = judge.most_confused(judged.matrix)[:MOST_CELLS]
    right = [(number, number) for number in range(len(judged.classes))][:MOST_CELLS]
    pairs = mistakes + right
    return pairs if chosen is None or chosen in pairs else [*pairs, chosen]


def _words(judged: Judged, pair: tuple[int, int]) -> str:
    truth, answer = pair
    number = int(judged.matrix[truth, answer])
    images = "1 image" if number == 1 else f"{number:,} images"
    if truth == answer:
        return f"{judged.classes[truth]}, recognised ({images})"
    return f"{judged.classes[truth]}, taken for {judged.classes[answer]} ({images})"


def _alt(judged: Judged) -> str:
    mistakes = judge.most_confused(judged.matrix)[:3]
    most = "; ".join(_words(judged, pair) for pair in mistakes) or "no mistake"
    return (
        f"Confusion matrix of {len(judged.predictions.labels):,} {judged.part} images. Most frequent: {most}"
    )
