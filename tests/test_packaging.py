"""The installed form and the container's file: what they hold, and that they start."""

import asyncio
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from core.paths import ROOT
from tests.chromium import served
from tests.faults.clients import Client


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The wheel, unpacked as an installer does."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        ".",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(folder),
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    place = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


def command(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TENFOLD_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "tenfold", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_wheel_holds_every_module_and_no_test(installed):
    held = {path.relative_to(installed / "tenfold") for path in (installed / "tenfold").rglob("*.py")}
    for part in ("core", "pages", "benchmarks"):
        wanted = {path.relative_to(ROOT) for path in (ROOT / part).rglob("*.py")}
        assert wanted <= held
    assert Path("dashboard.py") in held and not [path for path in held if path.parts[0] == "tests"]
    assert not (installed / "core").exists()  # a name that others use, too


def test_wheel_holds_what_is_no_python_but_no_secrets(installed):
    held = {path.relative_to(installed / "tenfold") for path in (installed / "tenfold").rglob("*")}
    kinds = (".js", ".html", ".json", ".safetensors", ".pt", ".toml", ".png")
    wanted = [
        path.relative_to(ROOT)
        for part in ("core", "pages")
        for path in (ROOT / part).rglob("*")
        if path.suffix in kinds
    ]
    assert wanted and set(wanted) <= held
    assert [path.name for path in (installed / "tenfold" / ".streamlit").iterdir()] == ["config.toml"]


def test_installed_command_starts_the_dashboard_with_its_settings(installed, tmp_path):
    environment = {"PYTHONPATH": str(installed)}
    starter = [sys.executable, "-P", "-m", "tenfold"]
    with served("", tmp_path, tmp_path / "server.log", environment, options=(), starter=starter) as address:

        async def overview() -> list[str]:
            async with Client(address, keep_elements=True) as client:
                await client.visit("")
                assert client.seen.exceptions == [] and client.seen.lost == []
                return [str(element) for element in client.seen.elements]

        assert any("First steps" in element for element in asyncio.run(overview()))
        with pytest.raises(InvalidStatus):  # allowedHosts of the settings that came along
            connect(
                address.replace("http", "ws") + "/_stcore/stream",
                proxy=None,
                additional_headers={"Host": "evil.example"},
            )


def test_wheel_asks_for_what_the_requirements_ask_for(installed):
    (metadata,) = installed.glob("*.dist-info/METADATA")
    asked = set(re.findall(r"^Requires-Dist: (\S+)", metadata.read_text(), re.MULTILINE))
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert asked == {line.partition("#")[0].strip() for line in lines if line and not line.startswith("#")}


def test_installed_command_keeps_runs_where_it_was_given(installed, tmp_path):
    (tmp_path / "core").mkdir()  # somebody else's
    run = command(
        installed,
        tmp_path,
        "train",
        "--preset",
        "quick",
        "--set",
        "epochs=1",
        "width=0.03125",
        "--seed",
        "1",
        "--json",
    )
    assert run.returncode == 0, run.stderr
    assert Path(json.loads(run.stdout)["folder"]).is_relative_to(tmp_path / "runs")
    assert not (installed / "tenfold" / "runs").exists()


def test_container_holds_what_the_dashboard_needs():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = {line.split()[1] for line in lines if line.startswith("COPY")}
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert copied == {*wheel["force-include"], "requirements.txt"}
    assert all((ROOT / name).exists() for name in copied)


def test_linter_finds_nothing_in_the_container_file():
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
