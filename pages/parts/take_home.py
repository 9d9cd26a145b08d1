"""A run's files to take home: weights, models, tables, recipe, script, report.

What is quick is worked out when it is asked for; what needs torch or all images is made in the background
(`core.taking`) and then offered.
"""

from collections.abc import Callable

import streamlit as st

from core import taking
from core.errors import UserError
from core.events import Finished
from core.export_tables import (
    checked_file,
    epochs_table,
    file_stem,
    predictions_table,
    render,
    steps_table,
)
from core.html_report import render as render_report
from core.models import MODELS
from core.plain_script import Facts, plain_script
from core.recipe_sharing import to_json, to_query
from core.report_of_run import run_report
from core.store import Run
from core.taking import MADE, Made
from pages.parts import cache
from pages.parts.frame import sentences, told
from pages.parts.pace import ticking
from pages.parts.reveal import is_shown
from pages.parts.words import ago, escaped

TICK_SECONDS = 1.0

_HINTS = {
    "safetensors": "The same numbers in a format that can hold no code; recipe, classes, mean and deviation are in its header.",
    "onnx": "For programs without PyTorch. It takes images as they are, RGB between 0 and 1, normalises them itself, "
    "and gives logits and calibrated probabilities. Compared with PyTorch on 100 validation images before you get it.",
    "script": "A zip with a short script that trains the same recipe with PyTorch alone, and the images beside it.",
    "tensorboard": "Losses, accuracies and learning rate of each step and epoch, for TensorBoard.",
}


def take_home(run: Run) -> None:
    """Everything that leaves with a person, from the weights to a report."""
    if not isinstance(cache.history(run.id).end, Finished):
        st.caption("There is something to take home when the run has finished.")
        return
    test = is_shown(run)
    st.caption(
        "Test figures are in these files, as you revealed them."
        if test
        else "Test figures are covered, so these files are about training and validation only: reveal them under "
        "Results to have them in."
    )
    with sentences():
        _weights(run)
    moving = any((made := taking.status(run, kind, test)) and made.running for kind in MADE)
    ticking(_made_files, TICK_SECONDS, moving)(run, test, moving)
    with sentences():
        checked_file(run, "predictions.npz")
        _tables(run, test)
        _report(run, test)
    _recipe(run)
    _script(run)


def _weights(run: Run) -> None:
    """The state dict as it was trained, and the lines that load it."""
    st.markdown("##### Weights and models")
    content = checked_file(run, "weights.pt")
    recipe, history = run.spec.recipe, cache.history(run.id)
    name = f"{file_stem(run)}.pt"
    st.download_button(
        f"Download the weights ({len(content) / 1e6:.1f} MB)",
        content,
        file_name=name,
        icon=":material/download:",
        on_click="ignore",
        help="A state dict that plain PyTorch loads. "
        f"SHA-256 {history.end.sha256['weights.pt'][:16]}…, compared with the one of the run's end.",
    )
    if history.started:
        with st.expander("How to load them", icon=":material/code:"):
            st.caption("With plain PyTorch, in this project's folder:")
            classes = len(history.started.classes)
            st.code(MODELS[recipe.model].loading_code(recipe, classes, name), language="python")


def _made_files(run: Run, test: bool, moved: bool) -> None:
    """A line for each file that is made in the background."""
    found = {kind: taking.status(run, kind, test) for kind in MADE}
    moves = any(made and made.running for made in found.values())
    if moves != moved or "told" in st.session_state:
        st.rerun()  # draws this fragment anew, with a clock or without, and what a callback had to tell
    for kind, made in found.items():
        with sentences(), st.container(horizontal=True, vertical_alignment="center"):
            _made_file(run, kind, made, test)


