"""What docs/class.md says about serving others, tried with the commands that stand there."""

import re
import shlex
import tomllib

import pytest

from core.paths import ROOT
from pages.parts.login import providers
from tests.chromium import served
from tests.faults.clients import handshake

PAGE = (ROOT / "docs" / "class.md").read_text()
COMMANDS = re.findall(r"^streamlit run dashboard\.py (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("options", COMMANDS)
def test_named_host_is_served_and_no_other(options, tmp_path):
    given = shlex.split(options)
    name = next(option.split("=")[1] for option in given if "allowedHosts" in option)
    with served("dashboard.py", ROOT, tmp_path / "server.log", {}, options=given) as address:
        assert handshake(address, name, f"https://{name}") == b"101"
        assert handshake(address, name, "https://evil.example") == b"403"
        assert handshake(address, "evil.example", "https://evil.example") == b"403"


def test_example_of_a_secrets_file_sets_up_a_login():
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    secrets = tomllib.loads(example)
    assert providers(secrets["auth"]) == ["default"]
    assert {"redirect_uri", "cookie_secret", "client_secret", "server_metadata_url"} <= secrets["auth"].keys()
    assert secrets["tenfold"]["people"]


def test_commands_are_found():
    assert len(COMMANDS) == 2 and "redirect_uri" in PAGE
