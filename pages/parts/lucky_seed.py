"""The lucky-seed lesson: two equal recipes, and how often one of them seems to win."""

import numpy as np
import pandas as pd
import streamlit as st

from core import lesson, seed_figures
from core.seed_table import Entry, accuracies, judged_on
from pages.parts.frame import wrapping_columns
from pages.parts.live_chart import live_chart

FEWEST = 5  # seeds of a recipe that may serve as the pool
DRAWS = 4000
REPORT_MEAN, REPORT_SD = 75.91, 0.34  # the report's ten seeds, percent and points


def lucky_seed(shown: list[Entry]) -> None:
    """Draw arms of 1, 3 and 10 seeds from the same recipe, again and again."""
    st.markdown(
        "Two recipes that are **equal**: whichever seems better is so by luck. How large a lead does luck give, and how "
        "often would we have believed it?"
    )
    pool, told, lead = _pool(shown)
    found = lesson.lesson(pool, draws=DRAWS, generator=np.random.default_rng(0))
    live_chart(
        seed_figures.leads(found.leads(), lead),
        "lesson-leads",
        300,
        "How large a lead two equal recipes show with 1, 3 and 10 seeds each",
    )
    st.caption(f"{DRAWS:,} comparisons of two equal recipes for each number of seeds; {found.source}. {told}")
    st.dataframe(
        pd.DataFrame([_row(one, lead) for one in found.by_n.values()]),
        hide_index=True,
        column_config=_COLUMNS,
        alt=f"How far two equal recipes lie apart by luck, for each number of seeds, and how often by {100 * lead:.2f} points",
    )
    _draw_again(pool)


def _row(one: lesson.Luck, lead: float) -> dict[str, str]:
    alone = np.isnan(one.welch_false_alarms)
    return {
        "seeds each": f"{one.n}",
        "typical lead": f"{100 * np.median(one.leads):.2f} points",
        "so large a lead": f"{one.share(lead):.1%}",
        "best seed above the mean": "–"
        if one.n == 1 or np.isnan(one.best_sds)
        else f"{one.best_sds:.2f} deviations",
        "Welch calls them different": "one run each: no test" if alone else f"{one.welch_false_alarms:.1%}",
    }


_COLUMNS = {
    "typical lead": st.column_config.TextColumn(help="Half of the comparisons show a larger one."),
    "so large a lead": st.column_config.TextColumn(
        help="How often luck alone gives the lead that is set above, or more."
    ),
    "best seed above the mean": st.column_config.TextColumn(
        help="What is gained on paper by reporting the best seed, in standard deviations over seeds."
    ),
    "Welch calls them different": st.column_config.TextColumn(
        help="False alarms of the test on the Seeds page; it is made to give 5%."
    ),
}


def _pool(shown: list[Entry]) -> tuple[np.ndarray | lesson.Simulated, str, float]:
    """Where accuracies are drawn from, what has to be said of that, and the lead that looks good."""
    pools = {
        f"Your runs: {entry.name} ({len(entry.sweep.finished)} seeds)": entry
        for entry in shown
        if len(entry.sweep.finished) >= FEWEST
    }
    left, middle, right = wrapping_columns(3, "lesson")
    name = left.selectbox(
        "Accuracies from",
        [*pools, "Simulated (no real runs)"],
        key="lesson.pool",
        help="Accuracies are drawn from these, for A and for B alike: two names for one recipe.",
    )
    if not pools:
        st.caption(f"Own runs may serve, too, from {FEWEST} finished seeds of a chosen recipe on.")
    if name in pools:
        pool = accuracies(pools[name])
        sd = 100 * float(pool.std(ddof=1))
        middle.metric(
            "Their deviation",
            f"{sd:.2f} points",
            help="Standard deviation over seeds: how far one run usually lies from the mean.",
        )
        told = f"Accuracies on {judged_on([pools[name]])}. So few runs vary less than many would: luck is understated."
    else:
        sd = middle.number_input(
            "Deviation over seeds (points)",
            0.01,
            10.0,
            REPORT_SD,
            0.01,
            help="0.34 is the report's figure for its baseline over ten seeds.",
        )
        pool, told = lesson.Simulated(REPORT_MEAN / 100, sd / 100), ""
    lead = right.number_input(
        "A lead that looks good (points)",
        0.01,
        20.0,
        max(0.01, round(1.2 * sd, 2)),
        0.05,
        help="How far ahead one recipe has to be before somebody would call it better. The figures tell how often luck alone does that.",
    )
    return pool, told, lead / 100


def _draw_again(pool: np.ndarray | lesson.Simulated) -> None:
    """One comparison at a time, for a class to bet on."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n = st.segmented_control(
            "Seeds each",
            [1, 3, 10],
            default=1,
            required=True,
            key="lesson.n",
            help="How many runs each of the two gets; their means are compared. More seeds, less luck.",
        )
        if st.button("Draw again", key="lesson.draw", icon=":material/casino:"):
            st.session_state["lesson.seed"] = st.session_state.get("lesson.seed", 0) + 1
    a, b = lesson.one_draw(pool, n, np.random.default_rng(st.session_state.get("lesson.seed", 0)))
    numbers = np.arange(1, n + 1)
    live_chart(
        seed_figures.seed_strip(
            {"A": a, "B": b}, {"A": None, "B": None}, {"A": numbers, "B": numbers}, "accuracy"
        ),
        "lesson-strip",
        220,
        "One draw of both recipes",
    )
    gap = 100 * float(a.mean() - b.mean())
    if round(gap, 9) == 0:
        st.markdown("A tie, as it should be: it is the same recipe.")
    else:
        st.markdown(f"{'A' if gap > 0 else 'B'} “wins” by {abs(gap):.2f} points, and it is the same recipe.")
