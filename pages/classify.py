"""Show a model an image: what it says, why, and how far that can be believed."""

import csv
import hashlib
import io
import json
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.pictures import enlarged_png
from core.tables import harmless
from pages.parts import cache
from pages.parts.answer import answer
from pages.parts.bringing import Brought, bring
from pages.parts.frame import frame, sentences
from pages.parts.subject import Subject, pick_subject
from pages.parts.words import escaped

CHUNK = 100  # images shown to a network at once, so that the bar moves and others get their answers
TABLE_ROWS = 10
UNSHOWN_PX = 256  # of an image of a large batch, of which only the seen pixels are kept


def main() -> None:
    frame("Classify", "Show a model an image: what it takes it for, why, and how far to believe it.")
    cache.asker().warm()
    with sentences():
        subject = pick_subject()
        if subject is None:
            return
        images, refused = bring(subject)
        if refused:
            _refused(refused)
        if len(images) == 1:
            answer(subject, images[0])
        elif images:
            _batch(subject, images, refused)


def _refused(refused: list[tuple[str, str]]) -> None:
    """Each with its reason; one at once, many in a table."""
    for name, reason in refused[:3]:
        st.error(escaped(f"{name}: {reason}"), icon=":material/error:")
    if len(refused) > 3:
        with st.expander(f"{len(refused):,} files could not be read", icon=":material/warning:"):
            st.dataframe(
                pd.DataFrame(refused, columns=["file", "reason"]),
                hide_index=True,
                alt="Files that could not be read, with the reason of each",
            )


def _batch(subject: Subject, images: list[Brought], refused: list[tuple[str, str]]) -> None:
    """A table of all, its file, and one of them in depth."""
    told, found = _answers(subject, images)
    best = found["mean"].argmax(axis=1)
    table = pd.DataFrame(
        {
            "file": [image.name for image in images],
            "class": [subject.classes[k] for k in best],
            "probability": found["mean"][np.arange(len(best)), best],
            "agreement": found["agreement"],
            "unusual": found["unusual"],
        }
    )
    if len(found["probabilities"]) == 1:
        table = table.drop(columns="agreement")
    if not told["has_alarm"]:
        table = table.drop(columns="unusual")
    st.markdown(f"**{len(images):,} images.** Mark one to see it in depth.")
    event = st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * min(len(table), TABLE_ROWS),
        column_config={
            "probability": st.column_config.NumberColumn(format="percent"),
            "agreement": st.column_config.NumberColumn(
                format="percent", help="The share of the networks that name this class."
            ),
            "unusual": st.column_config.CheckboxColumn(help="Looks unlike the images of the training."),
        },
        on_select="rerun",
        selection_mode="single-row",
        key="classify.table",
        alt="Every image with its class",
    )
    st.download_button(
        "Download as CSV",
        lambda: _csv(subject, images, refused, found, told["has_alarm"]),
        "classes.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    rows = event.selection.rows
    image = images[rows[0] if rows and rows[0] < len(images) else 0]
    st.markdown(f"##### {escaped(image.name)}")
    if image.shown is None:
        image = Brought(image.name, enlarged_png(image.seen, UNSHOWN_PX), image.seen, image.label)
    answer(subject, image)


def _answers(subject: Subject, images: list[Brought]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What is told of all of them, asked once: a click on a row of the table draws the page anew."""
    seen = np.stack([image.seen for image in images])
    key = (json.dumps(subject.named), hashlib.sha256(seen.tobytes()).hexdigest())
    kept = st.session_state.get("classify.answers")
    if kept and kept[0] == key:
        return kept[1]
    at_once = max(1, CHUNK // len(subject.about["members"]))
    bar = st.progress(0.0, "Classifying") if len(seen) > at_once else None
    told, parts = {}, []
    for begin in range(0, len(seen), at_once):
        told, part = subject.ask("classify", {"images": seen[begin : begin + at_once]})
        parts.append(part)
        if bar:
            done = min(begin + at_once, len(seen))
            bar.progress(done / len(seen), f"Classifying: {done:,} of {len(seen):,}")
    if bar:
        bar.empty()
    axis = {"probabilities": 1}
    found = {name: np.concatenate([part[name] for part in parts], axis.get(name, 0)) for name in parts[0]}
    st.session_state["classify.answers"] = (key, (told, found))
    return told, found


def _csv(
    subject: Subject,
    images: list[Brought],
    refused: list[tuple[str, str]],
    found: dict[str, np.ndarray],
    has_alarm: bool,
) -> str:
    """A row a file, a column a class; empty is what can't be told.

    Names that a spreadsheet would compute get an apostrophe.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = [*map(harmless, subject.classes)]
    several = len(found["probabilities"]) > 1
    writer.writerow(["file", "class", *names, "agreement", "energy", "unusual", "refused"])
    for row, image in enumerate(images):
        mean = found["mean"][row]
        writer.writerow(
            [
                harmless(image.name),
                harmless(subject.classes[int(mean.argmax())]),
                *(f"{value:.6f}" for value in mean),
                f"{found['agreement'][row]:.4f}" if several else "",
                f"{found['energy'][row]:.4f}",
                bool(found["unusual"][row]) if has_alarm else "",
                "",
            ]
        )
    nothing = [""] * (len(names) + 4)
    writer.writerows([harmless(name), *nothing, harmless(reason)] for name, reason in refused)
    return file.getvalue()


main()
