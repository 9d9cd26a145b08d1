"""Repeat a recipe over seeds: which seeds, what they vary, how long it takes, and the button."""

import dataclasses

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import launch
from core.config import Recipe, applying_fields
from core.errors import UserError
from core.estimate import START_SECONDS
from core.machine import places_for, slots
from core.sweep import parse_seeds, seeds_in_words
from pages.parts import cache
from pages.parts.frame import sentences, wrapping_columns
from pages.parts.pickers import fingerprint
from pages.parts.probing import wait_for_probe
from pages.parts.words import duration

SOURCES = ("weights", "order", "augmentation", "split")
VARIES = {
    "as the recipe says": None,
    "everything": SOURCES,
    "initial weights only": ("weights",),
    "order of images only": ("order",),
    "augmentation and dropout only": ("augmentation",),
    "validation split only": ("split",),
}
"""What a sweep may let the seed change: all chance, or one source of it alone."""


def sweep_form(recipes: list[Recipe], key: str, ladder: bool = False) -> None:
    """Draw the form for one recipe or several, each of which gets the same seeds.

    Args:
        recipes: their images are ready.
        key: another for each form of a page.
        ladder: the recipes are steps of the ladder: what the seed changes stays as they say, and the page
            goes back to them.
    """
    left, right = wrapping_columns(2, f"{key}-form")
    text = left.text_input(
        "Seeds",
        "0-9",
        key=f"{key}.seeds",
        help="A range (0-9), a list (1, 7, 42), or a number of them (10 seeds). Decide before you see results: "
        "seeds that are added later are marked as such.",
    )
    sources = None if ladder else VARIES[_varies(right, key)]
    with sentences():
        seeds = parse_seeds(text)
        wanted = [_varying(recipe, sources) for recipe in recipes]
        if not wanted:
            st.caption("Choose at least one recipe.")
            return
        words, unknown = plan_in_words(wanted, seeds)
        st.caption(words)
        if unknown:
            wait_for_probe(unknown, _fingerprint(unknown))
        label = "Train the ladder" if ladder else "Repeat over these seeds"
        if st.button(label, key=f"{key}.start", icon=":material/repeat:", type="primary"):
            launch.start_sweep(cache.store(), wanted, seeds, cache.rows())
            if ladder:
                st.rerun()
            st.session_state["seeds.chosen"] = [
                recipe.digest(launch.ready_fingerprint(recipe)) for recipe in wanted
            ]
            st.switch_page("pages/seeds.py")


def _varies(place: DeltaGenerator, key: str) -> str:
    return place.selectbox(
        "What the seed changes",
        list(VARIES),
        key=f"{key}.varies",
        help="All chance at once, as a rule. One source alone shows how much of the spread it makes.",
    )


def _varying(recipe: Recipe, sources: tuple[str, ...] | None) -> Recipe:
    """The recipe with these sources of chance left to the seed.

    Raises:
        UserError: nothing is random about the one source that is asked for.
    """
    if sources is None:
        return recipe
    changed = dataclasses.replace(recipe, **{f"vary_{name}": name in sources for name in SOURCES})
    if sources == ("augmentation",) and "vary_augmentation" not in applying_fields(changed):
        raise UserError(
            "This recipe has neither augmentation nor dropout, so every seed would end the same: "
            "let the seed change something else."
        )
    return changed


def plan_in_words(recipes: list[Recipe], seeds: list[int]) -> tuple[str, Recipe | None]:
    """How many runs there are to train and how long that takes; and a recipe of which nobody knows that yet."""
    store, new, work, unknown = cache.store(), 0, 0.0, None
    for recipe in recipes:
        images = _fingerprint(recipe)
        digest = recipe.digest(images)
        there = sum(store.find(digest, seed) is not None for seed in seeds)
        new += len(seeds) - there
        seconds = run_seconds(recipe, images)
        if seconds is None:
            unknown = recipe
        else:  # a worker goes on to the next seed: its start is paid once
            work += (len(seeds) - there) * (seconds - START_SECONDS) * places_for(recipe) / slots()
    whole = len(seeds) * len(recipes)
    words = f"{whole} runs (seeds {seeds_in_words(seeds)})" if whole > 1 else f"1 run (seed {seeds[0]})"
    if new < whole:
        words += f", of which {whole - new} exist or are on their way"
    if not new:
        return f"{words}: nothing is left to train.", None
    if unknown:
        return f"{words}.", unknown
    after = ", after what waits already" if store.queue(most=1) else ""
    return f"{words}: about **{duration(START_SECONDS + work)}** on this machine{after}.", None


def _fingerprint(recipe: Recipe) -> str:
    """As it was half a minute ago at most: to look at each file of a large folder takes a second."""
    return fingerprint(recipe.dataset, recipe.image_size) or launch.ready_fingerprint(recipe)


def run_seconds(recipe: Recipe, fingerprint: str) -> float | None:
    """How long one run takes alone; None before this machine was measured."""
    found = cache.estimated(recipe, fingerprint)
    return found.seconds if found else None
