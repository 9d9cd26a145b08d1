"""The whole way through Streamlit's own login in a real browser: to a provider and back, and out again."""

import contextlib

import pytest

from core.paths import ROOT
from tests.chromium import PATIENCE_MS, launched, served
from tests.identity_provider import CLIENT, providing

pytestmark = pytest.mark.browser


def test_person_logs_in_at_a_provider_and_out_again(tmp_path):
    pytest.importorskip("authlib", reason="Authlib is not installed")
    secrets = tmp_path / "secrets.toml"
    options = (f"--secrets.files={secrets}", "--browser.gatherUsageStats=false")
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(providing("ada@school.example"))
        secrets.write_text(
            f"""
            [tenfold]
            people = ["*@school.example"]
            [auth]
            redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
            cookie_secret = "a secret of more than fourteen bytes"
            client_id = "{CLIENT}"
            client_secret = "another"
            server_metadata_url = "{place}/.well-known/openid-configuration"
            """
        )
        environment = {"TENFOLD_EXECUTOR": "inline"}
        address = stack.enter_context(
            served("dashboard.py", ROOT, tmp_path / "server.log", environment, options)
        )
        page = stack.enter_context(launched()).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{address}/runs")
        page.get_by_role("button", name="Log in").wait_for()
        assert page.get_by_role("link", name="Train").count() == 0
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("button", name="Log out").wait_for()
        page.get_by_role("link", name="Train").wait_for()
        page.goto(f"{address}/data")  # another session of the same browser
        page.get_by_role("link", name="Train").wait_for()
        page.get_by_role("button", name="Log out").click()
        page.get_by_role("button", name="Log in").wait_for()
        page.goto(f"{address}/runs")
        page.get_by_role("button", name="Log in").wait_for()
        assert page.get_by_role("link", name="Train").count() == 0
