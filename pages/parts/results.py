"""Where a run ended: validation, and test behind a button."""

import streamlit as st

from core import judge
from core.class_report import share_interval
from core.errors import UserError
from core.events import Finished
from core.predictions import read_predictions
from core.store import Run
from pages.parts import cache
from pages.parts.frame import wrapping_columns
from pages.parts.reveal import is_shown, reveal_run
from pages.parts.words import percent

_HELP = {
    "validation": "For choosing between recipes.",
    "test": "For the final word on one recipe, after choosing.",
}


def results(run: Run) -> None:
    """Validation, and test behind a button."""
    end = cache.history(run.id).end
    if not isinstance(end, Finished):
        st.caption("There are results when the run has finished.")
        return
    shown = is_shown(run)
    left, right = wrapping_columns(2, "results")
    with left:
        _figures(run, "validation", end.validation_accuracy)
    with right:
        if shown:
            _figures(run, "test", end.test_accuracy)
        else:
            st.metric("Test accuracy", "covered", help=_HELP["test"])
        reveal_run(run)


def _figures(run: Run, part: str, accuracy: float) -> None:
    """Accuracy with its interval, and how often the class is among the first two answers."""
    with st.container(horizontal=True):
        st.metric(f"{part.capitalize()} accuracy", percent(accuracy), help=_HELP[part], width="content")
        try:
            found = read_predictions(run, part)
        except UserError:  # the tabs beside this one say so; the accuracy is in the run's record
            return
        hint = "Its class is the best or the second best answer: how often the network is nearly right."
        second = judge.top_k_accuracy(found.logits, found.labels, 2)
        st.metric(f"{part.capitalize()}, top 2", percent(second), help=hint, width="content")
    low, high = share_interval(int(found.correct.sum()), len(found.labels))
    st.caption(
        f"On {len(found.labels):,} {part} images; 95% interval {low:.1%} to {high:.1%}.",
        help="Where the accuracy of these trained weights would lie on endlessly many images like these. Another seed "
        "moves it as well: see the Seeds page.",
    )
