"""What runs and what waits."""

import streamlit as st

from core.config import in_words
from core.executors import stop
from core.store import Run, RunState
from pages.parts import cache
from pages.parts.cluster import progress_of_link
from pages.parts.frame import go_on, sentences, told
from pages.parts.pace import ticking
from pages.parts.pickers import dataset_title
from pages.parts.words import escaped, state_badge

TICK_SECONDS = 2.0
MOST_ROWS = 6  # a sweep has a page of its own
MOST_READ = 100  # of the queue; a few of the first have ended, or are the one that the page shows already


def queue(hidden: str = "") -> None:
    """Every run that was asked for and has not ended, with a way to look at it and to stop it.

    Args:
        hidden: id of a run that the page shows already.
    """
    waiting = bool(_waiting(hidden))
    ticking(_tick, TICK_SECONDS, waiting)(hidden, waiting)


def _waiting(hidden: str) -> list[Run]:
    first = cache.store().queue(most=MOST_READ)
    return [run for run in first if run.id != hidden and run.state().active]


def _tick(hidden: str, was_waiting: bool) -> None:
    if was_waiting and not _waiting(hidden):
        st.rerun()
    with sentences():
        _draw(_waiting(hidden), alone=not hidden)


def _stop(run: Run) -> None:
    with told():
        stop(cache.store(), run)


def _draw(runs: list[Run], alone: bool) -> None:
    if not runs:
        return
    go_on()
    st.markdown("##### Queue")
    if alone:  # else the page says it of the run that it shows
        progress_of_link()
    for run in runs[:MOST_ROWS]:
        with st.container(horizontal=True, vertical_alignment="center", key=f"queue-{run.id}"):
            state = run.state()
            state_badge(state)
            recipe = run.spec.recipe
            st.markdown(
                f"{in_words(recipe)} · {escaped(dataset_title(recipe.dataset))} · seed {run.spec.seed}"
            )
            st.page_link("pages/train.py", label="Watch", query_params={"run": run.id})
            if state is not RunState.STOPPING:
                # A callback, or the click would be lost where the page finds itself out of date first.
                st.button("Stop", key=f"stop-queued-{run.id}", on_click=_stop, args=(run,))
    if len(runs) > MOST_ROWS:
        st.page_link(
            "pages/seeds.py",
            label=f"and {len(cache.store().queued_ids()) - MOST_ROWS:,} more: see Seeds",
            icon=":material/casino:",
        )
