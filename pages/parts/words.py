"""How numbers and states are written on every page."""

import time

import streamlit as st

from core.store import RunState

_BADGES = {
    RunState.QUEUED: ("gray", ":material/schedule:"),
    RunState.STARTING: ("blue", ":material/rocket_launch:"),
    RunState.RUNNING: ("blue", ":material/play_circle:"),
    RunState.STOPPING: ("orange", ":material/stop_circle:"),
    RunState.RESUMING: ("orange", ":material/restart_alt:"),
    RunState.PAUSED: ("orange", ":material/pause_circle:"),
    RunState.INTERRUPTED: ("orange", ":material/power_off:"),
    RunState.FINISHED: ("green", ":material/check_circle:"),
    RunState.DIVERGED: ("red", ":material/trending_up:"),
    RunState.FAILED: ("red", ":material/error:"),
    RunState.CANCELLED: ("gray", ":material/stop_circle:"),
}


def state_badge(state: RunState) -> None:
    """A run's state, by word, colour and icon: never by colour alone."""
    colour, icon = _BADGES[state]
    st.badge(str(state), icon=icon, color=colour)


def escaped(text: str) -> str:
    """Text that a person or a file supplied, where Streamlit reads Markdown: shown as it is.

    A class or a folder may be called `![](https://...)`, and an image would be fetched.
    """
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>()#+-.!|~:$&" else sign for sign in text)


def percent(fraction: float) -> str:
    """An accuracy with as many digits as 1,000 images can carry."""
    return f"{fraction:.1%}"


def duration(seconds: float) -> str:
    """Rounded as people say it: "8 s", "3 min", "2 h 10 min"."""
    seconds = max(0.0, seconds)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def ago(timestamp: float) -> str:
    """How long since a moment: "just now", "5 min ago", "2026-03-01"."""
    seconds = time.time() - timestamp
    if seconds < 0 or seconds > 7 * 86_400:
        return time.strftime("%Y-%m-%d", time.localtime(timestamp))
    if seconds < 60:
        return "just now"
    if seconds < 2 * 86_400:
        return f"{duration(max(seconds, 100))} ago"
    return f"{seconds // 86_400:.0f} days ago"


def runs_in_words(number: int) -> str:
    """ "1 run", "3,000 runs"."""
    return "1 run" if number == 1 else f"{number:,} runs"


def size(n_bytes: int) -> str:
    """What something takes on the disk: "12 kB", "3.4 MB", "1.2 GB"."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f} {unit}"
    return f"{-(-n_bytes // 1000):,} kB"
