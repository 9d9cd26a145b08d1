"""Full, forbidden, vanishing and rotten disks: the short form of `tests.faults.disk`."""

import errno
import random

import pytest

from core.runner import WorkerExit
from core.worker import work
from tests.faults import disk
from tests.faults.disk import Ground, damage, small_disk
from tests.faults.shim import failing_disk
from tests.test_pages import fresh_caches, no_probe  # noqa: F401  (fixtures)

pytestmark = pytest.mark.faults


@pytest.fixture
def ground(tmp_path):
    return Ground(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS], ids=errno.errorcode.get)
def test_disk_that_fails_at_a_write_point_is_named_and_loses_nothing(ground, number):
    """Every ninth point, each time another ninth of them; the long form tries all."""
    points = disk.write_points(ground)
    assert disk.fail_at(ground, range(1 + number % 9, points + 1, 9), number) >= 7
    assert disk.fail_while_made(ground, number) >= 5


def test_real_file_system_too_small_or_read_only_is_named_and_loses_nothing(ground, tmp_path):
    with small_disk(tmp_path / "disk", "2m") as mounted:
        if not mounted:
            pytest.skip("no file system may be mounted here; the shim covers it")
        assert disk.fill_up(ground, tmp_path / "disk", [0, 8192, 65536, 120_000, 260_000]) >= 3
        disk.forbid(ground, tmp_path / "disk")


def test_folder_deleted_under_a_run_ends_its_worker_and_nothing_else(ground):
    assert disk.delete_under_way(ground) > 10


def test_damaged_files_of_a_finished_run_raise_nothing_but_sentences(ground):
    assert disk.rot_finished(ground, 3, random.Random(5)) > 50


def test_damaged_files_of_a_run_under_way_lead_to_the_right_weights_or_a_refusal(ground):
    tried, resumed = disk.rot_interrupted(ground, 1, random.Random(6))
    assert tried >= 20 and resumed >= tried // 2


def test_no_flipped_bit_of_200_is_taken_for_good_weights(ground):
    assert sum(disk.flip_weights(ground, 200, random.Random(7)).values()) == 200


def test_recipe_changed_by_a_flipped_bit_is_not_trained(ground):
    """A digit of the learning rate: the record still reads as one, and would give other weights."""
    run = ground.interrupted("flipped")
    path = run.folder / "run.json"
    path.write_text(path.read_text().replace('"learning_rate": 0.02', '"learning_rate": 0.03'))
    run = disk.RunStore(run.folder.parent).get(run.id)
    assert work(run) is WorkerExit.DONE
    assert run.history().end.reason == "refused" and "damaged" in run.history().end.message


def test_pages_of_a_damaged_run_tell_and_go_on(ground, app, monkeypatch):
    run, chance = ground.copy("pages"), random.Random(8)
    monkeypatch.setenv("TENFOLD_RUNS", str(run.folder.parent))
    for name in ("weights.pt", "predictions.npz", "events.jsonl", "run.json"):
        damage(run.folder / name, "cut", chance)
        app.run()
        assert not app.exception
        app.query_params["run"] = run.id
        app.session_state["runs.tab"] = "Take home"
        app.switch_page("pages/runs.py").run()
        assert not app.exception, name
        if name == "weights.pt":
            assert any("weights of this run are damaged" in error.value for error in app.error)


def test_shim_fails_from_its_point_on_and_not_outside_its_folder(tmp_path):
    """The instrument itself: a shim that never failed would prove nothing."""
    (tmp_path / "inside").mkdir()
    with failing_disk(tmp_path / "inside", 3) as shim:
        (tmp_path / "outside.txt").write_text("fine")
        with (tmp_path / "inside" / "a.txt").open("w") as file:
            file.write("first")
            with pytest.raises(OSError, match="No space left"):
                file.write("second")
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "inside" / "b.txt").touch()
    assert shim.tripped and (tmp_path / "inside" / "a.txt").read_text() == "firstsec"
    (tmp_path / "inside" / "b.txt").touch()
