"""The table of runs: search, filters, and the rows that are marked."""

import zlib

import pandas as pd
import streamlit as st

from core.index import Row
from core.run_filter import ORDERS, Filter, choices, matching, number_archived, recipe_words
from pages.parts import cache
from pages.parts.pickers import dataset_title
from pages.parts.words import ago, duration, percent, runs_in_words

TABLE_ROWS = 8
PAGE_ROWS = 1000
"""So many runs the table has at once: with more of them, browsers and this server take seconds."""
KINDS = {"states": "State", "datasets": "Data set", "models": "Model", "tags": "Tag"}


def filtered(total: int) -> list[Row]:
    """Draw the search box and the filters; gives the rows that match, in their order.

    Args:
        total: how many runs there are.
    """
    there = cache.of_rows(choices)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search",
            type="search",
            live="400ms",
            key="runs.words",
            persist_state="session",
            placeholder="Search: recipe, data set, seed, tag, note, id",
            label_visibility="collapsed",
            help='Every word has to be found: baseline adam 0.003. Between quotation marks, together: "seed 4".',
            width="stretch",
        )
        active = sum(bool(st.session_state.get(f"runs.{kind}")) for kind in (*KINDS, "starred", "archived"))
        label = f"Filter ({active})" if active else "Filter"
        with st.popover(label, icon=":material/filter_list:", key="runs.filter", width=150):
            kinds = {kind: tuple(_choice(kind, getattr(there, kind))) for kind in KINDS}
            starred = st.toggle(
                "Starred only", key="runs.starred", persist_state="session", help="Runs with a star."
            )
            archived = st.toggle(
                "Archived too",
                key="runs.archived",
                persist_state="session",
                help="Archived runs are hidden in this table; nothing else changes for them.",
            )
        order = _order() if total > PAGE_ROWS else next(iter(ORDERS))
        wanted = Filter(words or "", starred=starred, archived=archived, **kinds)
        if wanted.narrows or archived:
            st.button("Clear", key="runs.clear", icon=":material/close:", type="tertiary", on_click=_clear)
    found = cache.of_rows(matching, wanted, order)
    _begin_anew(f"{wanted} {order}")
    hidden = "" if archived else _hidden()
    if wanted.narrows:
        st.caption(f"{len(found):,} of {total:,} runs match{hidden}.")
    elif hidden:
        st.caption(f"{len(found):,} runs{hidden}.")
    return found


def _begin_anew(asked: str) -> None:
    """On the first page, where something else is asked for than before."""
    asked_for = zlib.crc32(asked.encode())
    if st.session_state.get("runs.asked_for", asked_for) != asked_for:
        st.session_state["runs.page"] = 1
    st.session_state["runs.asked_for"] = asked_for


def _order() -> str:
    """Of all runs, where the table has no room for them: a click on its head orders only what is in it."""
    return st.selectbox(
        "Order",
        list(ORDERS),
        key="runs.order",
        persist_state="session",
        label_visibility="collapsed",
        help="Of all runs that match. A click on the head of a column orders those of the page that is shown.",
        width=240,
    )


def _hidden() -> str:
    archived = cache.of_rows(number_archived)
    return f"; {archived:,} archived hidden" if archived else ""


def _choice(kind: str, options: list[str]) -> list[str]:
    """One multiselect; what was chosen and is not there any more is dropped."""
    key = f"runs.{kind}"
    if key in st.session_state:
        st.session_state[key] = [value for value in st.session_state[key] if value in options]
    return st.multiselect(
        KINDS[kind],
        options,
        key=key,
        format_func=dataset_title if kind == "datasets" else str,
        persist_state="session",
        placeholder="all",
        help="Any of those chosen will do; none chosen: all.",
    )


def _clear() -> None:
    for kind in KINDS:
        st.session_state[f"runs.{kind}"] = []
    st.session_state["runs.words"] = ""
    st.session_state["runs.starred"] = st.session_state["runs.archived"] = False


