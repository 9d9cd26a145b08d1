"""Ways to bring images: files or a zip, the clipboard, the camera, a drawing, a click on a test image."""

import hashlib
from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.datasets import ImageData, source
from core.decoding import FITS, Budget, Decoded, safe_name, unpack
from core.errors import UserError
from core.images import MOST_BYTES
from core.pictures import enlarged_png
from pages.parts import cache
from pages.parts.clicks import clicked, drawn, pasted
from pages.parts.pickers import dataset_box, ready_or_prepare
from pages.parts.subject import Subject

MOST_IMAGES = 1000
TILES = 24
SHOWN_PX = 512

WAYS = {
    "Upload": ":material/upload_file:",
    "Paste": ":material/content_paste:",
    "Camera": ":material/photo_camera:",
    "Draw": ":material/draw:",
    "Test image": ":material/grid_view:",
}


@dataclass(frozen=True)
class Brought:
    """An image as the person gave it, as the model sees it, and what is known of it.

    `shown` is a PNG, `seen` (3, size, size) uint8; `label` its true class where it is a test image.
    """

    name: str
    shown: bytes
    seen: np.ndarray
    label: str | None = None


def bring(subject: Subject) -> tuple[list[Brought], list[tuple[str, str]]]:
    """Draw the ways in; gives the images, and name and reason of those that were refused."""
    way = st.segmented_control(
        "Image from",
        list(WAYS),
        default="Upload",
        required=True,
        key="classify.way",
        help="Where the image comes from: your files, the clipboard, a camera, a drawing of yours, or the test images of a "
        "data set. It stays on the machine that runs this dashboard.",
        format_func=lambda name: f"{WAYS[name]} {name}",
        persist_state="session",
    )
    if way == "Test image":
        return _test_image(subject), []
    ways = {"Upload": _uploaded, "Paste": _pasted, "Camera": _photographed, "Draw": _drawing}
    given = ways[way]()
    if not given:
        return [], []
    decoded = _decoded(given, subject.size, "crop" if way == "Draw" else _fit())  # the pad is a square
    images = [Brought(one.name, one.shown, one.seen) for one in decoded if one.refused is None]
    return images, [(one.name, one.refused) for one in decoded if one.refused is not None]


def _fit() -> str:
    """How a picture becomes a square; asked for only where there are pictures that are none."""
    return st.segmented_control(
        "If it is no square",
        list(FITS),
        default="crop",
        required=True,
        key="classify.fit",
        persist_state="session",
        help=" ".join(f"**{name}**: {words}" for name, words in FITS.items()),
    )


def _uploaded() -> list[tuple[str, bytes]]:
    """Files as they are; a zip is one of them."""
    given = st.file_uploader(
        "PNG, JPEG, WebP, BMP or GIF; several at once, or a zip of them",
        accept_multiple_files=True,
        key="classify.files",
        max_upload_size=MOST_BYTES // 1_000_000,
        help=f"At most {MOST_IMAGES:,} images, 20 MB each. They stay on this machine, in memory.",
    )
    return [(one.name, one.getvalue()) for one in given or []]


def _pasted() -> list[tuple[str, bytes]]:
    """What was pasted last stays, until something else is."""
    new = pasted("classify.paste")
    if new is not None:
        st.session_state["classify.pasted"] = new
    kept = st.session_state.get("classify.pasted")
    return [("pasted image", kept)] if kept else []


def _drawing() -> list[tuple[str, bytes]]:
    """The last state of the pad, until it is cleared."""
    new = drawn("classify.pad")
    if new is not None:
        st.session_state["classify.drawn"] = new
    kept = st.session_state.get("classify.drawn")
    return [("drawing", kept)] if kept else []


def _photographed() -> list[tuple[str, bytes]]:
    photo = st.camera_input(
        "Take a photograph",
        key="classify.photo",
        help="Your browser asks whether the camera may be used. Fill the frame with one thing.",
    )
    return [("photograph", photo.getvalue())] if photo else []


def _decoded(given: list[tuple[str, bytes]], size: int, fit: str) -> list[Decoded]:
    """Through the bounded child, zips unpacked; the same files are unpacked and decoded once.

    Where one was refused for the moment only, they are tried again when the page is drawn next.

    Raises:
        UserError: they are too many.
    """
    digest = hashlib.sha256(f"{size} {fit}".encode())
    for name, content in given:
        digest.update(hashlib.sha256(content).digest() + name.encode("utf-8", "replace") + b"\0")
    key, kept = digest.hexdigest(), st.session_state.get("classify.decoded")
    if kept and kept[0] == key and not any(one.passing for one in kept[1]):
        return kept[1]
    files, refused = _unpacked(given)
    if len(files) > MOST_IMAGES:
        raise UserError(
            f"{len(files):,} images are more than {MOST_IMAGES:,}, the most at once: bring fewer."
        )
    bar = st.progress(0.0, "Reading the images") if len(files) > 8 else None

    def progress(done: int, total: int) -> None:
        if bar and (done % 10 == 0 or done == total):
            bar.progress(done / total, f"Reading the images: {done:,} of {total:,}")

    found = refused + cache.decoder().decode(files, size, fit, progress, shown=len(files) <= 100)
    if bar:
        bar.empty()
    st.session_state["classify.decoded"] = (key, found)
    return found


def _unpacked(given: list[tuple[str, bytes]]) -> tuple[list[tuple[str, bytes]], list[Decoded]]:
    """The files, those of a zip in its place; and what becomes of a zip that can't be opened."""
    files: list[tuple[str, bytes]] = []
    refused, budget = [], Budget()
    for name, content in given:
        try:
            files += unpack(name, content, budget)
        except UserError as error:
            refused.append(Decoded(safe_name(name), None, None, str(error)))
    return files, refused


def _test_image(subject: Subject) -> list[Brought]:
    """A page of test images to click on."""
    left, middle, right = st.columns([2, 2, 1])
    with left:
        name = dataset_box("Data set", "classify.dataset", "Whose test images are shown, to click on one.")
    if ready_or_prepare(name, subject.size) is None:
        return []
    data = source_images(name, subject.size)
    wanted = middle.selectbox(
        "Class", ["all", *data.classes], key="classify.class", help="Show test images of this class only."
    )
    found = np.arange(len(data.test))
    if wanted != "all":
        found = np.flatnonzero(data.test.labels == data.classes.index(wanted))
    if not len(found):
        st.caption("There is none.")
        return []
    pages = -(-len(found) // TILES)
    page = right.number_input(
        f"Page (of {pages:,})",
        1,
        pages,
        1,
        key="classify.page",
        help="There are more images than fit here; this shows the next ones.",
    )
    rows = found[(page - 1) * TILES : page * TILES]
    names = [f"{data.classes[data.test.labels[row]]}, test image {row}" for row in rows]
    new = clicked(data.test.images[rows], names, rows, f"classify.tiles.{name}")
    if new is not None:
        st.session_state["classify.test"] = (name, new)
    chosen = st.session_state.get("classify.test")
    if not chosen or chosen[0] != name or chosen[1] >= len(data.test):
        st.caption("Click on an image.")
        return []
    image = data.test.images[chosen[1]]
    return [
        Brought(
            f"test image {chosen[1]}",
            enlarged_png(image, SHOWN_PX),
            image,
            data.classes[data.test.labels[chosen[1]]],
        )
    ]


def source_images(name: str, size: int) -> ImageData:
    """The images of a data set that is ready."""
    size = size if name.startswith("folder:") else 32
    return cache.images(name, size, source(name, size).ready_fingerprint())
