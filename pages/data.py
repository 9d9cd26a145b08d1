"""What a data set holds: how many of each class, how they look, and what one example is."""

import numpy as np
import pandas as pd
import streamlit as st

from core import pictures
from core.config import KNOBS, Recipe
from core.datasets import ImageData, Split, normalisation
from core.datasets.split import split_indices
from pages.parts import cache
from pages.parts.faces import MOST_CARDS, as_the_network_sees, histogram, one_of_each
from pages.parts.frame import frame, sentences, wrapping_columns
from pages.parts.pickers import dataset_box, ready_or_prepare
from pages.parts.recipe_form import value_title
from pages.parts.words import escaped

IMAGE_SIZE = 32
THUMBNAIL_PX = 64
COLUMNS = 12
CLASSES_AT_ONCE = 10


def main() -> None:
    frame("Data", "What the networks learn from. Look before you train: most surprises begin here.")
    st.session_state["data.seen"] = True
    with sentences():
        name = dataset_box(
            "Data set",
            "data.set",
            "Folders of images appear here when they lie in the data folder, or after "
            "`python -m core data --dataset folder:PATH`.",
        )
        fingerprint = ready_or_prepare(name, IMAGE_SIZE)
        if fingerprint is None:
            return
        data = cache.images(name, IMAGE_SIZE, fingerprint)
        _facts(data)
        counts, faces, samples, anatomy = st.tabs(
            ["Class counts", "One of each class", "Samples", "Anatomy of an example"],
            key="data.tab",
            on_change="rerun",
        )
        for tab, draw in (
            (counts, _class_counts),
            (faces, _one_of_each),
            (samples, _samples),
            (anatomy, _anatomy),
        ):
            if tab.open:
                with tab:
                    draw(data)


def _facts(data: ImageData) -> None:
    mean, std = data.channel_statistics
    with st.container(horizontal=True, gap="large"):
        st.metric(
            "Classes",
            f"{len(data.classes):,}",
            help="Kinds of images that a network is to tell apart. Who guesses is right once in so many times.",
            width="content",
        )
        st.metric(
            "Training images",
            f"{len(data.train):,}",
            help="To learn from; a part of them is set aside as validation, to judge with while training.",
            width="content",
        )
        st.metric(
            "Test images",
            f"{len(data.test):,}",
            help="Nothing learns from them and nothing is chosen by them: they are for the last word on a recipe.",
            width="content",
        )
        shape = " × ".join(map(str, data.train.images.shape[1:]))
        st.metric(
            "One image",
            shape,
            width="content",
            help="Channels (red, green, blue) × height × width in pixels: so many numbers go into the network.",
        )
    rows = pd.DataFrame({"mean": mean, "standard deviation": std}, index=["red", "green", "blue"])
    with st.expander("Mean and standard deviation of each channel", icon=":material/calculate:"):
        st.caption(
            "Computed from all training images before the split, never from test, on the scale 0 to 1; "
            "the data set's own normalisation subtracts the one and divides by the other."
        )
        st.dataframe(
            rows,
            column_config={name: st.column_config.NumberColumn(format="%.4f") for name in rows},
            alt="Mean and deviation of the red, green and blue channel",
        )
    if data.skipped:
        with st.expander(f"{len(data.skipped):,} files could not be used", icon=":material/warning:"):
            st.dataframe(
                pd.DataFrame(data.skipped, columns=["file", "reason"]),
                hide_index=True,
                alt="Files that could not be used, with the reason of each",
            )


def _class_counts(data: ImageData) -> None:
    """Figures 1 and 2 of the report, and the same for the validation split."""
    left, right = st.columns(2)
    share = left.slider(
        "Validation share", 0.05, 0.5, Recipe().validation_share, 0.05, help=KNOBS["validation_share"].help
    )
    seed = right.number_input("Seed of the split", 0, 2**31 - 1, 42, help="Each seed holds out other images.")
    _, validation = split_indices(len(data.train), share, seed)
    parts = {
        "Training set": data.train.labels,
        "Test set": data.test.labels,
        f"Validation split ({len(validation):,} of the training set)": data.train.labels[validation],
    }
    for column, (title, labels) in zip(wrapping_columns(3, "counts"), parts.items(), strict=True):
        with column:
            st.markdown(f"**{title}**")
            histogram(data.classes, labels, title, f"counts-{title[:4]}")
    st.caption(
        "Training and test set are counted as they are. The validation split is drawn at random, so its "
        "classes are not exactly equal."
    )


