"""The cluster that trains, where the executor is Ray: how the link to it is, its nodes, and what runs where."""

import os
import time

import pandas as pd
import streamlit as st

from core.cluster import Link, Phase, node_of, read_driver, read_link
from core.store import Run, RunState
from pages.parts import cache
from pages.parts.frame import go_on, sentences
from pages.parts.pace import ticking
from pages.parts.words import duration, escaped

TICK_SECONDS = 2.0
MOST_READ = 500
"""Of the queue: those at work are among the first."""

_STAGES = {
    Phase.CONNECTING: (0.1, "Connecting to Ray"),
    Phase.SUBMITTING: (0.3, "Sending the code to the cluster"),
    Phase.STARTING: (0.6, "Starting on the cluster's head"),
}


def is_used() -> bool:
    """Whether runs go to a cluster."""
    return os.environ.get("TENFOLD_EXECUTOR") == "ray"


def progress_of_link() -> None:
    """Draws how far the start of the cluster is, or what is in the way; nothing where all is well or none is used."""
    if not is_used():
        return
    link = read_link(cache.store())
    if link is None or (link.old and not link.phase.settled):
        st.progress(0.0, "Connecting to Ray")
    elif link.phase in _STAGES:
        share, words = _STAGES[link.phase]
        st.progress(share, f"{words}: {duration(max(0.0, time.time() - link.since))} so far")
    if link and link.message:
        st.warning(escaped(link.message), icon=":material/lan:")


def where(run: Run) -> str:
    """On which node a run is at work, in a few words; empty where none is known."""
    if not is_used() or (node := node_of(run)) is None:
        return ""
    link = read_link(cache.store())
    addresses = {one.id: one.address for one in link.nodes} if link else {}
    return f"node {_short(node, addresses.get(node, ''))}"


def cluster() -> None:
    """The whole picture, for Settings."""
    st.subheader("Cluster", anchor=False)
    ticking(_tick, TICK_SECONDS)()


def _tick() -> None:
    go_on()
    with sentences():
        link = read_link(cache.store())
        if link is None:
            st.progress(0.0, "Connecting to Ray")
            return
        progress_of_link()
        _state(link)
        _nodes(link)


def _state(link: Link) -> None:
    if link.phase is Phase.READY and link.old:
        st.markdown(f"Connected to {escaped(link.address)} until {duration(time.time() - link.time)} ago.")
    elif link.phase is Phase.READY:
        st.markdown(f":material/check_circle: Connected to {escaped(link.address)}: runs go there.")
    else:
        st.markdown(f"Ray's address is {escaped(link.address)}.")
    st.caption(
        "`TENFOLD_RAY_ADDRESS` names another cluster, `TENFOLD_RAY_GPUS` and `TENFOLD_RAY_CPUS` what of a node each run "
        "gets: 0.25 GPUs train four seeds on each. They count from the next start, after two minutes without work."
    )


def _nodes(link: Link) -> None:
    if not link.nodes:
        return
    blind = set(read_driver(cache.store()).unseeing)
    busy = _working()
    table = pd.DataFrame(
        [
            {
                "Node": _short(node.id, node.address),
                "State": "can't see the runs" if node.id in blind else "ready" if node.alive else "gone",
                "Role": "head" if node.head else "worker",
                "CPU cores": node.cpus,
                "GPUs": node.gpus,
                "Runs": len(busy.get(node.id, ())),
                "What runs": ", ".join(_told(run) for run in busy.get(node.id, ())) or "nothing",
            }
            for node in sorted(
                link.nodes, key=lambda node: (not node.alive, not node.head, node.address, node.id)
            )
        ]
    )
    st.dataframe(
        table,
        hide_index=True,
        alt="The nodes of the cluster, what each has, and which runs it trains",
        column_config={
            "Node": st.column_config.TextColumn(
                help="Address, and the beginning of the name that Ray gave it."
            ),
            "State": st.column_config.TextColumn(help="A node that can't see the runs folder gets no runs."),
            "CPU cores": st.column_config.NumberColumn(
                help="As Ray was told when the node was started.", format="%g"
            ),
            "GPUs": st.column_config.NumberColumn(help="As Ray found them, or was told.", format="%g"),
            "What runs": st.column_config.TextColumn(width="large"),
        },
    )


def _working() -> dict[str, list[Run]]:
    """The runs at work, by node."""
    found: dict[str, list[Run]] = {}
    for run in cache.store().queue(most=MOST_READ):
        if run.state() in (RunState.RUNNING, RunState.STOPPING) and (node := node_of(run)):
            found.setdefault(node, []).append(run)
    return found


def _told(run: Run) -> str:
    return f"{run.spec.recipe.model} · seed {run.spec.seed}"


def _short(node: str, address: str) -> str:
    return f"{address} ({node[:6]})" if address else node[:6]
