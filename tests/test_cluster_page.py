"""What pages say of a cluster, from what its link and its workers wrote."""

import dataclasses
import time

import pytest

from core import cluster
from core.cluster import Driver, Link, Node, Phase
from core.lease import Lease
from tests.test_pages import fresh_caches, no_probe, text, visit  # noqa: F401  (fixtures)

HEAD = Node("aaaaaa0000", "10.0.0.1", head=True, alive=True, cpus=4, gpus=0)
WORKER = Node("bbbbbb0000", "10.0.0.2", head=False, alive=True, cpus=16, gpus=8)
BLIND = Node("cccccc0000", "10.0.0.3", head=False, alive=True, cpus=16, gpus=8)
GONE = Node("dddddd0000", "10.0.0.4", head=False, alive=False, cpus=0, gpus=0)
READY = Link(
    "http://10.0.0.1:8265",
    Phase.READY,
    since=time.time(),
    time=time.time(),
    nodes=(HEAD, WORKER, BLIND, GONE),
)


@pytest.fixture
def told(store, monkeypatch):
    """Writes what a link would; no real one is started."""
    monkeypatch.setenv("TENFOLD_EXECUTOR", "ray")
    monkeypatch.setattr("core.executors.ray.Ray.wake", lambda self, store: None)
    cluster.folder(store).mkdir(parents=True)

    def tell(link: Link, driver: Driver | None = None) -> None:
        cluster.write_link(store, dataclasses.replace(link, time=time.time()))
        cluster.write_driver(store, driver or Driver())

    return tell


def test_what_is_written_comes_back(store, told):
    told(READY, Driver("look", ("cccccc0000",)))
    link = cluster.read_link(store)
    assert dataclasses.replace(link, time=READY.time) == READY and not link.old
    assert cluster.read_driver(store) == Driver("look", ("cccccc0000",))


@pytest.mark.parametrize(
    "damage", ["", "{}", '{"phase": "elsewhere", "nodes": []}', '{"phase": "ready", "nodes": 3}']
)
def test_damaged_notes_say_nothing(store, told, damage):
    for name in ("link.json", "driver.json"):
        (cluster.folder(store) / name).write_text(damage)
    assert cluster.read_link(store) is None and cluster.read_driver(store) == Driver()


def test_settings_show_nodes_and_what_runs_where(app, store, told, queued_run):
    told(READY, Driver("Node 10.0.0.3 can't see it.", ("cccccc0000",)))
    lease = Lease(queued_run.folder, WORKER.id, leave=lambda: None)
    assert lease.acquire(0)
    visit(app, "pages/settings.py")
    table = next(frame.value for frame in app.dataframe if "Node" in frame.value).set_index("Node")
    lease.release()
    assert table["State"].to_dict() == {
        "10.0.0.1 (aaaaaa)": "ready",
        "10.0.0.2 (bbbbbb)": "ready",
        "10.0.0.3 (cccccc)": "can't see the runs",
        "10.0.0.4 (dddddd)": "gone",
    }
    assert table["Runs"].to_dict()["10.0.0.2 (bbbbbb)"] == 1
    assert table["What runs"]["10.0.0.2 (bbbbbb)"] == f"{queued_run.spec.recipe.model} · seed 1"
    assert "Places" not in [metric.label for metric in app.metric]


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        (Phase.CONNECTING, "Connecting to Ray"),
        (Phase.SUBMITTING, "Sending the code"),
        (Phase.STARTING, "Starting on the cluster"),
    ],
)
def test_waiting_run_says_how_far_the_cluster_is(app, told, queued_run, phase, words):
    told(dataclasses.replace(READY, phase=phase, message="Nobody answers <there>."))
    app.run()
    assert any(words in progress.proto.text for progress in app.get("progress"))
    assert r"Nobody answers \<there" in text(app)


def test_nothing_is_said_of_a_cluster_where_none_is_used(app, told, queued_run, monkeypatch):
    told(dataclasses.replace(READY, phase=Phase.FAILED, message="Nobody answers."))
    monkeypatch.setenv("TENFOLD_EXECUTOR", "inline")
    app.run()
    assert "Nobody answers" not in text(app)
    visit(app, "pages/settings.py")
    assert "Cluster" not in [heading.value for heading in app.subheader]
