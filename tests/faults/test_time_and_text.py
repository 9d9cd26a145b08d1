"""A clock that jumps by a day, and names that are no words: pages stay right and show them as text."""

import dataclasses
import json
import time
import unicodedata

import pytest
import streamlit as st

from core import preparation, proof
from core.datasets import source
from core.events import EpochEnd, Failed, from_line, to_line
from core.paths import data_dir, write_json
from core.preparation import Preparation
from core.proof import Proof
from core.store import RunState, RunStore
from core.sweep import settle_plan
from pages.parts.words import ago, escaped
from tests.faults.names import LONG, MARKUP, SCRIPTS, SLASHES, images_folder
from tests.test_pages import PAGES, text, visit

pytestmark = pytest.mark.faults

DAY = 86_400.0


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("core.launch.begin_probe", lambda store: None)
    monkeypatch.setattr("core.executors.inline.Inline.wake", lambda self, store: None)
    monkeypatch.setattr("core.asking.Asker.warm", lambda self: None)
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def clock(monkeypatch):
    """Sets this process's clock by so many seconds; its monotonic one goes on as ever."""
    now, now_ns = time.time, time.time_ns

    def move(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: now() + seconds)
        monkeypatch.setattr(time, "time_ns", lambda: now_ns() + int(seconds * 1e9))

    return move


# ---- the clock


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_clock_that_jumps_while_it_trains_changes_no_duration_and_no_weight(
    store, queued_run, jump, clock, shapes_fingerprint
):
    from core.worker import work

    begin = time.perf_counter()
    work(queued_run, lambda event: clock(jump) if isinstance(event, EpochEnd) and event.epoch == 1 else None)
    taken = time.perf_counter() - begin
    history = queued_run.history()
    assert queued_run.state() is RunState.FINISHED
    assert all(0 < epoch.train_seconds < taken and epoch.images_per_second > 0 for epoch in history.epochs)
    assert 0 < history.end.train_seconds < taken
    assert abs(history.end.time - history.started.time - jump) < taken + 1
    undisturbed, _ = store.open(queued_run.spec.recipe, 1, shapes_fingerprint, again=True)
    work(undisturbed)
    assert undisturbed.id != queued_run.id and undisturbed.history().end.sha256 == history.end.sha256


@pytest.mark.parametrize(
    ("page", "jump"), [*((page, -DAY) for page in PAGES), ("dashboard.py", DAY), ("pages/runs.py", DAY)]
)
def test_page_draws_runs_of_tomorrow_and_of_yesterday(
    app, page, store, finished_run, queued_run, jump, clock
):
    settle_plan(store, finished_run.spec.digest, [42], [])
    finished_run.look("here")
    proof.write(finished_run, Proof(time.time(), running=False, repeated=1, done=5, total=5))
    clock(jump)
    visit(app, page, run=finished_run.id)
    assert not app.error
    shown = text(app)
    assert "-1 " not in shown and "−1 " not in shown and "-86" not in shown


def test_moment_to_come_is_a_date_and_no_negative_age():
    assert ago(time.time() + DAY) == time.strftime("%Y-%m-%d", time.localtime(time.time() + DAY))
    assert ago(time.time() - DAY) == "24 h 0 min ago"


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_queue_keeps_its_order_when_the_clock_jumps(store, tiny_recipe, shapes_fingerprint, jump, clock):
    runs = [store.open(tiny_recipe, seed, shapes_fingerprint)[0] for seed in range(6)]
    for run in runs[:2]:
        store.enqueue(run)
    clock(jump)
    for run in runs[2:4]:
        store.enqueue(run)
    clock(0.0)
    another = RunStore(store.folder)  # as another process has it
    for run in runs[4:]:
        another.enqueue(run)
    assert store.queued_ids() == [run.id for run in runs]


def test_proof_and_preparation_that_died_are_told_so_even_when_the_clock_was_set_back(finished_run, clock):
    proof.write(finished_run, Proof(time.time()))
    place = preparation._place("cifar10", 32)
    place.parent.mkdir(parents=True)
    write_json(place.with_suffix(".json"), dataclasses.asdict(Preparation()))
    assert proof.status(finished_run).running and not preparation.status("cifar10", 32).error
    clock(-DAY)
    assert not proof.status(finished_run).running and preparation.status("cifar10", 32).error


# ---- names


@pytest.fixture
def named(store, finished_run, shapes_fingerprint):
    """A finished run whose ten classes, message and log bear hostile names."""
    names = [*SLASHES, MARKUP[0], MARKUP[5], MARKUP[6], *SCRIPTS[:4], LONG]
    lines = finished_run.events_path.read_text().splitlines()
    started = dataclasses.replace(from_line(lines[0]), classes=names)
    finished_run.events_path.write_text("\n".join([to_line(started).strip(), *lines[1:], ""]))
    failed, _ = store.open(finished_run.spec.recipe, 9, shapes_fingerprint)
    failed.events_path.write_text(to_line(Failed(1.0, "error", SLASHES[0] + LONG)))
    return names


@pytest.mark.parametrize("page", PAGES)
def test_no_page_hands_a_name_on_as_markup(app, page, store, finished_run, named):
    visit(app, page, run=finished_run.id)
    shown = [*app.markdown, *app.caption, *app.error, *app.info, *app.success, *app.warning]
    for element in shown:
        for name in named[:5]:
            assert name not in element.value, f"{name!r} is not escaped"


@pytest.mark.parametrize("name", [*MARKUP, *SCRIPTS, *SLASHES])
def test_escaping_leaves_no_sign_that_markdown_reads(name):
    shown = escaped(name)
    for place, sign in enumerate(shown):
        if sign in "<>[]()`*_$:&#!|~":
            assert shown[place - 1] == "\\"
    assert shown.replace("\\", "") == name.replace("\\", "")


def test_folder_keeps_names_of_every_script_letter_by_letter():
    classes = [*MARKUP, *SCRIPTS]
    folder = images_folder(data_dir() / MARKUP[0], classes)
    data = source(f"folder:{folder}", 32)
    data.prepare(lambda stage, done, total: None)
    assert list(data.load().classes) == sorted(unicodedata.normalize("NFC", name) for name in classes)


def test_record_with_long_and_strange_names_stays_one_line_of_json(finished_run, named):
    for line in finished_run.events_path.read_bytes().splitlines():
        assert isinstance(json.loads(line), dict)
    assert finished_run.history().started.classes == named
