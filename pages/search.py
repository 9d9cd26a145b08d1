"""Hyperparameter search: a recipe, some fields, a budget of minutes, and what came out."""

import time

import streamlit as st

from core.config import KNOBS
from core.searches import SearchFiles, searches
from pages.parts import cache
from pages.parts.frame import frame, sentences
from pages.parts.search_form import search_form
from pages.parts.search_view import search_view
from pages.parts.words import duration


def main() -> None:
    frame(
        "Search",
        "Which learning rate, how wide, what batch? Give it some minutes, and see which values do well and which "
        "fields matter. Validation chooses; test is for the winner alone.",
    )
    found = searches(cache.store())
    if st.session_state.pop("search.begun", False):
        st.session_state["search.new"] = False  # the form makes room for what it started
    with sentences():
        with st.expander(
            "A new search", expanded=not found, icon=":material/add:", key="search.new", on_change="rerun"
        ) as new:
            if new.open:
                search_form()
        if found:
            search_view(_chosen(found))


def _chosen(found: list[SearchFiles]) -> SearchFiles:
    """The one of the address, or else the newest."""
    by_id = {files.id: files for files in found}
    wanted = st.query_params.get("search")
    if len(found) == 1:
        return found[0]
    if wanted in by_id and wanted != st.session_state.get("search.asked"):
        st.session_state["search.shown"] = wanted
    if st.session_state.get("search.shown") not in by_id:
        st.session_state["search.shown"] = found[0].id
    chosen = st.selectbox(
        "Search to look at",
        list(by_id),
        format_func=lambda search_id: _title(by_id[search_id]),
        key="search.shown",
        persist_state="session",
        help="The newest first; each stays as it was asked for.",
    )
    st.session_state["search.asked"] = st.query_params["search"] = chosen
    return by_id[chosen]


def _title(files: SearchFiles) -> str:
    names = ", ".join(KNOBS[one.field].label.lower() for one in files.search.ranges)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(files.created))
    return f"{when} · {names} · {duration(60 * files.search.minutes)}"


main()
