"""A store of each earlier format opens; one of a later format is refused in a sentence and left as it is."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from core import doctor
from core.classify import open_run
from core.datasets import source
from core.errors import UserError
from core.events import Finished
from core.index import RunIndex
from core.predictions import read_predictions
from core.store import FORMAT, RunState, RunStore
from core.sweep import sweeps
from tests.make_stored_sample import SAMPLES
from tests.test_pages import PAGES, text, visit

pytestmark = pytest.mark.faults

LARGEST_BYTES = 300_000


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("core.launch.begin_probe", lambda store: None)
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(params=sorted(path.name for path in SAMPLES.iterdir()))
def old(request, store) -> RunStore:
    shutil.copytree(SAMPLES / request.param, store.folder)
    return store


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_format_has_a_small_sample():
    assert {path.name for path in SAMPLES.iterdir()} == {f"v{number}" for number in range(1, FORMAT + 1)}
    for sample in SAMPLES.iterdir():
        assert sum(len(content) for content in contents(sample).values()) < LARGEST_BYTES


def test_old_run_is_read_with_all_that_it_recorded(old):
    (run,) = old.runs()
    history = run.history()
    assert run.state() is RunState.FINISHED and isinstance(history.end, Finished)
    assert [epoch.epoch for epoch in history.epochs] == [1] and history.steps and history.started
    assert run.looks() == 1 and doctor.examine(old) == []
    (sweep,) = sweeps(old, RunIndex(old).rows())
    assert sweep.plan.seeds == (0, 1) and list(sweep.runs) == [0, 1] and len(sweep.finished) == 1


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_on_an_old_store(app, page, old):
    before = contents(old.folder)
    visit(app, page)
    assert not app.error
    after = contents(old.folder)
    assert {name: after[name] for name in before} == before


def test_old_weights_classify_as_they_did(old):
    (run,) = old.runs()
    images = source("shapes").load().test.images[:200]
    answers = open_run(old, run.id).classify(images)
    assert answers.mean.shape == (200, 10) and np.allclose(answers.mean.sum(axis=1), 1, atol=1e-5)
    if (
        source("shapes").ready_fingerprint() == run.spec.data_fingerprint
    ):  # the shapes of a later version may differ
        recorded = read_predictions(run).answers[:200]
        assert (answers.mean.argmax(axis=1) == recorded).mean() > 0.98


@pytest.mark.parametrize("page", PAGES)
def test_newer_run_is_refused_in_a_sentence_and_not_rewritten(app, page, old):
    (run,) = old.runs()
    newer = {**json.loads((run.folder / "run.json").read_text()), "format": FORMAT + 1, "more": [1]}
    (run.folder / "run.json").write_text(json.dumps(newer))
    plan = next((old.folder / ".sweeps").glob("*.json"))
    plan.write_text(json.dumps({**json.loads(plan.read_text()), "format": 99}))
    before = contents(old.folder)
    with pytest.raises(UserError, match="made by a newer Tenfold"):
        RunStore(old.folder).get(run.id)
    visit(app, page, run=run.id)
    if page == "pages/train.py":
        assert "made by a newer Tenfold" in text(app)
    if page == "pages/runs.py":
        assert "can't be read here" in text(app)
    after = contents(old.folder)
    assert {name: after[name] for name in before} == before


def test_same_recipe_beside_a_newer_run_is_another_attempt(old):
    """Its id is taken: a new run must not be put into that folder."""
    (run,) = old.runs()
    record = run.folder / "run.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "format": FORMAT + 1}))
    before = contents(run.folder)
    other, created = RunStore(old.folder).open(run.spec.recipe, 0, run.spec.data_fingerprint)
    assert created and other.id != run.id and contents(run.folder) == before
