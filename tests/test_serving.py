"""What docs/class.md says about serving others, tried with the commands that stand there."""

import re
import shlex
import socket
import tomllib

import pytest

from core.paths import ROOT
from pages.parts.login import providers
from tests.chromium import served

PAGE = (ROOT / "docs" / "class.md").read_text()
COMMANDS = re.findall(r"^streamlit run dashboard\.py (.*)$", PAGE, re.MULTILINE)


def status(address: str, host: str, origin: str) -> bytes:
    """Of an attempt to open the websocket, as a proxy passes it on."""
    with socket.create_connection(address.removeprefix("http://").split(":")) as line:
        line.settimeout(30)
        asked = [
            "GET /_stcore/stream HTTP/1.1",
            f"Host: {host}",
            f"Origin: {origin}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Protocol: streamlit",
        ]
        line.sendall("\r\n".join([*asked, "", ""]).encode())
        return line.recv(1000).split(b" ")[1]


@pytest.mark.parametrize("options", COMMANDS)
def test_named_host_is_served_and_no_other(options, tmp_path):
    given = shlex.split(options)
    name = next(option.split("=")[1] for option in given if "allowedHosts" in option)
    with served("dashboard.py", ROOT, tmp_path / "server.log", {}, options=given) as address:
        assert status(address, name, f"https://{name}") == b"101"
        assert status(address, name, "https://evil.example") == b"403"
        assert status(address, "evil.example", "https://evil.example") == b"403"


def test_example_of_a_secrets_file_sets_up_a_login():
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    secrets = tomllib.loads(example)
    assert providers(secrets["auth"]) == ["default"]
    assert {"redirect_uri", "cookie_secret", "client_secret", "server_metadata_url"} <= secrets["auth"].keys()
    assert secrets["tenfold"]["people"]


def test_commands_are_found():
    assert len(COMMANDS) == 2 and "redirect_uri" in PAGE
