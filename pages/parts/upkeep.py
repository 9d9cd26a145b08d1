"""How much room runs and data sets take, and what may be put in order without losing anything."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core import doctor, storage
from core.paths import data_dir, runs_dir
from core.repair import Finding
from core.storage import Room
from pages.parts import cache
from pages.parts.frame import told, wrapping_columns
from pages.parts.words import escaped, runs_in_words, size

TITLES = {".cache": "images of folders, decoded"}
SIZES_SECONDS_OLD = 300  # sizes are told for orientation
FIRST_BUDGET_SECONDS = 0.7
"""So long a first count may take, so that the page opens at once; who asks again gets `WHOLE_BUDGET_SECONDS`."""
WHOLE_BUDGET_SECONDS = 30.0
MOST_FAULTS = 50


def upkeep() -> None:
    _room()
    _order()


def _room() -> None:
    st.subheader("Room on the disk", anchor=False)
    budget = st.session_state.get("settings.budget", FIRST_BUDGET_SECONDS)
    runs, data = _runs_room(str(runs_dir()), budget), _data_room(str(data_dir()), budget)
    left, right = wrapping_columns(2, "room")
    for column, title, room in ((left, "Runs", runs), (right, "Data sets", data)):
        with column:
            most = "" if room.complete else "at least "
            st.metric(
                title,
                f"{most}{size(room.total)}",
                help="Counted at most every five minutes."
                + (
                    ""
                    if room.complete
                    else " There is so much that counting was ended early: Count again goes on."
                ),
            )
            _table(title, room)
    st.button(
        "Count again", on_click=_count_again, icon=":material/refresh:", help="Looks at every file anew."
    )
    st.caption(
        "Runs are deleted on the Runs page, where the trash is emptied, too. What was decoded of a folder of images is "
        "replaced when its images change."
    )


def _order() -> None:
    """The index, and the doctor of `python -m core doctor`."""
    st.subheader("In order?", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Check the index of runs",
            key="settings.index",
            on_click=_check_index,
            icon=":material/build:",
            help="What tables show of each run is remembered in one file. It is compared with the runs and made "
            "anew where it is wrong; no run is touched.",
        )
        st.button(
            "Look for faults",
            key="settings.examine",
            on_click=_examine,
            icon=":material/stethoscope:",
            help="Reads every run, as `python -m core doctor` does: damaged files, and what a killed process left "
            "half-done. Nothing is changed. Many runs take a while.",
        )
    if words := st.session_state.pop("settings.said", None):
        st.success(escaped(words), icon=":material/check_circle:")
    if found := st.session_state.get("settings.faults"):
        _faults(found)


def _faults(found: list[tuple[str, str, str, bool]]) -> None:
    """What the doctor found, and the button that mends what needs nobody's decision."""
    shown = found[:MOST_FAULTS]
    rows = pd.DataFrame([fault[:3] for fault in shown], columns=["where", "what is wrong", "what helps"])
    st.dataframe(rows, hide_index=True, alt=f"{len(found)} faults among the runs")
    if len(found) > MOST_FAULTS:
        st.caption(f"and {len(found) - MOST_FAULTS} more")
    mendable = sum(fault[3] for fault in found)
    if mendable:
        st.button(
            f"Mend {mendable} of them",
            key="settings.mend",
            on_click=_mend,
            icon=":material/healing:",
            help="Each as its line says. Everything that is touched is kept as it was, in a folder beside the runs.",
        )


def _table(title: str, room: Room) -> None:
    if not room.bytes:
        st.caption("Nothing yet.")
        return
    names = sorted(room.bytes, key=room.bytes.get, reverse=True)
    rows = pd.DataFrame(
        {
            "what": [TITLES.get(name, name) for name in names],
            "size": [size(room.bytes[name]) for name in names],
        }
    )
    st.dataframe(rows, hide_index=True, alt=f"{title}: what takes how much room")


@st.cache_data(ttl=SIZES_SECONDS_OLD, max_entries=4, show_spinner="Counting …")
def _runs_room(folder: str, budget_seconds: float) -> Room:
    return storage.of_runs(Path(folder), budget_seconds)


@st.cache_data(ttl=SIZES_SECONDS_OLD, max_entries=4, show_spinner="Counting …")
def _data_room(folder: str, budget_seconds: float) -> Room:
    return storage.of_data(Path(folder), budget_seconds)


def _count_again() -> None:
    st.session_state["settings.budget"] = WHOLE_BUDGET_SECONDS
    _runs_room.clear()
    _data_room.clear()


def _check_index() -> None:
    with told():
        found = cache.examine_index()
        state = str(found["state"])
        words = f"is {state}" if state.startswith("in ") else state
        plans = f" That of the plans {found['plans']}." if found["plans"].startswith("was") else ""
        st.session_state["settings.said"] = f"{runs_in_words(found['runs'])}; the index {words}.{plans}"


def _examine() -> None:
    with told():
        findings = doctor.examine(cache.store())
        st.session_state["settings.faults"] = _in_words(findings)
        if not findings:
            st.session_state["settings.said"] = "No fault was found."


def _mend() -> None:
    with told():
        mended, copies = doctor.repair(cache.store(), doctor.examine(cache.store()))
        kept = f" What was changed is in {copies} as it was before." if copies else ""
        st.session_state["settings.said"] = f"Mended: {len(mended)}.{kept}"
        st.session_state["settings.faults"] = _in_words(doctor.examine(cache.store()))
        _runs_room.clear()


def _in_words(findings: list[Finding]) -> list[tuple[str, str, str, bool]]:
    """What mends a fault can't be kept in a session: it is looked for again when it is wanted."""
    return [(one.where, one.fault, one.cure, one.mend is not None) for one in findings]
