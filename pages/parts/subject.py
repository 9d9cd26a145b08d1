"""What classifies: a network that comes with Tenfold, a run, all seeds of a recipe, or weights that somebody brings."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.asking import Forgotten
from core.config import in_words
from core.errors import UserError
from core.models import MODELS
from core.naming import distinct_names
from core.presets import PRESETS
from core.pretrained import cards
from core.store import RunState
from pages.parts import cache
from pages.parts.pickers import dataset_title
from pages.parts.words import escaped, percent

MOST_RUNS = 200
MOST_OTHERS = 3
OWN = "own"

NORMALISATIONS = {
    "CIFAR-10's means and deviations": ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
    "0.5 and 0.5": ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
    "nothing: values from 0 to 1": ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]),
}
OTHER = "other figures …"


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
    options = _options()
    wanted = st.query_params.get("model")
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
        "alone or with all seeds of its recipe.",
    )
    named, content = _brought() if chosen == OWN else (_named(chosen), b"")
    if named is None:
        return None
    if chosen != OWN:
        named = _with_others(chosen, named, options)
    subject = Subject(named, {}, content)
    with st.spinner("Loading the model …"):
        about, _ = subject.ask("open")
    subject = replace(subject, about=about)
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


def _options() -> dict[str, str]:
    """Keys of everything that can be asked, and what they are called."""
    found = {f"card:{name}": f"{card.title} (comes with Tenfold)" for name, card in cards().items()}
    sweeps = [sweep for sweep in cache.sweeps() if len(sweep.finished) > 1][:MOST_RUNS]
    for sweep, name in zip(sweeps, distinct_names([sweep.recipe for sweep in sweeps]), strict=True):
        title = dataset_title(sweep.recipe.dataset)
        found[f"sweep:{sweep.digest}"] = f"{name} · {title} · all {len(sweep.finished)} seeds"
    runs = [row for row in cache.rows() if row.state is RunState.FINISHED][:MOST_RUNS]
    for row in runs:
        recipe = row.run.spec.recipe
        found[f"run:{row.run.id}"] = (
            f"{in_words(recipe)} · {dataset_title(recipe.dataset)} · seed {row.run.spec.seed} "
            f"({percent(row.validation_accuracy)} on validation)"
        )
    return {**found, OWN: "Bring your own weights …"}


def _named(key: str) -> dict[str, Any]:
    kind, _, name = key.partition(":")
    return {"kind": kind, {"card": "name", "run": "id", "sweep": "digest"}[kind]: name}


def _brought() -> tuple[dict[str, Any] | None, bytes]:
    """A file of weights, and the network that it is for: that of the form on Train."""
    recipes = {
        "As in the form on Train": st.session_state.get("draft"),
        **{p.title: p.recipe.to_dict() for p in PRESETS.values()},
    }
    recipes = {title: values for title, values in recipes.items() if values}
    left, right = st.columns(2)
    title = left.selectbox(
        "Network of these weights", list(recipes), help="Its layers have to be those of the file."
    )
    classes = right.text_input(
        "Classes, in their order",
        "airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck",
        help="Separated by commas.",
    )
    mean, std = _normalisation(right)
    file = st.file_uploader(
        "Weights (.safetensors, or a .pt state dict)",
        type=["safetensors", "pt", "pth"],
        key="classify.weights",
    )
    names = [name.strip() for name in classes.split(",") if name.strip()]
    if file is None or len(names) < 2:
        st.caption(
            f"One of: {', '.join(spec.title for spec in MODELS.values())}. Nothing in the file is run."
        )
        return None, b""
    content = file.getvalue()
    named = {
        "kind": OWN,
        "file": file.name[-80:],
        "sha256": hashlib.sha256(content).hexdigest(),
        "recipe": recipes[title],
        "classes": names,
        "mean": mean,
        "std": std,
    }
    return named, content


def _normalisation(place: DeltaGenerator) -> tuple[list[float], list[float]]:
    """Channel means and deviations with which the weights were trained.

    Raises:
        UserError: what was typed is no three numbers.
    """
    kind = place.selectbox(
        "Their images were normalised with",
        [*NORMALISATIONS, OTHER],
        key="classify.normalisation",
        help="What was subtracted from each channel (on the scale 0 to 1) and what it was divided by in their training. "
        "With others than these the same weights give worse answers.",
    )
    if kind != OTHER:
        return NORMALISATIONS[kind]
    means = place.text_input("Means of red, green and blue", "0.5, 0.5, 0.5", key="classify.means")
    stds = place.text_input("Deviations of red, green and blue", "0.5, 0.5, 0.5", key="classify.stds")
    return _three(means, "means"), _three(stds, "deviations")


def _three(text: str, what: str) -> list[float]:
    try:
        red, green, blue = (float(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"The {what} have to be three numbers between commas, as in 0.5, 0.5, 0.5: mend them."
        ) from None
    return [red, green, blue]
