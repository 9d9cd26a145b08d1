"""The frame of every page: title, menu, and errors as sentences."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st
from streamlit import net_util
from streamlit.delta_generator import DeltaGenerator

from core.errors import UserError
from core.executors import executor
from core.searches import wake_searches
from pages.parts.cache import store
from pages.parts.login import log_out_button, login_is_on, require_login
from pages.parts.words import escaped

PAGES = {
    "dashboard.py": ("Overview", ":material/home:"),
    "pages/data.py": ("Data", ":material/image:"),
    "pages/train.py": ("Train", ":material/school:"),
    "pages/runs.py": ("Runs", ":material/list_alt:"),
    "pages/seeds.py": ("Seeds", ":material/casino:"),
    "pages/search.py": ("Search", ":material/manage_search:"),
    "pages/classify.py": ("Classify", ":material/center_focus_strong:"),
    "pages/experiments.py": ("Experiments", ":material/science:"),
    "pages/report.py": ("Report", ":material/menu_book:"),
    "pages/settings.py": ("Settings", ":material/settings:"),
}
"""The menu, in order; a new page is a file and a line here."""

ICON = str(Path(__file__).with_name("icon.svg"))
"""No emoji, for whose sake Streamlit would load the names of all of them at the first view."""

SIDEBAR_PX = 220
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding-top: 2.5rem; max-width: 1500px; }
[data-testid="stImage"] img { image-rendering: pixelated; }
/* Streamlit's own grey of captions has 3.9 : 1 on white, less than people with weak eyes need. */
[data-testid="stCaptionContainer"] { color: inherit; opacity: 0.8; }
/* Streamlit writes white on the primary colour; one that can be read on a dark page is too light for that. */
[data-testid^="stBaseButton-primary"]:not(:disabled), .stMultiSelect [data-tag], .stMultiSelect [data-tag] button {
    color: light-dark(#ffffff, #000000);
}
/* Streamlit shows nothing where the keyboard is on a link. */
[data-testid="stPageLink-NavLink"]:focus-visible { outline: 2px solid currentColor; outline-offset: -2px; }
[class*="st-key-wrap-"] > div > [data-testid="stHorizontalBlock"],
[class*="st-key-wrap-"] > [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
[class*="st-key-wrap-"] > div > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"],
[class*="st-key-wrap-"] > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] {
    min-width: min(100%, 19rem);
}
</style>"""


@st.cache_resource(show_spinner=False)
def _ask_nobody_outside() -> None:
    """Keep Streamlit from asking a host on the internet for this machine's address, once a process.

    It does (with 2 s of patience, in which nobody is answered) whenever a page of another site tries to
    connect, in case that site is this machine under its outer address. `server.allowedHosts` has it refused anyway.
    """
    net_util._external_ip = "127.0.0.1"


def frame(title: str, explanation: str) -> None:
    """Set the page up, ask for a login where there is one, and draw the menu; the first call of every page.

    Streamlit's own page list would show file names, and `st.navigation` beside a folder called
    pages/ breaks a first visit to any page but the first.
    """
    st.set_page_config(f"{title} · Tenfold", ICON, layout="wide", initial_sidebar_state=SIDEBAR_PX)
    st.html(_STYLE)
    _ask_nobody_outside()
    st.title(title, anchor=False)
    require_login()
    _menu()
    st.markdown(explanation)
    show_told()
    go_on()


def _menu() -> None:
    with st.sidebar:
        st.markdown("## Tenfold")
        st.caption("Small image classifiers, trained and judged on your own machine.")
        for path, (label, icon) in PAGES.items():
            st.page_link(path, label=label, icon=icon, width="stretch")
        log_out_button()
        if st.get_option("server.address") not in LOOPBACK and not login_is_on():
            st.warning(
                "Open to other machines without a password: anybody there can start and stop trainings."
            )


def wrapping_columns(
    spec: int | list[int], key: str, gap: str = "small", border: bool = False
) -> list[DeltaGenerator]:
    """Columns that go below each other where one would become narrower than a phone.

    Streamlit's own squeeze until the window is a phone's: with the menu beside them, too late.
    """
    return st.container(key=f"wrap-{key}").columns(spec, gap=gap, border=border)


@contextmanager
def told() -> Iterator[None]:
    """In a callback, which can't draw: what went wrong is shown by the page that is drawn next."""
    try:
        yield
    except (UserError, OSError) as error:
        words = (
            str(error) if isinstance(error, UserError) else f"{error.strerror or error}: nothing was changed."
        )
        st.session_state["told"] = words


def show_told() -> None:
    """What a callback had to tell."""
    if words := st.session_state.pop("told", None):
        st.error(escaped(words), icon=":material/error:")


@contextmanager
def sentences() -> Iterator[None]:
    """Show what a person can mend as a sentence, in the place where it happened."""
    try:
        yield
    except UserError as error:
        st.error(escaped(str(error)), icon=":material/error:")
    except OSError as error:
        logging.exception("A page could not use a file")
        reason = error.strerror or type(error).__name__
        st.error(
            f"A file of the runs or data folder can't be used ({reason}): see that the folder is there, "
            "that you may write to it, and that the disk is not full.",
            icon=":material/error:",
        )


@st.cache_data(ttl=5, show_spinner=False)
def go_on() -> None:
    """Have queued runs and searches go on whose process died, or whose machine was off; every few seconds only."""
    try:
        executor().wake(store())
        wake_searches(store())
    except (OSError, UserError):
        logging.exception("The runner or a search could not be started")
