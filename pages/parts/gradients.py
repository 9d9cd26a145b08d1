"""The size of the gradients layer by layer: whether the first layers hear of the error at all."""

from itertools import islice

import numpy as np
import streamlit as st

from core import figures
from core.config import in_words
from core.events import EpochEnd
from core.layers import matrix_sizes
from core.models import MODELS
from core.store import Run
from pages.parts import cache
from pages.parts.live_chart import live_chart
from pages.parts.words import percent

HEIGHT_PX = 360
MOST_OTHERS = 50


def gradients(run: Run) -> None:
    """The first, a middle and the last epoch of a run; beside the last one of another, if one is chosen."""
    epochs = [epoch for epoch in cache.history(run.id).epochs if epoch.gradients]
    if not epochs:
        st.caption("Gradients are recorded at the end of each epoch.")
        return
    st.caption(
        "How strongly the weights of each layer are told to change, one weight with another. Level: all layers "
        "hear of the error alike. Falling towards the left: the first layers hardly hear of it. Rising: they "
        "are thrown about. Deep networks without skip connections do one or the other.",
        help="The gradient of a weight says by how much the loss changes with it. Drawn is the root mean square "
        "over all weights of a layer, so that a layer does not stand out by merely having many; averaged over "
        "some steps of the epoch. Each line up is ten times as much.",
    )
    layers = list(epochs[-1].gradients)
    shown = {epoch.epoch: epoch for epoch in (epochs[0], epochs[len(epochs) // 2], epochs[-1])}
    curves = {"this run": {number: _sizes(run, epoch) for number, epoch in shown.items()}}
    other = _other(run)
    if other:
        last = next(epoch for epoch in reversed(cache.history(other.id).epochs) if epoch.gradients)
        curves["the other"] = {last.epoch: _sizes(other, last)}
    sizes = curves["this run"][epochs[-1].epoch]
    live_chart(
        figures.gradient_sizes(layers, curves),
        f"gradients-{run.id}",
        HEIGHT_PX,
        f"Typical gradients of a weight in {len(layers)} layers: in the last epoch {sizes[0]:.2g} in the first "
        f"layer, {sizes[-1]:.2g} in the last",
    )


def _sizes(run: Run, epoch: EpochEnd) -> np.ndarray:
    """(layers,) root mean square of the gradient of each layer; NaN where it was 0.

    A norm grows with the number of weights, by which layers differ a hundredfold.
    """
    recipe, classes = run.spec.recipe, cache.history(run.id).started.classes
    weights = matrix_sizes(MODELS[recipe.model].describe(recipe, len(classes)))
    norms = np.array([norm or np.nan for norm in epoch.gradients.values()], dtype=float)
    return norms / np.sqrt(weights)


def _other(run: Run) -> Run | None:
    """A run with the same layers that a person wants to see beside this one."""
    others = {other.id: other for other in _candidates(run)}
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


def _candidates(run: Run) -> list[Run]:
    """The newest runs with the same layers, those of them that have gradients; few are read, however many there are."""
    recipe = run.spec.recipe
    alike = (
        row.run
        for row in cache.rows()
        if row.id != run.id and (row.recipe.model, row.recipe.depth) == (recipe.model, recipe.depth)
    )
    return [
        other
        for other in islice(alike, MOST_OTHERS)
        if any(epoch.gradients for epoch in cache.history(other.id).epochs)
    ]


def _label(run: Run) -> str:
    accuracy = cache.history(run.id).validation_accuracy
    return f"{in_words(run.spec.recipe)}, seed {run.spec.seed}: {percent(accuracy)} validation accuracy"
