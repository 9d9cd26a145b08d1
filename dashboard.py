"""Entry point, `streamlit run dashboard.py`: what runs now, the latest results, first steps."""

import streamlit as st

from core.config import in_words
from core.index import Row
from core.run_filter import active_runs, newest_finished
from pages.parts import cache
from pages.parts.first_steps import first_steps
from pages.parts.frame import frame
from pages.parts.live import live
from pages.parts.live_chart import load_ahead
from pages.parts.pickers import dataset_title
from pages.parts.queue import queue
from pages.parts.words import ago, duration, escaped, percent

LATEST = 5


def main() -> None:
    frame(
        "Overview",
        "Train small image classifiers on this machine, and see how they learn and where they end.",
    )
    latest, active = cache.of_rows(newest_finished, LATEST), cache.of_rows(active_runs)
    current = next((run_id for run_id in [*cache.store().queued_ids(), *active] if run_id in active), None)
    first_steps(even_taken=len(latest) < LATEST)
    if current:
        st.subheader("Now", anchor=False)
        live(active[current])
        queue(hidden=current)
    if latest:
        _latest(latest)
    cache.warm_up()
    load_ahead()


def _latest(finished: list[Row]) -> None:
    st.subheader("Latest results", anchor=False)
    for row in finished:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.metric(
                "Validation",
                percent(row.validation_accuracy),
                help="The share of the images held out from training that it got right: the figure to choose by.",
                width=130,
            )
            spec = row.run.spec
            st.markdown(
                f"**{in_words(spec.recipe)}**  \n{escaped(dataset_title(spec.recipe.dataset))} · seed {spec.seed} · "
                f"{duration(row.train_seconds)} · {ago(spec.created)}"
            )
            st.page_link("pages/runs.py", label="Open", query_params={"run": row.run.id})


main()
