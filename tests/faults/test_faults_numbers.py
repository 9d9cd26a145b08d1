"""Numbers that are none, rates that explode, data sets with holes: the short form of `tests.faults.numbers`."""

import math

import pytest

from core.executors.inline import Inline
from tests.faults import numbers
from tests.faults.small import draw_images
from tests.test_pages import fresh_caches, no_probe, text, visit  # noqa: F401  (fixtures)

pytestmark = pytest.mark.faults


@pytest.fixture
def images(tmp_path):
    return draw_images(tmp_path / "images", {"dark": 30, "bright": 30})


@pytest.mark.parametrize("optimizer", numbers.OPTIMIZERS)
@pytest.mark.parametrize("value", numbers.NOT_FINITE)
def test_loss_that_is_not_finite_ends_the_run_at_its_step_by_name(images, optimizer, value):
    for step, log_every in ((1, 1), (4, 2), (9, 1)):
        numbers.break_loss(images, value, step, optimizer=optimizer, log_every=log_every)


@pytest.mark.parametrize("optimizer", numbers.OPTIMIZERS)
def test_exploding_rate_ends_by_a_name_in_strict_json_with_figures_that_draw(images, optimizer):
    for rate in numbers.RATES:
        numbers.explode(images, rate, optimizer=optimizer, weight_decay=1.0, model="improved")


@pytest.mark.parametrize("name", numbers.FOLDERS)
def test_folder_with_holes_is_trained_on_and_drawn(tmp_path, name):
    numbers.train_on(tmp_path, name)


@pytest.mark.parametrize("name", numbers.REFUSED)
def test_folder_that_teaches_nothing_is_refused_in_a_sentence(tmp_path, name):
    assert numbers.refused_folder(tmp_path, name).endswith(".")


def test_pages_draw_a_run_that_diverged(images, app, monkeypatch):
    run = numbers.break_loss(images, math.nan, 4, optimizer="sgd")
    monkeypatch.setenv("TENFOLD_RUNS", str(run.folder.parent))
    for page in ("pages/runs.py", "pages/train.py", "pages/seeds.py"):
        visit(app, page, run=run.id)
        assert not app.exception
    visit(app, "pages/train.py", run=run.id)
    assert "became infinite or no number" in text(app)


def test_pages_draw_a_sweep_on_a_folder_with_holes(tmp_path, app, monkeypatch):
    store = numbers.train_on(tmp_path, "a class that test lacks", seeds=3)
    monkeypatch.setenv("TENFOLD_RUNS", str(store.folder))
    (run, *_) = store.runs()
    for page in ("pages/data.py", "pages/runs.py", "pages/seeds.py"):
        visit(app, page, run=run.id)
        assert not app.exception


def test_next_run_goes_on_after_one_that_diverged(images):
    broken = numbers.break_loss(images, math.inf, 2, optimizer="adam")
    store = numbers.RunStore(broken.folder.parent)
    after, _ = store.open(broken.spec.recipe, 9, broken.spec.data_fingerprint)
    Inline().start(store, [after])
    assert after.state() is numbers.RunState.FINISHED
