"""One run in depth: its curves, and a tab for everything else that is known of it."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core.config import KNOBS, applying_fields
from core.history import log_lines
from core.store import Run
from pages.parts import cache
from pages.parts.calibration import calibration
from pages.parts.class_table import class_table
from pages.parts.confusion import confusion
from pages.parts.filters import filters
from pages.parts.frame import sentences
from pages.parts.gradients import gradients
from pages.parts.live import live
from pages.parts.mistakes import mistakes
from pages.parts.proof import proof_panel
from pages.parts.recipe_form import value_title
from pages.parts.results import results
from pages.parts.take_home import take_home
from pages.parts.words import escaped

LOG_BYTES, LOG_PX = 200_000, 320


def depth(run: Run) -> None:
    st.divider()
    live(run)
    views = {
        "Recipe": _recipe,
        "Log": _log,
        "Results": results,
        "Confusion": confusion,
        "Classes": class_table,
        "Mistakes": mistakes,
        "Calibration": calibration,
        "Filters": filters,
        "Take home": take_home,
        "Gradients": gradients,
        "Passport": _passport,
    }
    for tab, draw in zip(
        st.tabs(list(views), key="runs.tab", on_change="rerun"), views.values(), strict=True
    ):
        if tab.open:
            with tab, sentences():
                draw(run)


def _recipe(run: Run) -> None:
    """Every field that does something, in words."""
    names = applying_fields(run.spec.recipe)
    table = pd.DataFrame(
        {
            "field": [KNOBS[name].label for name in names],
            "value": [escaped(value_title(name, getattr(run.spec.recipe, name))) for name in names],
            "meaning": [KNOBS[name].help for name in names],
        }
    )
    st.table(table, hide_index=True, alt="The recipe of this run")


def _log(run: Run) -> None:
    """What happened, line by line; what the worker itself printed is a download."""
    with st.container(height=LOG_PX, border=False):  # it holds a button, so that the keyboard can scroll it
        lines = "\n".join(log_lines(cache.history(run.id)))
        st.code(lines or "Nothing has happened yet.", language=None, wrap_lines=True)
    printed = _tail(run.log_path)
    if printed:
        st.download_button(
            "Download what the worker printed",
            printed,
            "worker.log",
            on_click="ignore",
            icon=":material/download:",
        )


def _tail(path: Path) -> bytes:
    """The end of a file, which may have grown large; nothing for none."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_BYTES))
        return file.read()


def _passport(run: Run) -> None:
    """With what the run was computed: the same passport gives the same weights."""
    started = cache.history(run.id).started
    if started is None:
        st.caption("The passport is written when the run starts.")
        return
    facts = {
        **started.passport,
        "training images": f"{started.train_images:,}",
        "validation images": f"{started.validation_images:,}",
        "recipe digest": run.spec.digest,
        "run id": run.id,
        "folder": str(run.folder),
    }
    names = [name.replace("_", " ") for name in facts]
    table = pd.DataFrame({"fact": names, "value": [str(value) for value in facts.values()]})
    st.caption("The same recipe, seed and passport give the same weights; on a CPU bit by bit.")
    proof_panel(run)
    for change in started.changes:
        st.warning(escaped(f"Went on with something else than before: {change}."), icon=":material/warning:")
    st.dataframe(table, hide_index=True, alt="Where and with what this run was computed")
