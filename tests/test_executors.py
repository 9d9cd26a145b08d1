"""What every executor keeps, be it this process, this machine or a cluster: one suite for all."""

import contextlib
import dataclasses
import time

import psutil
import pytest

from core.executors import EXECUTORS, executor, pause, stop
from core.launch import start, start_sweep
from core.locks import is_held
from core.runner import LOCK_NAME
from core.seeds import FEWEST_SEEDS
from core.stats import summarise
from core.store import RunState, RunStore
from core.worker import work
from tests.ray_cluster import end_link, ray_cluster
from tests.waiting import wait_until

DEADLINE_SECONDS = 300
IN_THE_BACKGROUND = [name for name in EXECUTORS if name != "inline"]


def wait(what, seconds=DEADLINE_SECONDS):
    wait_until(what, seconds)


@pytest.fixture(scope="module")
def one_node(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray")
    with ray_cluster(folder, {"TENFOLD_DEVICE": "cpu"}) as cluster:
        cluster.start_head(cpus=2)
        yield cluster


@pytest.fixture
def kind(request, monkeypatch, store):
    """The executor of the test's parameter, ready to be used."""
    monkeypatch.setenv("TENFOLD_EXECUTOR", request.param)
    if request.param == "ray":
        monkeypatch.setenv("TENFOLD_RAY_ADDRESS", request.getfixturevalue("one_node").address)
    yield request.param
    if request.param == "ray":
        end_link(store)
    wait(lambda: not is_held(store.folder / LOCK_NAME), 30)  # an idle runner goes away


all_kinds = pytest.mark.parametrize("kind", EXECUTORS, indirect=True)
background_kinds = pytest.mark.parametrize("kind", IN_THE_BACKGROUND, indirect=True)


@all_kinds
def test_run_finishes_once_with_the_weights_of_any_other_executor(
    kind, store, tiny_recipe, shapes_fingerprint, tmp_path
):
    run, created = start(store, tiny_recipe, 3)
    again, anew = start(store, tiny_recipe, 3)  # a double click
    wait(lambda: run.state().ended)
    assert created and not anew and again.id == run.id
    history = run.history()
    assert run.state() is RunState.FINISHED and history.launches == 1
    wait(lambda: not store.queue())
    plain, _ = RunStore(tmp_path / "plain").open(tiny_recipe, 3, shapes_fingerprint)
    work(plain)
    assert history.end.sha256["weights.pt"] == plain.history().end.sha256["weights.pt"]
    assert history.end.sha256["predictions.npz"] == plain.history().end.sha256["predictions.npz"]


@all_kinds
def test_sweep_has_its_statistic_and_reuses_what_is_there(kind, store, tiny_recipe, shapes_fingerprint):
    seeds = list(range(FEWEST_SEEDS))
    first, _ = start(store, tiny_recipe, 1)
    wait(lambda: first.state().ended)
    runs = start_sweep(store, [tiny_recipe], seeds, [])
    wait(lambda: all(run.state().ended for run in runs))
    assert first.id in {run.id for run in runs} and first.history().launches == 1
    accuracies = [run.history().end.validation_accuracy for run in runs]
    assert summarise(accuracies).n == FEWEST_SEEDS and len(set(accuracies)) > 1


@all_kinds
def test_diverging_run_is_named_and_counts_as_the_answer(kind, store, tiny_recipe, shapes_fingerprint):
    wild = dataclasses.replace(tiny_recipe, learning_rate=10.0, weight_decay=1.0, epochs=20)
    run, _ = start(store, wild, 1)
    wait(lambda: run.state().ended)
    assert run.state() is RunState.DIVERGED
    assert start(store, wild, 1)[1] is False and run.history().launches == 1


@all_kinds
def test_run_of_other_images_is_refused_by_name(kind, store, tiny_recipe):
    run, _ = store.open(tiny_recipe, 1, "other images")
    executor().start(store, [run])
    wait(lambda: run.state().ended)
    assert run.state() is RunState.FAILED and "images have changed" in run.history().end.message


@background_kinds
def test_paused_run_goes_on_where_it_was(kind, store, tiny_recipe, shapes_fingerprint):
    recipe = dataclasses.replace(tiny_recipe, epochs=8, batch_size=32)
    run, _ = start(store, recipe, 1)
    wait(lambda: run.history().epochs)
    pause(store, run)
    wait(lambda: run.state() is RunState.PAUSED)
    so_far = [epoch.weights_sha256 for epoch in run.history().epochs]
    executor().start(store, [run])
    wait(lambda: run.state().ended)
    epochs = run.history().epochs
    assert [epoch.epoch for epoch in epochs] == list(range(1, 9))
    assert [epoch.weights_sha256 for epoch in epochs[: len(so_far)]] == so_far


@background_kinds
def test_stopped_run_leaves_its_place_to_the_next(kind, store, tiny_recipe, shapes_fingerprint, monkeypatch):
    long = dataclasses.replace(tiny_recipe, epochs=200, batch_size=32)
    runs = start_sweep(store, [long], [1, 2], [])
    wait(lambda: all(run.state() is RunState.RUNNING for run in runs))
    third, _ = start(store, tiny_recipe, 3)
    begun = time.monotonic()
    stop(store, runs[0])
    wait(lambda: third.state() is not RunState.QUEUED)
    assert time.monotonic() - begun < 15 and runs[0].state() is RunState.CANCELLED
    stop(store, runs[1])
    wait(lambda: third.state() is RunState.FINISHED and runs[1].state() is RunState.CANCELLED)


@background_kinds
def test_killed_worker_costs_an_epoch_and_no_run(kind, store, tiny_recipe, shapes_fingerprint):
    recipe = dataclasses.replace(tiny_recipe, epochs=6, batch_size=32)
    run, _ = start(store, recipe, 1)
    wait(lambda: run.history().epochs)
    _trainer(run).kill()
    wait(lambda: run.state().ended)
    assert run.state() is RunState.FINISHED
    assert [epoch.epoch for epoch in run.history().epochs] == list(range(1, 7))
    assert run.history().launches == 2


def _trainer(run) -> psutil.Process:
    """The process that has this run's record open."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(file.path == str(run.events_path) for file in process.open_files()):
                return process
    raise LookupError("nobody trains it")
