"""Entry point, `streamlit run dashboard.py`: what runs now, the latest results, first steps."""

import streamlit as st

from core import launch
from core.config import in_words
from core.index import Row
from core.paths import ROOT
from core.presets import PRESETS
from core.store import RunState
from pages.parts import cache
from pages.parts.frame import frame, sentences, wrapping_columns
from pages.parts.live import live
from pages.parts.pickers import dataset_title
from pages.parts.queue import queue
from pages.parts.words import ago, duration, escaped, percent

FIRST_SEED = 42
SHAPES_PICTURE = ROOT / "docs" / "shapes.png"  # a file, since drawing the set would delay the first page
LATEST = 5


def main() -> None:
    frame(
        "Overview",
        "Train small image classifiers on this machine, and see how they learn and where they end.",
    )
    rows = cache.rows()
    finished = [row for row in rows if row.state is RunState.FINISHED]
    active = {row.run.id: row.run for row in rows if row.state.active}
    current = next((run_id for run_id in [*cache.store().queued_ids(), *active] if run_id in active), None)
    if len(finished) < LATEST:
        _first_steps(rows, finished)
    if current:
        st.subheader("Now", anchor=False)
        live(active[current])
        queue(hidden=current)
    if finished:
        _latest(finished[:LATEST])


def _first_steps(rows: list[Row], finished: list[Row]) -> None:
    """Three steps to a first trained model; each tells whether it was taken."""
    st.subheader("First steps", anchor=False)
    look, train, judge = wrapping_columns(3, "steps", border=True)
    with look:
        _step(1, "Look at the data", "data.seen" in st.session_state)
        st.markdown("Ten kinds of shapes, drawn on this machine: what will a network find hard about them?")
        st.image(str(SHAPES_PICTURE), width="stretch", alt="Two images of each of the ten kinds of shapes")
        st.page_link("pages/data.py", label="See the images", icon=":material/image:")
    with train, sentences():
        _step(2, "Train a first model", bool(finished))
        preset = PRESETS["quick"]
        st.markdown(f"{preset.summary} Watch it learn, then see where training and validation part.")
        if st.button("Train it now", type="primary", key="first-run", icon=":material/play_arrow:"):
            run, _ = launch.start(cache.store(), preset.recipe, FIRST_SEED)
            st.switch_page("pages/train.py", query_params={"run": run.id})
    with judge:
        _step(3, "Judge it", any(row.looks for row in rows))
        st.markdown(
            "See what it reached on images it never learned from, its log, and with what it was computed. "
            "Test accuracy stays covered until you ask for it. Take its weights home."
        )
        st.page_link("pages/runs.py", label="Open the runs", icon=":material/list_alt:")


def _step(number: int, title: str, done: bool) -> None:
    icon = ":material/check_circle:" if done else f":material/counter_{number}:"
    st.markdown(f"##### {icon} {title}")


def _latest(finished: list[Row]) -> None:
    st.subheader("Latest results", anchor=False)
    for row in finished:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.metric("Validation", percent(row.validation_accuracy), width=130)
            spec = row.run.spec
            st.markdown(
                f"**{in_words(spec.recipe)}**  \n{escaped(dataset_title(spec.recipe.dataset))} · seed {spec.seed} · "
                f"{duration(row.train_seconds)} · {ago(spec.created)}"
            )
            st.page_link("pages/runs.py", label="Open", query_params={"run": row.run.id})


main()
