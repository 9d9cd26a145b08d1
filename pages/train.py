"""Form to recipe and seed, Start, and the curves as they grow."""

import streamlit as st

from core import launch
from core.config import Recipe
from core.estimate import probed_device
from core.store import Run, RunState
from pages.parts import cache
from pages.parts.frame import frame, sentences, wrapping_columns
from pages.parts.live import live
from pages.parts.network import network_size, network_table
from pages.parts.pickers import ready_or_prepare
from pages.parts.probing import wait_for_probe
from pages.parts.queue import queue
from pages.parts.recipe_changes import show_changes
from pages.parts.recipe_form import recipe_form
from pages.parts.recipe_import import forget_link, recipe_upload, take_link
from pages.parts.sweep_form import sweep_form
from pages.parts.words import duration, percent


def main() -> None:
    frame("Train", "Choose a recipe, start it, and watch it learn. It goes on if you close this page.")
    form, view = wrapping_columns([2, 3], "train", gap="large")
    with form, sentences():
        take_link()
        recipe, seed = recipe_form()
        forget_link(recipe, seed)
        if fingerprint := ready_or_prepare(recipe.dataset, recipe.image_size):
            classes = len(cache.images(recipe.dataset, recipe.image_size, fingerprint).classes)
            network_size(recipe, classes)
            _start_panel(recipe, seed, fingerprint)
            with st.expander("Repeat over seeds", icon=":material/casino:"):
                sweep_form([recipe], "train")
            with st.expander("A recipe from a file", icon=":material/upload_file:"):
                recipe_upload()
            with st.expander("The network, layer by layer", icon=":material/layers:"):
                network_table(recipe, classes)
        else:
            show_changes(recipe)
    with view, sentences():
        _view()


def _start_panel(recipe: Recipe, seed: int, fingerprint: str) -> None:
    """What Start would do and how long it takes; or that it was done before."""
    run = cache.store().find(recipe.digest(fingerprint), seed)
    ended = run is not None and run.state().ended
    if run and not ended:
        st.caption("This recipe is being trained with this seed, or waits for it.")
        show_changes(recipe)
        if st.button("Watch it", key="start", icon=":material/visibility:"):
            st.query_params["run"] = run.id
            st.rerun()
        return
    if ended:
        st.caption(f"This recipe was trained with this seed before: {_outcome(run)}.")
    else:
        _estimate(recipe, fingerprint)
    show_changes(recipe)
    with st.container(horizontal=True):
        label = "Open the finished run" if ended else "Start"
        if st.button(label, type="primary", key="start", icon=":material/play_arrow:"):
            _start(recipe, seed, again=False)
        if ended:
            hint = "A second run of the same recipe and seed: on the same machine it should end the same."
            if st.button("Train again", key="again", icon=":material/replay:", help=hint):
                _start(recipe, seed, again=True)


def _start(recipe: Recipe, seed: int, again: bool) -> None:
    run, _ = launch.start(cache.store(), recipe, seed, again)
    st.query_params["run"] = run.id
    st.rerun()


def _outcome(run: Run) -> str:
    if run.state() is RunState.DIVERGED:
        return "its loss became infinite or no number"
    accuracy = cache.history(run.id).validation_accuracy
    return f"{percent(accuracy)} validation accuracy"


def _estimate(recipe: Recipe, fingerprint: str) -> None:
    """How long it takes here, in a line; a machine that nobody measured yet is measured first.

    The first figure of the probe is enough for an estimate; one that gave way goes on here for the rest.
    """
    measured = cache.estimated(recipe, fingerprint)
    if measured is None:
        wait_for_probe(recipe, fingerprint)
        return
    launch.begin_probe(cache.store())
    device = probed_device(cache.store())
    where = f" on {device}" if device else ""
    st.caption(f"Takes about **{duration(measured.seconds)}**{where}, judging by {measured.source}.")


def _view() -> None:
    """The run of the address, or else the newest one."""
    wanted = st.query_params.get("run")
    store = cache.store()
    if wanted:
        run = store.get(wanted)
    else:
        run = next(iter(store.queue(most=1) or [row.run for row in cache.rows()[:1]]), None)
    if run is None:
        st.info(
            "Nothing was trained yet. Press **Start**: with the quick preset the first points appear "
            "within seconds.",
            icon=":material/show_chart:",
        )
        return
    live(run)
    queue(hidden=run.id)


main()
