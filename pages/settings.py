"""Settings: where things lie, what trains them, how the pages look, and how much room all takes."""

import os
import shutil
from pathlib import Path

import streamlit as st

from core.estimate import probed_device
from core.executors import EXECUTORS
from core.machine import cores, gpus, memory_gb, slots
from core.paths import data_dir, runs_dir
from core.settings import read_settings, write_settings
from pages.parts import cache
from pages.parts.cluster import cluster, is_used
from pages.parts.frame import frame, sentences, told, wrapping_columns
from pages.parts.upkeep import upkeep
from pages.parts.words import escaped, size


def main() -> None:
    frame("Settings", "Where things lie, what trains them, how the pages look, and how much room all takes.")
    with sentences():
        _folders()
        _training()
        if is_used():
            cluster()
        _test()
        _looks()
        upkeep()


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
        if not is_used():  # else the cluster has them
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
    st.subheader("Test figures", anchor=False)
    settings, fault = read_settings(cache.store().folder)
    if fault:
        st.warning(escaped(fault), icon=":material/warning:")
    st.toggle(
        "Test figures begin covered",
        settings.cover_test,
        key="settings.cover",
        help="For all runs and everybody who uses this dashboard. Off: a run in depth, side by side or over seeds "
        "shows them at once, and each run that is shown counts as looked at; the table of runs shows those looked at.",
        on_change=_set_cover,
    )
    st.toggle(
        "Guess before test is revealed",
        settings.guess_test,
        key="settings.guess",
        help="For a class: whoever reveals test figures is first asked what they will be, and then told how far off "
        "that was. Nobody has to guess. Guesses are written down with the looks, without a name. It asks where test "
        "figures begin covered.",
        on_change=_set_guess,
    )
    st.caption(
        "Validation is for choosing, test for the last word. Who looks at test while choosing has no test left; "
        "how often anybody looked stands beside each run."
    )


def _set_cover() -> None:
    with told():
        write_settings(cache.store().folder, cover_test=st.session_state["settings.cover"])


def _set_guess() -> None:
    with told():
        write_settings(cache.store().folder, guess_test=st.session_state["settings.guess"])


def _looks() -> None:
    st.subheader("Looks", anchor=False)
    kind = st.context.theme.type
    now = f"It is {kind} now. " if kind else ""
    st.markdown(
        f"Light or dark follows your system. {now}The menu ⋮ at the top right, under *Settings*, sets it for this "
        "browser alone."
    )


main()
