"""What a tick of a live chart costs the dashboard: `python benchmarks/live_tick.py [SECONDS]`.

Starts a page with one chart of 5 curves of 1,000 points that change every second, opens it in the
system's Chromium, and compares the server's CPU time with that of a page whose fragment draws nothing.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PORT = 8699
PAGE = """
import sys, time
import numpy as np, streamlit as st
sys.path.insert(0, {root!r})
from core import figures
from pages.parts.cache import freeze_imports
from pages.parts.live_chart import live_chart

@st.fragment(run_every=1)
def tick():
    if {draws}:
        x = np.arange(1000.0)
        traces = [dict(type="scatter", x=x, y=np.sin(x / 50 + k + time.time())) for k in range(5)]
        spec = dict(data=traces, layout=dict(xaxis=dict(title={{}}), yaxis=dict(title={{}})))
        live_chart(spec, "chart", 300, "five curves")

freeze_imports()
tick()
"""


def cpu_a_second(draws: bool, seconds: float) -> float:
    """Server CPU seconds a second while one browser watches."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "page.py"
        script.write_text(PAGE.format(root=str(ROOT), draws=draws))
        command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless=true"]
        server = subprocess.Popen(
            [*command, f"--server.port={PORT}"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(6)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path="/usr/bin/chromium", args=["--no-sandbox"]
                )
                browser.new_page().goto(f"http://127.0.0.1:{PORT}")
                time.sleep(8)
                process = psutil.Process(server.pid)
                begin = sum(process.cpu_times()[:2])
                time.sleep(seconds)
                used = sum(process.cpu_times()[:2]) - begin
                browser.close()
        finally:
            server.terminate()
            server.wait()
    return used / seconds


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    empty, full = cpu_a_second(False, seconds), cpu_a_second(True, seconds)
    result = {"tick_ms": round(1000 * full, 1), "of_which_empty_tick_ms": round(1000 * empty, 1)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
