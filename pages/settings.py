"""Settings: where things lie, what trains them, how the pages look, and how much room all takes."""

import os
import shutil
from pathlib import Path

import pandas as pd
import streamlit as st

from core import storage
from core.estimate import probed_device
from core.executors import EXECUTORS
from core.machine import cores, gpus, memory_gb, slots
from core.paths import data_dir, runs_dir
from core.settings import read_settings, write_settings
from core.storage import Room
from pages.parts import cache
from pages.parts.frame import frame, sentences, told, wrapping_columns
from pages.parts.words import escaped, size

TITLES = {".cache": "images of folders, decoded"}
SIZES_SECONDS_OLD = 300  # sizes are told for orientation


def main() -> None:
    frame("Settings", "Where things lie, what trains them, how the pages look, and how much room all takes.")
    with sentences():
        _folders()
        _training()
        _test()
        _looks()
        _room()


def _folders() -> None:
    st.subheader("Folders", anchor=False)
    places = {
        "Runs": ("TENFOLD_RUNS", runs_dir(), "Every training: recipe, events, weights, predictions."),
        "Data sets": ("TENFOLD_DATA", data_dir(), "Images, downloaded or decoded once; may be made again."),
    }
    for column, (title, (variable, folder, help)) in zip(
        wrapping_columns(2, "folders", border=True), places.items(), strict=True
    ):
        with column:
            st.markdown(f"**{title}**", help=help)
            st.code(str(folder), language=None, wrap_lines=True)
            st.caption(f"{_state(folder)} `{variable}` names another one, before the dashboard starts.")


def _state(folder: Path) -> str:
    """Whether it can be used, and how much room there is beside it."""
    there = folder
    while not there.exists():
        there = there.parent
    free = size(shutil.disk_usage(there).free)
    if not os.access(there, os.W_OK):
        return f"You may not write to it. {free} free on its disk."
    return f"{'May be written to' if folder.exists() else 'Made when it is needed'}; {free} free on its disk."


def _training() -> None:
    st.subheader("Training", anchor=False)
    name = os.environ.get("TENFOLD_EXECUTOR") or "local"
    spec = EXECUTORS.get(name)
    with st.container(horizontal=True, gap="large"):
        st.metric(
            "Places",
            slots(),
            help="How many runs train at once: one a GPU, else one a core; a wide network takes several cores. "
            "TENFOLD_SLOTS sets another number.",
            width="content",
        )
        st.metric("Cores", cores(), help="Of this machine, as far as Tenfold may use them.", width="content")
        st.metric("GPUs", gpus(), help="TENFOLD_DEVICE=cpu leaves them alone.", width="content")
        st.metric("Memory", f"{memory_gb():.0f} GB", help="Main memory of this machine.", width="content")
    where = probed_device(cache.store())
    lines = [
        f"- **Executor:** {escaped(spec.title if spec else name)} (`TENFOLD_EXECUTOR={escaped(name)}`); there is "
        + ", ".join(f"`{one}`" for one in EXECUTORS),
        f"- **Trains on:** {escaped(where) if where else 'not measured yet; the first estimate does it'}",
        "- **Threads of each run:** one for a narrow network, all cores for others; `TENFOLD_THREADS` sets another number",
    ]
    st.markdown("\n".join(lines))
    st.caption("These are read when the dashboard starts: set them in its terminal and start it again.")


def _test() -> None:
    """Whether test figures begin covered, for everybody here."""
    st.subheader("Test figures", anchor=False)
    found, fault = read_settings(cache.store().folder)
    if fault:
        st.warning(escaped(fault), icon=":material/warning:")
    st.toggle(
        "Test figures begin covered",
        found.cover_test,
        key="settings.cover_test",
        help="For all runs and everybody who uses this dashboard. Off: a run in depth, side by side or over seeds shows them "
        "at once, and each run that is shown counts as looked at. The table of runs shows those of runs that were looked at.",
        on_change=_set_cover,
    )


def _set_cover() -> None:
    with told():
        write_settings(cache.store().folder, cover_test=st.session_state["settings.cover_test"])


def _looks() -> None:
    st.subheader("Looks", anchor=False)
    kind = st.context.theme.type
    now = f"It is {kind} now. " if kind else ""
    st.markdown(
        f"Light or dark follows your system. {now}The menu ⋮ at the top right, under *Settings*, sets it for this "
        "browser alone."
    )


def _room() -> None:
    st.subheader("Room on the disk", anchor=False)
    runs, data = _runs_room(str(runs_dir())), _data_room(str(data_dir()))
    left, right = wrapping_columns(2, "room")
    for column, title, room in ((left, "Runs", runs), (right, "Data sets", data)):
        with column:
            most = "" if room.complete else "at least "
            st.metric(
                title,
                f"{most}{size(room.total)}",
                help="Counted at most every five minutes."
                + ("" if room.complete else " There is so much that counting was ended early."),
            )
            _table(title, room)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Count again", on_click=_count_again, icon=":material/refresh:", help="Looks at every file anew."
        )
        st.button(
            "Check the index of runs",
            key="settings.index",
            on_click=_check_index,
            icon=":material/build:",
            help="What tables show of each run is remembered in one file. It is compared with the runs and made "
            "anew where it is wrong; no run is touched.",
        )
    if words := st.session_state.pop("settings.index.said", None):
        st.success(escaped(words), icon=":material/check_circle:")
    st.caption(
        "Runs are deleted on the Runs page. What a killed training left half-written goes away when the run goes on; "
        "what was decoded of a folder of images is replaced when its images change."
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
def _runs_room(folder: str) -> Room:
    return storage.of_runs(Path(folder))


@st.cache_data(ttl=SIZES_SECONDS_OLD, max_entries=4, show_spinner="Counting …")
def _data_room(folder: str) -> Room:
    return storage.of_data(Path(folder))


def _count_again() -> None:
    _runs_room.clear()
    _data_room.clear()


def _check_index() -> None:
    with told():
        found = cache.examine_index()
        st.session_state["settings.index.said"] = f"{found['runs']:,} runs; the index {_index_words(found)}."


def _index_words(found: dict[str, object]) -> str:
    state = str(found["state"])
    return f"is {state}" if state.startswith("in ") else state


main()
