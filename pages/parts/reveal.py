"""Test figures of a sweep stay covered until a person asks for them; each time one does is written down."""

import streamlit as st

from core.index import Row
from core.sweep import Sweep


def is_revealed(sweep: Sweep) -> bool:
    """Whether this session uncovered the sweep; runs that finish later are uncovered with it, and counted."""
    if sweep.digest not in st.session_state.setdefault("revealed.sweeps", []):
        return False
    _look(sweep.finished)
    return True


def reveal_panel(sweeps: list[Sweep], key: str = "reveal") -> None:
    """The button for those that are still covered, if any are."""
    covered = [sweep for sweep in sweeps if sweep.finished and not is_revealed(sweep)]
    if not covered:
        return
    runs = sum(len(sweep.finished) for sweep in covered)
    with st.container(horizontal=True, vertical_alignment="center"):
        hint = "Written down for each run: who looks at test while choosing has no test left."
        what = "1 run" if runs == 1 else f"{runs} runs"
        if st.button(f"Reveal the test figures of {what}", key=key, icon=":material/visibility:", help=hint):
            st.session_state["revealed.sweeps"] += [sweep.digest for sweep in covered]
            st.rerun()
        looks = max(row.looks for sweep in covered for row in sweep.finished)
        st.caption(
            "Test is for the final word on recipes that are chosen already; until then the figures are those of "
            "validation. "
            + ("Nobody has looked yet." if not looks else f"Looked at up to {looks} times so far.")
        )


def _look(rows: list[Row]) -> None:
    seen = st.session_state.setdefault("revealed", [])
    for row in rows:
        if row.run.id not in seen:
            row.run.look("seeds page")
            seen.append(row.run.id)
