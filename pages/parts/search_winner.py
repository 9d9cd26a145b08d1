"""The best run of a search: what it reached, what that is worth, and where to go from there."""

import streamlit as st

from core import search_figures as figures
from core.config import KNOBS, Recipe
from core.events import Finished
from core.search_worth import worth
from core.searches import Outcome, SearchFiles
from pages.parts import cache
from pages.parts.frame import wrapping_columns
from pages.parts.live_chart import live_chart
from pages.parts.recipe_form import value_title
from pages.parts.reveal import are_shown, reveal_one
from pages.parts.words import escaped, percent

IMPORTANCE_HEIGHT_PX = 200
WHERE = "search page"
"""What is written down of a look at test here."""


def winner(files: SearchFiles, best: Outcome, compared: int) -> None:
    """Args: compared: from how many runs it was chosen."""
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
        started = cache.history(best.run.id).started
        st.caption(worth(best.accuracy, compared, started and started.validation_images))
        _ways(files, best)
    with right:
        _importances(files)


def _figures(best: Outcome) -> None:
    """Validation, and test behind a button."""
    run, revealed = best.run, are_shown([best.run], WHERE)
    end = cache.history(run.id).end
    columns = st.columns(2)
    columns[0].metric(
        "Validation accuracy",
        percent(best.accuracy),
        help="The search chooses by this figure; what that makes it worth stands below.",
    )
    shown = percent(end.test_accuracy) if revealed and isinstance(end, Finished) else "covered"
    columns[1].metric(
        "Test accuracy",
        shown,
        help="Of images that chose nothing: the honest figure of this one run, for the end of all searching.",
    )
    hint = "Written down for the run: who looks at test while searching has no test left."
    with columns[1]:
        reveal_one(run, WHERE, "search.reveal", hint)


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
