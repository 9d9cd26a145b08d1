"""What differs between the recipe of the form and its preset: marked, told in words, taken back field by field."""

from typing import Any

import streamlit as st

from core.config import KNOBS, Recipe, differences
from core.presets import PRESETS, Preset
from core.wording import value_title
from pages.parts.frame import told
from pages.parts.words import escaped

FIRST_PRESET = "quick"


def chosen_preset() -> Preset:
    """The preset that the form began with."""
    return PRESETS[st.session_state.get("preset", FIRST_PRESET)]


def changes(recipe: Recipe) -> dict[str, tuple[Any, Any]]:
    """Each field that differs from the preset: its value there, and here."""
    return differences(chosen_preset().recipe, recipe)


def changes_in_words(recipe: Recipe) -> str:
    """In a sentence, Markdown."""
    title, changed = chosen_preset().title, changes(recipe)
    if not changed:
        return f"As in the preset {title}: nothing is changed."
    parts = [
        f"{KNOBS[name].label.lower()} {_value(name, old)} → **{_value(name, new)}**"
        for name, (old, new) in changed.items()
    ]
    return f"Changed from {title}: {', '.join(parts)}."


def show_changes(recipe: Recipe) -> None:
    """The sentence, and a button that takes back each change, and one for all of them."""
    st.caption(changes_in_words(recipe))
    changed = changes(recipe)
    if not changed:
        return
    with st.container(horizontal=True, gap="small", key="recipe-changes"):
        for name, (old, _) in changed.items() if len(changed) > 1 else ():
            st.button(
                KNOBS[name].label,
                key=f"reset.{name}",
                icon=":material/undo:",
                type="tertiary",
                help=f"Takes this change back: {_value(name, old)}, as in the preset.",
                on_click=_take_back,
                args=([name],),
            )
        st.button(
            "Reset all" if len(changed) > 1 else "Reset",
            key="reset",
            icon=":material/restart_alt:",
            type="tertiary",
            help="Every field as in the preset.",
            on_click=_take_back,
            args=(list(changed),),
        )


def _take_back(names: list[str]) -> None:
    """Into the draft, if what comes out is a recipe."""
    preset = chosen_preset().recipe.to_dict()
    draft = st.session_state["draft"] | {name: preset[name] for name in names}
    if not draft["dataset"].startswith("folder:"):
        draft["image_size"] = 32
    with told():
        st.session_state["draft"] = Recipe.from_dict(draft).to_dict()


def _value(name: str, value: Any) -> str:
    return escaped(value_title(name, value))
