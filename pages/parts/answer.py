"""What the model says of one image: seen pixels, classes, doubts; why, how it changes, what it resembles."""

import hashlib
import io

import numpy as np
import streamlit as st
from PIL import Image

from core import classify_figures, overlay
from core.errors import UserError
from core.explanations import METHODS
from core.pictures import enlarged
from core.play import SLIDERS, Play, apply
from pages.parts.bringing import Brought
from pages.parts.frame import sentences, wrapping_columns
from pages.parts.live_chart import live_chart
from pages.parts.subject import Subject
from pages.parts.words import escaped, percent

SIDE_PX = 224
NEIGHBOURS = 12

CALIBRATED = (
    "Networks tend to be too sure of themselves. These probabilities were softened, by one number (temperature) that fits "
    "those of the validation images to how often they were right."
)
NOT_CALIBRATED = "Networks tend to be too sure of themselves, and nobody measured how much this one is: take its probabilities with care."
SEVERAL = (
    " Each network is calibrated by itself, their mean is not calibrated again. The standard deviation says how far the "
    "networks lie apart."
)


def answer(subject: Subject, image: Brought) -> None:
    """The image, what is seen of it, and the classes; then the views behind it."""
    told, found = subject.ask("classify", {"images": image.seen[None]})
    pictures, bars = wrapping_columns(2, "answer")
    with pictures, st.container(horizontal=True):
        size = subject.size
        st.image(
            _within(image.shown),
            "as it was given",
            width=SIDE_PX,
            output_format="PNG",
            alt="The image as given",
        )
        st.image(
            enlarged(image.seen, SIDE_PX),
            f"the {size} × {size} pixels that the model sees",
            width=SIDE_PX,
            output_format="PNG",
            alt=f"The image in {size} by {size} pixels",
        )
    with bars:
        _classes(subject, found, image.label, "classify-bars")
        _doubts(subject, told, found)
    views = {"Why": _why, "Play": _play, "What it resembles": _resembles}
    for tab, draw in zip(
        st.tabs(list(views), key="classify.tab", on_change="rerun"), views.values(), strict=True
    ):
        if tab.open:
            with tab, sentences():
                draw(subject, image, found)


def _within(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png))
    picture.thumbnail((SIDE_PX, SIDE_PX))
    return picture


def _classes(subject: Subject, found: dict[str, np.ndarray], label: str | None, key: str) -> None:
    mean = found["mean"][0]
    best = int(mean.argmax())
    average = " on average" if len(found["probabilities"]) > 1 else ""
    st.markdown(f"### {escaped(subject.classes[best])}, {percent(float(mean[best]))}{average}")
    if label is not None and label not in subject.classes:
        st.markdown(escaped(f"It is labelled {label}, which this model does not know."))
    elif label is not None:
        st.markdown(
            escaped("Right." if subject.classes[best] == label else f"Wrong: it is labelled {label}.")
        )
    figure = classify_figures.class_bars(subject.classes, subject.of_each(found["probabilities"], 0))
    words = ", ".join(f"{subject.classes[k]} {percent(float(mean[k]))}" for k in np.argsort(-mean)[:3])
    live_chart(figure, key, 210, f"Most probable classes: {words}")


def _doubts(subject: Subject, told: dict, found: dict[str, np.ndarray]) -> None:
    """Everything that speaks against believing the bars."""
    n = len(found["probabilities"])
    words, hint = ("Calibrated on validation images.", CALIBRATED)
    if not subject.about["calibrated"]:
        words, hint = ("Not calibrated.", NOT_CALIBRATED)
    if n > 1:
        best = int(found["mean"][0].argmax())
        what = "networks" if subject.about["parts"] else "seeds"
        words += (
            f" Mean of {n} {what}; {found['agreement'][0]:.0%} of them name this class, and its probability spreads by "
            f"{100 * found['spread'][0, best]:.1f} points (standard deviation)."
        )
        if any(count > 1 for _, count in subject.about["parts"] or [("", n)]):
            words += " Whiskers: lowest and highest seed."
        hint += SEVERAL
    st.caption(escaped(words), help=hint)
    if found["unusual"][0]:
        st.warning(
            "This image looks unlike those that the model was trained on: its answer means little. "
            f"(Judged by how much evidence for any class it finds in all, its energy; {subject.about['false_alarms']:.1%} of "
            "usual images get this warning, too.)",
            icon=":material/report:",
        )
    elif not told["has_alarm"]:
        st.caption("Whether the image is like those it was trained on can't be told for this model.")


