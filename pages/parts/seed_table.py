"""The seed table on the screen, and as a file to take home."""

import time
from typing import Any

import pandas as pd
import streamlit as st

from core import study
from core.seed_table import SORTS, Entry, table
from core.stats import Interval
from core.sweep import Sweep
from core.tables import Column, render
from pages.parts import cache

BUDGET_SECONDS = 0.5
"""So long a page may work out figures before it shows what it has; the rest follows by itself."""
MOST_RECIPES = 100
ROW_PX, MOST_ROWS = 35, 14

FILES = {
    "CSV": ("csv", "text/csv"),
    "LaTeX": ("latex", "text/x-tex"),
    "Markdown": ("markdown", "text/markdown"),
}
SUFFIX = {"csv": "csv", "latex": "tex", "markdown": "md"}


def entries(sweeps: list[Sweep], names: list[str], revealed: list[bool]) -> tuple[list[Entry], int]:
    """What the table needs of each sweep; and of how many the figures are still to be worked out."""
    deadline, pending, found = time.monotonic() + BUDGET_SECONDS, 0, []
    for sweep, name, shown in zip(sweeps, names, revealed, strict=True):
        figures = study.kept_robustness(cache.store(), sweep) if shown else None
        if shown and sweep.finished and figures is None:
            if time.monotonic() < deadline:
                figures = study.robustness(cache.study(sweep))
                study.keep_robustness(cache.store(), sweep, figures)
            else:
                pending += 1
        found.append(Entry(name, sweep, shown, figures, cache.class_names(sweep) if shown else ()))
    return found, pending


def seed_table(shown: list[Entry], pending: int) -> None:
    """The table with its order, its seeds, and its downloads."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sort = st.selectbox("Order of the recipes", list(SORTS), key="seeds.sort", width=220)
        seeds = st.toggle("Show each seed", len(shown) <= 4, key="seeds.each")
    rows = table(shown[:MOST_RECIPES], sort, seeds)
    st.dataframe(
        pd.DataFrame([_shown(row, bool(row["n"] is not None)) for row in rows]),
        hide_index=True,
        height=38 + ROW_PX * min(len(rows), MOST_ROWS),
        column_config=_column_config(),
        placeholder="",
        alt="Seed table: a row for each recipe, and one for each of its seeds",
    )
    if len(shown) > MOST_RECIPES:
        st.caption(f"The newest {MOST_RECIPES} of {len(shown):,} recipes.")
    if pending:
        st.fragment(_wait, run_every=0.5)(time.time())
        st.caption(f"Figures of {pending} recipes are still being worked out …")
    _downloads(rows, shown[:MOST_RECIPES])


def _wait(drawn: float) -> None:
    """Draw the page anew soon: each time it works out some more."""
    if time.time() - drawn > 0.4:
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
        "of the recipe": _of_the_recipe(row),
        "weakest class": _weakest(row),
        "disagree": _percent(row.get("churn")),
        "together": _percent(row.get("ensemble")),
        "median": _percent(row.get("median")),
        "middle half": _percent(row.get("interquartile_mean")),
        "lowest": _percent(row.get("low")),
        "highest": _percent(row.get("high")),
        "judged on": row["judged_on"],
        "state": row["state"],
    }


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _interval(value: Interval | None) -> str:
    return f"{100 * value.low:.2f} to {100 * value.high:.2f}" if value else ""


def _of_the_recipe(row: dict[str, Any]) -> str:
    value = row.get("seed_sd")
    if value is None:
        return ""
    return f"{100 * value:.2f}" if value else "not told from 0"


def _weakest(row: dict[str, Any]) -> str:
    recall = row.get("worst_recall")
    return "" if recall is None else f"{row['worst_class']} {recall:.0%}"


def _column_config() -> dict[str, Any]:
    percent, points = "%.2f %%", "%.2f"
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "recipe": text(width=340),
        "n": number(format="%d", help="Runs that finished; others are told under state.", width="small"),
        "mean": number(format=percent, help="Mean accuracy over seeds; of a single seed its accuracy."),
        "interval": text(
            "95 % interval",
            help="Recipes: Student's t over seeds, on these images. Single seeds, on test: Wilson's interval over images.",
        ),
        "sd": number(format=points, help="Standard deviation over seeds (ddof = 1), in points."),
        "sd interval": text(
            "its interval", help="95 %, chi-square: how well so few seeds know the deviation."
        ),
        "of the recipe": text(
            help="What would be left of the deviation on endlessly many images like these, in points (Jordan's split): "
            "the rest is luck on these very test images."
        ),
        "weakest class": text(help="The class recognised least, in the seed where that is worst."),
        "disagree": number(format=percent, help="Images on which two seeds answer differently, on average."),
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
        "judged on": text(help="Validation until the test figures are revealed."),
        "state": text(width="medium"),
    }


def _columns(shown: list[Entry]) -> list[Column]:
    """Titles that say n and the kind of each interval, so that a table can stand alone."""
    sizes = sorted({len(entry.sweep.finished) for entry in shown})
    n = f"n = {sizes[0]}" if len(sizes) == 1 else f"n = {sizes[0]} to {sizes[-1]}, see its column"
    titles = {
        "recipe": ("recipe", "text"),
        "seed": ("seeds", "text"),
        "n": ("n", "int"),
        "judged_on": ("judged on", "text"),
        "mean": (f"mean accuracy ({n})", "accuracy"),
        "mean_interval": (
            "95 % interval (recipe: Student's t over seeds; seed: Wilson over images)",
            "interval",
        ),
        "sd": ("standard deviation over seeds (ddof = 1)", "points"),
        "sd_interval": ("95 % interval of it (chi-square)", "interval"),
        "seed_sd": ("deviation left on endlessly many images (0: not told from 0)", "points"),
        "median": ("median", "accuracy"),
        "interquartile_mean": ("interquartile mean", "accuracy"),
        "low": ("lowest", "accuracy"),
        "high": ("highest", "accuracy"),
        "worst_class": ("weakest class", "text"),
        "worst_recall": ("its recall", "share"),
        "churn": ("disagreement of two seeds", "share"),
        "ensemble": ("accuracy of all seeds together", "accuracy"),
        "state": ("state", "text"),
        "digest": ("digest", "text"),
    }
    return [Column(key, title, kind) for key, (title, kind) in titles.items()]


def _downloads(rows: list[dict[str, Any]], shown: list[Entry]) -> None:
    if not rows:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        for title, (kind, mime) in FILES.items():
            st.download_button(
                title,
                lambda kind=kind: _file(rows, shown, kind),
                file_name=f"seed-table.{SUFFIX[kind]}",
                mime=mime,
                key=f"seeds.download.{kind}",
                icon=":material/download:",
                on_click="ignore",
            )


def _file(rows: list[dict[str, Any]], shown: list[Entry], kind: str) -> str:
    columns = _columns(shown)
    whole = [{column.key: row.get(column.key) for column in columns} for row in rows]
    return render(whole, columns, "Accuracy over seeds, on these images. Intervals: 95 %.", kind)
