"""The filters of the first layer and, on demand, what each layer makes of an image."""

import numpy as np
import streamlit as st

from core import filters as stored
from core.events import Finished
from core.pictures import enlarged, mosaic
from core.store import Run
from pages.parts import cache
from pages.parts.judged import Judged, judge_in_fragment
from pages.parts.judged_cards import chosen_image, in_a_sentence
from pages.parts.words import escaped

FILTER_PX = 44
MAP_PX = 64
COLUMNS = {"colour": 16, "grey": 18}

_SCALES = {
    "Each its own": "Colours together; each filter from its own strongest weight down to its opposite.",
    "All alike": "One scale for all filters: weak ones look weak.",
    "Red, green, blue apart": "The three parts of each filter one after another, each on its own scale.",
}


def filters(run: Run) -> None:
    """For a finished run."""
    end = cache.history(run.id).end
    if not isinstance(end, Finished):
        st.caption("The filters can be seen when the run has finished.")
        return
    weights = stored.read_filters(run)
    if weights is None:
        with st.spinner("Reading the filters from the weights …"):
            weights = _from_weights(run.id, end.sha256.get("weights.pt", ""))
        st.caption(
            "This run did not write its filters down, or they are gone: these were read from its weights."
        )
    if weights is None:
        st.caption("The first layer of this network does not look at the three colours.")
    else:
        _mosaic(run, weights)
    if st.toggle(
        "Feature maps of an image",
        key="depth.maps",
        persist_state="session",
        help="What each layer makes of one image. Computed by the process that classifies, which takes some seconds "
        "the first time.",
    ):
        judge_in_fragment(run, _feature_maps)


@st.cache_data(max_entries=16, show_spinner=False)
def _from_weights(run_id: str, sha256: str) -> np.ndarray | None:
    """`sha256` is part of the key: other weights, other filters."""
    _, found = cache.asker().ask("features", {"kind": "run", "id": run_id})
    return found.get("filters")


def _mosaic(run: Run, weights: np.ndarray) -> None:
    scale = st.segmented_control(
        "Scale",
        list(_SCALES),
        default="Each its own",
        required=True,
        key="depth.scale",
        persist_state="session",
        help=" ".join(f"{name}: {words}" for name, words in _SCALES.items()),
    )
    apart = scale == "Red, green, blue apart"
    images = stored.as_grey_images(weights) if apart else stored.as_images(weights, scale == "All alike")
    columns = COLUMNS["grey" if apart else "colour"]
    number, _, height, width = weights.shape
    picture = mosaic(images, min(columns, len(images)), FILTER_PX)
    kind = (
        "Computed from training images before the first step: they whiten."
        if run.spec.recipe.model == "fast"
        else "Edges and blobs of colour are a good sign; noise means that the first layer learned little."
    )
    st.image(
        picture,
        width="content",
        output_format="PNG",
        caption=f"{number} filters of the first layer, {height} × {width} pixels each. Bright: adds up, dark: subtracts, "
        f"grey: ignores. {kind}",
        alt=f"The {number} filters of the first layer as a mosaic",
    )


def _feature_maps(judged: Judged) -> None:
    total = len(judged.predictions.labels)
    before = chosen_image(judged)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        index = st.number_input(
            f"Image of {judged.part} (0 to {total - 1:,})",
            0,
            total - 1,
            before or 0,
            key=f"depth.map.{judged.run.id}.{judged.part}.{before}",
            width=230,
            help="An image that you click on the tab “Confusion” or “Mistakes” is chosen here.",
        )
        image = judged.images()[index]
        words = in_a_sentence(judged, index)
        st.image(
            enlarged(image, 96),
            width=96,
            output_format="PNG",
            alt=f"Image {index} of {judged.part}, {words}",
        )
        st.caption(escaped(f"{judged.part.capitalize()} image {index:,}: {words}."))
    end = cache.history(judged.run.id).end
    with st.spinner("Looking inside the network …"):
        layers, arrays = _maps(
            judged.run.id, end.sha256.get("weights.pt", ""), judged.part, index, _Image(image)
        )
    st.caption(
        "Of each layer the 16 channels that respond most, the strongest first, all on one scale: black is the lowest value "
        "of the layer, white the highest."
    )
    for number, layer in enumerate(layers):
        _layer(layer, arrays[f"maps.{number}"])


class _Image:
    """What `st.cache_data` is not to hash: the index stands for it."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs={_Image: lambda image: 0})
def _maps(
    run_id: str, sha256: str, part: str, index: int, image: _Image
) -> tuple[list[dict], dict[str, np.ndarray]]:
    told, found = cache.asker().ask("features", {"kind": "run", "id": run_id}, {"image": image.pixels})
    return told["layers"], found


def _layer(layer: dict, maps: np.ndarray) -> None:
    height, width = layer["shape"]
    picture = mosaic(maps[:, None].repeat(3, axis=1), 16, MAP_PX)
    number = layer["count"]
    st.image(
        picture,
        width="content",
        output_format="PNG",
        caption=escaped(
            f"{layer['layer']}, {layer['kind']}: {number} channel{'s' if number > 1 else ''} of {height} × {width}, "
            f"{layer['low']:.2g} to {layer['high']:.2g}"
        ),
        alt=f"Feature maps of the layer {layer['layer']}",
    )
