"""Where a run ended: validation, test behind a button, and the weights to take home."""

import hashlib

import streamlit as st

from core.events import Finished
from core.models import MODELS
from core.store import Run
from pages.parts import cache
from pages.parts.words import percent


def results(run: Run) -> None:
    """Validation, test behind a button, and the weights to take home."""
    end = cache.history(run.id).end
    if not isinstance(end, Finished):
        st.caption("There are results and weights when the run has finished.")
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
    _weights(run)


def _weights(run: Run) -> None:
    path = run.folder / "weights.pt"
    recipe, history = run.spec.recipe, cache.history(run.id)
    name = f"{recipe.model}-seed{run.spec.seed}.pt"
    try:
        content = path.read_bytes()
    except OSError:
        st.warning("The weights of this run are gone from its folder: train it again.")
        return
    if hashlib.sha256(content).hexdigest() != history.end.sha256.get("weights.pt"):
        st.error("The weights of this run are damaged on the disk: train it again.", icon=":material/error:")
        return
    st.download_button(
        f"Download the weights ({len(content) / 1e6:.1f} MB)",
        content,
        file_name=name,
        icon=":material/download:",
        on_click="ignore",
    )
    if history.started:
        st.caption("They load with plain PyTorch, in this project's folder:")
        classes = len(history.started.classes)
        st.code(MODELS[recipe.model].loading_code(recipe, classes, name), language="python")
