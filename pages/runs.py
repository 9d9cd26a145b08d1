"""All runs in a table; one of them in depth, or several side by side."""

import streamlit as st

from core.index import Row
from core.labels import read_labels
from core.run_filter import choices
from pages.parts import cache
from pages.parts.depth import depth
from pages.parts.fields import field_figures
from pages.parts.frame import frame, sentences
from pages.parts.label_bar import label_bar, written_on
from pages.parts.runs_table import filtered, mark, marked_rows
from pages.parts.side_by_side import side_by_side
from pages.parts.trash_panel import deleted_banner, trash_panel


def main() -> None:
    frame("Runs", "Every training so far. Mark one to see it in depth, two or more to lay them side by side.")
    rows = cache.rows()
    _unreadable(cache.unreadable())
    deleted_banner()
    if rows:
        _runs(rows)
    else:
        st.info("There are no runs yet: start one on the Train page.", icon=":material/list_alt:")
        st.page_link("pages/train.py", label="Train a first model", icon=":material/school:")
    trash_panel()


def _runs(rows: list[Row]) -> None:
    _follow_link()
    shown = filtered(len(rows))
    marked = []
    if shown:
        marked = marked_rows(shown)
        if marked:
            label_bar(marked, cache.of_rows(choices).tags)
        field_figures(shown)
    else:
        st.info("No run matches. Take a word or a filter away.", icon=":material/filter_list_off:")
    with sentences():
        if len(marked) > 1:
            side_by_side(marked)
        else:
            _one(shown, marked)


def _unreadable(number: int) -> None:
    """Those of a newer version, or damaged, are in no table: say that they are there."""
    if number > 0:
        st.warning(
            f"{'1 run' if number == 1 else f'{number} runs'} can't be read here: damaged, or made by a newer Tenfold. "
            "`python -m core doctor` says which and what helps.",
            icon=":material/healing:",
        )


def _follow_link() -> None:
    """A run that a link names is marked, once: from then on it is as if somebody had marked it."""
    asked = st.query_params.get("run")
    if asked != st.session_state.get("runs.asked"):
        st.session_state["runs.asked"] = asked
        if asked:
            mark([asked])


def _one(shown: list[Row], marked: list[Row]) -> None:
    """The run that is marked, else the one of the link, else the newest of the table."""
    if not marked and not shown and not st.query_params.get("run"):
        return
    wanted = marked[0].run.id if marked else st.query_params.get("run") or shown[0].run.id
    run = cache.store().get(wanted)
    written_on(read_labels(run.folder))
    depth(run)


main()
