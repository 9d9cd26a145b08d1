"""Two runs or more beside each other: their curves, what differs between them, what they confuse."""

import zlib
from typing import Any

import pandas as pd
import streamlit as st

from core.config import KNOBS
from core.errors import UserError
from core.history import History
from core.index import Row
from core.predictions import read_predictions
from core.side_by_side import (
    AXES,
    CIRCUMSTANCES,
    MOST_CURVES,
    differing,
    positions,
    share_difference,
    short_names,
    values,
)
from core.side_figures import Curve, confusion_difference, overlay
from core.store import RunState
from core.wording import value_title
from pages.parts import cache
from pages.parts.frame import go_on, sentences, wrapping_columns
from pages.parts.judged import choose_part
from pages.parts.live_chart import live_chart
from pages.parts.pace import ticking
from pages.parts.reveal import is_shown, reveal_run
from pages.parts.words import percent

TICK_SECONDS = 2.0
CHART_HEIGHT_PX = 330
MOST_IN_TABLE = 50
AXIS_WORDS = {"epoch": "epoch", "step": "step", "seconds": "second of training", "images": "image seen"}


def side_by_side(marked: list[Row]) -> None:
    """Args: marked: two or more, in the order in which they are to be named."""
    st.divider()
    views = {"Curves": _curves_tab, "What differs": _differences, "Confusion matrices": _confusions}
    for tab, draw in zip(
        st.tabs(list(views), key="side.tab", on_change="rerun"), views.values(), strict=True
    ):
        if tab.open:
            with tab, sentences():
                draw(marked)


def _names(rows: list[Row]) -> list[str]:
    return short_names(rows, value_title)


def _curves_tab(marked: list[Row]) -> None:
    drawn = marked[:MOST_CURVES]
    if len(marked) > MOST_CURVES:
        st.caption(
            f"The curves are those of the first {MOST_CURVES} of {len(marked):,} marked runs: more can't be told apart."
        )
    st.segmented_control(
        "Drawn for each",
        list(AXES),
        format_func=AXIS_WORDS.get,
        default="epoch",
        required=True,
        key="side.axis",
        persist_state="session",
        help="Epochs compare passes over the data, steps updates of the weights, seconds what it costs in time "
        "on the machine of each run, images what was seen.",
    )
    moves = any(row.state.active for row in drawn)
    ticking(_tick, TICK_SECONDS, moves)(drawn, moves)


def _tick(drawn: list[Row], moved: bool) -> None:
    if moved and not any(row.run.state().active for row in drawn):
        st.rerun()  # draws this fragment anew, without a clock
    if moved:
        go_on()
    with sentences():
        _curves(drawn)


def _curves(drawn: list[Row]) -> None:
    axis = st.session_state["side.axis"]
    histories = [cache.history(row.run.id) for row in drawn]
    names = _names(drawn)
    waiting = [name for name, history in zip(names, histories, strict=True) if not history.epochs]
    columns = [*wrapping_columns(2, "side"), *wrapping_columns(2, "side-more")]
    for column, quantity in zip(columns, ("accuracy", "loss", "learning rate"), strict=False):
        curves = [
            _curve(row, name, history, quantity, axis)
            for row, name, history in zip(drawn, names, histories, strict=True)
        ]
        figure = overlay(quantity, curves, AXES[axis])
        with column:
            live_chart(figure, f"side-{quantity}", CHART_HEIGHT_PX, _alt(quantity, names, histories, axis))
    with columns[3]:
        st.caption(
            "Training figures were measured while the weights moved, on augmented images where there are any."
        )
        if waiting:
            st.caption(f"Without a whole epoch so far: {len(waiting)} of {len(names)} runs.")


def _curve(row: Row, name: str, history: History, quantity: str, axis: str) -> Curve:
    x = positions(history, axis)
    if quantity == "learning rate":
        rates = values(history, "learning_rate")
        return Curve(name, row.run.id, x, rates, rates[:0])
    judged, training = (values(history, f"{part}_{quantity}") for part in ("validation", "train"))
    return Curve(name, row.run.id, x, judged, training)


def _alt(quantity: str, names: list[str], histories: list[History], axis: str) -> str:
    if quantity == "learning rate":
        return f"Learning rates of {len(names)} runs for each {AXIS_WORDS[axis]}"
    ends = [
        f"{name} {percent(history.validation_accuracy)}"
        for name, history in zip(names, histories, strict=True)
        if history.validation_accuracy is not None
    ]
    return (
        f"Validation {quantity} of {len(names)} runs for each {AXIS_WORDS[axis]}; accuracy at the end: "
        + "; ".join(ends)
    )


