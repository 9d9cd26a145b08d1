"""The form of a hyperparameter search: from which recipe, which fields, over which values, for how long."""

import random
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.config import KNOBS, Recipe, in_words
from core.errors import UserError
from core.estimate import START_SECONDS
from core.machine import places_for, slots
from core.presets import PRESETS
from core.search_space import (
    FIRST_FIELDS,
    METHODS,
    MOST_MINUTES,
    MOST_RUNS,
    Range,
    Search,
    domain,
    first_range,
    searchable,
    share_trained,
    within,
)
from core.searches import begin
from core.seeds import LARGEST_SEED
from pages.parts import cache
from pages.parts.frame import sentences, wrapping_columns
from pages.parts.pickers import ready_or_prepare
from pages.parts.probing import wait_for_probe
from pages.parts.recipe_changes import FIRST_PRESET, changes_in_words
from pages.parts.search_words import field_title, value_name
from pages.parts.words import duration

DRAFT = "draft"
SAMPLED = 8
"""So many recipes of a search stand for all of them where its length is estimated."""


def search_form() -> None:
    """Draw the form and its button; a search that is started is the one that the page shows."""
    base = _base()
    names = _fields(base)
    with sentences():
        ranges = _ranges(base, names)
        search = Search(base, ranges, **_how())
        if images := ready_or_prepare(base.dataset, base.image_size, "prepare-search"):
            _tell(search, images)
            if st.button("Start the search", key="search.start", type="primary", icon=":material/search:"):
                st.query_params["search"] = begin(cache.store(), search).id
                st.session_state["search.begun"] = True
                st.rerun()


def _base() -> Recipe:
    """The recipe on the Train page, or a preset."""
    draft = st.session_state.get("draft", PRESETS[FIRST_PRESET].recipe.to_dict())
    recipes = {DRAFT: Recipe.from_dict(draft), **{name: preset.recipe for name, preset in PRESETS.items()}}
    chosen = st.selectbox(
        "Start from",
        list(recipes),
        format_func=lambda name: (
            f"As on the Train page: {in_words(recipes[name])}" if name == DRAFT else PRESETS[name].title
        ),
        key="search.base",
        persist_state="session",
        help="The recipe that stays as it is but for the fields below. Set up another one on the Train page.",
    )
    if chosen == DRAFT:
        st.caption(changes_in_words(recipes[chosen]))
    return recipes[chosen]


def _fields(base: Recipe) -> list[str]:
    options = searchable(base)
    held = st.session_state.get("search.fields", FIRST_FIELDS)
    st.session_state["search.fields"] = [name for name in held if name in options]
    return st.multiselect(
        "Fields to search",
        options,
        format_func=lambda name: KNOBS[name].label,
        key="search.fields",
        persist_state="session",
        help="Each more field needs more runs: three or four at once are plenty for a few minutes.",
    )


def _ranges(base: Recipe, names: list[str]) -> tuple[Range, ...]:
    """A widget for the values of each field.

    Raises:
        UserError: a field with fewer than two values.
    """
    if not names:
        return ()
    columns = wrapping_columns(min(3, len(names)), "search-ranges")
    return tuple(_range(name, base, columns[place % len(columns)]) for place, name in enumerate(names))


def _range(name: str, base: Recipe, place: DeltaGenerator) -> Range:
    values, first = domain(name, base), first_range(name, base)
    key = f"search.range.{name}.{getattr(base, name)}"  # around another value it begins anew
    common: dict[str, Any] = {
        "key": key,
        "persist_state": "session",
        "format_func": lambda value: value_name(name, value),
        "help": KNOBS[name].help,
    }
    label = field_title(name)
    if first.ordered:
        ends = (first.values[0], first.values[-1])
        low, high = place.select_slider(label, values, ends, **common)
        return Range(name, within(values, low, high))
    return Range(name, tuple(place.multiselect(label, values, list(first.values), **common)))


def _how() -> dict[str, Any]:
    """Method, budget and seed."""
    method, minutes, runs = wrapping_columns(3, "search-how")
    halving, seed = wrapping_columns([2, 1], "search-more")
    words = " ".join(f"{title}: {meaning}" for title, meaning in METHODS.values())
    chosen = method.selectbox(
        "Method",
        list(METHODS),
        format_func=lambda name: METHODS[name][0],
        key="search.method",
        persist_state="session",
        help=words,
    )
    how = {
        "method": chosen,
        "minutes": float(
            minutes.number_input(
                "Budget (minutes)",
                0.5,
                float(MOST_MINUTES),
                5.0,
                step=1.0,
                format="%g",
                key="search.minutes",
                persist_state="session",
                help="How long it may train in all. What has not finished by then is stopped.",
            )
        ),
        "most_runs": runs.number_input(
            "Most runs",
            1,
            MOST_RUNS,
            100,
            key="search.runs",
            persist_state="session",
            help="The search also ends after so many runs. Those that exist already count, and take no time.",
        ),
        "seed": seed.number_input(
            "Seed",
            0,
            LARGEST_SEED,
            42,
            key="search.seed",
            persist_state="session",
            help="The same for every run, so that all are judged by the same validation images. The search's own "
            "chance starts from it, too.",
        ),
    }
    how["halving"] = halving.toggle(
        "Stop runs that fall behind (successive halving)",
        key="search.halving",
        persist_state="session",
        help="After 1, 3, 9, 27 … epochs a run goes on only if it is in the best third (rounded down, at least one) "
        "of those that came so far; the first two always do. "
        "Many more values are tried in the same time; a recipe that starts slowly and ends well may be missed.",
    )
    return how


def _tell(search: Search, images: str) -> None:
    """How many combinations there are, and about how many runs fit; measured first where nobody knows yet."""
    runs, unknown = _runs_that_fit(search, images)
    words = f"{search.size:,} combinations."
    if unknown:
        st.caption(words)
        wait_for_probe(unknown, images)
        return
    most = min(runs, search.most_runs, search.size)
    queue = " It starts after what waits already." if cache.store().queue(most=1) else ""
    st.caption(
        f"{words} About **{most} {'run' if most == 1 else 'runs'}** fit into {duration(60 * search.minutes)} "
        f"on this machine.{queue}"
    )
    if runs < 2 * len(search.ranges):
        st.caption(
            "That is few for so many fields: take a longer budget, fewer epochs, narrower networks or fewer fields."
        )


def _runs_that_fit(search: Search, images: str) -> tuple[int, Recipe | None]:
    """How many runs of average length the budget has room for; a recipe of which nobody knows that yet."""
    chance, seconds = random.Random(0), []
    for _ in range(SAMPLED):
        values = {one.field: chance.choice(one.values) for one in search.ranges}
        try:
            recipe = search.recipe(values)
        except UserError:
            continue
        found = cache.estimated(recipe, images)
        if found is None:
            return 0, recipe
        share = share_trained(recipe.epochs) if search.halving else 1.0
        seconds.append((found.seconds - START_SECONDS) * share * places_for(recipe) / slots())
    mean = sum(seconds) / len(seconds) if seconds else 1.0
    return max(1, round((60 * search.minutes - START_SECONDS) / max(mean, 0.01))), None
