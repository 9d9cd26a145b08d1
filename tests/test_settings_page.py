"""The Settings page, and the counting of room behind it."""

from core import storage
from core.index import RunIndex
from tests.test_pages import fresh_caches, no_probe, text, visit  # noqa: F401  (fixtures)


def test_room_is_what_the_files_hold_by_kind(tmp_path):
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    (folder / "weights.pt").write_bytes(b"x" * 1000)
    (folder / "checkpoint-0001.pt").write_bytes(b"x" * 500)
    (folder / "events.jsonl").write_bytes(b"x" * 20)
    (folder / "lock").write_bytes(b"x")
    (folder / "elsewhere.pt").symlink_to(folder / "weights.pt")
    room = storage.of_runs(tmp_path / "runs")
    assert room.bytes == {"weights and checkpoints": 1500, "events, logs and notes": 20, storage.OTHER: 1}
    assert room.total == 1521 and room.complete
    assert storage.of_data(tmp_path / "runs").bytes == {"a": 1521}


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
    assert metrics["Runs"] == f"{whole / 1000:,.0f} kB"


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
    assert "1 runs" in text(app) or "1 run" in text(app)
    assert [row.run.id for row in RunIndex(store).rows()] == [finished_run.id]
