"""What tests share: a fresh store each, a recipe that trains in a second, a run that has finished."""

import dataclasses
import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: two test processes share the cores

from streamlit.testing.v1 import AppTest

from core.config import Recipe
from core.datasets import source
from core.events import from_line, to_line
from core.machine import gpus
from core.paths import ROOT
from core.store import Run, RunStore
from tests.chromium import PATIENCE_MS, is_outside, launched, served


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """No test sees or touches the runs and data of the person who runs it."""
    monkeypatch.setenv("TENFOLD_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TENFOLD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TENFOLD_EXECUTOR", "inline")
    monkeypatch.setenv("TENFOLD_DEVICE", "cpu")
    for name in ("TENFOLD_SLOTS", "TENFOLD_THREADS"):
        monkeypatch.delenv(name, raising=False)
    gpus.cache_clear()


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    return Recipe(width=0.03125, epochs=1, batch_size=256, learning_rate=0.02, log_every=5)


@pytest.fixture(scope="session")
def shapes_fingerprint() -> str:
    return source("shapes").ready_fingerprint()


@pytest.fixture(scope="session")
def _trained(tmp_path_factory, tiny_recipe, shapes_fingerprint) -> Path:
    """Trained once; each test gets a copy."""
    from core.worker import work

    store = RunStore(tmp_path_factory.mktemp("trained") / "runs")
    run, _ = store.open(tiny_recipe, 42, shapes_fingerprint)
    work(run)
    return run.folder


@pytest.fixture
def finished_run(store, _trained) -> Run:
    import shutil

    shutil.copytree(_trained, store.folder / _trained.name)
    return store.get(_trained.name)


@pytest.fixture
def kept_best(finished_run) -> Run:
    """The finished run as if its last epoch were worse than the one whose weights it keeps."""
    *lines, end = finished_run.events_path.read_text().splitlines(keepends=True)
    worse = dataclasses.replace(from_line(lines[-1]), epoch=2, validation_accuracy=0.012)
    finished_run.events_path.write_text("".join([*lines, to_line(worse), end]))
    return finished_run


@pytest.fixture
def queued_run(store, tiny_recipe, shapes_fingerprint) -> Run:
    """Two epochs, so that there is something between its start and its end."""
    run, _ = store.open(dataclasses.replace(tiny_recipe, epochs=2), 1, shapes_fingerprint)
    store.enqueue(run)
    return run


@pytest.fixture
def app() -> AppTest:
    """The dashboard; pages are reached by `switch_page`, as a page alone has no menu to link to."""
    return AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=30)


@pytest.fixture(scope="module")
def browser():
    with launched() as chromium:
        yield chromium


@pytest.fixture
def address(tmp_path):
    """A dashboard of its own, started as a user starts it."""
    with served("dashboard.py", ROOT, tmp_path / "server.log", {"TENFOLD_EXECUTOR": "local"}) as address:
        yield address


@pytest.fixture
def page(browser, address):
    """A page of 1440 × 900 whose requests to other machines are counted: there must be none."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.outside = []
    page.on("request", lambda request: page.outside.append(request.url) if is_outside(request.url) else None)
    yield page
    context.close()
