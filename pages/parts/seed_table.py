"""The seed table on the screen, and as a file to take home."""

import math
import time
from typing import Any

import pandas as pd
import streamlit as st

from core import study
from core.errors import UserError
from core.seed_table import SORTS, Entry, columns, judged_on, table
from core.stats import Interval
from core.sweep import Sweep
from core.tables import render
from pages.parts import cache
from pages.parts.pace import ticking
from pages.parts.words import escaped

BUDGET_SECONDS = 0.5
"""So long a page may work out figures before it shows what it has; the rest follows by itself."""
MOST_RECIPES = 100
ROW_PX, MOST_ROWS = 35, 14
MOST_REMARKS = 6  # recipes whose remarks stand under the table, too

FILES = {
    "CSV": ("csv", "text/csv"),
    "LaTeX": ("latex", "text/x-tex"),
    "Markdown": ("markdown", "text/markdown"),
}
SUFFIX = {"csv": "csv", "latex": "tex", "markdown": "md"}


def entries(sweeps: list[Sweep], names: list[str], revealed: bool) -> tuple[list[Entry], int]:
    """What the table needs of each sweep; and of how many the figures are still to be worked out."""
    deadline, pending, found = time.monotonic() + BUDGET_SECONDS, 0, []
    for sweep, name in zip(sweeps, names, strict=True):
        figures = study.kept_robustness(cache.store(), sweep) if revealed else None
        if revealed and sweep.finished and figures is None:
            if time.monotonic() < deadline:
                figures = _worked_out(sweep)
            else:
                pending += 1
        found.append(Entry(name, sweep, revealed, figures, cache.class_names(sweep) if revealed else ()))
    return found, pending


def _worked_out(sweep: Sweep) -> study.Robustness | None:
    """None, and the reason as a sentence, where predictions are lost; accuracies are told all the same."""
    try:
        figures = study.robustness(cache.study(sweep))
    except UserError as error:
        st.error(escaped(str(error)), icon=":material/error:")
        return None
    study.keep_robustness(cache.store(), sweep, figures)
    return figures