def _made_file(run: Run, kind: str, made: Made | None, test: bool) -> None:
    title = MADE[kind]
    if made and made.running:
        st.button(
            f"{title}: being made …", key=f"make-{kind}", disabled=True, icon=":material/hourglass_top:"
        )
        st.caption("Takes a few seconds, more where the machine trains.")
        return
    ready = made is not None and not made.error
    if ready:
        path = taking.path_of(run, made)
        st.download_button(
            f"Download: {title} ({path.stat().st_size / 1e6:.1f} MB)",
            path.read_bytes,
            file_name=path.name,
            mime="application/octet-stream",
            key=f"take-{kind}",
            icon=":material/download:",
            on_click="ignore",
            help=_HINTS[kind],
        )
    st.button(
        "Make it anew" if ready else f"Make: {title}",
        key=f"make-{kind}",
        type="tertiary" if ready else "secondary",
        icon=":material/replay:" if ready else ":material/build:",
        help=_HINTS[kind],
        on_click=_begin,
        args=(run, kind, test),
    )
    if made and made.error:
        st.error(escaped(made.error), icon=":material/error:")
    elif ready:
        st.caption(escaped(f"{made.note} Made {ago(made.time)}."))


def _begin(run: Run, kind: str, test: bool) -> None:
    with told():
        checked_file(run, "weights.pt")
        taking.begin(run, kind, test)


def _tables(run: Run, test: bool) -> None:
    """Predictions, epochs and steps, each as CSV and as Parquet, worked out on the click."""
    st.markdown("##### Tables")
    tables = {
        "predictions": (
            lambda: predictions_table(run, test),
            "A row an image: its class, the answer, the probability of each class, also calibrated.",
        ),
        "epochs": (
            lambda: epochs_table(run, test),
            "A row an epoch: losses, accuracies, recall of each class.",
        ),
        "steps": (
            lambda: steps_table(run),
            "Training loss and accuracy each time that they were written down.",
        ),
    }
    suffix = "" if test else "-validation-only"
    with st.container(horizontal=True):
        for name, (table, help) in tables.items():
            if name == "steps" and not cache.history(run.id).steps:
                continue
            for kind in ("csv", "parquet"):
                st.download_button(
                    f"{name.capitalize()}, {'CSV' if kind == 'csv' else 'Parquet'}",
                    _later(table, kind),
                    file_name=f"{file_stem(run)}-{name}{suffix if name == 'predictions' else ''}.{kind}",
                    mime="text/csv" if kind == "csv" else "application/vnd.apache.parquet",
                    key=f"take-{name}-{kind}",
                    icon=":material/table:",
                    on_click="ignore",
                    help=help,
                )


def _later(table: Callable, kind: str) -> Callable[[], bytes]:
    return lambda: render(table(), kind)


def _report(run: Run, test: bool) -> None:
    st.markdown("##### Report")
    st.download_button(
        "Download this run as one HTML file",
        lambda: render_report(run_report(run, test)),
        file_name=f"{file_stem(run)}{'' if test else '-validation-only'}.html",
        mime="text/html",
        key="take-report",
        icon=":material/description:",
        on_click="ignore",
        help="Curves, confusion, recipe and passport in one file of about 5 MB that opens without network, figures alive.",
    )


def _recipe(run: Run) -> None:
    """As a file for the form of another Tenfold, and as a link into this one."""
    st.markdown("##### Recipe")
    recipe, seed = run.spec.recipe, run.spec.seed
    st.download_button(
        "Download the recipe (JSON)",
        to_json(recipe, seed),
        file_name=f"{file_stem(run)}-recipe.json",
        mime="application/json",
        key="take-recipe",
        icon=":material/download:",
        on_click="ignore",
        help="Every field and the seed; the Train page reads it under A recipe from a file.",
    )
    st.caption(
        "Or as a link: this, after the address of a dashboard, fills the form of its Train page, seed included."
    )
    st.code(f"/train?recipe={to_query(recipe, seed)}", language=None, wrap_lines=True)


def _script(run: Run) -> None:
    """The script by itself, to read; with its images it is made above."""
    started = cache.history(run.id).started
    with st.expander(
        "The same training in plain PyTorch", icon=":material/code:", key="take.script", on_change="rerun"
    ) as script:
        if not script.open or started is None:
            return
        facts = Facts(len(started.classes), started.mean, started.std, run.spec.digest)
        try:
            text = plain_script(run.spec.recipe, run.spec.seed, facts)
        except UserError as error:
            st.info(escaped(str(error)), icon=":material/info:")
            return
        st.caption(
            "It downloads CIFAR-10 by itself."
            if run.spec.recipe.dataset == "cifar10"
            else "It reads images.npz beside it: both are in the zip above."
        )
        st.code(text, language="python", height=420)