def _differences(marked: list[Row]) -> None:
    """A row for each run, a column for each thing in which they are not all alike."""
    rows = marked[:MOST_IN_TABLE]
    found = differing(rows, [cache.history(row.run.id) for row in rows])
    table = pd.DataFrame(
        {
            "run": _names(rows),
            "validation": [row.validation_accuracy for row in rows],
            **{_title(name): [_told(name, value) for value in column] for name, column in found.items()},
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * len(rows) if len(rows) <= 14 else 528,
        placeholder="",
        column_config={
            "run": st.column_config.TextColumn(pinned=True, width=260),
            "validation": st.column_config.NumberColumn("validation accuracy", format="percent"),
            **{
                KNOBS[name].label: st.column_config.TextColumn(help=KNOBS[name].help)
                for name in found
                if name in KNOBS
            },
        },
        key="side.differences",
        alt="What differs between the marked runs",
    )
    if not found:
        st.caption("They are alike in everything that is recorded.")
    else:
        st.caption("All else is the same in all of them. Empty: the field does nothing in that recipe.")
    if len(marked) > MOST_IN_TABLE:
        st.caption(f"The first {MOST_IN_TABLE} of {len(marked):,} marked runs.")


def _title(name: str) -> str:
    return KNOBS[name].label if name in KNOBS else CIRCUMSTANCES[name]


def _told(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in KNOBS:
        return value_title(name, value)
    return str(value)[:8] if name in ("data_fingerprint", "commit") else str(value)


def _confusions(marked: list[Row]) -> None:
    """Choose two; what the second takes for what, more often than the first."""
    finished = [row for row in marked if row.state is RunState.FINISHED]
    if len(finished) < 2:
        st.caption("This takes two runs that have finished.")
        return
    by_id = dict(zip([row.run.id for row in finished], finished, strict=True))
    names = dict(zip(by_id, _names(finished), strict=True))
    columns = wrapping_columns(2, "side-pair")
    a = columns[0].selectbox(
        "Run A",
        list(by_id),
        format_func=names.get,
        key=_key("a", by_id),
        help="The run that the other one is compared with.",
    )
    others = [run_id for run_id in by_id if run_id != a]
    b = columns[1].selectbox(
        "Run B",
        others,
        format_func=names.get,
        key=_key("b", by_id),
        help="The figure shows B minus A: on the diagonal, more is better.",
    )
    if b == a:  # chosen as A just now
        b = others[0]
    part = _part([by_id[a], by_id[b]])
    if part is None:
        return
    classes = [cache.history(run_id).started.classes for run_id in (a, b)]
    if classes[0] != classes[1]:
        st.info("These two tell other classes apart, so their confusions can't be compared.")
        return
    predictions = [read_predictions(by_id[run_id].run, part) for run_id in (a, b)]
    if any(one.logits.shape[1] != len(classes[0]) for one in predictions):
        raise UserError(
            "The answers that one of these runs wrote down are not about its classes: train it again."
        )
    shares = share_difference(*predictions)
    live_chart(
        confusion_difference(classes[0], shares, (names[a], names[b]), part),
        "side-confusion",
        max(420, min(900, 130 + 34 * len(classes[0]))),
        f"Difference of two confusion matrices on {part} images: {names[b]} minus {names[a]}",
    )
    _explain(by_id[a], by_id[b], part, [len(one.labels) for one in predictions])


def _key(which: str, by_id: dict[str, Row]) -> str:
    """Another one for other runs: a choice that is not there any more would be an error."""
    return f"side.{which}.{zlib.crc32(' '.join(by_id).encode()):08x}"


def _part(pair: list[Row]) -> str | None:
    """The choice between validation and test; None as long as test is covered for one of the two."""
    part = choose_part("Images", "side.part")
    if part == "validation":
        return part
    covered = [row for row in pair if not is_shown(row.run)]
    for row in covered:
        st.info(
            f"Test is covered for {'run A' if row is pair[0] else 'run B'}: look when you have chosen, not in order to choose.",
            icon=":material/visibility_off:",
        )
        reveal_run(row.run)
    return None if covered else part


def _explain(a: Row, b: Row, part: str, images: list[int]) -> None:
    """How to read the figure, and whether both were judged on the same images."""
    specs = [row.run.spec for row in (a, b)]
    same = specs[0].data_fingerprint == specs[1].data_fingerprint
    if part == "validation":
        same = same and _same_split(a, b)
    st.caption(
        "Each cell: by how many percentage points more of a class (row) run B takes for a class (column) than run A. "
        + (
            f"Both were judged on the same {images[0]:,} {part} images."
            if same
            else f"They were judged on different {part} images ({images[0]:,} and {images[1]:,}), so part of the "
            "difference is chance."
        )
    )


def _same_split(a: Row, b: Row) -> bool:
    first, second = (row.run.spec for row in (a, b))
    fixed = not (first.recipe.vary_split or second.recipe.vary_split)
    varied = first.recipe.vary_split and second.recipe.vary_split and first.seed == second.seed
    return first.recipe.validation_share == second.recipe.validation_share and (fixed or varied)
