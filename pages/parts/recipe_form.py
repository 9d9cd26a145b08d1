"""The form: one widget for each field of `Recipe`, drawn from its `Knob`.

The values live in `st.session_state["draft"]`, not in the widgets: a widget that is hidden, or
whose page is left, forgets what it showed.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from core.config import KINDS, KNOBS, Recipe, applying_fields
from core.datasets import folder_place
from core.errors import UserError
from core.knobs import GROUPS
from core.presets import PRESETS
from core.wording import value_title
from pages.parts.pickers import dataset_names
from pages.parts.recipe_changes import FIRST_PRESET, changes
from pages.parts.words import escaped

FIRST_SEED = 42
Changes = dict[str, tuple[Any, Any]]
"""Fields that differ from the preset: the values there and here."""


def take_recipe(recipe: Recipe, seed: int | None) -> None:
    """Fill the form with a recipe that came from elsewhere; before its widgets are drawn.

    Raises:
        UserError: it names a folder of images that is not offered here.
    """
    place = folder_place(recipe.dataset)
    if place is not None:
        alike = [
            name for name in dataset_names() if name.startswith("folder:") and Path(name).name == place.name
        ]
        if not alike:
            raise UserError(
                f"This recipe trains on a folder called {place.name[:80]!r}, and none of this name is offered here: "
                "put it into the data folder, or open it once with `python -m core data --dataset folder:PATH`."
            )
        recipe = replace(recipe, dataset=alike[0])
    st.session_state["draft"] = recipe.to_dict()
    if seed is not None:
        st.session_state["seed"] = seed


def recipe_form() -> tuple[Recipe, int]:
    """Draw the form; gives the recipe and the seed. What does nothing in the recipe is hidden."""
    st.session_state.setdefault("preset", FIRST_PRESET)
    draft = st.session_state.setdefault("draft", PRESETS[st.session_state["preset"]].recipe.to_dict())
    if draft["dataset"] not in dataset_names():
        draft["dataset"] = "shapes"
    recipe = Recipe.from_dict(draft)
    shown, changed = applying_fields(recipe), changes(recipe)
    main = [name for name in shown if KNOBS[name].main]
    rows = (len(main) + 3) // 2  # preset and seed besides; a row each, so that a phone has them in this order
    cells = iter([cell for _ in range(rows) for cell in st.columns(2)])
    with next(cells):
        _preset_picker()
    for name, cell in zip(main, cells, strict=False):
        with cell:
            _widget(name, recipe, changed)
    with next(cells):
        seed = _seed()
    with st.expander("More settings", icon=":material/tune:"):
        for group in GROUPS:
            folded = [name for name in shown if KNOBS[name].group == group and name not in main]
            _group(group, folded, recipe, changed)
    return recipe, seed


def _preset_picker() -> None:
    preset = st.session_state["preset"]
    st.session_state["preset.widget"] = preset
    st.selectbox(
        "Preset",
        list(PRESETS),
        format_func=lambda name: PRESETS[name].title,
        key="preset.widget",
        help=f"A recipe to start from; choosing one sets every field. {PRESETS[preset].summary}",
        on_change=_take_preset,
    )


def _take_preset() -> None:
    if st.session_state["preset.widget"] not in PRESETS:  # a browser can be made to send any text
        return
    st.session_state["preset"] = st.session_state["preset.widget"]
    st.session_state["draft"] = PRESETS[st.session_state["preset"]].recipe.to_dict()


def _seed() -> int:
    st.session_state.setdefault("seed", FIRST_SEED)
    return st.number_input(
        "Seed",
        min_value=0,
        max_value=2**31 - 1,
        key="seed",
        persist_state="session",
        help="Where all chance starts: initial weights, order of images, augmentation, validation split. "
        "The same recipe and seed give the same result; another seed shows how much of it is luck.",
    )


def _group(group: str, names: list[str], recipe: Recipe, changed: Changes) -> None:
    if not names:
        return
    st.caption(group.upper())
    columns = st.columns(2)
    for position, name in enumerate(names):
        with columns[position % 2]:
            _widget(name, recipe, changed)


def _widget(name: str, recipe: Recipe, changed: Changes) -> None:
    """The widget that fits the field: a switch, a choice, a slider, or a slider over given values.

    What differs from the preset is marked; the key is the widget's identity, so the mark does not make it anew.
    """
    knob, value, key = KNOBS[name], getattr(recipe, name), f"field.{name}"
    st.session_state[key] = value
    label, help = f"{knob.label} ({knob.unit})" if knob.unit else knob.label, knob.help
    if name in changed:
        label = f"{label} :small[:primary[changed]]"
        help = f"{help} The preset has {escaped(value_title(name, changed[name][0]))}."
    common: dict[str, Any] = {"key": key, "help": help, "on_change": _take, "args": (name,)}
    choices = dataset_names() if name == "dataset" else list(knob.choices)
    if KINDS[name] is bool:
        st.toggle(label, **common)
    elif choices:
        st.selectbox(label, choices, format_func=lambda choice: value_title(name, choice), **common)
    elif knob.ticks:
        ticks = sorted({*map(KINDS[name], knob.ticks), value})
        st.select_slider(label, ticks, format_func=lambda tick: f"{tick:g}", **common)
    else:
        low, high, step = (KINDS[name](bound) for bound in (knob.low, knob.high, knob.step))
        st.slider(label, low, high, step=step, **common)


def _take(name: str) -> None:
    """Into the draft; a folder's image size goes back with the folder."""
    draft = st.session_state["draft"]
    draft[name] = st.session_state[f"field.{name}"]
    if not draft["dataset"].startswith("folder:"):
        draft["image_size"] = 32
