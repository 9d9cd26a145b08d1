"""What browser tests share: Debian's Chromium, and a Streamlit server of their own."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 30_000

PAGES = {
    "": ("Overview", "[data-testid='stMetricValue']"),
    "data": ("Data", ".js-plotly-plot"),
    "train": ("Train", ".st-key-start button"),
    "runs": ("Runs", ".js-plotly-plot"),
    "seeds": ("Seeds", ".js-plotly-plot"),
    "search": ("Search", "[data-testid='stMultiSelect']"),
    "classify": ("Classify", "input[type='file']"),
    "experiments": ("Experiments", "[data-testid='stRadio']"),
    "report": ("Report", "[class*='st-key-number-']"),
    "settings": ("Settings", "[data-testid='stMetricValue']"),
}
"""Of each page, by its address, its heading and an element that stands for what it is for, in a store with runs."""


@contextmanager
def launched() -> Iterator[Any]:
    """A headless Chromium; the test is skipped where there is none, unless this is CI."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail("CI must drive a browser, and there is no Chromium here")
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()


@contextmanager
def served(
    script: str,
    folder: Path,
    log_path: Path,
    environment: Mapping[str, str],
    options: Sequence[str] = ("--server.address=127.0.0.1", "--browser.gatherUsageStats=false"),
    starter: Sequence[str] = (),
) -> Iterator[str]:
    """The address of `streamlit run SCRIPT` in a folder, on a free port of this machine.

    Args:
        options: what stands in for a configuration, where the folder has none.
        starter: another command in place of `streamlit run SCRIPT`, which takes the same options.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*starter] or [sys.executable, "-m", "streamlit", "run", script]
    command += [f"--server.port={port}", "--server.headless=true", *options]
    with log_path.open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment}, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def is_outside(url: str) -> bool:
    """Whether a request leaves this machine."""
    return not re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:", url)


def settled(page: Any, timeout_ms: int = PATIENCE_MS) -> None:
    """Wait until the page's script has run to its end and all that it drew is there.

    The browser fetches the code of each kind of element when it first draws one, and shows a skeleton until then:
    on a busy machine buttons come a second after the script has ended.
    """
    page.wait_for_function(
        "() => document.querySelector('[data-test-script-state=notRunning]')"
        " && !document.querySelector('[data-testid=stSkeleton]')",
        timeout=timeout_ms,
    )


def listen(page: Any) -> list[str]:
    """What goes wrong on a page from now on: errors of its console and of its scripts, and requests to elsewhere."""
    wrong = []
    page.on("console", lambda line: wrong.append(_told(line)) if _is_error(line) else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url) if is_outside(request.url) else None)
    return wrong


def _is_error(line: Any) -> bool:
    """Streamlit looks for its own server below every part of a deep link's path first: those 404s are not errors."""
    return line.type == "error" and "/_stcore/" not in line.location["url"]


def _told(line: Any) -> str:
    return f"{line.text} ({line.location['url']})"


def shot(page: Any, name: str) -> None:
    """Leave a picture of the page in the folder that TENFOLD_SCREENSHOTS names, if it does."""
    if folder := os.environ.get("TENFOLD_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png")
