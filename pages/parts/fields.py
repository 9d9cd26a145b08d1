"""Fields of all runs of the table against their validation accuracy."""

import math

import numpy as np
import streamlit as st

from core.config import KNOBS
from core.field_figures import (
    Scale,
    choice_scale,
    field_scatter,
    is_logarithmic,
    numeric_scale,
    parallel,
)
from core.index import Row
from core.run_filter import recipe_words
from core.side_by_side import field_values, is_numeric, varying_fields
from core.wording import value_title
from pages.parts.live_chart import live_chart
from pages.parts.words import runs_in_words

ACCURACY = "validation accuracy"
MOST_LINES = 6
MOST_RUNS = 5000
"""More than there are pixels for; browsers take seconds over them."""
SCATTER_PX, PARALLEL_PX = 400, 420

AXIS_PX = 125
"""So much room an axis of the parallel coordinates has at least: where the page is narrower, it scrolls."""

_STYLE = """<style>
.parcoords .domain, .parcoords .tick > line {{ stroke: currentColor !important; }}
.st-key-fields-wide {{ overflow-x: auto; }}
.st-key-fields-wide > * {{ min-width: {width}px; }}
</style>"""
"""Plotly draws these axes black, on a dark page too."""


def field_figures(rows: list[Row]) -> None:
    """Folded up until somebody asks.

    Args:
        rows: those of the table, as search and filter left them.
    """
    with st.expander(
        "Fields against accuracy, over all runs of this table",
        icon=":material/scatter_plot:",
        key="fields",
        on_change="rerun",
    ) as panel:
        if panel.open:
            _panel(rows)


def _panel(rows: list[Row]) -> None:
    judged = [
        row
        for row in rows[:MOST_RUNS]
        if row.validation_accuracy is not None and math.isfinite(row.validation_accuracy)
    ]
    fields = sorted(varying_fields(judged), key=lambda name: not KNOBS[name].main)  # what matters most first
    if len(judged) < 2 or not fields:
        st.caption(
            "This takes two runs at least whose recipes differ in a field, with a validation accuracy."
        )
        return
    datasets = {(row.run.spec.recipe.dataset, row.run.spec.data_fingerprint) for row in judged}
    if len(datasets) > 1:
        st.warning(
            f"These runs are on {len(datasets)} data sets, whose accuracies don't compare: choose one in the filter.",
            icon=":material/warning:",
        )
    _scatter(judged, fields)
    _parallel(judged, fields)
    words = "A search by eye over validation: of many runs the best one is partly the luckiest; seeds tell."
    out = len(rows[:MOST_RUNS]) - len(judged)
    left = f" {runs_in_words(out)} without a validation accuracy left out." if out else ""
    if len(rows) > MOST_RUNS:
        left += (
            f" Of {len(rows):,} runs these are the first {MOST_RUNS:,}: search and filter leave you others."
        )
    st.caption(f"{runs_in_words(len(judged))}.{left} {words}")


def _scatter(rows: list[Row], fields: list[str]) -> None:
    numeric = [name for name in fields if is_numeric(name)] or fields
    numeric.sort(key=lambda name: name != "learning_rate")  # most people's first question
    with st.container(horizontal=True):
        x = _choice("Across", numeric, "fields.x", "Which field runs from left to right.")
        y = _choice(
            "Upwards",
            [ACCURACY, *(name for name in numeric if name != x)],
            "fields.y",
            "A second field shows where in between both the accuracy, as a colour, is high.",
        )
    names = [f"{recipe_words(row.run.spec.recipe)}, seed {row.run.spec.seed}" for row in rows]
    live_chart(
        field_scatter(_scale(rows, x), None if y == ACCURACY else _scale(rows, y), _accuracies(rows), names),
        "fields-scatter",
        SCATTER_PX,
        f"{KNOBS[x].label} of {len(rows)} runs against "
        + (ACCURACY if y == ACCURACY else f"{KNOBS[y].label}; {ACCURACY} as the colour"),
    )


def _choice(label: str, options: list[str], key: str, help: str) -> str:
    """A selectbox that forgets a choice which the rows no longer offer."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[0]
    return st.selectbox(
        label,
        options,
        format_func=lambda name: ACCURACY if name == ACCURACY else KNOBS[name].label,
        key=key,
        persist_state="session",
        width=220,
        help=help,
    )


def _parallel(rows: list[Row], fields: list[str]) -> None:
    held = st.session_state.get("fields.lines")
    known = [name for name in held or [] if name in fields]
    st.session_state["fields.lines"] = known or fields[:MOST_LINES]
    chosen = st.multiselect(
        "Parallel coordinates through",
        fields,
        format_func=lambda name: KNOBS[name].label,
        key="fields.lines",
        persist_state="session",
        help="A line is a run. Draw along an axis to keep the runs that pass there; drag a name to move its axis.",
    )
    st.html(_STYLE.format(width=AXIS_PX * (len(chosen) + 1)))
    with st.container(key="fields-wide"):
        live_chart(
            parallel([_scale(rows, name) for name in chosen], _accuracies(rows)),
            "fields-parallel",
            PARALLEL_PX,
            f"Parallel coordinates of {len(rows)} runs through {len(chosen)} fields to their validation accuracy",
        )


def _accuracies(rows: list[Row]) -> np.ndarray:
    return np.array([row.validation_accuracy for row in rows], dtype=float)


def _scale(rows: list[Row], name: str) -> Scale:
    """A field as an axis, in the words of the form."""
    knob, values = KNOBS[name], field_values(rows, name)
    words = {value: "none" if value is None else _short(name, value) for value in set(values)}
    shown = [words[value] for value in values]
    if is_numeric(name):
        label = f"{knob.label} ({knob.unit})" if knob.unit else knob.label
        return numeric_scale(label, values, is_logarithmic(name), shown)
    return choice_scale(knob.label, shown)


def _short(name: str, value: object) -> str:
    """Without its unit, which stands at the axis."""
    return f"{value:,.6g}" if is_numeric(name) else value_title(name, value)
