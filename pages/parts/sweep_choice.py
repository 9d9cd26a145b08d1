"""Which recipes over seeds are looked at: those that somebody chose, of all that there are."""

import itertools

import streamlit as st

from core.naming import distinct_names
from core.sweep import Sweep
from pages.parts import cache
from pages.parts.pickers import dataset_title

CHOSEN_AT_FIRST = 2
MOST_OFFERED = 200
"""Of more recipes nobody reads the list, and each view would send all of it to the browser."""


def choose_sweeps(found: list[Sweep]) -> list[Sweep]:
    """The recipes to look at; the address names them, so that a link shows the same."""
    by_digest = cache.of(found, _by_digest)
    query = st.query_params.get("recipes", "")
    asked = st.session_state.pop("seeds.chosen", None)
    if asked is None and query != st.session_state.get("seeds.query", ""):
        asked = query.split(",")
    held = asked if asked is not None else st.session_state.get("seeds.recipes")
    known = [digest for digest in dict.fromkeys(held or []) if digest in by_digest]
    st.session_state["seeds.recipes"] = known if known or held == [] else _first(found)
    words = _words() if len(by_digest) > MOST_OFFERED else ()
    offered = _offered(by_digest, found, st.session_state["seeds.recipes"], words)
    chosen = st.multiselect(
        "Recipes to look at",
        list(offered),
        format_func=offered.get,
        key="seeds.recipes",
        persist_state="session",
        help="The first two are compared; figures of test stay covered until you reveal them.",
    )
    st.session_state["seeds.query"] = st.query_params["recipes"] = ",".join(chosen)
    return [by_digest[digest] for digest in chosen]


def _words() -> tuple[str, ...]:
    found = st.text_input(
        "Find recipes",
        type="search",
        live="400ms",
        key="seeds.words",
        persist_state="session",
        placeholder="baseline adam 0.003",
        help=f"Every word has to be found in the recipe or its data set. The newest {MOST_OFFERED} that match are offered "
        "below; those that are chosen stay.",
    )
    return tuple((found or "").casefold().split())


def _offered(
    by_digest: dict[str, Sweep], found: list[Sweep], chosen: list[str], words: tuple[str, ...]
) -> dict[str, str]:
    """Titles by digest: of all where they are few, else of the chosen ones and the newest that match."""
    if len(found) <= MOST_OFFERED:
        return cache.of(found, _titles)
    titles = cache.of(found, _titles) if words else {}
    matching = (
        digest
        for digest in by_digest
        if digest not in chosen and all(word in titles[digest].casefold() for word in words)
    )
    offered = [*chosen, *itertools.islice(matching, MOST_OFFERED)]
    if words:  # those that were matched; a title of few recipes may leave out what another one needs
        return {digest: titles[digest] for digest in offered}
    return _titles([by_digest[digest] for digest in offered])


def _by_digest(found: list[Sweep]) -> dict[str, Sweep]:
    return {sweep.digest: sweep for sweep in found}


def _titles(found: list[Sweep]) -> dict[str, str]:
    """By digest; where two of these recipes are alike but for one field, that is named."""
    names = distinct_names([sweep.recipe for sweep in found])
    return {sweep.digest: _title(sweep, name) for sweep, name in zip(found, names, strict=True)}


def _title(sweep: Sweep, name: str) -> str:
    finished = len(sweep.finished)
    return (
        f"{name} · {dataset_title(sweep.recipe.dataset)} · {finished} {'seed' if finished == 1 else 'seeds'}"
    )


def _first(found: list[Sweep]) -> list[str]:
    """The newest sweep of several seeds, and the newest other one on the same images."""
    first = next((sweep for sweep in found if len(sweep.runs) > 1), None)
    if first is None:
        return [found[0].digest]
    alike = (
        sweep for sweep in found if len(sweep.runs) > 1 and sweep.data_fingerprint == first.data_fingerprint
    )
    return [sweep.digest for sweep in itertools.islice(alike, CHOSEN_AT_FIRST)]
