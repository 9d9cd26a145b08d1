"""A sweep that is not over: how far it is, when it ends, and pause, go on, stop for it or for one run."""

import streamlit as st

from core.executors import executor, pause, stop
from core.forecast import forecast, seconds_left
from core.index import Row
from core.launch import start_sweep
from core.naming import distinct_names
from core.store import Run, RunState
from core.sweep import Sweep, sweeps
from pages.parts import cache
from pages.parts.frame import go_on, sentences
from pages.parts.pickers import fingerprint
from pages.parts.sweep_form import run_seconds
from pages.parts.words import duration, escaped, state_badge

TICK_SECONDS = 2.0
MOST_ROWS = 30  # of single runs: beyond that the sweep as a whole is what one looks at


def sweep_controls(shown: list[str]) -> None:
    """Every sweep that is under way, and those of `shown` (digests) that wait for a person.

    Ticks while something moves; when a run ends, the page is drawn anew, since all its figures change.
    """
    open_ones = _open(shown)
    moving = any(sweep.under_way for sweep in open_ones)
    st.fragment(_tick, run_every=TICK_SECONDS if moving else None)(shown, _state(open_ones))


def _open(shown: list[str]) -> list[Sweep]:
    found = sweeps(cache.store(), cache.rows())
    return [
        sweep for sweep in found if sweep.under_way or (sweep.digest in shown and sweep.plan and sweep.halted)
    ]


def _state(open_ones: list[Sweep]) -> list[tuple[str, int, bool]]:
    """What the page has drawn; when it changes, the page is out of date."""
    return [(sweep.digest, len(sweep.finished), bool(sweep.under_way)) for sweep in open_ones]


def _tick(shown: list[str], drawn: list[tuple[str, int, bool]]) -> None:
    open_ones = _open(shown)
    if _state(open_ones) != drawn:
        st.rerun()
    if not open_ones:
        return
    go_on()
    with sentences():
        ends = forecast(cache.store().queue(), lambda run: seconds_left(run, _whole(run)))
        names = distinct_names([sweep.recipe for sweep in open_ones])
        for sweep, name in zip(open_ones, names, strict=True):
            _draw(sweep, name, ends)


def _whole(run: Run) -> float | None:
    recipe = run.spec.recipe
    found = fingerprint(recipe.dataset, recipe.image_size)
    return run_seconds(recipe, found) if found == run.spec.data_fingerprint else None


def _draw(sweep: Sweep, name: str, ends: dict[str, float | None]) -> None:
    total, done = len(sweep.runs), len(sweep.finished) + sum(sweep.lost.values())
    with st.container(border=True, key=f"sweep-{sweep.digest}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{escaped(name)}**")
            _buttons(sweep)
        left = [ends.get(row.run.id) for row in sweep.under_way]
        until = f" · ends in about {duration(max(left))}" if left and None not in left else ""
        halted = ", ".join(f"{number} {state}" for state, number in sweep.halted.items())
        words = f"{done} of {total} seeds done{until}{f' · {halted}' if halted else ''}"
        st.progress(done / total, words)
        with st.expander("Each run", key=f"each-{sweep.digest}", on_change="rerun") as each:
            if each.open:
                _runs(sweep, ends)


def _buttons(sweep: Sweep) -> None:
    store = cache.store()
    waiting = [row for row in sweep.rows if not row.state.ended and not row.state.active]
    missing = [seed for seed, row in sweep.runs.items() if row is None]
    key = sweep.digest
    if sweep.under_way and st.button("Pause", key=f"pause-{key}", icon=":material/pause:"):
        for row in sweep.under_way:
            pause(store, row.run)
        st.rerun()
    if waiting or missing:
        hint = "Each run goes on after its last whole epoch."
        label = "Go on" if waiting else "Start the missing seeds"
        if st.button(label, key=f"resume-{key}", icon=":material/play_arrow:", help=hint):
            if sweep.plan:
                start_sweep(store, sweep.recipe, list(sweep.runs), cache.rows())
            else:
                executor().start(store, [row.run for row in waiting])
            st.rerun()
    if sweep.under_way and st.button("Stop all", key=f"cancel-{key}", icon=":material/stop:"):
        for row in sweep.under_way:
            stop(store, row.run)
        st.rerun()


def _runs(sweep: Sweep, ends: dict[str, float | None]) -> None:
    """What waits, what runs where, when each ends."""
    rows = [row for row in sweep.rows if not row.state.ended]
    for row in rows[:MOST_ROWS]:
        _run(row, ends.get(row.run.id))
    if len(rows) > MOST_ROWS:
        st.caption(f"and {len(rows) - MOST_ROWS} more")


def _run(row: Row, end: float | None) -> None:
    store, run = cache.store(), row.run
    with st.container(horizontal=True, vertical_alignment="center", key=f"member-{run.id}"):
        state_badge(row.state)
        parts = [f"seed {run.spec.seed}"]
        started = cache.history(run.id).started
        if started and row.state is RunState.RUNNING:
            parts.append(
                f"{started.passport.get('device_name')}, {started.passport.get('threads')} thread(s)"
            )
        if end is not None:
            parts.append(f"ends in about {duration(end)}")
        st.markdown(escaped(" · ".join(parts)))
        st.page_link("pages/train.py", label="Watch", query_params={"run": run.id})
        if row.state.active and row.state is not RunState.STOPPING:
            if st.button("Pause", key=f"pause-{run.id}"):
                pause(store, run)
                st.rerun()
            if st.button("Stop", key=f"stop-member-{run.id}"):
                stop(store, run)
                st.rerun()
        elif not row.state.active and st.button("Go on", key=f"go-on-member-{run.id}"):
            executor().start(store, [run])
            st.rerun()
