"""Where a run ended: validation, and test behind a button."""

import streamlit as st

from core.events import Finished
from core.store import Run
from pages.parts import cache
from pages.parts.words import percent


def results(run: Run) -> None:
    """Validation, and test behind a button."""
    end = cache.history(run.id).end
    if not isinstance(end, Finished):
        st.caption("There are results when the run has finished.")
        return
    revealed = run.id in st.session_state.setdefault("revealed", [])
    left, right = st.columns(2)
    left.metric("Validation accuracy", percent(end.validation_accuracy), help="For choosing between recipes.")
    test = percent(end.test_accuracy) if revealed else "covered"
    right.metric("Test accuracy", test, help="For the final word on one recipe, after choosing.")
    looks = run.looks()
    with right.container(horizontal=True, vertical_alignment="center"):
        if not revealed and st.button("Reveal", key=f"reveal-{run.id}", icon=":material/visibility:"):
            run.look("runs page")
            st.session_state["revealed"] = [*st.session_state["revealed"], run.id]
            st.rerun()
        st.caption(f"Looked at {looks} {'time' if looks == 1 else 'times'} so far.")
