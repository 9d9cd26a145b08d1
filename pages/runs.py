"""All runs in a table; one of them in depth."""

import hashlib
from pathlib import Path

import pandas as pd
import streamlit as st

from core.config import KNOBS, applying_fields, in_words
from core.events import Finished
from core.history import log_lines
from core.models import MODELS
from core.store import Run
from pages.parts import cache
from pages.parts.frame import frame, sentences
from pages.parts.gradients import gradients
from pages.parts.live import live
from pages.parts.pickers import dataset_title
from pages.parts.proof import proof_panel
from pages.parts.recipe_form import value_title
from pages.parts.words import ago, duration, escaped, percent

TABLE_ROWS = 8
LOG_BYTES = 200_000


def main() -> None:
    frame("Runs", "Every training so far. Choose one to see its curves, its log and its weights.")
    runs = cache.store().runs()
    if not runs:
        st.info("There are no runs yet: start one on the Train page.", icon=":material/list_alt:")
        st.page_link("pages/train.py", label="Train a first model", icon=":material/school:")
        return
    _table(runs)
    with sentences():
        wanted = st.session_state.get("runs.chosen") or st.query_params.get("run") or runs[0].id
        _depth(cache.store().get(wanted))


def _table(runs: list[Run]) -> None:
    """All runs, newest first."""
    table = pd.DataFrame([_row(run) for run in runs])
    columns = {
        "seed": st.column_config.NumberColumn(format="%d", help="Where all chance of the run starts."),
        "validation": st.column_config.NumberColumn(
            "validation accuracy", format="percent", help="On images held out from training; for choosing."
        ),
        "test": st.column_config.TextColumn(
            "test accuracy",
            help="Covered until you reveal it below: who looks at test while choosing has no test left.",
        ),
        "looks": st.column_config.NumberColumn("test looked at", help="How often anybody revealed it."),
        "time": st.column_config.TextColumn("training time"),
    }
    height = 38 + 35 * min(len(runs), TABLE_ROWS)
    st.session_state["runs.shown"] = [run.id for run in runs]
    st.dataframe(
        table,
        hide_index=True,
        height=height,
        column_config=columns,
        on_select=_choose,
        selection_mode="single-row",
        key=f"runs-{runs[0].id}-{len(runs)}",  # a new run moves the rows: then none is marked
        alt="Table of all runs, newest first",
    )
    st.session_state["runs.key"] = f"runs-{runs[0].id}-{len(runs)}"


def _choose() -> None:
    """Remember the run whose row was marked: a row's number belongs to another run soon."""
    rows = st.session_state[st.session_state["runs.key"]].selection.rows
    st.session_state["runs.chosen"] = st.session_state["runs.shown"][rows[0]] if rows else None


def _row(run: Run) -> dict[str, object]:
    history = cache.history(run.id)
    again = f", attempt {run.spec.attempt}" if run.spec.attempt > 1 else ""
    return {
        "state": str(run.state()),
        "validation": history.validation_accuracy,
        "recipe": in_words(run.spec.recipe) + again,
        "data set": dataset_title(run.spec.recipe.dataset),
        "seed": run.spec.seed,
        "test": _test_text(run),
        "looks": run.looks(),
        "time": duration(sum(epoch.train_seconds for epoch in history.epochs)) if history.epochs else "",
        "started": ago(run.spec.created),
    }


def _test_text(run: Run) -> str:
    """Covered, unless this session revealed it."""
    end = cache.history(run.id).end
    if not isinstance(end, Finished):
        return ""
    return percent(end.test_accuracy) if run.id in st.session_state.get("revealed", []) else "covered"


def _depth(run: Run) -> None:
    st.divider()
    live(run)
    views = {
        "Recipe": _recipe,
        "Log": _log,
        "Results and weights": _results,
        "Gradients": gradients,
        "Passport": _passport,
    }
    for tab, draw in zip(
        st.tabs(list(views), key="runs.tab", on_change="rerun"), views.values(), strict=True
    ):
        if tab.open:
            with tab:
                draw(run)


def _results(run: Run) -> None:
    """Validation, test behind a button, and the weights to take home."""
    end = cache.history(run.id).end
    if not isinstance(end, Finished):
        st.caption("There are results and weights when the run has finished.")
        return
    revealed = run.id in st.session_state.setdefault("revealed", [])
    left, right = st.columns(2)
    left.metric("Validation accuracy", percent(end.validation_accuracy), help="For choosing between recipes.")
    test = percent(end.test_accuracy) if revealed else "covered"
    right.metric("Test accuracy", test, help="For the final word on one recipe, after choosing.")
    looks = run.looks()
    with right.container(horizontal=True, vertical_alignment="center"):
        if not revealed and st.button("Reveal", key=f"reveal-{run.id}", icon=":material/visibility:"):
            run.look("runs page")
            st.session_state["revealed"] = [*st.session_state["revealed"], run.id]
            st.rerun()
        st.caption(f"Looked at {looks} {'time' if looks == 1 else 'times'} so far.")
    _weights(run)


def _weights(run: Run) -> None:
    path = run.folder / "weights.pt"
    recipe, history = run.spec.recipe, cache.history(run.id)
    name = f"{recipe.model}-seed{run.spec.seed}.pt"
    try:
        content = path.read_bytes()
    except OSError:
        st.warning("The weights of this run are gone from its folder: train it again.")
        return
    if hashlib.sha256(content).hexdigest() != history.end.sha256.get("weights.pt"):
        st.error("The weights of this run are damaged on the disk: train it again.", icon=":material/error:")
        return
    st.download_button(
        f"Download the weights ({len(content) / 1e6:.1f} MB)",
        content,
        file_name=name,
        icon=":material/download:",
        on_click="ignore",
    )
    if history.started:
        st.caption("They load with plain PyTorch, in this project's folder:")
        classes = len(history.started.classes)
        st.code(MODELS[recipe.model].loading_code(recipe, classes, name), language="python")


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
    st.code(
        "\n".join(log_lines(cache.history(run.id))) or "Nothing has happened yet.",
        language=None,
        height=320,
        wrap_lines=True,
    )
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


main()
