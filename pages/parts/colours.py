"""One colour for one recipe on every page, as long as a session lasts."""

from itertools import count

import streamlit as st

from core.figures import RECIPE_COLOURS
from core.seed_traces import colour_of


def colour_places(digests: list[str]) -> list[int]:
    """The number of each recipe among colours and symbols (`core.seed_traces`): the one it was first drawn with.

    Recipes side by side have different colours as long as there are enough: of two that were given the same one
    on different pages, the later one gets another where they meet.
    """
    given: dict[str, int] = st.session_state.setdefault("colours", {})
    found: list[int] = []
    for digest in digests:
        place = given.get(digest)
        if place is None or _clashes(place, found):
            taken = {*given.values(), *found}
            place = next(n for n in count() if n not in taken and not _clashes(n, found))
            given.setdefault(digest, place)
        found.append(place)
    return found


def recipe_colour(digest: str) -> str:
    """The colour of a recipe that stands alone."""
    return colour_of(colour_places([digest])[0])


def _clashes(place: int, others: list[int]) -> bool:
    """Whether one of the others has this colour; beyond the number of colours, this very place."""
    colours = len(RECIPE_COLOURS)
    if len(others) >= colours:
        return place in others
    return place % colours in {other % colours for other in others}
