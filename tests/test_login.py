"""Where `[auth]` is in Streamlit's secrets, nobody sees anything before a login; elsewhere nothing changes."""

import pytest
import streamlit as st
from streamlit import config
from streamlit.runtime.secrets import Secrets

from pages.parts import login
from pages.parts.words import escaped
from tests.test_pages import PAGES, fresh_caches, no_probe, text  # noqa: F401  (fixtures)

AUTH = {
    "redirect_uri": "http://localhost:8501/oauth2callback",
    "cookie_secret": "a secret of more than fourteen bytes",
    "client_id": "tenfold",
    "client_secret": "another",
    "server_metadata_url": "http://127.0.0.1:9/.well-known/openid-configuration",
}
ADA = {"is_logged_in": True, "email": "Ada@school.example", "name": "*Ada*"}


@pytest.fixture(autouse=True)
def authlib(monkeypatch):
    """As if it were installed, which only the last step, the provider's own page, needs."""
    monkeypatch.setattr(login, "is_authlib_installed", lambda: True)


@pytest.fixture
def visit(app):
    def visit(page: str, user: dict, **secrets: dict):
        app.secrets, app.user = secrets, user
        app.run()
        return app if page == "dashboard.py" else app.switch_page(page).run()

    return visit


@pytest.mark.parametrize("page", PAGES)
def test_stranger_sees_a_login_and_nothing_else_on_any_page(visit, page, finished_run):
    app = visit(page, {"is_logged_in": False}, auth=AUTH)
    assert not app.exception
    assert [button.label for button in app.button] == ["Log in"]
    assert len(app.title) == len(app.markdown) == 1 and text(app) == "Log in to see it."
    assert len(app.sidebar) == 0
    kinds = {element.type for element in app.main}
    assert kinds <= {"main", "title", "markdown", "button"}, kinds


@pytest.mark.parametrize("page", ["dashboard.py", "pages/runs.py"])
def test_who_is_logged_in_sees_the_page_and_a_way_out(visit, page, finished_run):
    app = visit(page, ADA, auth=AUTH)
    assert not app.exception and not app.error
    assert f"Logged in as {escaped(ADA['email'])}" in text(app)
    assert len(app.sidebar.get("page_link")) == len(PAGES)
    app.button(key="logout").click().run()
    assert [button.label for button in app.button] == ["Log in"]


def test_nothing_is_different_without_a_login(visit, app):
    visit("dashboard.py", {})
    assert not [button for button in app.button if "og" in button.label]
    visit("dashboard.py", {}, other={"key": "value"})
    assert not [button for button in app.button if "og" in button.label] and len(app.sidebar)


@pytest.mark.parametrize(
    ("people", "email", "verified", "welcome"),
    [
        (None, "eve@elsewhere.example", None, True),
        (["ada@school.example"], "Ada@School.example", None, True),
        (["*@school.example"], "ada@school.example", True, True),
        (["*@school.example"], "ada@school.example", False, False),
        (["*@school.example"], "ada@school.example.evil.example", True, False),
        (["ada@school.example"], "eve@school.example", True, False),
        (["*@school.example"], None, True, False),
        ([], "ada@school.example", True, False),
    ],
)
def test_named_people_alone_are_let_in(visit, app, people, email, verified, welcome):
    user = {"is_logged_in": True, "email": email, "email_verified": verified}
    visit("dashboard.py", user, auth=AUTH, tenfold={} if people is None else {"people": people})
    assert bool(len(app.sidebar)) is welcome
    assert ("not among the people" in text(app)) is not welcome
    assert [button.key for button in app.button if button.key == "logout"]


def test_each_provider_has_its_button():
    named = {
        "microsoft": {"client_id": "x"},
        "okta": {"client_id": "y"},
        "client_kwargs": {"prompt": "login"},
    }
    assert login.providers({"cookie_secret": "z", **named}) == ["microsoft", "okta"]
    assert login.providers({**AUTH, **named}) == ["default", "microsoft", "okta"]
    assert login.providers({}) == []


def test_missing_package_closes_the_door_with_a_sentence(visit, app, monkeypatch):
    monkeypatch.setattr(login, "is_authlib_installed", lambda: False)
    visit("dashboard.py", {"is_logged_in": False}, auth=AUTH)
    assert "streamlit[auth]" in app.error[0].value and not app.button and not len(app.sidebar)


def test_unreadable_secrets_close_the_door(app, tmp_path, monkeypatch):
    broken = tmp_path / "secrets.toml"
    broken.write_text("[auth\nclient_id = ")
    monkeypatch.setattr(st, "secrets", Secrets())
    before = config.get_option("secrets.files")
    config.set_option("secrets.files", [str(broken)])
    try:
        app.run()
    finally:
        config.set_option("secrets.files", before)
    assert "nobody is let in" in app.error[0].value and not len(app.sidebar)
