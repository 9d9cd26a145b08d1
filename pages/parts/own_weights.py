"""Weights that somebody brings, and what has to be known of them: network, classes, normalisation."""

import hashlib
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.config import KINDS, KNOBS, Recipe
from core.decoding import safe_name
from core.errors import UserError
from core.models import MODELS
from pages.parts.frame import wrapping_columns
from pages.parts.recipe_form import value_title

LARGEST_MB = 32
"""As much as the server takes of one upload; the report's networks have 21 and 24 MB."""

SHAPING = ("width", "depth", "skip", "batch_norm", "hidden", "activation")
"""Fields of a recipe on which it depends whether weights fit, and what comes out."""

CIFAR10 = "airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck"

NORMALISATIONS = {
    "CIFAR-10's means and deviations": ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
    "0.5 and 0.5": ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
    "nothing: values from 0 to 1": ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]),
}
OTHER = "other figures …"


def own_weights() -> tuple[dict[str, Any] | None, bytes]:
    """Draw what is asked of them; gives how `core.answering` names them, and their file.

    Raises:
        UserError: something was typed that can't be.
    """
    file = st.file_uploader(
        "Weights (.safetensors, or a .pt state dict)",
        type=["safetensors", "pt", "pth"],
        key="classify.weights",
        max_upload_size=LARGEST_MB,
        help=f"At most {LARGEST_MB} MB. Nothing in the file is run: names, shapes and numbers are checked before use.",
    )
    recipe = _network()
    left, right = wrapping_columns(2, "own")
    typed = left.text_input(
        "Classes, in their order",
        CIFAR10,
        key="classify.classes",
        help="Separated by commas, in the order of the network's outputs.",
    )
    mean, std = _normalisation(right)
    names = [name.strip() for name in typed.split(",") if name.strip()]
    if len(names) < 2:
        raise UserError("Name two classes or more, with commas between them.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"The class {twice[0]} stands there twice: give each its own name.")
    if file is None:
        return None, b""
    content = file.getvalue()
    named = {
        "kind": "own",
        "file": safe_name(file.name),
        "sha256": hashlib.sha256(content).hexdigest(),
        "recipe": recipe.to_dict(),
        "classes": names,
        "mean": mean,
        "std": std,
    }
    return named, content


def _network() -> Recipe:
    """The network of the weights: at first that of the form on Train, then as it is chosen here."""
    form = Recipe.from_dict(st.session_state["draft"]) if st.session_state.get("draft") else Recipe()
    models = list(MODELS)
    model = st.selectbox(
        "Network of these weights",
        models,
        index=models.index(form.model),
        format_func=lambda name: MODELS[name].title,
        key="classify.own.model",
        help="Its layers have to be those of the file; where they are not, the refusal says which, and what to choose.",
    )
    names = [name for name in SHAPING if name in MODELS[model].fields]
    values: dict[str, Any] = {}
    for place, name in zip(wrapping_columns(len(names), f"own-{model}"), names, strict=True):
        with place:
            values[name] = _field(name, getattr(form, name), model)
    return Recipe(model=model, **values)


def _field(name: str, value: Any, model: str) -> Any:
    knob, key = KNOBS[name], f"classify.own.{model}.{name}"
    if KINDS[name] is bool:
        return st.toggle(knob.label, value, key=key, help=knob.help)
    choices = list(knob.choices) or sorted({*map(KINDS[name], knob.ticks), value})
    return st.selectbox(
        knob.label,
        choices,
        index=choices.index(value),
        format_func=lambda choice: value_title(name, choice),
        key=key,
        help=knob.help,
    )


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
    means = place.text_input(
        "Means of red, green and blue",
        "0.5, 0.5, 0.5",
        key="classify.means",
        help="Three numbers from 0 to 1, with commas between them: what was subtracted from each channel.",
    )
    stds = place.text_input(
        "Deviations of red, green and blue",
        "0.5, 0.5, 0.5",
        key="classify.stds",
        help="Three numbers above 0, with commas between them: what each channel was divided by.",
    )
    return _three(means, "means"), _three(stds, "deviations")


def _three(text: str, what: str) -> list[float]:
    try:
        red, green, blue = (float(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"The {what} have to be three numbers between commas, as in 0.5, 0.5, 0.5: mend them."
        ) from None
    return [red, green, blue]
