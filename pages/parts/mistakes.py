"""The images that a run is most wrong about, or least sure of."""

import numpy as np
import streamlit as st

from core import judge
from core.store import Run
from pages.parts.judged import Judged, judge_in_fragment
from pages.parts.judged_cards import judged_cards

_ORDERS = {
    "Surest first": judge.most_certain,
    "Least certain first": judge.least_certain,
}


def mistakes(run: Run) -> None:
    """For a finished run."""
    judge_in_fragment(run, _mistakes)


def _mistakes(judged: Judged) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which = st.segmented_control(
            "Answers",
            ["Wrong", "Right", "All"],
            default="Wrong",
            required=True,
            key="depth.which",
            persist_state="session",
            help="Wrong and surest first: the worst mistakes. Behind some of them is a wrong label.",
        )
        order = st.segmented_control(
            "Order",
            list(_ORDERS),
            default="Surest first",
            required=True,
            key="depth.sort",
            persist_state="session",
            help="Surest: by the probability of the answer. Least certain: by the margin, which is how far the best class "
            "is ahead of the second best.",
        )
        truth, answer = (
            st.selectbox(
                label,
                range(len(judged.classes)),
                index=None,
                placeholder="any",
                format_func=judged.classes.__getitem__,
                key=f"depth.{key}.{judged.run.id}",
                width=170,
                help=hint,
            )
            for label, key, hint in (
                ("True class", "truth", "Only images that show this; any: all of them."),
                ("Answer", "answer", "Only images that the network took for this; any: all of them."),
            )
        )
    indices = _selected(judged, which, order, truth, answer)
    total = len(judged.predictions.labels)
    st.caption(
        f"{len(indices):,} of {total:,} {judged.part} images. The bars are calibrated probabilities; ✓ marks the true "
        "class."
    )
    judged_cards(judged, indices, f"mistakes.{judged.part}.{which}.{order}.{truth}.{answer}")


def _selected(judged: Judged, which: str, order: str, truth: int | None, answer: int | None) -> np.ndarray:
    """Indices of the images that pass the filters, in the order that was asked for."""
    found = judged.predictions
    indices = _ORDERS[order](judged.shares)
    keep = np.ones(len(indices), bool)
    if which != "All":
        keep &= found.correct[indices] == (which == "Right")
    if truth is not None:
        keep &= found.labels[indices] == truth
    if answer is not None:
        keep &= found.answers[indices] == answer
    return indices[keep]
