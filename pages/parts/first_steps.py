"""The way to a first true insight, in five steps: which were taken, and the one that comes next."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from core import launch
from core.paths import ROOT
from core.presets import PRESETS
from core.run_filter import newest_finished
from core.seeds import FEWEST_SEEDS
from core.sweep import Sweep
from pages.parts import cache
from pages.parts.frame import sentences

FIRST_SEED = 42
SHAPES_PICTURE = ROOT / "docs" / "shapes.png"  # a file, since drawing the set would delay the first page


@dataclass(frozen=True)
class Step:
    """`done` is read from the runs, or from this browser tab where nothing else knows it."""

    title: str
    words: str
    done: bool
    act: Callable[[], None]
    """Draws the way there."""


def first_steps(even_taken: bool) -> None:
    """All five, each with its tick; the next one stands out.

    Args:
        even_taken: draw them where all were taken, too.
    """
    steps = _steps()
    taken = sum(step.done for step in steps)
    if taken == len(steps) and not even_taken:
        return
    upcoming = next((step for step in steps if not step.done), None)
    st.subheader("First steps", anchor=False)
    st.progress(taken / len(steps), f"{taken} of {len(steps)} steps taken")
    for number, step in enumerate(steps, 1):
        with st.container(border=True), sentences():
            _draw(number, step, step is upcoming)


def _draw(number: int, step: Step, is_next: bool) -> None:
    icon = ":material/check_circle:" if step.done else f":material/counter_{number}:"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        badge = " :blue-badge[next]" if is_next else ""
        st.markdown(f"**{icon} {step.title}**{badge}  \n{step.words}", width="stretch")
        step.act()
    if is_next and number == 1:
        st.image(str(SHAPES_PICTURE), width=640, alt="Two images of each of the ten kinds of shapes")


def _steps() -> list[Step]:
    rows, state = cache.rows(), st.session_state
    trained = bool(cache.of_rows(newest_finished, 1))
    repeated, comparable = cache.of_sweeps(_repeated)
    return [
        Step(
            "Look at the data",
            "Ten kinds of shapes, drawn on this machine: what will a network find hard about them?",
            "data.seen" in state or bool(rows),
            lambda: _link("pages/data.py", "See the images", ":material/image:"),
        ),
        Step(
            "Train a first model",
            "A very narrow network, in seconds. Watch it learn, and see where training and validation part.",
            trained,
            lambda: _train(trained),
        ),
        Step(
            "Would another seed do the same?",
            "Train the same recipe with five seeds: how far do they lie apart, by chance alone?",
            repeated,
            lambda: _link("pages/seeds.py", "Repeat over seeds", ":material/casino:"),
        ),
        Step(
            "Is B better than A?",
            "Change one thing on Train, repeat that, too, and read one sentence with its interval.",
            comparable,
            lambda: _link("pages/seeds.py", "Compare two recipes", ":material/compare_arrows:"),
        ),
        Step(
            "Classify your own photograph",
            "Ask a network that comes with Tenfold, or one that you trained, and see why it says so.",
            "classify.answers" in state or "classify.decoded" in state,
            lambda: _link("pages/classify.py", "Classify an image", ":material/center_focus_strong:"),
        ),
    ]


def _link(page: str, label: str, icon: str) -> None:
    st.page_link(page, label=label, icon=icon)


def _train(trained: bool) -> None:
    kind = "secondary" if trained else "primary"
    if st.button("Train it now", type=kind, key="first-run", icon=":material/play_arrow:"):
        run, _ = launch.start(cache.store(), PRESETS["quick"].recipe, FIRST_SEED)
        st.switch_page("pages/train.py", query_params={"run": run.id})


def _repeated(sweeps: list[Sweep]) -> tuple[bool, bool]:
    """Whether a recipe was repeated often enough, and whether two were on the same images."""
    seen: set[tuple[str, str]] = set()
    for sweep in sweeps:
        if len(sweep.finished) >= FEWEST_SEEDS:
            images = (sweep.recipe.dataset, sweep.data_fingerprint)
            if images in seen:
                return True, True
            seen.add(images)
    return bool(seen), False
