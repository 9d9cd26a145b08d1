"""How often live parts of pages tick: less often the more people watch, so that watching leaves the cores to training.

One page ticks as often as its part asks for. The ticks of all open pages together may take `SHARE` of a core;
beyond that each waits half as long again, and so on. A page learns of it at its next tick.
"""

import functools
import math
from collections.abc import Callable

import streamlit as st
from streamlit import runtime
from streamlit.runtime.stats import ACTIVE_SESSIONS_FAMILY

SHARE = 0.08
"""Of one core, for ticks of all pages together. Visits are on top: where everybody goes to another page once a
minute, they take as much again, and both shall stay below a fifth of a core."""

TICK_CPU_SECONDS = 0.055
"""What a tick takes while all cores train, curves of a thousand points and redrawn pages included, on the slower of
the two machines where `python -m tests.faults.soak` was run (an AMD EPYC; 0.03 s on an Intel Xeon, and 0.01 s where
nothing else runs)."""

STEP = 1.5
"""Pauses grow by whole steps: pages are drawn anew for each, so not for every browser that comes."""

RELUCTANCE = 1.25
"""Pages go back to ticking faster when they still could with so many times the sessions: one browser that
comes and goes changes nothing."""


def sessions() -> int:
    """How many browsers are connected to this server; 1 where there is no server, as in tests."""
    if not runtime.exists():
        return 1
    stats = runtime.get_instance().stats_mgr.get_stats([ACTIVE_SESSIONS_FAMILY])
    return max(1, sum(stat.value for stat in stats.get(ACTIVE_SESSIONS_FAMILY, ())))


def seconds(base: float, watching: float | None = None) -> float:
    """The pause between two ticks of a part that would tick every `base` seconds for one person alone.

    Args:
        watching: number of sessions, as connected now unless given.
    """
    people = sessions() if watching is None else watching
    if people <= 1:
        return base
    needed = people * TICK_CPU_SECONDS / SHARE
    return base * STEP ** max(0, math.ceil(math.log(needed / base, STEP)))


def ticking(part: Callable[..., None], base: float, moves: object = True) -> Callable[..., None]:
    """`part` as a fragment that ticks at a pace which fits the number of sessions; without a clock unless it `moves`.

    The clock of a fragment is set when its page is drawn: when the pace has changed, the page is drawn anew.
    """
    if not moves:
        return st.fragment(part)
    pause = seconds(base)

    @functools.wraps(part)  # its name is part of the fragment's identity
    def tick(*arguments: object) -> None:
        if is_outdated(pause, base):
            st.rerun()
        part(*arguments)

    return st.fragment(tick, run_every=pause)


def is_outdated(pause: float, base: float) -> bool:
    """Whether a page that ticks with this pause must be told another one."""
    now = sessions()
    return seconds(base, now) > pause or seconds(base, max(RELUCTANCE * now, now + 1)) < pause
