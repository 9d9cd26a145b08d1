"""What is known of a cluster that trains: written by the two processes that speak with it, read by pages.

RUNS/.ray/link.json     how the link to the cluster is, and its nodes (`core.executors.ray_link` writes)
         driver.json    what is wrong on its nodes (`core.executors.ray_driver` writes)
         leases/        which driver works for this store (`core.lease`)
"""

import enum
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from core.lease import holder
from core.paths import read_json, write_json
from core.store import Run, RunStore

FOLDER = ".ray"

OLD_SECONDS = 10.0
"""What the link wrote longer ago tells how things were."""


class Phase(enum.StrEnum):
    """How far the link is."""

    CONNECTING = "connecting"
    SUBMITTING = "submitting"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"

    @property
    def settled(self) -> bool:
        return self in (Phase.READY, Phase.FAILED)


@dataclass(frozen=True)
class Node:
    """One machine of a cluster, or what passes for one."""

    id: str
    address: str
    head: bool
    alive: bool
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Link:
    """What the link last said. `since` is when the phase began, `time` when this was written."""

    address: str
    phase: Phase
    message: str = ""
    since: float = 0.0
    time: float = 0.0
    nodes: tuple[Node, ...] = ()

    @property
    def old(self) -> bool:
        """Whether nobody has written it for a while: its process has left, as it does when there is nothing to do."""
        return time.time() - self.time > OLD_SECONDS


@dataclass(frozen=True)
class Driver:
    """What the driver found: a sentence where a person must act, and the nodes that can't see the runs."""

    message: str = ""
    unseeing: tuple[str, ...] = field(default=())


def folder(store: RunStore) -> Path:
    return store.folder / FOLDER


def read_link(store: RunStore) -> Link | None:
    """None if there was none, or it was another version's."""
    values = read_json(folder(store) / "link.json")
    try:
        return Link(
            **{
                **values,
                "phase": Phase(values["phase"]),
                "nodes": tuple(Node(**node) for node in values["nodes"]),
            }
        )
    except (TypeError, ValueError, KeyError):
        return None


def write_link(store: RunStore, link: Link) -> None:
    """Raises OSError."""
    write_json(folder(store) / "link.json", asdict(link), durable=False)


def read_driver(store: RunStore) -> Driver:
    """What the last driver found; nothing if there was none."""
    values = read_json(folder(store) / "driver.json") or {}
    try:
        return Driver(str(values["message"]), tuple(map(str, values["unseeing"])))
    except (KeyError, TypeError):
        return Driver()


def write_driver(store: RunStore, driver: Driver) -> None:
    """Raises OSError."""
    write_json(folder(store) / "driver.json", asdict(driver), durable=False)


def node_of(run: Run) -> str | None:
    """The id of the node that trains a run; None if none does."""
    found = holder(run.folder)
    return found.node if found else None
