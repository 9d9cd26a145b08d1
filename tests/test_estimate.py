import dataclasses

import pytest

from core import launch
from core.config import Recipe
from core.estimate import PROBE_WIDTHS, estimate, judging_images, probe_error, probe_path, worth_probing
from core.layers import totals
from core.locks import FileLock
from core.models import MODELS
from core.paths import read_json, write_json
from core.probe import main as probe
from core.store import RunStore

SHAPES = {"classes": 10, "train": 5000, "test": 1000}


@pytest.fixture
def probed(store) -> RunStore:
    """A machine that does 20 thousand million multiply-adds a second, whatever the network."""
    store.folder.mkdir()
    points = [
        {"multiply_adds": work, "images_per_second": 2e10 / work} for work in (5e6, 2e7, 8e7, 3e8, 1.3e9)
    ]
    write_json(probe_path(store), {"points": points, "augmentation_seconds": 1e-4, "device_name": "x"})
    return store


def test_nothing_is_estimated_before_anything_was_measured(store):
    assert estimate(store, Recipe(), **SHAPES) is None


@pytest.mark.parametrize("width", [0.03125, 0.125, 0.3, 1.0, 2.0])
def test_probe_scales_with_the_work(probed, width):
    recipe = Recipe(width=width, epochs=100)
    work = _work(recipe)
    images = 100 * (4000 + 1000 / 3) + 1000 / 3
    expected = images * max(work, 5e6) / 2e10 + 6
    assert estimate(probed, recipe, **SHAPES).seconds == pytest.approx(expected, rel=0.02)


def test_augmentation_adds_its_time(probed):
    plain, flipped = (estimate(probed, Recipe(flip=flip), **SHAPES).seconds for flip in (False, True))
    images = 4 * (4000 + 1000 / 3) + 1000 / 3
    assert flipped - plain == pytest.approx(images * 1e-4, rel=0.01)


def test_earlier_run_is_believed_before_the_probe(probed, finished_run, tiny_recipe):
    write_json(probe_path(probed), {**read_json(probe_path(probed)), "device_name": None})
    found = estimate(probed, dataclasses.replace(tiny_recipe, epochs=50), **SHAPES)
    speed = finished_run.history().end.images_per_second
    assert found.source == "earlier runs"
    assert found.seconds == pytest.approx(6 + (50 * (4000 + 1000 / 3) + 1000 / 3) / speed)
    other = estimate(probed, dataclasses.replace(tiny_recipe, width=0.5), **SHAPES)
    assert other.source == "a short probe"
    write_json(probe_path(probed), {**read_json(probe_path(probed)), "device_name": "another machine"})
    assert estimate(probed, tiny_recipe, **SHAPES).source == "a short probe"


def test_probe_gives_way_to_training(store, queued_run):
    assert not worth_probing(store)
    probe([str(store.folder)])  # was on its way already when the run was queued
    assert not probe_path(store).exists()


def test_probe_goes_on_where_it_stopped(store, monkeypatch):
    store.folder.mkdir()
    measured = []
    monkeypatch.setattr(
        "core.probe.images_per_second",
        lambda recipe, *_, **__: measured.append((recipe.model, recipe.width)) or 100.0,
    )
    monkeypatch.setattr("core.probe.augmentation_seconds", lambda _: 1e-4)
    write_json(probe_path(store), {"points": [{"multiply_adds": 1, "images_per_second": 1}] * 3})
    probe([str(store.folder)])
    others = [("residual", 1.0), ("fast", 1.0)]
    assert measured == [("baseline", width) for width in PROBE_WIDTHS[3:]] + others
    assert not worth_probing(store)


@pytest.mark.parametrize(
    ("seconds", "words"), [(1e9, "too fast"), (None, "TypeError")], ids=["too fast", "a fault"]
)
def test_probe_that_fails_says_so_once_and_for_all(store, monkeypatch, seconds, words):
    """A training that is over before its second sign of progress, and a fault that nobody foresaw."""
    store.folder.mkdir()
    monkeypatch.setattr("core.probe.IMAGES", 40)
    monkeypatch.setattr("core.train.PROGRESS_SECONDS", seconds)
    assert probe([str(store.folder)]) == 1
    assert words in probe_error(store) and not worth_probing(store)


def test_probe_gives_way_to_a_proof(store, finished_run):
    assert worth_probing(store)
    lock = FileLock(finished_run.folder / "proof.lock")
    (store.folder / ".proving").mkdir()
    (store.folder / ".proving" / finished_run.id).touch()
    assert lock.acquire()
    assert not worth_probing(store)
    lock.release()
    assert worth_probing(store)


def test_probe_is_started_once_however_often_a_page_asks(store, monkeypatch):
    started = []
    monkeypatch.setattr(launch, "spawn", lambda *arguments, log: started.append(arguments))
    for _ in range(3):
        launch.begin_probe(store)
    assert started == [("core.probe", str(store.folder))]
    monkeypatch.setattr(launch, "PROBE_STARTING_SECONDS", 0.0)  # it died before it had its lock
    launch.begin_probe(store)
    assert len(started) == 2


def test_run_that_need_not_be_deterministic_tells_nothing_of_one_that_must(
    finished_run, tiny_recipe, probed_after
):
    assert estimate(probed_after, tiny_recipe, **SHAPES).source == "earlier runs"
    loose = dataclasses.replace(tiny_recipe, deterministic=False)
    assert estimate(probed_after, loose, **SHAPES).source == "a short probe"


@pytest.fixture
def probed_after(store, finished_run) -> RunStore:
    """A probed store that has a run, on the same machine."""
    device = finished_run.history().started.passport["device_name"]
    points = [{"multiply_adds": 1e7, "images_per_second": 100.0}]
    write_json(probe_path(store), {"points": points, "device_name": device})
    return store


def test_slower_network_of_as_much_work_takes_longer(probed):
    recipe = Recipe(model="fast", width=0.5)
    before = estimate(probed, recipe, **SHAPES).seconds
    write_json(probe_path(probed), {**read_json(probe_path(probed)), "factors": {"fast": 0.5}})
    assert estimate(probed, recipe, **SHAPES).seconds - 6 == pytest.approx(2 * (before - 6))
    assert estimate(probed, Recipe(width=0.5), **SHAPES).seconds == pytest.approx(
        6 + (4 * (4000 + 1000 / 3) + 1000 / 3) / (2e10 / _work(Recipe(width=0.5))), rel=0.02
    )


def test_judging_both_sides_takes_twice_as_long(probed):
    one, both = (estimate(probed, Recipe(flip_test=both), **SHAPES).seconds for both in (False, True))
    speed = 2e10 / _work(Recipe())
    assert both - one == pytest.approx((4 * 1000 + 1000) / 3 / speed, rel=0.02)


def test_time_left_counts_both_sides_as_the_estimate_does():
    one, both = (judging_images(Recipe(flip_test=both), 900) for both in (False, True))
    assert (one, both) == (pytest.approx(300), pytest.approx(600))


def _work(recipe):
    return totals(MODELS[recipe.model].describe(recipe, 10))[1]
