"""Plans of sweeps are believed as long as their files stay as they are, and read from them as soon as they don't."""

import os
from dataclasses import asdict

import pytest

from core import plan_index
from core.paths import write_json
from core.plan_index import INDEX_NAME, PlanIndex
from core.sweep import FORMAT, Added, Plan, read_plan
from tests.counting import count_calls

PLANS = 12


def digest_of(number: int) -> str:
    return f"{number:016x}"


def written(folder, number: int, plan: Plan) -> None:
    write_json(folder / f"{digest_of(number)}.json", {"format": FORMAT, **asdict(plan)}, durable=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Plans of all kinds, one of which can't be read; taken to be older than two seconds."""
    monkeypatch.setattr(plan_index, "SETTLING_SECONDS", -1.0)
    monkeypatch.setattr(plan_index, "MOST_UNWRITTEN", 3)
    for number in range(PLANS - 1):
        added = (Added((100, 101), 7.25, 3, number % 2),) if number % 3 else ()
        written(tmp_path, number, Plan((number, number + 20), number + 0.1, added, number % 4, number % 2))
    (tmp_path / f"{digest_of(PLANS - 1)}.json").write_text("{")
    return tmp_path


@pytest.fixture
def counted(monkeypatch):
    return count_calls(monkeypatch, (plan_index, "read_plan"))


def all_of(index: PlanIndex) -> list:
    return [index.of(digest_of(number)) for number in range(PLANS + 1)]


def truth(folder) -> list:
    paths = [folder / f"{digest_of(number)}.json" for number in range(PLANS + 1)]
    return [(read_plan(path), path.exists()) for path in paths]


def test_next_process_reads_no_plan_anew(folder, counted):
    first = PlanIndex(folder)
    assert first.update() and all_of(first) == truth(folder)
    assert counted.pop("read_plan") == PLANS
    second = PlanIndex(folder)
    assert second.update() and all_of(second) == all_of(first)
    assert counted["read_plan"] == 1  # the one that can't be read
    assert not second.update()


def test_plan_that_changed_since_is_read_alone(folder, counted):
    PlanIndex(folder).update()
    counted.clear()
    written(folder, 4, Plan((1, 2, 3), 9.0))
    path = folder / f"{digest_of(5)}.json"  # in its place and with its old times, as by hand
    status = path.stat()
    path.write_text(path.read_text().replace("25", "26"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (folder / f"{digest_of(6)}.json").unlink()
    written(folder, PLANS, Plan((8,), 1.0))
    index = PlanIndex(folder)
    assert index.update() and counted["read_plan"] == 3 + 1
    assert all_of(index) == truth(folder) and index.of(digest_of(4))[0].seeds == (1, 2, 3)
    assert index.of(digest_of(6)) == (None, False)


def test_few_changes_are_not_written_down_and_many_are(folder):
    PlanIndex(folder).update()
    before = (folder / INDEX_NAME).read_bytes()
    index = PlanIndex(folder)
    for number in range(3):
        written(folder, number, Plan((number,), 2.0))
        index.update()
    assert (folder / INDEX_NAME).read_bytes() == before
    written(folder, 3, Plan((3,), 2.0))
    index.update()
    assert (folder / INDEX_NAME).read_bytes() != before
    assert index.examine() == "in order"


def test_young_plan_is_not_believed(folder, counted, monkeypatch):
    monkeypatch.setattr(plan_index, "SETTLING_SECONDS", 60.0)
    index = PlanIndex(folder)
    assert index.update() and not index.update()
    assert counted["read_plan"] == 2 * PLANS and not (folder / INDEX_NAME).exists()


def test_plan_that_is_young_when_others_are_written_down_is_read_by_the_next(folder, counted):
    index = PlanIndex(folder)
    index.update()
    index._known[digest_of(3)] = (plan_index.CHANGING, index._known[digest_of(3)][1])
    (folder / INDEX_NAME).write_bytes(plan_index._content(index._known))
    counted.clear()
    PlanIndex(folder).update()
    assert counted["read_plan"] == 2


def test_plan_that_could_not_be_opened_for_once_is_read_at_the_next_look(folder, monkeypatch):
    index = PlanIndex(folder)
    with monkeypatch.context() as patch:
        patch.setattr(plan_index, "read_plan", lambda path: None)
        index.update()
    assert index.of(digest_of(1)) == (None, True)
    assert index.update() and all_of(index) == truth(folder)


def test_folder_that_could_not_be_listed_for_once_takes_no_plan_away(folder, monkeypatch):
    index = PlanIndex(folder)
    index.update()
    written(folder, PLANS, Plan((8,), 1.0))

    def refused(path):
        raise OSError("too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(plan_index.os, "listdir", refused)
        assert not index.update() and index.of(digest_of(1))[0]
    assert index.update() and all_of(index) == truth(folder)


def test_plan_with_a_number_out_of_all_bounds_can_not_be_read(folder):
    path = folder / f"{digest_of(1)}.json"
    path.write_text(path.read_text().replace('"known": 1', '"known": Infinity'))
    assert "Infinity" in path.read_text()
    index = PlanIndex(folder)
    index.update()
    assert index.of(digest_of(1)) == (None, True) and all_of(index) == truth(folder)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "version", "nonsense"])
def test_damaged_file_counts_as_none_and_the_doctor_takes_it_away(folder, counted, damage):
    PlanIndex(folder).update()
    path = folder / INDEX_NAME
    content = path.read_bytes()
    if damage == "version":
        content = content.replace(b"%d " % plan_index.VERSION, b"9 ", 1)
    elif damage == "flip":
        content = content[:-30] + bytes([content[-30] ^ 1]) + content[-29:]
    elif damage == "nonsense":
        content = b"\xff\n" * 9
    else:
        content = content[:-30] if damage == "cut" else b""
    path.write_bytes(content)
    counted.clear()
    index = PlanIndex(folder)
    index.update()
    assert counted["read_plan"] == PLANS and all_of(index) == truth(folder)
    path.write_bytes(content)
    assert index.examine().startswith("was damaged") and not path.exists()
    index.update()
    assert all_of(index) == truth(folder) and index.examine() == "in order"


def test_doctor_finds_a_plan_that_was_written_down_wrongly(folder):
    index = PlanIndex(folder)
    index.update()
    index._known[digest_of(2)] = (index._known[digest_of(2)][0], Plan((77,), 1.0))
    (folder / INDEX_NAME).write_bytes(plan_index._content(index._known))
    assert PlanIndex(folder).examine().startswith("was damaged")


def test_no_folder_and_no_right_to_write_are_no_fault(tmp_path, folder, monkeypatch):
    nowhere = PlanIndex(tmp_path / "nowhere")
    nowhere.update()
    assert not nowhere.update() and "no fault" in nowhere.examine()

    def refused(*arguments, **options):
        raise PermissionError("not here")

    monkeypatch.setattr(plan_index, "write_atomically", refused)
    index = PlanIndex(folder)
    assert index.update() and all_of(index) == truth(folder)
    assert not (folder / INDEX_NAME).exists()


def test_what_is_written_down_says_what_the_plans_say(folder):
    PlanIndex(folder).update()
    said = {digest: plan for digest, (_, plan) in plan_index._read(folder / INDEX_NAME).items()}
    assert said == {digest_of(n): read_plan(folder / f"{digest_of(n)}.json") for n in range(PLANS - 1)}
