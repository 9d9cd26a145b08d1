"""All runs in a table; one of them in depth."""

import pandas as pd
import streamlit as st

from core.config import KNOBS, applying_fields, in_words
from core.events import Finished
from core.history import log_lines
from core.models import MODELS
from core.store import Run
from pages.parts import cache
from pages.parts.frame import frame, sentences
from pages.parts.live import live
from pages.parts.pickers import dataset_title
from pages.parts.recipe_form import value_title
from pages.parts.words import ago, duration, percent

TABLE_ROWS = 8


def main() -> None:
    frame("Runs", "Every training so far. Choose one to see its curves, its log and its weights.")
    runs = cache.store().runs()
    if not runs:
        st.info("There are no runs yet: start one on the Train page.", icon=":material/list_alt:")
        st.page_link("pages/train.py", label="Train a first model", icon=":material/school:")
        return
    chosen = _table(runs)
    with sentences():
        wanted = chosen or st.query_params.get("run") or runs[0].id
        _depth(cache.store().get(wanted))


def _table(runs: list[Run]) -> str | None:
    """The table; gives the id of the run whose row was chosen."""
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
    event = st.dataframe(
        table,
        hide_index=True,
        height=height,
        column_config=columns,
        on_select="rerun",
        selection_mode="single-row",
        key="runs",
        alt="Table of all runs, newest first",
    )
    rows = event.selection.rows
    return runs[rows[0]].id if rows and rows[0] < len(runs) else None


def _row(run: Run) -> dict[str, object]:
    history = cache.history(run.id)
    last = history.epochs[-1] if history.epochs else None
    again = f", attempt {run.spec.attempt}" if run.spec.attempt > 1 else ""
    return {
        "state": str(run.state()),
        "validation": last.validation_accuracy if last else None,
        "recipe": in_words(run.spec.recipe) + again,
        "data set": dataset_title(run.spec.recipe.dataset),
        "seed": run.spec.seed,
        "test": _test_text(run),
        "looks": run.looks(),
        "time": duration(sum(epoch.train_seconds for epoch in history.epochs)) if last else "",
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
    recipe, log, weights, passport = st.tabs(["Recipe", "Log", "Results and weights", "Passport"])
    with recipe:
        _recipe(run)
    with log:
        _log(run)
    with weights:
        _results(run)
    with passport:
        _passport(run)


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
        if not revealed and st.button("Reveal", key="reveal", icon=":material/visibility:"):
            run.look("runs page")
            st.session_state["revealed"] = [*st.session_state["revealed"], run.id]
            st.rerun()
        st.caption(f"Looked at {looks} {'time' if looks == 1 else 'times'} so far.")
    _weights(run)


def _weights(run: Run) -> None:
    path = run.folder / "weights.pt"
    recipe, started = run.spec.recipe, cache.history(run.id).started
    name = f"{recipe.model}-seed{run.spec.seed}.pt"
    try:
        content = path.read_bytes()
    except OSError:
        st.warning("The weights of this run are gone from its folder: train it again.")
        return
    st.download_button(
        f"Download the weights ({len(content) / 1e6:.1f} MB)",
        content,
        file_name=name,
        icon=":material/download:",
        on_click="ignore",
    )
    st.caption("They load with plain PyTorch, in this project's folder:")
    st.code(MODELS[recipe.model].loading_code(recipe, len(started.classes), name), language="python")


def _recipe(run: Run) -> None:
    """Every field that does something, in words."""
    names = applying_fields(run.spec.recipe)
    table = pd.DataFrame(
        {
            "field": [KNOBS[name].label for name in names],
            "value": [value_title(name, getattr(run.spec.recipe, name)) for name in names],
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
    printed = run.log_path.read_bytes() if run.log_path.exists() else b""
    if printed:
        st.download_button(
            "Download what the worker printed",
            printed,
            "worker.log",
            on_click="ignore",
            icon=":material/download:",
        )


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
    st.caption("The same recipe, seed and passport give the same weights, bit by bit.")
    st.dataframe(table, hide_index=True, alt="Where and with what this run was computed")


main()
