"""Sweeps: one recipe with several seeds, what they say, and whether one recipe is better than another."""

from collections.abc import Callable

import streamlit as st

from core.config import Recipe
from core.naming import distinct_names
from core.presets import PRESETS
from core.seed_table import Entry
from core.sweep import Sweep
from pages.parts import cache
from pages.parts.ablation import ablation
from pages.parts.comparison import comparison
from pages.parts.frame import frame, sentences
from pages.parts.hard_images import hard_images
from pages.parts.lucky_seed import lucky_seed
from pages.parts.pickers import ready_or_prepare
from pages.parts.recipe_changes import FIRST_PRESET, changes_in_words
from pages.parts.reveal import is_revealed, reveal_panel
from pages.parts.seed_pictures import curves, heat_maps, robust, strip
from pages.parts.seed_table import entries, seed_table
from pages.parts.seeds_report import sweep_report
from pages.parts.sweep_choice import choose_sweeps
from pages.parts.sweep_control import sweep_controls
from pages.parts.sweep_form import sweep_form


def main() -> None:
    frame("Seeds", "Would another seed do the same? Repeat a recipe, and read what may be claimed.")
    with sentences():
        found = cache.sweeps()
        shown = choose_sweeps(found) if found else _nothing_yet()
        _launch(shown)
        sweep_controls(found, [sweep.digest for sweep in shown])
        if shown:
            reveal_panel(shown)
        _tabs(shown, found)


def _nothing_yet() -> list[Sweep]:
    st.info(
        "There are no runs yet: choose a recipe on the Train page and repeat it over seeds.",
        icon=":material/casino:",
    )
    st.page_link("pages/train.py", label="Choose a recipe", icon=":material/school:")
    return []


def _launch(shown: list[Sweep]) -> None:
    """Repeat the recipe of the form on Train, or those that are looked at."""
    with st.expander(
        "Repeat over seeds", expanded=not shown, icon=":material/repeat:", key="launch", on_change="rerun"
    ) as launch:
        if not launch.open:
            return
        recipes = {sweep.digest: sweep.recipe for sweep in shown}
        draft = Recipe.from_dict(st.session_state.get("draft", PRESETS[FIRST_PRESET].recipe.to_dict()))
        options = [*recipes, "draft"]
        names = dict(zip(options, distinct_names([*recipes.values(), draft]), strict=True))
        wanted = st.multiselect(
            "Recipes",
            options,
            default=list(recipes) or ["draft"],
            format_func=lambda name: (
                f"As on the Train page: {names[name]}" if name == "draft" else names[name]
            ),
            key=f"launch.recipes.{'.'.join(recipes)}",
            help="Each gets the same seeds; runs that exist are reused.",
        )
        chosen = [draft if name == "draft" else recipes[name] for name in wanted]
        if "draft" in wanted:
            st.caption(f"The recipe of the Train page. {changes_in_words(draft)}")
        if all(ready_or_prepare(recipe.dataset, recipe.image_size, "prepare-launch") for recipe in chosen):
            sweep_form(chosen, "launch")


def _tabs(shown: list[Sweep], found: list[Sweep]) -> None:
    names = distinct_names([sweep.recipe for sweep in shown])
    # One kind of figure for all: validation and test are no scale to sort or compare on together.
    looks = [is_revealed(sweep) for sweep in shown if sweep.finished]
    rows, pending = entries(shown, names, bool(looks) and all(looks))
    views = {
        "Seed table": lambda: _overview(rows, pending),
        "Curves": lambda: curves(rows),
        "Recipe against recipe": lambda: comparison(rows),
        "Robust?": lambda: _one(rows, "robust", _robustness),
        "Images": lambda: _one(rows, "images", hard_images),
        "Ablation ladder": lambda: ablation({sweep.digest: sweep for sweep in found}),
        "Lucky seed": lambda: lucky_seed(rows),
    }
    for tab, draw in zip(
        st.tabs(list(views), key="seeds.tab", on_change="rerun"), views.values(), strict=True
    ):
        if tab.open:
            with tab, sentences():
                draw()


def _overview(rows: list[Entry], pending: int) -> None:
    if not rows:
        st.caption("Choose at least one recipe above.")
        return
    strip(rows)
    seed_table(rows, pending)


def _robustness(entry: Entry) -> None:
    robust(entry)
    heat_maps(entry)
    sweep_report(entry)


def _one(rows: list[Entry], key: str, draw: Callable[[Entry], None]) -> None:
    """A view of one recipe, whose test images were looked at."""
    ready = [entry for entry in rows if entry.sweep.finished]
    if not ready:
        st.caption("This begins with the first run that finishes.")
        return
    place = 0
    if len(ready) > 1:
        place = st.selectbox(
            "Recipe",
            list(range(len(ready))),
            format_func=lambda index: ready[index].name,
            key=f"seeds.{key}.{len(ready)}",
            help="This view is about one recipe: choose which.",
        )
    if not ready[place].revealed:
        st.info(
            "This rests on the test images: reveal the test figures above.", icon=":material/visibility_off:"
        )
        return
    draw(ready[place])


main()
