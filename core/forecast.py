"""When the runs of the queue will end: the queue played forward with what each run still takes."""

import heapq
from collections.abc import Callable

from core.history import History
from core.machine import places_for, slots
from core.store import Run, RunState


def seconds_left(run: Run, history: History, whole: float | None) -> float | None:
    """What a run still takes once it has a place; None where nobody can tell yet.

    Args:
        history: its events so far.
        whole: what such a run takes from start to end (`core.estimate`), None if unknown.
    """
    sign = run.progress()
    started = history.started
    if started is None or not (history.epochs or sign):
        return whole
    total = started.epochs * started.steps_per_epoch
    done = history.epochs[-1].step if history.epochs else 0
    speed = history.epochs[-1].images_per_second if history.epochs else 0.0
    if sign and sign.step > done and run.state() is RunState.RUNNING:
        done, speed = sign.step, sign.images_per_second
    share = 1 - done / total
    if whole is not None:
        return share * whole
    return share * started.epochs * started.train_images / speed if speed else None


def forecast(queue: list[Run], left: Callable[[Run], float | None]) -> dict[str, float | None]:
    """Seconds from now until each run of the queue ends, by id, if nothing else comes in between.

    Runs with a worker keep their places; the others get theirs first come first served, as the runner
    gives them. After a run of unknown length nothing can be told.
    """
    ends: dict[str, float | None] = {}
    busy: list[tuple[float, int]] = []  # when places become free, and how many
    free, now, known = slots(), 0.0, True
    working = [run for run in queue if run.state() in (RunState.RUNNING, RunState.STOPPING)]
    waiting = [run for run in queue if run.id not in {run.id for run in working}]
    for run in [*working, *waiting]:
        places, seconds = places_for(run.spec.recipe), left(run)
        while free < places and busy:
            now, released = heapq.heappop(busy)
            free += released
        known = known and seconds is not None
        ends[run.id] = now + seconds if known else None
        if known:
            heapq.heappush(busy, (now + seconds, places))
            free -= places
    return ends
