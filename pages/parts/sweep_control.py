"""A sweep that is not over: how far it is, when it ends, and pause, go on, stop for it or for one run."""

import streamlit as st

from core.executors import executor, pause, stop
from core.forecast import forecast, seconds_left
from core.index import Row
from core.launch import start_sweep
from core.naming import distinct_names
from core.store import ACTIVE, Run, RunState
from core.sweep import Sweep
from pages.parts import cache
from pages.parts.frame import go_on, sentences, show_told, told
from pages.parts.pace import ticking
from pages.parts.pickers import fingerprint
from pages.parts.sweep_form import run_seconds
from pages.parts.words import duration, escaped, state_badge

TICK_SECONDS = 2.0
MOST_CARDS = 3
MOST_ROWS = 30  # of single runs: beyond that the sweep as a whole is what one looks at


def sweep_controls(found: list[Sweep], shown: list[str]) -> None:
    """Every sweep that is under way, and those of `shown` (digests) that wait for a person.

    Ticks while something moves; when a run ends, the page is drawn anew, since all its figures change.
    """
    open_ones = _open(found, shown)
    moving = any(sweep.under_way for sweep in open_ones)
    ticking(_tick, TICK_SECONDS, moving)(shown, open_ones)


def _open(found: list[Sweep], shown: list[str]) -> list[Sweep]:
    wanted = cache.of(found, _moving) | set(shown)
    return [
        sweep
        for sweep in found
        if sweep.digest in wanted
        and (sweep.under_way or (sweep.digest in shown and sweep.plan and sweep.halted))
    ]


def _moving(found: list[Sweep]) -> set[str]:
    """Digests of those with a run under way, whether it counts or not; quickly told of ten thousand that are over."""
    return {row.digest for sweep in found for row in sweep.attempts if row.state in ACTIVE}


def _state(open_ones: list[Sweep]) -> list[tuple[object, ...]]:
    """What the page has drawn; when it changes, the page is out of date."""
    return [
        (sweep.digest, len(sweep.finished), sweep.lost, sweep.halted, bool(sweep.under_way))
        for sweep in open_ones
    ]


def _tick(shown: list[str], drawn: list[Sweep]) -> None:
    with sentences():
        if not drawn:
            return
        show_told()
        first = st.session_state.pop("sweeps.drawn", None) is not drawn  # drawn with the page, just now
        open_ones = drawn if first else _open(cache.sweeps(), shown)
        st.session_state["sweeps.drawn"] = drawn
        if _state(open_ones) != _state(drawn):
            st.rerun()
        go_on()
        ends = _ends()
        names = distinct_names([sweep.recipe for sweep in open_ones])
        if len(open_ones) > MOST_CARDS:
            _all(open_ones, ends)
            with st.expander(
                f"The {len(open_ones)} sweeps one by one", key="sweeps-each", on_change="rerun"
            ) as each:
                if not each.open:
                    return
                for sweep, name in zip(open_ones, names, strict=True):
                    _draw(sweep, name, ends)
            return
        for sweep, name in zip(open_ones, names, strict=True):
            _draw(sweep, name, ends)


def _ends() -> dict[str, float | None]:
    """When each run of the queue will end; what one of a recipe takes is looked up once."""
    whole: dict[str, float | None] = {}

    def left(run: Run) -> float | None:
        digest, recipe = run.spec.digest, run.spec.recipe
        if digest not in whole:
            ready = fingerprint(recipe.dataset, recipe.image_size) == run.spec.data_fingerprint
            whole[digest] = run_seconds(recipe, run.spec.data_fingerprint) if ready else None
        if run.state() is RunState.QUEUED:
            return whole[digest]
        return seconds_left(run, cache.history(run.id), whole[digest])

    return forecast(cache.store().queue(), left)


