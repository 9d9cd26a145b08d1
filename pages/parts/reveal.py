"""Test figures stay covered until a person asks for them; each time one does is written down.

Covered or not is a matter of this session; the looks are the run's own and stay. A person may switch
the cover off (`core.settings`): then what is shown counts as looked at all the same.
"""

from functools import partial

import streamlit as st

from core.events import Finished
from core.index import Row
from core.naming import distinct_names
from core.settings import read_settings
from core.store import Run
from core.sweep import Sweep
from pages.parts import cache
from pages.parts.guess import Guesses, remember_guess, reveal_button, tell_guess
from pages.parts.words import escaped


def is_shown(run: Run) -> bool:
    """Whether test figures of a run may be drawn now; if the cover is off, this is where the look is counted."""
    if run.id in st.session_state.setdefault("revealed", []):
        return True
    if not are_shown([run], "runs page"):
        return False
    st.rerun()  # the table above it, which was drawn before the look, counts it as well


def are_shown(runs: list[Run], where: str) -> bool:
    """The same for several, on any page that has drawn nothing of these looks before."""
    seen = st.session_state.setdefault("revealed", [])
    return all(run.id in seen for run in runs) or (not covers() and look_at(runs, where))


def reveal_run(run: Run, vertical_alignment: str = "center") -> None:
    """The button, if the run's test figures are covered, and how often they were looked at."""
    looks = run.looks()
    with st.container(horizontal=True, vertical_alignment=vertical_alignment):
        reveal_one(
            run,
            "runs page",
            f"reveal-{run.id}",
            "Written down: who looks at test while choosing has no test left.",
        )
        st.caption(f"Looked at {looks} {'time' if looks == 1 else 'times'} so far.")


def reveal_one(run: Run, where: str, key: str, hint: str) -> None:
    """The button for one run alone; once it is revealed, how far the guess was off, if there was one."""
    if run.id not in st.session_state.setdefault("revealed", []):
        reveal_button("Reveal", key, hint, {run.id: "test accuracy"}, partial(_reveal_one, run, where))
    elif isinstance(end := cache.history(run.id).end, Finished):
        tell_guess(run.id, [end.test_accuracy], run)


def _reveal_one(run: Run, where: str, guesses: Guesses) -> None:
    guess = guesses.get(run.id)
    if look_at([run], where, guess):
        remember_guess(run.id, guess)


def is_revealed(sweep: Sweep) -> bool:
    """Whether this session uncovered the sweep; runs that finish later are uncovered with it, and counted."""
    if covers() and sweep.digest not in st.session_state.setdefault("revealed.sweeps", []):
        return False
    return look(sweep.finished)


def reveal_panel(sweeps: list[Sweep], key: str = "reveal") -> None:
    """The button for those that are still covered, if any are; how far guesses of the others were off."""
    titles = distinct_names([sweep.recipe for sweep in sweeps])
    names = {sweep.digest: title for sweep, title in zip(sweeps, titles, strict=True)}
    covered = [sweep for sweep in sweeps if sweep.finished and not is_revealed(sweep)]
    for sweep in sweeps:
        if sweep.finished and is_revealed(sweep):
            title = f"**{escaped(names[sweep.digest])}**" if len(sweeps) > 1 else ""
            accuracies = [row.test_accuracy for row in sweep.finished]
            tell_guess(sweep.digest, accuracies, sweep.finished[0].run, title)
    if not covered:
        return
    runs = sum(len(sweep.finished) for sweep in covered)
    looks = max(row.looks for sweep in covered for row in sweep.finished)
    with st.container(horizontal=True, vertical_alignment="center"):
        hint = "Written down for each run: who looks at test while choosing has no test left."
        what = "1 run" if runs == 1 else f"{runs} runs"
        asked = {sweep.digest: _asked(sweep, names[sweep.digest]) for sweep in covered}
        reveal_button(f"Reveal the test figures of {what}", key, hint, asked, partial(_reveal, covered))
        times = "once" if looks == 1 else f"up to {looks} times"
        st.caption(
            "Test is for the final word on recipes that are chosen already; until then the figures are those of "
            "validation. " + (f"Looked at {times} so far." if looks else "Nobody has looked yet.")
        )


def _asked(sweep: Sweep, name: str) -> str:
    runs = len(sweep.finished)
    return f"test accuracy of {escaped(name)}" + (f", mean of {runs} runs" if runs > 1 else "")


def _reveal(sweeps: list[Sweep], guesses: Guesses) -> None:
    revealed = st.session_state.setdefault("revealed.sweeps", [])
    for sweep in sweeps:
        guess = guesses.get(sweep.digest)
        if look(sweep.finished, guess=guess) and sweep.digest not in revealed:
            revealed.append(sweep.digest)
            remember_guess(sweep.digest, guess)


def look(rows: list[Row], where: str = "seeds page", guess: float | None = None) -> bool:
    """`look_at` for the runs of some rows."""
    return look_at([row.run for row in rows], where, guess)


def look_at(runs: list[Run], where: str, guess: float | None = None) -> bool:
    """Write each run's look down, once a session; without that nothing is shown.

    Args:
        guess: of the mean test accuracy of these runs, made before, a fraction.
    """
    seen = st.session_state.setdefault("revealed", [])
    try:
        for run in runs:
            if run.id not in seen:
                run.look(where, guess, len(runs))
                seen.append(run.id)
    except OSError as error:
        st.session_state["told"] = (
            f"The test figures stay covered, since the look can't be written down ({error.strerror}): "
            "see that the runs folder may be written to."
        )
        return False
    return True


def covers() -> bool:
    """Whether test figures begin covered; what is wrong with the settings is said once a session."""
    settings, fault = read_settings(cache.store().folder)
    if fault and st.session_state.get("settings.fault") != fault:
        st.session_state["settings.fault"] = fault
        st.warning(escaped(fault), icon=":material/warning:")
    return settings.cover_test
