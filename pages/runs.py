"""All runs in a table; one of them in depth."""

import functools

import pandas as pd
import streamlit as st

from core.config import in_words
from core.index import Row
from core.store import RECIPES_KEPT
from pages.parts import cache
from pages.parts.depth import depth
from pages.parts.frame import frame, sentences
from pages.parts.pickers import dataset_title
from pages.parts.words import ago, duration, percent

TABLE_ROWS = 8

_words = functools.lru_cache(maxsize=RECIPES_KEPT)(in_words)


def main() -> None:
    frame("Runs", "Every training so far. Choose one to see its curves, its log and its weights.")
    rows = cache.rows()
    _unreadable(len(cache.store().ids()) - len(rows))
    if not rows:
        st.info("There are no runs yet: start one on the Train page.", icon=":material/list_alt:")
        st.page_link("pages/train.py", label="Train a first model", icon=":material/school:")
        return
    _table(rows)
    with sentences():
        wanted = st.session_state.get("runs.chosen") or st.query_params.get("run") or rows[0].run.id
        depth(cache.store().get(wanted))


def _unreadable(number: int) -> None:
    """Those of a newer version, or damaged, are in no table: say that they are there."""
    if number > 0:
        st.warning(
            f"{'1 run' if number == 1 else f'{number} runs'} can't be read here: damaged, or made by a newer Tenfold. "
            "`python -m core doctor` says which and what helps.",
            icon=":material/healing:",
        )


def _table(rows: list[Row]) -> None:
    """All runs, newest first."""
    revealed = set(st.session_state.get("revealed", []))
    table = pd.DataFrame([_row(row, row.run.id in revealed) for row in rows])
    key = f"runs-{rows[0].run.id}-{len(rows)}"  # a new run moves the rows: then none is marked
    columns = {
        "seed": st.column_config.NumberColumn(format="%d", help="Where all chance of the run starts."),
        "validation": st.column_config.NumberColumn(
            "validation accuracy", format="percent", help="On images held out from training; for choosing."
        ),
        "test": st.column_config.TextColumn(
            "test accuracy",
            help="Covered until you reveal it below: who looks at test while choosing has no test left.",
        ),
        "looks": st.column_config.NumberColumn("test looked at", help="How often anybody revealed it."),
        "time": st.column_config.TextColumn("training time"),
    }
    height = 38 + 35 * min(len(rows), TABLE_ROWS)
    st.session_state["runs.shown"] = [row.run.id for row in rows]
    st.dataframe(
        table,
        hide_index=True,
        height=height,
        column_config=columns,
        on_select=_choose,
        selection_mode="single-row",
        key=key,
        alt="Table of all runs, newest first",
    )
    st.session_state["runs.key"] = key


def _choose() -> None:
    """Remember the run whose row was marked: a row's number belongs to another run soon."""
    rows = st.session_state[st.session_state["runs.key"]].selection.rows
    st.session_state["runs.chosen"] = st.session_state["runs.shown"][rows[0]] if rows else None


def _row(row: Row, revealed: bool) -> dict[str, object]:
    spec = row.run.spec
    again = f", attempt {spec.attempt}" if spec.attempt > 1 else ""
    return {
        "state": str(row.state),
        "validation": row.validation_accuracy,
        "recipe": _words(spec.recipe) + again,
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


main()
