"""What classifies: a network that comes with Tenfold, a run, all seeds of a recipe, or weights that somebody brings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from core.asking import Forgotten
from core.config import in_words
from core.naming import distinct_names
from core.pretrained import cards
from core.run_filter import newest_finished
from core.sweep import Sweep
from pages.parts import cache
from pages.parts.own_weights import own_weights
from pages.parts.pickers import dataset_title
from pages.parts.words import escaped, percent

MOST_RUNS = 200
MOST_OTHERS = 3
OWN = "own"


@dataclass(frozen=True)
class Subject:
    """What is asked: how `core.answering` names it, and what it tells of itself."""

    named: dict[str, Any]
    about: dict[str, Any]
    content: bytes = b""  # of weights that were brought

    @property
    def classes(self) -> list[str]:
        return self.about["classes"]

    @property
    def size(self) -> int:
        return self.about["size"]

    def of_each(self, values: np.ndarray, place: int) -> dict[str, np.ndarray]:
        """What each model says of one image: its name -> (seeds, classes), from (networks, images, classes)."""
        parts = self.about["parts"] or [("probability", len(values))]
        ends = np.cumsum([count for _, count in parts])[:-1]
        return {name: one for (name, _), one in zip(parts, np.split(values[:, place], ends), strict=True)}

    def ask(self, what: str, arrays: dict[str, np.ndarray] | None = None, **values: Any) -> tuple[Any, Any]:
        """See `core.asking`.

        Raises:
            UserError: what was refused.
        """
        try:
            return cache.asker().ask(what, self.named, arrays, **values)
        except Forgotten:  # megabytes, and so sent when they are missed only
            content = {"content": np.frombuffer(self.content, np.uint8)}
            return cache.asker().ask(what, self.named, {**(arrays or {}), **content}, **values)


def pick_subject() -> Subject | None:
    """Draw the choice; None where something is still to be chosen.

    Raises:
        UserError: it can't be opened.
    """
    wanted = st.query_params.get("model")
    options = _options(wanted)
    if wanted in options and st.session_state.get("classify.asked") != wanted:
        st.session_state["classify.asked"] = st.session_state["classify.subject"] = wanted
    elif st.session_state.get("classify.subject") not in options:
        st.session_state["classify.subject"] = next(iter(options))
    chosen = st.selectbox(
        "Model",
        list(options),
        format_func=options.get,
        key="classify.subject",
        persist_state="session",
        help="The networks that come with Tenfold work at once; every run that has finished here can be asked, too, "
        f"alone or with all seeds of its recipe. Listed are the newest {MOST_RUNS}; an older one opens from Runs.",
    )
    named, content = own_weights() if chosen == OWN else (_named(chosen), b"")
    if named is None:
        return None
    if chosen != OWN:
        named = _with_others(chosen, named, options)
    subject = Subject(named, {}, content)
    with st.spinner("Loading the model …"):
        about, _ = subject.ask("open")
    subject = replace(subject, named=about["named"], about=about)
    note = subject.about["note"]
    st.caption(escaped(note if subject.about["parts"] else f"{subject.about['title']}. {note}"))
    return subject


def _with_others(chosen: str, named: dict[str, Any], options: dict[str, str]) -> dict[str, Any]:
    """Further models, asked about the same images."""
    others = [key for key in options if key not in (chosen, OWN)]
    kept = [key for key in st.session_state.get("classify.others", []) if key in others]
    st.session_state["classify.others"] = kept
    if not others:
        return named
    added = st.multiselect(
        "Compare with",
        others,
        format_func=options.get,
        key="classify.others",
        persist_state="session",
        max_selections=MOST_OTHERS,
        placeholder="Nothing else",
        help="Further models that answer beside the first, and with it as a mean; their classes have to be the same.",
    )
    return {"kind": "several", "of": [named, *map(_named, added)]} if added else named


def _options(wanted: str | None) -> dict[str, str]:
    """Keys of what can be asked, and what they are called: the newest, and the one that an address names."""
    found = {f"card:{name}": f"{card.title} (comes with Tenfold)" for name, card in cards().items()}
    sweeps = cache.of_sweeps(_repeated)
    sweeps = _newest(sweeps, wanted, lambda sweep: f"sweep:{sweep.digest}")
    for sweep, name in zip(sweeps, distinct_names([sweep.recipe for sweep in sweeps]), strict=True):
        title = dataset_title(sweep.recipe.dataset)
        found[f"sweep:{sweep.digest}"] = f"{name} · {title} · all {len(sweep.finished)} seeds"
    finished = cache.of_rows(newest_finished)
    for row in _newest(finished, wanted, lambda row: f"run:{row.id}"):
        recipe = row.recipe
        found[f"run:{row.id}"] = (
            f"{in_words(recipe)} · {dataset_title(recipe.dataset)} · seed {row.seed} "
            f"({percent(row.validation_accuracy)} on validation)"
        )
    return {**found, OWN: "Bring your own weights …"}


def _repeated(sweeps: list[Sweep]) -> list[Sweep]:
    return [sweep for sweep in sweeps if len(sweep.finished) > 1]


def _newest(found: list[Any], wanted: str | None, key: Callable[[Any], str]) -> list[Any]:
    """The first of them, and the one that is asked for by name."""
    return found[:MOST_RUNS] + [one for one in found[MOST_RUNS:] if key(one) == wanted]


def _named(key: str) -> dict[str, Any]:
    kind, _, name = key.partition(":")
    return {"kind": kind, {"card": "name", "run": "id", "sweep": "digest"}[kind]: name}
