"""The layer table of a network, and what the report says of it that cannot be."""

import pandas as pd
import streamlit as st

from core.config import Recipe
from core.layers import totals
from core.models import MODELS


def short(number: int) -> str:
    """A count with three digits: 5.30 million."""
    for size, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if number >= size:
            return f"{number / size:.3g} {word}"
    return f"{number:,}"


def network_size(recipe: Recipe, classes: int) -> None:
    """How large the network of the form is and how much it computes, in a line that follows each knob."""
    weights, multiply_adds = totals(MODELS[recipe.model].describe(recipe, classes))
    st.caption(
        f"**{short(weights)}** weights · **{short(multiply_adds)}** multiply-adds an image",
        help="Weights, also called parameters, are the numbers that training changes: more can learn more, and take more "
        "memory and more images. Multiply-adds are what the network computes for one image; training takes about three "
        "times that for each image.",
    )


def network_table(recipe: Recipe, classes: int) -> None:
    """One row a layer: what comes out, how many weights it has, how much it computes."""
    spec = MODELS[recipe.model]
    layers = spec.describe(recipe, classes)
    weights, multiply_adds = totals(layers)
    st.markdown(
        f"{spec.summary} **{short(weights)} weights**, **{short(multiply_adds)} multiply-adds** for one "
        "image forward; a training step takes about three times that."
    )
    table = pd.DataFrame(
        {
            "layer": [f"{layer.name} {layer.kind}".strip() for layer in layers],
            "output": [" × ".join(map(str, layer.shape)) for layer in layers],
            "weights": [layer.weights for layer in layers],
            "multiply-adds": [layer.multiply_adds for layer in layers],
        }
    )
    columns = {
        "output": st.column_config.TextColumn(
            help="Channels × height × width of what comes out for one image."
        ),
        "weights": st.column_config.NumberColumn(format="compact", help="Numbers that training changes."),
        "multiply-adds": st.column_config.NumberColumn(
            format="compact", help="Multiplications with an addition each, for one image."
        ),
    }
    st.dataframe(table, hide_index=True, column_config=columns, alt=f"Layers of the {recipe.model} network")
    for note in spec.notes:
        st.info(note, icon=":material/help:")
