"""The best run of a search: what it reached, what that is worth, and where to go from there."""

import math

import streamlit as st

from core import search_figures as figures
from core.config import KNOBS, Recipe
from core.events import Finished
from core.searches import Outcome, SearchFiles
from core.store import Run
from pages.parts import cache
from pages.parts.frame import told, wrapping_columns
from pages.parts.live_chart import live_chart
from pages.parts.recipe_form import value_title
from pages.parts.words import escaped, percent

IMPORTANCE_HEIGHT_PX = 200


def winner(files: SearchFiles, best: Outcome, finished: int) -> None:
    """Args: finished: of how many runs it is the best."""
    left, right = wrapping_columns([3, 2], "search-winner", gap="large")
    with left, st.container(border=True, key="search-best"):
        running = "" if files.over else " so far"
        st.markdown(f"##### The best recipe{running}: run {best.trial.number}")
        values = [
            f"{KNOBS[name].label.lower()} **{escaped(value_title(name, value))}**"
            for name, value in best.trial.values.items()
        ]
        st.markdown(", ".join(values))
        _figures(best)
        st.caption(_worth(best, finished))
        _ways(files, best)
    with right:
        _importances(files)


def _figures(best: Outcome) -> None:
    """Validation, and test behind a button."""
    run, revealed = best.run, best.run.id in st.session_state.setdefault("revealed", [])
    end = cache.history(run.id).end
    columns = st.columns(2)
    columns[0].metric(
        "Validation accuracy",
        percent(best.accuracy),
        help="The search chose by this figure, so it flatters: see below.",
    )
    shown = percent(end.test_accuracy) if revealed and isinstance(end, Finished) else "covered"
    columns[1].metric(
        "Test accuracy",
        shown,
        help="Of images that chose nothing: the honest figure of this one run, for the end of all searching.",
    )
    if not revealed:
        hint = "Written down for the run: who looks at test while searching has no test left."
        columns[1].button(
            "Reveal",
            key="search.reveal",
            icon=":material/visibility:",
            help=hint,
            on_click=_reveal,
            args=(run,),
        )


def _reveal(run: Run) -> None:
    with told():
        run.look("search page")
        st.session_state["revealed"] = [*st.session_state["revealed"], run.id]


def _worth(best: Outcome, finished: int) -> str:
    """What the figure of a winner is worth."""
    started = cache.history(best.run.id).started
    chance = ""
    if started and started.validation_images:
        half = 1.96 * math.sqrt(best.accuracy * (1 - best.accuracy) / started.validation_images)
        chance = (
            f" With {started.validation_images:,} validation images chance alone moves one accuracy by "
            f"± {100 * half:.1f} points."
        )
    of = f"the highest of {finished} validation accuracies" if finished > 1 else "the only one so far"
    return (
        f"It is {of}, and it was chosen for being that: part of it is luck, and the true figure is lower.{chance} "
        "Repeat it over seeds before you believe it."
    )


def _ways(files: SearchFiles, best: Outcome) -> None:
    recipe = files.search.recipe(best.trial.values)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            "pages/runs.py",
            label="Open the run",
            icon=":material/list_alt:",
            query_params={"run": best.run.id},
        )
        if st.button(
            "Use on Train",
            key="search.use",
            icon=":material/school:",
            help="Fills the form of the Train page with this recipe.",
        ):
            _take(recipe)
            st.switch_page("pages/train.py")
        if st.button(
            "Repeat over seeds",
            key="search.seeds",
            icon=":material/casino:",
            help="Takes this recipe to the Seeds page, where you choose the seeds: is it good, or was it lucky?",
        ):
            _take(recipe)
            st.session_state["seeds.chosen"] = []  # nothing to look at yet: the form is open there
            st.switch_page("pages/seeds.py")


def _take(recipe: Recipe) -> None:
    st.session_state["draft"] = recipe.to_dict()


def _importances(files: SearchFiles) -> None:
    st.markdown(
        "##### What matters",
        help="Which fields decide whether a run is among the best ones, worked out from all that have ended "
        "(PED-ANOVA). It says nothing about values outside the ranges, and little after few runs.",
    )
    found = files.importances()
    if not found:
        st.caption("Told from eight runs on.")
        return
    names = [KNOBS[name].label for name in found]
    spec = figures.importance_bars(names, list(found.values()))
    alt = "Share of what decides: " + ", ".join(
        f"{name} {share:.0%}" for name, share in zip(names, found.values(), strict=True)
    )
    live_chart(spec, f"importances-{files.id}", IMPORTANCE_HEIGHT_PX, alt)
