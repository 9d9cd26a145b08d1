"""A recipe that comes from elsewhere into the form: by a link to the Train page, or as a file."""

import streamlit as st

from core.config import Recipe
from core.recipe_sharing import FILE_BYTES, from_json, from_query, to_query
from pages.parts.frame import sentences, told
from pages.parts.recipe_form import take_recipe

PARAMETER = "recipe"


def take_link() -> None:
    """Fill the form from `?recipe=...`, once for each link; before the form is drawn.

    The address keeps it as long as the form shows just this recipe, so that reloading the page, or
    sending its address on, gives the same.
    """
    text = st.query_params.get(PARAMETER)
    if text is None or text == st.session_state.get("recipe.link"):
        return
    with sentences():
        take_recipe(*from_query(text))
        st.session_state["recipe.link"] = text
        st.session_state.pop("recipe.shown", None)


def forget_link(recipe: Recipe, seed: int) -> None:
    """Take the link out of the address when the form has become another recipe; after it is drawn."""
    if PARAMETER not in st.query_params or "recipe.link" not in st.session_state:
        return
    now = to_query(recipe, seed)
    if now != st.session_state.setdefault("recipe.shown", now):
        del st.query_params[PARAMETER]


def recipe_upload() -> None:
    """A file with a recipe, as the Runs page gives it."""
    st.file_uploader(
        "Recipe (JSON)",
        type="json",
        key="recipe.file",
        max_upload_size=1,
        on_change=_take_file,
        help="The JSON of a recipe, as the tab Take home of a run gives it: it sets every field of the form, and the seed.",
    )


def _take_file() -> None:
    file = st.session_state["recipe.file"]
    if file is None:
        return
    with told():
        take_recipe(*from_json(file.read(FILE_BYTES + 1)))