def _why(subject: Subject, image: Brought, found: dict[str, np.ndarray]) -> None:
    left, right = st.columns(2)
    method = left.segmented_control(
        "Method",
        list(METHODS),
        default="gradcam",
        required=True,
        format_func=lambda name: METHODS[name].title,
        key="classify.method",
        help="Three ways to ask which places of the image moved the answer: by the network's last map (Grad-CAM), pixel by "
        "pixel (integrated gradients), or by covering places one after another (occlusion). Where they agree, believe them more.",
    )
    order = np.argsort(-found["mean"][0])
    target = right.selectbox(
        "For the class",
        [int(k) for k in order],
        format_func=lambda k: subject.classes[k],
        key=f"classify.for.{order[0]}",
        help="What speaks for this class; the most probable one comes first. Choose another to see what would speak for that.",
    )
    told, maps = subject.ask("explain", {"image": image.seen}, method=method, target=target)
    one, other = wrapping_columns(2, "why")
    with one:
        st.image(
            overlay.overlay(image.seen, maps["heat"], 320),
            f"{METHODS[method].title} for {escaped(subject.classes[target])}",
            width=320,
            output_format="PNG",
            alt=f"Where the model looks for {subject.classes[target]}",
        )
        st.image(
            overlay.legend(), width=240, output_format="PNG", alt="Blue speaks against, orange for the class"
        )
    with other:
        sizes = " and ".join(f"{rows} × {columns}" for rows, columns in told["regions"])
        st.markdown(METHODS[method].help + (f" This map has {sizes} regions." if sizes else ""))
        if told["members"] > 1:
            st.caption(f"Mean over {told['members']} of the seeds, each scaled to its strongest place.")
        st.caption(
            "Such maps show what moves this answer, not that the model understands; another method may differ."
        )


def _play(subject: Subject, image: Brought, found: dict[str, np.ndarray]) -> None:
    """Sliders that reclassify as they move, and where along each of them the answer changes."""
    st.fragment(_sliders)(subject, image)


def _reset() -> None:
    """New sliders, which stand where they do nothing."""
    st.session_state["play.resets"] = st.session_state.get("play.resets", 0) + 1


def _sliders(subject: Subject, image: Brought) -> None:
    turn = f"{hashlib.sha256(image.seen.tobytes()).hexdigest()[:8]}.{st.session_state.get('play.resets', 0)}"
    with sentences():
        left, right = wrapping_columns([1, 1], "play")
        with left:
            values = {
                name: st.slider(
                    f"{slider.title}{f' ({slider.unit})' if slider.unit else ''}",
                    float(slider.lowest),
                    float(slider.highest),
                    float(getattr(Play(), name)),
                    float(slider.step),
                    help=slider.help,
                    key=f"play.{name}.{turn}",
                )
                for name, slider in SLIDERS.items()
            }
            play = Play(
                flip=st.toggle(
                    "Flip",
                    key=f"play.flip.{turn}",
                    help="Mirrors the image left to right: does the answer stay?",
                ),
                **values,
            )
            st.button("Reset", icon=":material/undo:", key="play.reset", on_click=_reset)
        changed = apply(play, image.seen)
        told, found = subject.ask("classify", {"images": changed[None]})
        with right:
            st.image(enlarged(changed, SIDE_PX), width=SIDE_PX, output_format="PNG", alt="The changed image")
            _classes(subject, found, image.label, "play-bars")
            _doubts(subject, told, found)
        if st.toggle(
            "Where does the answer change along each slider?",
            key="play.along",
            help="Asks the model at many places of each "
            "slider, the others as they stand, and draws its answers: how little does it take to change its mind?",
        ):
            _along(subject, image, play)


def _along(subject: Subject, image: Brought, play: Play) -> None:
    told, found = subject.ask("along", {"image": image.seen}, play=vars(play))
    names = [name for name in SLIDERS if name in told["along"]]
    columns = wrapping_columns(len(names), "along")
    for column, name in zip(columns, names, strict=True):
        slider, one = SLIDERS[name], told["along"][name]
        with column:
            live_chart(
                classify_figures.probability_along(
                    slider.title,
                    slider.unit,
                    found[f"{name}.values"],
                    {"first answer": found[f"{name}.probability"]},
                    one["start"],
                    [one["below"], one["above"]],
                ),
                f"along-{name}",
                240,
                f"Probability of the first answer along {slider.title.lower()}",
            )
    straight, mirrored = found["flip.probability"]
    st.caption(f"The first answer's probability is {straight:.1%} unflipped and {mirrored:.1%} flipped.")


def _nearest(subject: Subject, image: Brought) -> tuple[dict, dict[str, np.ndarray]]:
    """Asked again until the features of all training images are known; those that are, stay so after a reload."""
    place, share = st.empty(), 0.0
    while True:
        words = f"Looking at the training images, once for each model: {percent(share)}"
        place.progress(share, words) if share else place.caption("Looking at the training images …")
        try:
            told, near = subject.ask("nearest", {"images": image.seen[None]}, count=NEIGHBOURS)
        except UserError:
            place.empty()
            raise
        if near:
            place.empty()
            return told, near
        share = told["done"] / told["total"]


def _resembles(subject: Subject, image: Brought, found: dict[str, np.ndarray]) -> None:
    """Training images that look alike to the model, with their labels."""
    told, near = _nearest(subject, image)
    with st.container(horizontal=True):
        for picture, label, likeness in zip(
            near["images"][0], near["labels"][0], near["similarities"][0], strict=True
        ):
            st.image(
                enlarged(picture, 84),
                escaped(f"{subject.classes[label]}, {likeness:.2f}"),
                width=110,
                output_format="PNG",
                alt=f"A training image, {subject.classes[label]}",
            )
    st.caption(
        "Training images that look most alike to this model, with their labels and how alike they are, 1 being the same. "
        f"{escaped(told['note'])}",
        help="Compared by the features before the last layer: the cosine of the angle between the two images' features.",
    )
