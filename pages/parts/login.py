"""Streamlit's own login, where its secrets have a section `[auth]`: before it nothing is shown, on any page.

A provider that lets everybody in (Google does) tells who somebody is, not whether they belong here: `people` in a
section `[tenfold]` of the same file names them. docs/class.md shows both.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.auth_util import is_authlib_installed

from pages.parts.words import escaped

DEFAULT = "default"
"""What Streamlit calls a provider that has no section of its own."""


def require_login() -> None:
    """Let whoever may come in through, and end the page for everybody else; nothing where no login is set up."""
    if not st.secrets.load_if_toml_exists():
        if any(Path(file).exists() for file in st.get_option("secrets.files")):
            _end("The secrets of this dashboard can't be read, so nobody is let in: see its terminal.")
        return
    auth = st.secrets.get("auth")
    if auth is None:
        return
    if not st.user.get("is_logged_in"):
        _ask(providers(auth))
    if not _belongs(st.user.to_dict()):
        _log_out()
        _end("You are logged in, but not among the people of this dashboard. Whoever serves it can add you.")


def login_is_on() -> bool:
    """Whether people have to log in here."""
    return st.secrets.load_if_toml_exists() and "auth" in st.secrets


def log_out_button() -> None:
    """Who is logged in, and the way out; nothing where no login is set up."""
    if login_is_on():
        _log_out()


def providers(auth: Mapping[str, Any]) -> list[str]:
    """Those of a section `[auth]`: the one without a name first, then each section that has an id of its own."""
    named = [name for name, part in auth.items() if isinstance(part, Mapping) and "client_id" in part]
    unnamed = [DEFAULT] if "client_id" in auth and DEFAULT not in named else []
    return unnamed + named


def _ask(names: list[str]) -> None:
    if not is_authlib_installed():
        _end('Logging in needs one more package on the server: `pip install "streamlit[auth]"`.')
    if not names:
        _end("The section `[auth]` names no provider to log in with: see docs/class.md.")
    st.markdown("Log in to see it.")
    for name in names:
        st.button(
            "Log in" if name == DEFAULT else f"Log in with {escaped(name)}",
            type="primary",
            key=f"login.{name}",
            icon=":material/login:",
            help="You come back to the first page of this dashboard.",
            on_click=st.login,
            args=(None if name == DEFAULT else name,),
        )
    st.stop()


def _belongs(user: Mapping[str, Any]) -> bool:
    """Whether somebody who is logged in is meant; everybody is, where no people are named."""
    people = st.secrets.get("tenfold", {}).get("people")
    if people is None:
        return True
    email = str(user.get("email") or "").lower()
    vouched = user.get("email_verified") is not False
    return vouched and any(fnmatchcase(email, pattern.lower()) for pattern in people)


def _log_out() -> None:
    who = st.user.get("email") or st.user.get("name") or "somebody without a name"
    st.caption(f"Logged in as {escaped(str(who))}")
    st.button(
        "Log out",
        key="logout",
        icon=":material/logout:",
        help="Ends this tab's visit and forgets you in this browser; other open tabs go on until they are reloaded.",
        on_click=st.logout,
    )


def _end(words: str) -> None:
    st.error(words, icon=":material/lock:")
    st.stop()
