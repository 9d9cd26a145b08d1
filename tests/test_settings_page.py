"""The Settings page, and the counting of room behind it."""

import os

from core import storage
from core.index import RunIndex
from core.presets import PRESETS
from core.settings import NAME, read_settings
from core.sweep import settle_plan
from pages.parts.words import size
from tests.fake_runs import finished
from tests.test_pages import fresh_caches, no_probe, text, visit  # noqa: F401  (fixtures)


def test_room_is_what_the_files_hold_by_kind(tmp_path):
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    (folder / "weights.pt").write_bytes(b"x" * 1000)
    (folder / "checkpoint-0001.pt").write_bytes(b"x" * 500)
    (folder / "events.jsonl").write_bytes(b"x" * 20)
    (folder / "lock").write_bytes(b"x")
    deleted = tmp_path / "runs" / ".trash" / "b"
    deleted.mkdir(parents=True)
    (deleted / "weights.pt").write_bytes(b"x" * 7)
    (folder / "elsewhere.pt").symlink_to(folder / "weights.pt")
    room = storage.of_runs(tmp_path / "runs")
    assert room.bytes == {
        "weights and checkpoints": 1500,
        "events, logs and notes": 20,
        storage.OTHER: 1,
        "deleted, still in the trash": 7,
    }
    assert room.total == 1528 and room.complete
    assert storage.of_data(tmp_path / "runs").bytes == {"a": 1521, ".trash": 7}


def test_counting_ends_with_its_budget_and_says_so(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "weights.pt").write_bytes(b"x")
    room = storage.of_runs(tmp_path, budget_seconds=-1)
    assert not room.complete and room.total == 0


def test_folder_that_is_not_there_takes_no_room(tmp_path):
    assert storage.of_runs(tmp_path / "none").total == 0


def test_page_names_folders_places_and_sizes(app, store, finished_run, monkeypatch):
    monkeypatch.setenv("TENFOLD_SLOTS", "7")
    visit(app, "pages/settings.py")
    assert str(store.folder) in [code.value for code in app.code]
    metrics = {metric.label: metric.value for metric in app.metric}
    assert metrics["Places"] == "7"
    whole = storage.of_runs(store.folder).total
    assert metrics["Runs"] == size(whole)


def test_wrong_executor_is_named_not_fatal(app, monkeypatch):
    monkeypatch.setenv("TENFOLD_EXECUTOR", "slurm")
    visit(app, "pages/settings.py")
    assert "slurm" in text(app)


def test_index_is_made_anew_where_it_is_damaged(app, store, finished_run):
    RunIndex(store).rows()
    index = store.folder / ".index.sqlite"
    index.write_bytes(b"no database")
    visit(app, "pages/settings.py")
    app.button(key="settings.index").click().run()
    assert not app.exception
    assert "1 run; the index" in text(app)
    assert [row.run.id for row in RunIndex(store).rows()] == [finished_run.id]


def test_index_of_the_plans_is_told_of_where_it_was_damaged(app, store, finished_run):
    settle_plan(store, finished_run.spec.digest, [finished_run.spec.seed], [])
    (store.folder / ".sweeps" / ".index").write_bytes(b"no index")
    visit(app, "pages/settings.py")
    app.button(key="settings.index").click().run()
    assert not app.exception and "That of the plans was damaged" in text(app)
    app.button(key="settings.index").click().run()
    assert "1 run; the index is in order" in text(app) and "That of the plans" not in text(app)


def test_cover_of_test_is_switched_and_the_report_page_heeds_it(app, store):
    (run,) = finished(store, PRESETS["report-baseline"].recipe, {42: (0.7, 0.7501)})
    visit(app, "pages/settings.py")
    app.toggle(key="settings.cover").set_value(False).run()
    assert read_settings(store.folder)[0].cover_test is False
    app.switch_page("pages/report.py").run()
    assert not app.exception
    assert "75.01%" in [metric.value for metric in app.metric] and run.looks() == 1
    app.run()
    assert run.looks() == 1


def test_damaged_settings_are_said(app, store):
    store.folder.mkdir(parents=True, exist_ok=True)
    (store.folder / NAME).write_text("{")
    visit(app, "pages/settings.py")
    assert not app.exception and any("the defaults are used" in warning.value for warning in app.warning)


def test_what_was_left_half_done_is_found_and_mended_with_a_copy(app, store, finished_run):
    left = store.folder / ".new-0011223344556677"
    left.mkdir()
    os.utime(left, (0, 0))
    visit(app, "pages/settings.py")
    app.button(key="settings.examine").click().run()
    assert not app.exception and left.exists()
    assert ".new-0011223344556677" in list(app.dataframe[-1].value["where"])
    app.button(key="settings.mend").click().run()
    assert not app.exception and not left.exists()
    assert "Mended: 1." in text(app).replace("\\", "") and finished_run.folder.exists()
    app.button(key="settings.examine").click().run()
    assert "No fault was found" in text(app)
