"""While nobody knows yet how fast this machine is: measure it, and say so."""

import streamlit as st

from core import launch
from core.config import Recipe
from core.estimate import probe_error
from pages.parts import cache
from pages.parts.pace import ticking
from pages.parts.words import escaped

POLL_SECONDS = 2.0


def wait_for_probe(recipe: Recipe, fingerprint: str) -> None:
    """Start the probe, and draw the page anew when there is an estimate for this recipe."""
    ticking(_wait, POLL_SECONDS)(recipe, fingerprint)


def _wait(recipe: Recipe, fingerprint: str) -> None:
    if cache.estimated(recipe, fingerprint):
        st.rerun()
    if error := probe_error(cache.store()):
        st.caption(escaped(f"How long it takes is not known: {error}"))
    elif cache.store().queue(most=1):
        st.caption("How long it takes is measured when nothing is being trained.")
    else:
        launch.begin_probe(cache.store())
        st.caption("Measuring how fast this machine is …")
