"""Images that were judged, page by page: each with its class, the answer, and a bar for each likely class."""

import base64
from pathlib import Path

import numpy as np
import streamlit as st

from core import classify_figures
from core.pictures import enlarged, enlarged_png
from pages.parts.judged import Judged
from pages.parts.live_chart import live_chart
from pages.parts.words import escaped, percent

CARDS = 24
BARS = 3
MOST_CLASSES = 10  # whose probabilities are drawn for the image that was clicked
CARD_PX = 148

_cards = st.components.v2.component(
    "tenfold_cards",
    html='<div class="cards"></div>',
    css=f""".cards {{ display: grid; grid-template-columns: repeat(auto-fill, minmax({CARD_PX}px, 1fr)); gap: 10px; }}
    .cards button {{ display: flex; flex-direction: column; gap: 3px; padding: 8px; cursor: pointer; min-width: 0;
        text-align: left; font: inherit; color: var(--st-text-color); background: var(--st-secondary-background-color);
        border: 2px solid transparent; border-radius: var(--st-base-radius); }}
    .cards button:hover, .cards button:focus-visible, .cards [aria-pressed="true"] {{
        border-color: var(--st-primary-color); outline: none; }}
    .cards img {{ width: 96px; height: 96px; object-fit: contain; align-self: center; image-rendering: pixelated; }}
    .cards strong {{ font-size: 0.8rem; line-height: 1.25; overflow-wrap: anywhere; }}
    .bar {{ position: relative; display: flex; justify-content: space-between; gap: 6px; font-size: 0.75rem;
        line-height: 1.5; padding: 0 4px; background: var(--st-background-color); }}
    .bar i {{ position: absolute; inset: 0 auto 0 0; background: var(--st-border-color); }}
    .bar.right i {{ background: color-mix(in srgb, #1a9e78 45%, transparent); }}
    .bar.wrong i {{ background: color-mix(in srgb, #d96a1d 45%, transparent); }}
    .bar span {{ position: relative; white-space: nowrap; }}
    .bar .label {{ overflow: hidden; text-overflow: ellipsis; }}
    .bar.right .label::after {{ content: " ✓"; }}""",
    js=(Path(__file__).parent / "judged_cards.js").read_text(encoding="utf-8"),
)


def judged_cards(judged: Judged, indices: np.ndarray, key: str) -> None:
    """One page of images, the choice of the page, and more about the one that was clicked, at first the first.

    Args:
        indices: of images of this part, in the order in which they are shown.
        key: another one where other images are chosen, so that they begin with their first page.

    Raises:
        UserError: the images are gone, or others are in their place.
    """
    if not len(indices):
        st.caption("There is none.")
        return
    images = judged.images()
    pages = -(-len(indices) // CARDS)
    page = 1
    if pages > 1:
        page = st.number_input(
            f"Page (of {pages:,})",
            1,
            pages,
            1,
            key=f"{key}.page",
            width=160,
            help="There are more images than fit here; this shows the next ones.",
        )
    shown = indices[(page - 1) * CARDS : page * CARDS]
    above = st.container()  # where it is seen, whichever image is clicked
    before = chosen_image(judged)
    data = {
        "cards": [_card(judged, int(index), images[int(index)]) for index in shown],
        "chosen": before if before in shown else int(shown[0]),
    }
    found = _cards(key=f"{key}.cards", data=data, on_chosen_change=lambda: None).chosen
    if isinstance(found, int) and found in shown:
        st.session_state["depth.image"] = (judged.run.id, judged.part, found)
        data["chosen"] = found
    with above:
        _about(judged, data["chosen"])


def chosen_image(judged: Judged) -> int | None:
    """The image of this run and part that was clicked last in this session."""
    run_id, part, index = st.session_state.get("depth.image", ("", "", 0))
    return index if (run_id, part) == (judged.run.id, judged.part) else None


def in_a_sentence(judged: Judged, index: int) -> str:
    """What an image is and what it was taken for, not escaped."""
    truth, answer = int(judged.predictions.labels[index]), int(judged.predictions.answers[index])
    share = judged.shares[index]
    if truth == answer:
        return f"{judged.classes[truth]}, recognised with {percent(share[answer])}"
    return (
        f"{judged.classes[truth]}, taken for {judged.classes[answer]} with {percent(share[answer])}; "
        f"its own class has {percent(share[truth])}"
    )


def _card(judged: Judged, index: int, image: np.ndarray) -> dict[str, object]:
    """What the browser draws; the image as it is, enlarged there."""
    share, truth = judged.shares[index], int(judged.predictions.labels[index])
    answer = int(judged.predictions.answers[index])
    likely = [int(number) for number in np.argsort(-share, kind="stable")[:BARS]]
    if truth not in likely:
        likely[-1] = truth
    png = enlarged_png(image, image.shape[2])
    kinds = {answer: "wrong", truth: "right"}
    names = judged.classes
    return {
        "source": f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}",
        "index": index,
        "name": f"Image {index:,} of {judged.part}: {in_a_sentence(judged, index)}",
        "title": names[truth] if truth == answer else f"{names[truth]} → {names[answer]}",
        "bars": [
            {"label": names[number], "share": float(share[number]), "kind": kinds.get(number, "")}
            for number in likely
        ],
    }


def _about(judged: Judged, index: int) -> None:
    """The image that was clicked, larger, with the probability of each class."""
    with st.container(horizontal=True, vertical_alignment="top", border=True):
        words = in_a_sentence(judged, index)
        st.image(
            enlarged(judged.images()[index], 192),
            caption=escaped(f"Image {index:,} of {judged.part}: {words}"),
            width=220,
            output_format="PNG",
            alt=f"Image {index} of {judged.part}, {words}",
        )
        with st.container(width="stretch"):
            figure = classify_figures.class_bars(
                judged.classes, {judged.part: judged.shares[index]}, MOST_CLASSES
            )
            figure["layout"]["xaxis"]["title"]["text"] = f"probability, an image of {judged.part}"
            live_chart(figure, "depth-image", 60 + 26 * min(MOST_CLASSES, len(judged.classes)), words)
            st.caption(
                "Click another image to see it here. What the layers make of it is on the tab “Filters”."
            )
