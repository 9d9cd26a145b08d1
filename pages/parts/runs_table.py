"""The table of runs: search, filters, and the rows that are marked."""

import zlib

import pandas as pd
import streamlit as st

from core.index import Row
from core.run_filter import Filter, choices, matching, recipe_words
from pages.parts.pickers import dataset_title
from pages.parts.words import ago, duration, percent

TABLE_ROWS = 8
KINDS = {"states": "State", "datasets": "Data set", "models": "Model", "tags": "Tag"}


def filtered(rows: list[Row]) -> list[Row]:
    """Draw the search box and the filters; gives the rows that match, newest first."""
    there = choices(rows)
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
        wanted = Filter(words or "", starred=starred, archived=archived, **kinds)
        if wanted.narrows or archived:
            st.button("Clear", key="runs.clear", icon=":material/close:", type="tertiary", on_click=_clear)
    found = matching(rows, wanted)
    hidden = "" if archived else _hidden(rows)
    if wanted.narrows:
        st.caption(f"{len(found):,} of {len(rows):,} runs match{hidden}.")
    elif hidden:
        st.caption(f"{len(found):,} runs{hidden}.")
    return found


def _hidden(rows: list[Row]) -> str:
    archived = sum(row.labels.archived for row in rows)
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
    comes, goes or is filtered out: then the table is made anew with the same runs marked.
    """
    ids = [row.run.id for row in rows]
    shown = zlib.crc32("".join(ids).encode())
    anew = st.session_state.pop("runs.anew", False)
    if anew or shown != st.session_state.get("runs.shown"):
        st.session_state["runs.shown"] = shown
        st.session_state["runs.table"] = st.session_state.get("runs.table", 0) + 1
    places = {run_id: place for place, run_id in enumerate(ids)}
    wanted = [run_id for run_id in st.session_state.get("runs.marked", []) if run_id in places]
    key = f"runs-{st.session_state['runs.table']}"
    found = st.dataframe(
        _frame(rows),
        hide_index=True,
        height=38 + 35 * min(len(rows), TABLE_ROWS),
        column_config=_columns(),
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": sorted(places[run_id] for run_id in wanted)}},
        key=key,
        placeholder="",
        alt=f"Table of {len(rows)} runs, newest first",
    )
    chosen = [place for place in sorted(found.selection.rows) if place < len(rows)]
    st.session_state["runs.marked"] = [ids[place] for place in chosen]
    return [rows[place] for place in chosen]


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
