"""The size of the gradients layer by layer: whether the first layers hear of the error at all."""

from itertools import islice

import numpy as np
import streamlit as st

from core import figures
from core.config import in_words
from core.store import Run
from pages.parts import cache
from pages.parts.live_chart import live_chart
from pages.parts.words import percent

HEIGHT_PX = 360
MOST_OTHERS = 50
MOST_READ = 200  # histories; older runs may have recorded no gradients


def gradients(run: Run) -> None:
    """The first, a middle and the last epoch of a run; beside the last one of another, if one is chosen."""
    epochs = [epoch for epoch in cache.history(run.id).epochs if epoch.gradients]
    if not epochs:
        st.caption("Gradients are recorded at the end of each epoch.")
        return
    st.caption(
        "How strongly each layer is told to change. Level: all layers learn alike. Falling towards the left: "
        "the first layers hardly hear of the error. Rising: they are thrown about. Deep networks without skip "
        "connections do one or the other."
    )
    layers = list(epochs[-1].gradients)
    shown = {epoch.epoch: epoch for epoch in (epochs[0], epochs[len(epochs) // 2], epochs[-1])}
    curves = {"this run": {number: _norms(epoch.gradients, layers) for number, epoch in shown.items()}}
    other = _other(run)
    if other:
        last = next(epoch for epoch in reversed(cache.history(other.id).epochs) if epoch.gradients)
        curves["the other"] = {last.epoch: _norms(last.gradients, layers)}
    norms = curves["this run"][epochs[-1].epoch]
    live_chart(
        figures.gradient_norms(layers, curves),
        f"gradients-{run.id}",
        HEIGHT_PX,
        f"Gradient norms of {len(layers)} layers: in the last epoch {norms[0]:.2g} in the first layer, "
        f"{norms[-1]:.2g} in the last",
    )


def _other(run: Run) -> Run | None:
    """A run with the same layers that a person wants to see beside this one."""
    recipe = run.spec.recipe
    alike = (
        row.run
        for row in cache.rows(seconds_old=10.0)
        if row.epochs
        and row.run.id != run.id
        and (row.run.spec.recipe.model, row.run.spec.recipe.depth) == (recipe.model, recipe.depth)
    )
    with_gradients = (
        other
        for other in islice(alike, MOST_READ)
        if any(epoch.gradients for epoch in cache.history(other.id).epochs)
    )
    others = {other.id: other for other in islice(with_gradients, MOST_OTHERS)}
    if not others:
        return None
    chosen = st.selectbox(
        "Beside",
        [None, *others],
        format_func=lambda run_id: _label(others[run_id]) if run_id else "nothing",
        key=f"gradients-beside-{run.id}",
        help="Another run of a network with the same layers, for instance the one without skip connections.",
    )
    return others.get(chosen)


def _label(run: Run) -> str:
    accuracy = cache.history(run.id).epochs[-1].validation_accuracy
    return f"{in_words(run.spec.recipe)}, seed {run.spec.seed}: {percent(accuracy)} validation accuracy"


def _norms(gradients: dict[str, float], layers: list[str]) -> np.ndarray:
    return np.array([gradients.get(layer) or np.nan for layer in layers], dtype=float)
