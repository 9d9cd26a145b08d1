"""The lucky-seed lesson: two equal recipes, and how often one of them seems to win."""

import numpy as np
import streamlit as st

from core import lesson, seed_figures
from core.seed_table import Entry, accuracies
from pages.parts.frame import wrapping_columns
from pages.parts.live_chart import live_chart
from pages.parts.words import escaped

FEWEST = 5  # seeds of a recipe that may serve as the pool
DRAWS = 4000
REPORT_MEAN, REPORT_SD = 75.91, 0.34  # the report's ten seeds, percent and points


def lucky_seed(shown: list[Entry]) -> None:
    """Draw arms of 1, 3 and 10 seeds from the same recipe, again and again."""
    st.markdown(
        "Two recipes that are **equal**: whichever seems better is so by luck. How large a lead does luck give, and how "
        "often would we have believed it?"
    )
    pools = {
        f"Your runs: {e.name} ({len(e.sweep.finished)} seeds)": e
        for e in shown
        if len(e.sweep.finished) >= FEWEST
    }
    left, middle, right = wrapping_columns([2, 1, 1], "lesson")
    name = left.selectbox("Accuracies from", [*pools, "Simulated (no real runs)"], key="lesson.pool")
    if name in pools:
        pool = accuracies(pools[name])
        pool_sd = 100 * float(pool.std(ddof=1))
        middle.metric("Their deviation", f"{pool_sd:.2f} points")
    else:
        sd = middle.number_input(
            "Deviation over seeds (points)",
            0.01,
            10.0,
            REPORT_SD,
            0.01,
            help="0.34 is the report's figure for its baseline over ten seeds.",
        )
        pool = lesson.Simulated(REPORT_MEAN / 100, sd / 100)
        pool_sd = sd
    lead = right.number_input(
        "A lead that looks good (points)", 0.01, 20.0, max(0.01, round(1.2 * pool_sd, 2)), 0.05
    )
    found = lesson.lesson(pool, draws=DRAWS, generator=np.random.default_rng(0))
    live_chart(
        seed_figures.leads(found.leads(), lead / 100),
        "lesson-leads",
        300,
        "How large a lead two equal recipes show with 1, 3 and 10 seeds each",
    )
    st.caption(f"{DRAWS:,} comparisons of two equal recipes for each number of seeds; {found.source}.")
    lines = [
        "| seeds each | typical lead | lead of at least that | called different by Welch's test |",
        "|---|---|---|---|",
    ]
    for one in found.by_n.values():
        alarms = (
            "one run each has no test"
            if np.isnan(one.welch_false_alarms)
            else f"{one.welch_false_alarms:.1%}"
        )
        lines.append(
            f"| {one.n} | {100 * np.median(one.leads):.2f} points | {one.share(lead / 100):.0%} | {alarms} |"
        )
    st.markdown("\n".join(lines))
    _draw_again(pool)


def _draw_again(pool: np.ndarray | lesson.Simulated) -> None:
    """One comparison at a time, for a class to bet on."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n = st.segmented_control("Seeds each", [1, 3, 10], default=1, required=True, key="lesson.n")
        if st.button("Draw again", key="lesson.draw", icon=":material/casino:"):
            st.session_state["lesson.seed"] = st.session_state.get("lesson.seed", 0) + 1
    seed = st.session_state.get("lesson.seed", 0)
    a, b = lesson.one_draw(pool, n, np.random.default_rng(seed))
    seeds = np.arange(n)
    live_chart(
        seed_figures.seed_strip(
            {"A": a, "B": b}, {"A": None, "B": None}, {"A": seeds, "B": seeds}, "accuracy"
        ),
        "lesson-strip",
        220,
        "One draw of both recipes",
    )
    ahead = "A" if a.mean() > b.mean() else "B"
    gap = abs(100 * (a.mean() - b.mean()))
    st.markdown(escaped(f"{ahead} “wins” by {gap:.2f} points, and it is the same recipe."))
