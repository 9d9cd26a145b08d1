"""The size of the gradients layer by layer: whether the first layers hear of the error at all."""

import numpy as np
import streamlit as st

from core import figures
from core.store import Run
from pages.parts import cache
from pages.parts.live_chart import live_chart

HEIGHT_PX = 340


def gradients(run: Run) -> None:
    """The first, a middle and the last epoch of a run."""
    epochs = [epoch for epoch in cache.history(run.id).epochs if epoch.gradients]
    if not epochs:
        st.caption("Gradients are recorded at the end of each epoch.")
        return
    layers = list(epochs[-1].gradients)
    shown = {epoch.epoch: epoch for epoch in (epochs[0], epochs[len(epochs) // 2], epochs[-1])}
    norms = {
        number: np.array([epoch.gradients.get(layer) or np.nan for layer in layers], dtype=float)
        for number, epoch in shown.items()
    }
    last = norms[epochs[-1].epoch]
    st.caption(
        "How strongly each layer is told to change. Where the curve falls towards the left, the first layers "
        "hardly learn: that happens to deep networks without skip connections or normalisation."
    )
    live_chart(
        figures.gradient_norms(layers, norms),
        f"gradients-{run.id}",
        HEIGHT_PX,
        f"Gradient norms of {len(layers)} layers: in the last epoch {last[0]:.2g} in the first layer, "
        f"{last[-1]:.2g} in the last",
    )
