"""Trains on a Ray cluster; see `core.executors.ray_link` for how it is reached."""

from core.executors.local import Local
from core.store import RunStore


class Ray(Local):
    """As on this machine, but that the detached process hands the queue to a cluster."""

    module = "core.executors.ray_link"

    def wake(self, store: RunStore) -> None:
        """Also with nothing to do: a person who has just opened a page will want the cluster in a moment."""
        self._launch_unless_there(store)