def marked_rows(rows: list[Row]) -> list[Row]:
    """Draw the table; gives the rows that are marked in it, in their order.

    Which runs are marked is remembered by id, since a row's number belongs to another run as soon as one
    comes, goes or is filtered out: then the table is made anew with the same runs marked. Of many runs the table
    shows a page, and those that are marked on other pages stay marked.
    """
    before = set(st.session_state.get("runs.marked", []))
    pages = max(1, -(-len(rows) // PAGE_ROWS))
    begin = PAGE_ROWS * (_page(rows, before, pages) - 1)
    shown = rows[begin : begin + PAGE_ROWS]
    ids = [row.id for row in shown]
    chosen = {ids[place] for place in _table(shown, ids, before, len(rows))}
    elsewhere = before - set(ids)
    wanted = chosen | elsewhere
    marked = [row for row in (rows if elsewhere else shown) if row.id in wanted]
    if pages > 1:
        _paging(pages, begin, len(shown), len(rows), len(marked) - len(chosen))
    st.session_state["runs.marked"] = [row.run.id for row in marked]
    return marked


def _page(rows: list[Row], marked: set[str], pages: int) -> int:
    """The page that is shown, from 1; where a link names a run, the one where that is."""
    page = st.session_state.get("runs.page", 1)
    if pages > 1 and st.session_state.get("runs.anew"):
        places = (place for place, row in enumerate(rows) if row.id in marked)
        page = next(places, 0) // PAGE_ROWS + 1
    if pages > 1 or "runs.page" in st.session_state:
        st.session_state["runs.page"] = min(page, pages)
    return min(page, pages)


def _paging(pages: int, begin: int, shown: int, total: int, elsewhere: int) -> None:
    """Below the table, where one arrives after reading it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.pagination(pages, key="runs.page", persist_state="session")
        marked = f" {runs_in_words(elsewhere)} marked on other pages." if elsewhere else ""
        st.caption(f"{begin + 1:,} to {begin + shown:,} of {total:,} runs.{marked}")


def _table(rows: list[Row], ids: list[str], wanted: set[str], total: int) -> list[int]:
    """Draw one page; gives the places that are marked."""
    shown = zlib.crc32("".join(ids).encode())
    anew = st.session_state.pop("runs.anew", False)
    if anew or shown != st.session_state.get("runs.shown"):
        st.session_state["runs.shown"] = shown
        st.session_state["runs.table"] = st.session_state.get("runs.table", 0) + 1
    found = st.dataframe(
        _frame(rows),
        hide_index=True,
        height=38 + 35 * min(len(rows), TABLE_ROWS),
        column_config=_columns(),
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={
            "selection": {"rows": [place for place, run_id in enumerate(ids) if run_id in wanted]}
        },
        key=f"runs-{st.session_state['runs.table']}",
        placeholder="",
        alt=f"Table of {total} runs, {st.session_state.get('runs.order', 'newest first')}",
    )
    return [place for place in found.selection.rows if place < len(rows)]


def mark(run_ids: list[str]) -> None:
    """Have these runs marked when the table is drawn next."""
    st.session_state["runs.marked"] = run_ids
    st.session_state["runs.anew"] = True


def _frame(rows: list[Row]) -> pd.DataFrame:
    revealed = set(st.session_state.get("revealed", []))
    table = pd.DataFrame([_row(row, row.run.id in revealed) for row in rows])
    unused = [name for name in ("star", "tags", "note") if not any(map(len, table[name]))]
    return table.drop(columns=unused)


def _row(row: Row, revealed: bool) -> dict[str, object]:
    spec, labels = row.run.spec, row.labels
    again = f", attempt {spec.attempt}" if spec.attempt > 1 else ""
    return {
        "star": "★" if labels.star else "",
        "state": f"{row.state}, archived" if labels.archived else str(row.state),
        "validation": row.validation_accuracy,
        "recipe": recipe_words(spec.recipe) + again,
        "tags": list(labels.tags),
        "note": labels.note,
        "data set": dataset_title(spec.recipe.dataset),
        "seed": spec.seed,
        "test": _test_text(row, revealed),
        "looks": row.looks,
        "time": duration(row.train_seconds) if row.epochs else "",
        "started": ago(spec.created),
    }


def _test_text(row: Row, revealed: bool) -> str:
    """Covered, unless this session revealed it."""
    if row.test_accuracy is None:
        return ""
    return percent(row.test_accuracy) if revealed else "covered"


def _columns() -> dict[str, object]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "star": text("★", width=44, help="Starred by somebody."),
        "tags": st.column_config.ListColumn(help="Words that people gave the run.", width="medium"),
        "note": text(help="What people wrote on the run.", width="medium"),
        "seed": number(format="%d", help="Where all chance of the run starts."),
        "validation": number(
            "validation accuracy", format="percent", help="On images held out from training; for choosing."
        ),
        "test": text(
            "test accuracy",
            help="Covered until you reveal it below: who looks at test while choosing has no test left.",
        ),
        "looks": number("test looked at", help="How often anybody revealed it."),
        "time": text("training time"),
    }