def seed_table(shown: list[Entry], pending: int) -> None:
    """The table with its order, its seeds, and its downloads."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sort = st.selectbox(
            "Order of the recipes",
            list(SORTS),
            key="seeds.sort",
            width=220,
            help="In which order the recipes stand in the table; their seeds stay below them.",
        )
        seeds = st.toggle(
            "Each seed",
            len(shown) <= 4,
            key="seeds.each",
            help="A row for each seed below its recipe. Off: the recipes alone.",
        )
        st.toggle(
            "Median, lowest, highest",
            key="seeds.more",
            persist_state="session",
            help="Three more columns for each recipe: its middle seed and its extremes. Lowest and highest move apart with more seeds.",
        )
    rows = table(shown[:MOST_RECIPES], sort, seeds)
    drawn = pd.DataFrame([_shown(row, row["n"] is not None) for row in rows])
    empty = [name for name in drawn if drawn[name].isna().all() or (drawn[name] == "").all()]
    st.dataframe(
        drawn.drop(columns=empty),
        hide_index=True,
        height=38 + ROW_PX * min(len(rows), MOST_ROWS),
        column_config=_column_config(),
        placeholder="",
        alt="Seed table: a row for each recipe, and one for each of its seeds",
    )
    if len(shown) > MOST_RECIPES:
        st.caption(f"The newest {MOST_RECIPES} of {len(shown):,} recipes.")
    st.caption(f"Judged on {judged_on(shown)} images.")
    for entry in shown[:MOST_REMARKS]:
        for remark in entry.sweep.remarks():
            st.caption(escaped(f"{entry.name}: {remark}"))
    if pending:
        ticking(_wait, 0.5)(time.monotonic())
        st.caption(f"Figures of {pending} recipes are still being worked out …")
    _downloads(rows, shown[:MOST_RECIPES])


def _wait(drawn: float) -> None:
    """Draw the page anew soon: each time it works out some more."""
    if time.monotonic() - drawn > 0.4:
        st.rerun()


def _shown(row: dict[str, Any], whole: bool) -> dict[str, Any]:
    """A row as the screen writes it: percent and points, intervals as text."""
    return {
        "recipe": row["recipe"] if whole else "↳",
        "seeds": row["seed"],
        "n": row.get("n"),
        "mean": _percent(row.get("mean")),
        "interval": _interval(row.get("mean_interval")),
        "sd": _percent(row.get("sd")),
        "sd interval": _interval(row.get("sd_interval")),
        "state": row["state"],
        "disagree": _percent(row.get("churn")),
        "together": _percent(row.get("ensemble")),
        "weakest class": _weakest(row),
        "of the recipe": _of_the_recipe(row),
        **(_more(row) if st.session_state.get("seeds.more") else {}),
    }


def _more(row: dict[str, Any]) -> dict[str, Any]:
    """Figures that fewer people ask for."""
    return {
        "median": _percent(row.get("median")),
        "middle half": _percent(row.get("interquartile_mean")),
        "lowest": _percent(row.get("low")),
        "highest": _percent(row.get("high")),
    }


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _interval(value: Interval | None) -> str:
    return f"{100 * value.low:.2f} to {100 * value.high:.2f}" if value else ""


def _of_the_recipe(row: dict[str, Any]) -> str:
    variance = row.get("seed_variance")
    if variance is None:
        return ""
    return f"{100 * math.sqrt(variance):.2f}" if variance > 0 else "not distinguishable from 0"


def _weakest(row: dict[str, Any]) -> str:
    recall = row.get("worst_recall")
    return "" if recall is None else f"{row['worst_class']} {recall:.0%}"


def _column_config() -> dict[str, Any]:
    percent, points = "%.2f%%", "%.2f"
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "recipe": text(width=230, pinned=True),
        "n": number(format="%d", help="Runs that finished; others are told under state.", width="small"),
        "mean": number(format=percent, help="Mean accuracy over seeds; of a single seed its accuracy."),
        "interval": text(
            "95% interval",
            help="Recipes: Student's t over seeds, on these images; of two or three seeds it may reach beyond 100, so little "
            "do they say. Single seeds, on test: Wilson's interval over images.",
        ),
        "sd": number(format=points, help="Standard deviation over seeds (ddof = 1), in points."),
        "sd interval": text(
            "its interval", help="95%, chi-square: how well so few seeds know the deviation."
        ),
        "of the recipe": text(
            "sd beyond these images",
            help="What would be left of the deviation on endlessly many images like these, in points (Jordan's split): "
            "the rest is luck on these very test images. A rough figure: recipes without any such deviation still show "
            "one in about 4 of 10 sweeps.",
        ),
        "weakest class": text(help="The class recognised least, in the seed where that is worst."),
        "disagree": number(
            "seeds disagree", format=percent, help="Images on which two seeds answer differently, on average."
        ),
        "together": number(
            format=percent, help="Accuracy of all seeds together, their probabilities averaged."
        ),
        "median": number(format=percent),
        "middle half": number(
            format=percent, help="Interquartile mean: the mean of the middle half of the seeds."
        ),
        "lowest": number(format=percent),
        "highest": number(
            format=percent, help="Mostly luck: of 10 seeds the best lies 1.54 deviations above the mean."
        ),
        "state": text(
            width="medium", help="Of its runs; and whether seeds were added when results were known."
        ),
    }


def _downloads(rows: list[dict[str, Any]], shown: list[Entry]) -> None:
    if not rows:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        for title, (kind, mime) in FILES.items():
            st.download_button(
                title,
                lambda kind=kind: _file(rows, shown, kind).encode("utf-8-sig" if kind == "csv" else "utf-8"),
                file_name=f"seed-table.{SUFFIX[kind]}",
                mime=mime,
                key=f"seeds.download.{kind}",
                icon=":material/download:",
                on_click="ignore",
            )


def _file(rows: list[dict[str, Any]], shown: list[Entry], kind: str) -> str:
    chosen = columns(shown, short=kind != "csv")
    whole = [{column.key: row.get(column.key) for column in chosen} for row in rows]
    return render(
        whole, chosen, f"{judged_on(shown).capitalize()} accuracy over seeds. Intervals: 95%.", kind
    )
