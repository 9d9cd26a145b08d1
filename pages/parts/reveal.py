"""Test figures of a sweep stay covered until a person asks for them; each time one does is written down."""

import streamlit as st

from core.index import Row
from core.sweep import Sweep


def is_revealed(sweep: Sweep) -> bool:
    """Whether this session uncovered the sweep; runs that finish later are uncovered with it, and counted."""
    if sweep.digest not in st.session_state.setdefault("revealed.sweeps", []):
        return False
    return look(sweep.finished)


def reveal_panel(sweeps: list[Sweep], key: str = "reveal") -> None:
    """The button for those that are still covered, if any are."""
    covered = [sweep for sweep in sweeps if sweep.finished and not is_revealed(sweep)]
    if not covered:
        return
    runs = sum(len(sweep.finished) for sweep in covered)
    looks = max(row.looks for sweep in covered for row in sweep.finished)
    with st.container(horizontal=True, vertical_alignment="center"):
        hint = "Written down for each run: who looks at test while choosing has no test left."
        what = "1 run" if runs == 1 else f"{runs} runs"
        st.button(
            f"Reveal the test figures of {what}",
            key=key,
            icon=":material/visibility:",
            help=hint,
            on_click=_reveal,
            args=(covered,),
        )
        times = "once" if looks == 1 else f"up to {looks} times"
        st.caption(
            "Test is for the final word on recipes that are chosen already; until then the figures are those of "
            "validation. " + (f"Looked at {times} so far." if looks else "Nobody has looked yet.")
        )


def _reveal(sweeps: list[Sweep]) -> None:
    for sweep in sweeps:
        if look(sweep.finished) and sweep.digest not in st.session_state["revealed.sweeps"]:
            st.session_state["revealed.sweeps"].append(sweep.digest)


def look(rows: list[Row], where: str = "seeds page") -> bool:
    """Write each run's look down, once a session; without that nothing is shown."""
    seen = st.session_state.setdefault("revealed", [])
    try:
        for row in rows:
            if row.run.id not in seen:
                row.run.look(where)
                seen.append(row.run.id)
    except OSError as error:
        st.session_state["told"] = (
            f"The test figures stay covered, since the look can't be written down ({error.strerror}): "
            "see that the runs folder may be written to."
        )
        return False
    return True
