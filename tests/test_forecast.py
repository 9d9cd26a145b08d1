"""When the queue will end, against queues small enough to play by hand."""

import dataclasses

import pytest

from core.config import Recipe
from core.events import EpochEnd, Started, to_line
from core.forecast import forecast, seconds_left
from core.locks import FileLock

WIDE = Recipe(model="baseline", width=1.0)


@pytest.fixture(autouse=True)
def two_places(monkeypatch):
    monkeypatch.setattr("core.forecast.slots", lambda: 2)
    monkeypatch.setattr("core.forecast.places_for", lambda recipe: 2 if recipe.width == 1 else 1)


def queued(store, recipe, seeds):
    runs = [store.open(recipe, seed, "data")[0] for seed in seeds]
    for run in runs:
        store.enqueue(run)
    return runs


def test_narrow_runs_share_the_places(store, tiny_recipe):
    runs = queued(store, tiny_recipe, range(4))
    ends = forecast(runs, lambda run: 10.0)
    assert [ends[run.id] for run in runs] == [10, 10, 20, 20]


def test_a_wide_run_waits_for_all_places_and_is_not_overtaken(store, tiny_recipe):
    narrow, wide, last = (
        *queued(store, tiny_recipe, [0]),
        *queued(store, WIDE, [0]),
        *queued(store, tiny_recipe, [1]),
    )
    ends = forecast([narrow, wide, last], lambda run: 10.0)
    assert [ends[run.id] for run in (narrow, wide, last)] == [10, 20, 30]


def test_running_runs_come_first_whatever_their_place_in_the_queue(store, tiny_recipe):
    runs = queued(store, tiny_recipe, range(3))
    lock = FileLock(runs[2].lock_path)
    assert lock.acquire()
    ends = forecast(runs, lambda run: 5.0 if run is runs[2] else 10.0)
    lock.release()
    assert [ends[run.id] for run in runs] == [10, 15, 5]


def test_after_a_run_of_unknown_length_nothing_is_told(store, tiny_recipe):
    runs = queued(store, tiny_recipe, range(3))
    ends = forecast(runs, lambda run: None if run is runs[1] else 10.0)
    assert [ends[run.id] for run in runs] == [10, None, None]


def test_half_a_run_takes_half_as_long(store, tiny_recipe):
    (run,) = queued(store, dataclasses.replace(tiny_recipe, epochs=4), [0])
    assert seconds_left(run, run.history(), 40.0) == 40.0 and seconds_left(run, run.history(), None) is None
    started = Started(1.0, 0, 4, 10, 4000, 1000, ["a"], [0.5] * 3, [0.2] * 3, {})
    epochs = [EpochEnd(n, 10 * n, 1.0, 0.5, 1.0, 0.5, 0.1, 4.0, 1000.0) for n in (1, 2)]
    run.events_path.write_text("".join(map(to_line, [started, *epochs])))
    assert seconds_left(run, run.history(), 40.0) == pytest.approx(20.0)
    assert seconds_left(run, run.history(), None) == pytest.approx(8.0)  # 8,000 images at 1,000 a second