def _one_of_each(data: ImageData) -> None:
    """Figures 3 and 4: one image of each class, as it is and as the network gets it."""
    kind = _normalisation_choice("faces")
    mean, std = normalisation(kind, data)
    shown = st.number_input("Which one of each class", 1, 1000, 1, help="1 is the first of its class.") - 1
    st.markdown("**As they are** (figure 3 of the report)")
    if len(data.classes) > MOST_CARDS:
        st.caption(f"The first {MOST_CARDS} of {len(data.classes):,} classes; Samples shows any of them.")
    one_of_each(data, shown)
    st.markdown("**Normalised** (figure 4)")
    one_of_each(data, shown, as_the_network_sees(mean, std))
    st.caption(
        f"Normalised values are shown from −{pictures.SHOWN_DEVIATIONS} (black) to "
        f"{pictures.SHOWN_DEVIATIONS} (white), 0 in the middle; what lies outside is cut off."
    )


def _samples(data: ImageData) -> None:
    """A grid by class, split and page."""
    left, middle, right = st.columns([1, 3, 1])
    part = left.selectbox(
        "Part",
        ["training", "validation", "test"],
        key="data.part",
        help="Training is the whole training set; validation the part of it that seed 42 holds out.",
    )
    split = data.test if part == "test" else data.train
    if part == "validation":
        _, rows = split_indices(len(data.train), Recipe().validation_share, seed=42)
        split = Split(data.train.images[rows], data.train.labels[rows])
    classes = middle.multiselect(
        "Classes",
        data.classes,
        default=list(data.classes[:CLASSES_AT_ONCE]),
        max_selections=CLASSES_AT_ONCE,
        help="Which classes to show, a row each. The fewer there are, the more images of each fit on a page.",
    )
    rows = max(1, CLASSES_AT_ONCE // max(1, len(classes)))
    most = max([int((split.labels == data.classes.index(name)).sum()) for name in classes] or [1])
    pages = max(1, -(-most // (rows * COLUMNS)))
    page = right.number_input(
        f"Page (of {pages:,})",
        1,
        pages,
        1,
        help="There are more images than fit here; this shows the next ones.",
    )
    for name in classes:
        found = np.flatnonzero(split.labels == data.classes.index(name))
        shown = found[(page - 1) * rows * COLUMNS : page * rows * COLUMNS]
        label, strip = st.columns([1, 8], vertical_alignment="center")
        label.text(name)
        if len(shown):
            picture = pictures.mosaic(split.images[shown], COLUMNS, THUMBNAIL_PX)
            strip.image(picture, output_format="PNG", alt=f"{len(shown)} images of class {name}")
        else:
            strip.caption("no more images")
    if not classes:
        st.info("Choose at least one class.")


def _anatomy(data: ImageData) -> None:
    """What one example is to the computer: type, shape, values before and after normalisation."""
    index = st.number_input("Training image", 0, len(data.train) - 1, 0, help="Its place in the data set.")
    kind = _normalisation_choice("anatomy")
    image, label = data.train.images[index], int(data.train.labels[index])
    mean, std = normalisation(kind, data)
    after = pictures.normalised(image, mean, std)
    left, middle, right = wrapping_columns([1, 1, 2], "anatomy")
    left.image(
        pictures.enlarged(image, 256),
        escaped(f"{data.classes[label]}, as it is"),
        output_format="PNG",
        alt="The image",
    )
    middle.image(
        pictures.enlarged(pictures.displayable(after), 256),
        "normalised",
        output_format="PNG",
        alt="The same, normalised",
    )
    height, width = image.shape[1:]
    right.markdown(
        f"- An example is a pair `(torch.Tensor, int)`: the image and the number of its class.\n"
        f"- The class is `{label}`, the place of its name in the list of classes, counted from 0.\n"
        f"- The tensor has shape `(3, {height}, {width})`: 3 channels (red, green, blue), {height} rows, "
        f"{width} columns: {3 * height * width:,} numbers.\n"
        f"- On disk each is a whole number from 0 to 255 (`uint8`); `ToTensor` divides by 255 (`float32`).\n"
        f"- Normalising subtracts a mean and divides by a deviation, channel by channel."
    )
    rows = pd.DataFrame(
        {
            "lowest before": image.min((1, 2)) / 255,
            "highest before": image.max((1, 2)) / 255,
            "mean subtracted": mean,
            "divided by": std,
            "lowest after": after.min((1, 2)),
            "highest after": after.max((1, 2)),
        },
        index=["red", "green", "blue"],
    )
    st.dataframe(
        rows,
        column_config={name: st.column_config.NumberColumn(format="%.3f") for name in rows},
        alt="Range of values of each channel before and after normalisation",
    )


def _normalisation_choice(key: str) -> str:
    knob = KNOBS["normalisation"]
    return st.segmented_control(
        knob.label,
        knob.choices,
        default=knob.choices[0],
        required=True,
        format_func=lambda choice: value_title("normalisation", choice),
        help=knob.help,
        key=f"data.normalisation.{key}",
    )


main()