def _all(open_ones: list[Sweep], ends: dict[str, float | None]) -> None:
    """Many sweeps as one: how far they are together, and what can be done to all of them."""
    total = sum(len(sweep.runs) for sweep in open_ones)
    done = sum(len(sweep.finished) + sum(sweep.lost.values()) for sweep in open_ones)
    moving = [row for sweep in open_ones for row in sweep.under_way]
    waiting = [
        row.run for sweep in open_ones for row in sweep.rows if not row.state.ended and not row.state.active
    ]
    with st.container(border=True, key="sweeps-all"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{len(open_ones)} recipes**")
            if moving:
                runs = [row.run for row in moving]
                st.button("Pause", key="pause-all", icon=":material/pause:", on_click=_pause, args=(runs,))
            if waiting:
                st.button(
                    "Go on",
                    key="resume-all",
                    icon=":material/play_arrow:",
                    on_click=_resume_all,
                    args=(waiting,),
                )
            if moving:
                st.button("Stop all", key="cancel-all", icon=":material/stop:", on_click=_stop, args=(runs,))
        st.progress(done / total, f"{done} of {total} runs done{_until(moving, ends)}")


def _resume_all(runs: list[Run]) -> None:
    with told():
        executor().start(cache.store(), runs)


def _until(rows: list[Row], ends: dict[str, float | None]) -> str:
    left = [ends.get(row.run.id) for row in rows]
    return f" · ends in about {duration(max(left))}" if left and None not in left else ""


def _draw(sweep: Sweep, name: str, ends: dict[str, float | None]) -> None:
    total, done = len(sweep.runs), len(sweep.finished) + sum(sweep.lost.values())
    with st.container(border=True, key=f"sweep-{sweep.digest}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{escaped(name)}**")
            _buttons(sweep)
        until = _until(sweep.under_way, ends)
        halted = ", ".join(f"{number} {state}" for state, number in sweep.halted.items())
        words = f"{done} of {total} seeds done{until}{f' · {halted}' if halted else ''}"
        st.progress(done / total, words)
        with st.expander("Each run", key=f"each-{sweep.digest}", on_change="rerun") as each:
            if each.open:
                _runs(sweep, ends)


def _buttons(sweep: Sweep) -> None:
    """With callbacks: they run before the page looks whether it is out of date, and no click is lost."""
    waiting = [row.run for row in sweep.rows if not row.state.ended and not row.state.active]
    missing = any(row is None for row in sweep.runs.values())
    key, moving = sweep.digest, [row.run for row in sweep.under_way]
    if moving:
        st.button("Pause", key=f"pause-{key}", icon=":material/pause:", on_click=_pause, args=(moving,))
    if waiting or missing:
        label = "Go on" if waiting else "Start the missing seeds"
        hint = "Each run goes on after its last whole epoch; one that failed is tried again."
        st.button(
            label,
            key=f"resume-{key}",
            icon=":material/play_arrow:",
            help=hint,
            on_click=_go_on,
            args=(sweep, waiting),
        )
    if moving:
        st.button("Stop all", key=f"cancel-{key}", icon=":material/stop:", on_click=_stop, args=(moving,))


def _pause(runs: list[Run]) -> None:
    with told():
        for run in runs:
            pause(cache.store(), run)


def _stop(runs: list[Run]) -> None:
    with told():
        for run in runs:
            stop(cache.store(), run)


def _go_on(sweep: Sweep, waiting: list[Run]) -> None:
    with told():
        if sweep.plan:
            start_sweep(cache.store(), [sweep.recipe], list(sweep.runs), cache.rows())
        else:
            executor().start(cache.store(), waiting)


def _runs(sweep: Sweep, ends: dict[str, float | None]) -> None:
    """What waits, what runs where, when each ends; those that have ended, with their page."""
    rows = sorted(sweep.rows, key=lambda row: row.state.ended)
    for row in rows[:MOST_ROWS]:
        _run(row, ends.get(row.run.id))
    if len(rows) > MOST_ROWS:
        st.caption(f"and {len(rows) - MOST_ROWS} more")


def _run(row: Row, end: float | None) -> None:
    run = row.run
    with st.container(horizontal=True, vertical_alignment="center", key=f"member-{run.id}"):
        state_badge(row.state)
        parts = [f"seed {run.spec.seed}"]
        started = cache.history(run.id).started
        if started and row.state is RunState.RUNNING:
            threads = started.passport.get("threads")
            parts.append(
                f"{started.passport.get('device_name')}, {threads} {'thread' if threads == 1 else 'threads'}"
            )
        if end is not None:
            parts.append(f"ends in about {duration(end)}")
        st.markdown(escaped(" · ".join(parts)))
        if row.state.ended:
            st.page_link("pages/runs.py", label="Open", query_params={"run": run.id})
            return
        st.page_link("pages/train.py", label="Watch", query_params={"run": run.id})
        if row.state.active and row.state is not RunState.STOPPING:
            st.button("Pause", key=f"pause-{run.id}", on_click=_pause, args=([run],))
            st.button("Stop", key=f"stop-member-{run.id}", on_click=_stop, args=([run],))
        elif not row.state.active:
            st.button("Go on", key=f"go-on-member-{run.id}", on_click=_resume, args=(run,))


def _resume(run: Run) -> None:
    with told():
        executor().start(cache.store(), [run])
