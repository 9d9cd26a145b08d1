"""The form: one widget for each field of `Recipe`, drawn from its `Knob`.

The values live in `st.session_state["draft"]`, not in the widgets: a widget that is hidden, or
whose page is left, forgets what it showed.
"""

from typing import Any

import streamlit as st

from core.config import KINDS, KNOBS, Recipe, applying_fields, differences
from core.knobs import GROUPS
from core.models import MODELS
from core.presets import PRESETS
from pages.parts.pickers import dataset_names, dataset_title
from pages.parts.words import escaped

FIRST_PRESET = "quick"

_TITLES = {
    "normalisation": {"dataset": "the data set's own", "half": "0.5 and 0.5", "none": "none"},
    "model": {name: spec.title for name, spec in MODELS.items()},
    "activation": {"relu": "ReLU", "gelu": "GELU"},
    "optimizer": {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"},
    "schedule": {
        "constant": "constant",
        "plateau": "lower on a plateau",
        "linear": "linear warm-up and decay",
        "one-cycle": "one cycle",
    },
    "keep": {"last": "of the last epoch", "best": "of the best epoch"},
}


def value_title(name: str, value: Any) -> str:
    """A value of a field as people write it: "ReLU", "0.003", "1,024 images"."""
    if name == "dataset":
        return dataset_title(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str):
        return _TITLES.get(name, {}).get(value, value)
    unit = KNOBS[name].unit
    return f"{value:,.6g}{' ' if len(unit) > 1 else ''}{unit}"


def recipe_form() -> tuple[Recipe, int]:
    """Draw the form; gives the recipe and the seed. What does nothing in the recipe is hidden."""
    st.session_state.setdefault("preset", FIRST_PRESET)
    draft = st.session_state.setdefault("draft", PRESETS[st.session_state["preset"]].recipe.to_dict())
    if draft["dataset"] not in dataset_names():
        draft["dataset"] = "shapes"
    recipe = Recipe.from_dict(draft)
    shown = applying_fields(recipe)
    main = [name for name in shown if KNOBS[name].main]
    cells = iter(st.columns(2) * (len(main) // 2 + 1))
    with next(cells):
        _preset_picker()
    for name, cell in zip(main, cells, strict=False):
        with cell:
            _widget(name, recipe)
    with next(cells):
        seed = _seed()
    with st.expander("More settings", icon=":material/tune:"):
        for group in GROUPS:
            _group(group, [name for name in shown if KNOBS[name].group == group and name not in main], recipe)
    _show_changes(recipe)
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
    st.session_state["preset"] = st.session_state["preset.widget"]
    st.session_state["draft"] = PRESETS[st.session_state["preset"]].recipe.to_dict()


def _seed() -> int:
    return st.number_input(
        "Seed",
        min_value=0,
        max_value=2**31 - 1,
        value=42,
        key="seed",
        persist_state="session",
        help="Where all chance starts: initial weights, order of images, augmentation, validation split. "
        "The same recipe and seed give the same result; another seed shows how much of it is luck.",
    )


def _group(group: str, names: list[str], recipe: Recipe) -> None:
    if not names:
        return
    st.caption(group.upper())
    columns = st.columns(2)
    for position, name in enumerate(names):
        with columns[position % 2]:
            _widget(name, recipe)


def _widget(name: str, recipe: Recipe) -> None:
    """The widget that fits the field: a switch, a choice, a slider, or a slider over given values."""
    knob, value, key = KNOBS[name], getattr(recipe, name), f"field.{name}"
    st.session_state[key] = value
    common: dict[str, Any] = {"key": key, "help": knob.help, "on_change": _take, "args": (name,)}
    label = f"{knob.label} ({knob.unit})" if knob.unit else knob.label
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


def _show_changes(recipe: Recipe) -> None:
    """What differs from the preset, in words, and the way back."""
    preset = PRESETS[st.session_state["preset"]]
    changed = differences(preset.recipe, recipe)
    if not changed:
        return
    parts = [
        f"{KNOBS[name].label.lower()} {escaped(value_title(name, old))} → **{escaped(value_title(name, new))}**"
        for name, (old, new) in changed.items()
    ]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Changed from {preset.title}: {', '.join(parts)}")
        st.button("Reset", key="reset", icon=":material/undo:", type="tertiary", on_click=_reset)


def _reset() -> None:
    st.session_state["draft"] = PRESETS[st.session_state["preset"]].recipe.to_dict()
