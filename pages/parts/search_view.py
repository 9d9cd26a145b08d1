"""One search while it goes on and afterwards: budget, winner, what matters, every run."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core import search_figures as figures
from core.config import KNOBS, in_words
from core.search_figures import Dot
from core.search_log import Trial
from core.search_space import METHODS, Search
from core.searches import Outcome, SearchFiles, TrialState, best, compared, go_on, outcome, stop_search
from core.store import Run
from pages.parts import cache, frame
from pages.parts.cache import freeze_imports
from pages.parts.frame import sentences, show_told, told, wrapping_columns
from pages.parts.live_chart import live_chart
from pages.parts.pace import ticking
from pages.parts.pickers import dataset_title
from pages.parts.recipe_form import value_title
from pages.parts.search_winner import winner
from pages.parts.search_words import field_title, value_name
from pages.parts.words import duration, escaped, percent

TICK_SECONDS = 2.0
CHART_HEIGHT_PX = 280
TABLE_ROWS = 12

Known = dict[int, Outcome]
"""Trials that have ended, by number: nothing of them is read again until the page is drawn anew."""


def search_view(files: SearchFiles) -> None:
    """Draw a search, and keep it up to date while it is under way."""
    freeze_imports()
    moves = _moves(files)
    ticking(_tick, TICK_SECONDS, moves)(files, moves, {})


def _moves(files: SearchFiles) -> bool:
    return files.running or files.stopping


def _tick(files: SearchFiles, moved: bool, known: Known) -> None:
    if moved != _moves(files):
        st.rerun()  # draws this fragment anew, without a clock or with one
    show_told()  # by a callback of this fragment, after which nothing else is drawn
    if moved:
        frame.go_on()
    with sentences():
        log = files.log()
        if log.damaged:
            _tell_damage(log.damaged)
        _draw(files, _outcomes(files, log.trials, known), moved)


def _tell_damage(lines: int) -> None:
    what = (
        "1 line of its log can't be read and is"
        if lines == 1
        else f"{lines} lines of its log can't be read and are"
    )
    st.warning(
        f"This search is damaged: {what} left out here. Its runs are untouched: see Runs.",
        icon=":material/warning:",
    )


def _outcomes(files: SearchFiles, trials: Sequence[Trial], known: Known) -> list[Outcome]:
    found = []
    for trial in trials:
        if trial.number not in known:
            one = outcome(files, trial, lambda run: cache.history(run.id))
            if trial.ended_at is None:
                found.append(one)
                continue
            known[trial.number] = one
        found.append(known[trial.number])
    return found


def _draw(files: SearchFiles, outcomes: list[Outcome], moves: bool) -> None:
    _head(files, outcomes, moves)
    if not outcomes:
        st.caption("The first runs are being chosen.")
        return
    winning = best(outcomes)
    if winning:
        winner(files, winning, compared(outcomes))
    dots = {one.trial.number: _dot(files.search, one, winning) for one in outcomes}
    _course(files, outcomes, dots)
    _slices(files.search, outcomes, dots)
    _table(files, outcomes)


def _head(files: SearchFiles, outcomes: list[Outcome], moves: bool) -> None:
    """What is searched, how far it is, and Stop or Go on.

    Args:
        moves: the fragment has a clock. Without one it must not wait for a process that has just begun to stop.
    """
    search, stopping = files.search, moves and files.stopping
    names = ", ".join(KNOBS[one.field].label.lower() for one in search.ranges)
    halving = ", successive halving" if search.halving else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"**Search of {names}** · {in_words(search.base)} · {escaped(dataset_title(search.base.dataset))} · "
            f"{METHODS[search.method][0]}{halving} · seed {search.seed}"
        )
        # Callbacks: they run before the page looks whether it is out of date, and no click is lost.
        if files.running:
            hint = "Stops its runs, too. It can go on later with what is left of the budget."
            icon = ":material/stop:"
            st.button("Stop", key="search.stop", icon=icon, help=hint, on_click=_stop, args=(files,))
        elif files.stopped and not stopping:
            hint = (
                "With what is left of the budget; runs that were stopped go on after their last whole epoch."
            )
            icon = ":material/play_arrow:"
            st.button("Go on", key="search.go-on", icon=icon, help=hint, on_click=_go_on, args=(files,))
    _budget(files, outcomes)
    if end := files.end():
        show = st.error if end.failed else st.info
        show(escaped(end.sentence), icon=":material/error:" if end.failed else ":material/flag:")
    elif stopping:
        st.caption("Stopping …")
    elif files.stopped:
        st.info("Stopped before its budget was over.", icon=":material/stop_circle:")


def _stop(files: SearchFiles) -> None:
    with told():
        stop_search(files)


def _go_on(files: SearchFiles) -> None:
    with told():
        go_on(files)


def _budget(files: SearchFiles, outcomes: list[Outcome]) -> None:
    budget, spent = 60 * files.search.minutes, files.spent_seconds()
    counts = {state: sum(one.state is state for one in outcomes) for state in TrialState}
    parts = [f"{number} {state}" for state, number in counts.items() if number]
    words = f"{duration(min(spent, budget))} of {duration(budget)}" + "".join(f" · {part}" for part in parts)
    st.progress(min(1.0, spent / budget), words)


def _dot(search: Search, one: Outcome, winning: Outcome | None) -> Dot | None:
    """A trial as figures show it; None before its first epoch."""
    if one.reached is None:
        return None
    values = [
        f"{KNOBS[name].label.lower()} {value_title(name, value)}" for name, value in one.trial.values.items()
    ]
    words = "<br>".join([f"run {one.trial.number}, {one.state}", *values])
    ended = one.trial.ended_at
    is_best = winning is not None and one.trial.number == winning.trial.number
    finished = one.state is TrialState.FINISHED
    return Dot(one.trial.number, one.reached, finished, is_best, None if ended is None else ended / 60, words)


def _course(files: SearchFiles, outcomes: Sequence[Outcome], dots: dict[int, Dot | None]) -> None:
    """How the search came along, and the curves of its runs."""
    left, right = wrapping_columns(2, "search-course")
    ended = [dot for dot in dots.values() if dot and dot.minute is not None]
    with left:
        st.markdown("##### Best so far")
        spec = figures.best_so_far(ended, files.search.minutes)
        live_chart(spec, f"best-{files.id}", CHART_HEIGHT_PX, _best_alt(ended))
    with right:
        st.markdown("##### Curves of all runs")
        curves = [
            (dots[one.trial.number], one.accuracies) for one in outcomes if dots[one.trial.number] is not None
        ]
        epochs = max(files.search.recipe(one.trial.values).epochs for one in outcomes)
        spec = figures.trial_curves(curves, epochs)
        live_chart(
            spec, f"curves-{files.id}", CHART_HEIGHT_PX, f"Validation accuracy of {len(curves)} runs by epoch"
        )


def _best_alt(dots: list[Dot]) -> str:
    highest = max((dot.accuracy for dot in dots if dot.finished), default=None)
    reached = "no run has finished yet" if highest is None else f"the best one reached {percent(highest)}"
    return f"Validation accuracy of {len(dots)} runs by the minute of their end; {reached}"


def _slices(search: Search, outcomes: list[Outcome], dots: dict[int, Dot | None]) -> None:
    st.markdown(
        "##### What each field does",
        help="Each dot is one run at its value of this field; the other fields differ from dot to dot. Open dots "
        "ended early and stand at the accuracy of their last epoch.",
    )
    lost = sum(one.state is TrialState.DIVERGED for one in outcomes)
    if lost:
        st.caption(f"{lost} diverged: drawn only where an epoch ended before.")
    columns = wrapping_columns(min(3, len(search.ranges)), "search-slices")
    for place, one in enumerate(search.ranges):
        labels = [value_name(one.field, value) for value in one.values]
        drawn = [
            (dots[each.trial.number], one.values.index(each.trial.values[one.field]))
            for each in outcomes
            if dots[each.trial.number] is not None and not each.state.open
        ]
        title = field_title(one.field)
        with columns[place % len(columns)]:
            spec = figures.slice_plot(title, labels, drawn)
            alt = f"{title} against validation accuracy, {len(drawn)} runs"
            live_chart(spec, f"slice-{one.field}", CHART_HEIGHT_PX, alt)


def _table(files: SearchFiles, outcomes: list[Outcome]) -> None:
    """Every run with its values; one that is marked can be opened."""
    st.markdown("##### Runs of this search")
    rows = [_row(one) for one in outcomes]
    columns = {
        "validation": st.column_config.NumberColumn(
            "validation accuracy", format="percent", help="Of the last epoch where the run has not finished."
        ),
        "run": st.column_config.NumberColumn(format="%d", help="In the order in which they were tried."),
        "epochs": st.column_config.NumberColumn(format="%d", help="So many it has trained."),
        "note": st.column_config.TextColumn(
            help="Known: it existed before the search and took no time. Joined: somebody else had started it."
        ),
    }
    chosen = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height=38 + 35 * min(len(rows), TABLE_ROWS),
        column_config=columns,
        on_select="rerun",
        selection_mode="single-row",
        key=f"search-table-{files.id}",
        alt="Every run of this search with its values, state and validation accuracy",
    )
    marked = [row for row in chosen.selection.rows if row < len(outcomes)]
    if marked and (run := outcomes[marked[0]].run):
        _link(run, outcomes[marked[0]])
    else:
        st.caption("Mark a row to open its run.")


def _link(run: Run, one: Outcome) -> None:
    page, label = ("pages/train.py", "Watch") if one.state.open else ("pages/runs.py", "Open")
    st.page_link(
        page,
        label=f"{label} run {one.trial.number}",
        icon=":material/open_in_new:",
        query_params={"run": run.id},
    )


def _row(one: Outcome) -> dict[str, object]:
    values = {field_title(name): value_name(name, value) for name, value in one.trial.values.items()}
    note = "known" if one.trial.known else "joined" if one.run and not one.trial.ours else ""
    return {
        "run": one.trial.number,
        "state": str(one.state),
        "validation": np.nan if one.reached is None else one.reached,
        **values,
        "epochs": len(one.accuracies),
        "note": note,
    }
