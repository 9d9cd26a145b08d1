"""The Ray executor against a real Ray: nodes of this machine, with pretended GPUs to be placed by."""

import dataclasses
import itertools
import json

import pytest

from core import cluster
from core.cluster import Phase
from core.executors import executor, stop
from core.executors.ray_driver import main as drive
from core.launch import start_sweep
from core.lease import holder
from core.store import RunState, RunStore
from core.worker import work
from tests.ray_cluster import end_link, ray_cluster
from tests.waiting import wait_until

DEADLINE_SECONDS = 480


def wait(what, seconds=DEADLINE_SECONDS):
    wait_until(what, seconds)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A head without room for runs, and three nodes with a GPU each, so to say."""
    folder = tmp_path_factory.mktemp("ray")
    with ray_cluster(folder, {"TENFOLD_DEVICE": "cpu", "TENFOLD_DATA": str(folder / "data")}) as found:
        found.start_head(cpus=0)
        found.three = [found.add(cpus=1, gpus=1) for _ in range(3)]
        yield found


@pytest.fixture
def on_ray(monkeypatch, three, store):
    monkeypatch.setenv("TENFOLD_EXECUTOR", "ray")
    monkeypatch.setenv("TENFOLD_RAY_ADDRESS", three.address)
    yield store
    end_link(store)


def ran_on(run) -> str:
    """The node that trained it last."""
    last = max((run.folder / "leases").iterdir())
    return json.loads(last.read_text())["node"]


def trained_here(tmp_path, run):
    """The same run, trained by a worker of this process."""
    own, _ = RunStore(tmp_path / "own").open(run.spec.recipe, run.spec.seed, run.spec.data_fingerprint)
    assert work(own) == 0
    return own.history()


def undisturbed(run, recipe) -> bool:
    """Finished, with each epoch once."""
    return run.state() is RunState.FINISHED and [epoch.epoch for epoch in run.history().epochs] == list(
        range(1, recipe.epochs + 1)
    )


def test_forty_runs_are_spread_over_three_nodes_one_a_gpu_and_equal_the_local_ones(
    on_ray, tiny_recipe, shapes_fingerprint, tmp_path
):
    runs = start_sweep(on_ray, [tiny_recipe], list(range(40)), [])
    wait(lambda: all(run.state().ended for run in runs))
    assert all(undisturbed(run, tiny_recipe) and run.history().launches == 1 for run in runs)
    by_node = {}
    for run in runs:
        history = run.history()
        by_node.setdefault(ran_on(run), []).append((history.started.time, history.end.time))
    assert len(by_node) == 3
    for spans in by_node.values():
        spans.sort()
        assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))
    for run in (runs[0], runs[-1]):
        assert run.history().end.sha256["weights.pt"] == trained_here(tmp_path, run).end.sha256["weights.pt"]
    assert not on_ray.queue()


@pytest.mark.parametrize("spare_tasks", [False, True])
def test_killed_node_costs_epochs_and_no_run(
    on_ray, three, tiny_recipe, shapes_fingerprint, tmp_path, spare_tasks
):
    recipe = dataclasses.replace(tiny_recipe, epochs=6, batch_size=16)
    runs = start_sweep(on_ray, [recipe], [1, 2, 3], [])
    wait(lambda: all(run.history().epochs for run in runs))
    three.three.pop().kill(spare_tasks)
    three.three.append(three.add(cpus=1, gpus=1))
    wait(lambda: all(run.state().ended for run in runs))
    assert all(undisturbed(run, recipe) for run in runs)
    for run in runs:
        assert run.history().end.sha256["weights.pt"] == trained_here(tmp_path, run).end.sha256["weights.pt"]


def test_restarted_head_and_dead_link_lose_no_run(on_ray, three, tiny_recipe, shapes_fingerprint):
    recipe = dataclasses.replace(tiny_recipe, epochs=4, batch_size=32)
    runs = start_sweep(on_ray, [recipe], list(range(10, 15)), [])
    wait(lambda: any(run.history().epochs for run in runs))
    end_link(on_ray)
    for node in three.nodes:
        node.kill()
    three.start_head(cpus=0)
    three.three = [three.add(cpus=1, gpus=1) for _ in range(3)]
    executor().wake(on_ray)  # as the first page of the next dashboard does
    wait(lambda: all(run.state().ended for run in runs))
    assert all(undisturbed(run, recipe) for run in runs)


def test_stopped_run_frees_its_place_and_a_waiting_one_never_starts(on_ray, tiny_recipe, shapes_fingerprint):
    recipe = dataclasses.replace(tiny_recipe, epochs=200, batch_size=32)
    runs = start_sweep(on_ray, [recipe], list(range(20, 25)), [])
    wait(lambda: sum(run.state() is RunState.RUNNING for run in runs) == 3)
    working = [run for run in runs if run.state() is RunState.RUNNING]
    first, second = (run for run in runs if run not in working)
    stop(on_ray, second)
    stop(on_ray, working[0])
    wait(lambda: cluster.node_of(working[0]) is None and working[0].state() is RunState.CANCELLED, 15)
    wait(lambda: first.state() is RunState.RUNNING, 60)  # to import torch takes long beside two trainings
    for run in runs:
        stop(on_ray, run)
    wait(lambda: all(run.state() is RunState.CANCELLED for run in runs), 60)
    assert second.history().launches == 0


def test_link_tells_of_nodes_and_of_what_runs_where(on_ray, tiny_recipe, shapes_fingerprint):
    recipe = dataclasses.replace(tiny_recipe, epochs=200, batch_size=32)
    (run,) = start_sweep(on_ray, [recipe], [30], [])
    wait(lambda: run.state() is RunState.RUNNING)
    wait(lambda: (link := cluster.read_link(on_ray)) and link.phase is Phase.READY)
    link = cluster.read_link(on_ray)
    alive = [node for node in link.nodes if node.alive]
    assert sorted((node.head, node.gpus) for node in alive) == [(False, 1), (False, 1), (False, 1), (True, 0)]
    assert cluster.node_of(run) in {node.id for node in alive}
    stop(on_ray, run)
    wait(lambda: cluster.node_of(run) is None, 30)


def test_two_links_make_one_driver(on_ray, tiny_recipe, shapes_fingerprint):
    runs = start_sweep(on_ray, [tiny_recipe], [40, 41], [])
    executor().wake(on_ray)
    end_link(on_ray)
    executor().wake(on_ray)
    wait(lambda: all(run.state().ended for run in runs))
    assert all(run.history().launches == 1 for run in runs)
    assert holder(cluster.folder(on_ray)) and len(list((cluster.folder(on_ray) / "leases").iterdir())) == 1


def test_run_that_no_node_has_room_for_is_told_and_not_lost(
    on_ray, tiny_recipe, shapes_fingerprint, monkeypatch
):
    monkeypatch.setenv("TENFOLD_RAY_GPUS", "4")
    (run,) = start_sweep(on_ray, [tiny_recipe], [50], [])
    wait(lambda: (link := cluster.read_link(on_ray)) and "No node of the cluster has 4 GPU" in link.message)
    assert run.state() is RunState.QUEUED
    stop(on_ray, run)
    assert run.state() is RunState.CANCELLED


def test_head_that_can_not_see_the_store_says_so(tmp_path, capsys):
    assert drive([str(tmp_path / "elsewhere"), "mark-1", json.dumps({})]) == 1
    said = capsys.readouterr().out
    assert "head can't see" in said and str(tmp_path / "elsewhere") in said and "TENFOLD_RUNS" in said


def test_absent_ray_is_told_and_runs_wait(store, tiny_recipe, shapes_fingerprint, monkeypatch):
    monkeypatch.setenv("TENFOLD_EXECUTOR", "ray")
    monkeypatch.setenv("TENFOLD_RAY_ADDRESS", "http://127.0.0.1:9")
    try:
        (run,) = start_sweep(store, [tiny_recipe], [60], [])
        wait(lambda: (link := cluster.read_link(store)) and "No Ray answers" in link.message, 60)
        assert run.state() is RunState.QUEUED
    finally:
        end_link(store)
