"""The doctor finds each fault by name, and mends it without losing what was there."""

import dataclasses
import json
import os
import re

import pytest

from core import doctor
from core.__main__ import main
from core.checkpoints import sha256
from core.events import Failed, Finished, to_line
from core.locks import FileLock
from core.paths import write_json
from core.store import RunState, RunStore
from core.sweep import settle_plan


def faults(store: RunStore) -> dict[str, str]:
    return {finding.where: finding.fault for finding in doctor.examine(store)}


def mended(store: RunStore) -> RunStore:
    doctor.repair(store, doctor.examine(store))
    return RunStore(store.folder)


def contents(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def flip(path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_healthy_store_has_no_faults(store, finished_run, queued_run):
    settle_plan(store, finished_run.spec.digest, [42], [])
    finished_run.look("here")
    assert faults(store) == {}


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        (".events.jsonl.12ab34cd.tmp", b"x", "half-done"),
        ("checkpoint-0099.pt", b"x", "half-done"),
        ("progress.json", b'{"epoch": 1', "can't be read"),
        ("runner.json", b"[]", "can't be read"),
        ("proof.json", b"\xff\xfe", "can't be read"),
        ("cancel", b"", "after the run's end"),
        ("pause", b"", "after the run's end"),
    ],
)
def test_needless_file_of_a_run_is_moved_to_the_copies(store, finished_run, name, content, fault):
    (finished_run.folder / name).write_bytes(content)
    assert fault in faults(store)[f"{finished_run.id}/{name}"]
    found = doctor.examine(store)
    _, copies = doctor.repair(store, found)
    assert (copies / finished_run.id / name).read_bytes() == content
    assert faults(store) == {} and finished_run.state() is RunState.FINISHED


def test_torn_event_is_cut_and_its_copy_kept(store, queued_run, finished_run):
    whole = finished_run.events_path.read_bytes()
    lines = whole.splitlines(keepends=True)
    damaged = b"".join([lines[0], b'{"event": "step", "ep\xff\n', *lines[1:], b'{"event": "finis'])
    finished_run.events_path.write_bytes(damaged)
    assert faults(store) == {
        f"{finished_run.id}/events.jsonl": "its last line is torn and 1 lines are no JSON"
    }
    _, copies = doctor.repair(store, doctor.examine(store))
    assert finished_run.events_path.read_bytes() == whole
    assert (copies / finished_run.id / "events.jsonl").read_bytes() == damaged


@pytest.mark.parametrize("name", ["weights.pt", "predictions.npz"])
@pytest.mark.parametrize("harm", ["flip", "cut", "delete"])
def test_damaged_result_is_made_again_bit_by_bit(store, finished_run, name, harm):
    from core.worker import work

    path = finished_run.folder / name
    before = contents(finished_run.folder)
    if harm == "flip":
        flip(path)
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        path.unlink()
    assert f"{finished_run.id}/{name}" in faults(store)
    run = mended(store).get(finished_run.id)
    assert run.state() is RunState.INTERRUPTED and faults(store) == {}
    work(run)
    assert run.state() is RunState.FINISHED and faults(store) == {}
    assert (run.folder / "weights.pt").read_bytes() == before["weights.pt"]
    assert (
        sha256((run.folder / "predictions.npz").read_bytes()) == run.history().end.sha256["predictions.npz"]
    )


def test_damaged_weights_without_a_whole_checkpoint_are_named_and_left(store, finished_run):
    flip(finished_run.folder / "weights.pt")
    for path in finished_run.folder.glob("checkpoint-*.pt"):
        flip(path)
    found = {finding.where: finding for finding in doctor.examine(store)}
    weights = found[f"{finished_run.id}/weights.pt"]
    assert weights.mend is None and "train the run again" in weights.cure
    events = finished_run.events_path.read_bytes()
    mended(store)
    assert finished_run.events_path.read_bytes() == events and (finished_run.folder / "weights.pt").exists()


def test_unfinished_run_says_where_it_goes_on(store, finished_run):
    *lines, _ = finished_run.events_path.read_text().splitlines(keepends=True)
    finished_run.events_path.write_text("".join(lines))
    (checkpoint,) = finished_run.folder.glob("checkpoint-*.pt")
    checkpoint.unlink()
    (finding,) = doctor.examine(store)
    assert "goes on from the beginning" in finding.cure


def test_lost_record_is_found_again_by_the_id(store, finished_run, tiny_recipe, shapes_fingerprint):
    other, _ = store.open(tiny_recipe, 7, shapes_fingerprint)
    for content in (b'{"format": 1, "rec', b"", None):
        record = other.folder / "run.json"
        record.unlink() if content is None else record.write_bytes(content)
        assert "seed 7 of recipe" in faults(store)[f"{other.id}/run.json"]
        again = mended(store).get(other.id)
        assert dataclasses.replace(again.spec, created=0) == dataclasses.replace(other.spec, created=0)
    assert faults(store) == {}


def test_record_of_an_unknown_recipe_is_named_and_its_files_stay(store, finished_run):
    (finished_run.folder / "run.json").write_text("{")
    before = contents(finished_run.folder)
    (finding,) = doctor.examine(store)
    assert "no recipe that is known here" in finding.fault and finding.mend is None
    mended(store)
    assert contents(finished_run.folder) == before


def test_newer_run_and_newer_plan_are_named_and_not_rewritten(store, finished_run):
    settle_plan(store, finished_run.spec.digest, [42], [])
    plan = store.folder / ".sweeps" / f"{finished_run.spec.digest}.json"
    for path in (finished_run.folder / "run.json", plan):
        path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    before = contents(store.folder)
    assert all("newer Tenfold" in fault for fault in faults(store).values()) and len(faults(store)) == 2
    mended(store)
    assert contents(store.folder) == before


def test_unreadable_plan_is_named_and_left_for_a_person(store, finished_run):
    settle_plan(store, finished_run.spec.digest, [42], [])
    plan = store.folder / ".sweeps" / f"{finished_run.spec.digest}.json"
    plan.write_text('{"format": 1, "seeds": ')
    assert faults(store) == {f".sweeps/{plan.name}": "the plan of this sweep can't be read"}
    mended(store)
    assert plan.exists()


def test_record_with_a_changed_seed_gets_the_seed_of_its_id_back(
    store, finished_run, tiny_recipe, shapes_fingerprint
):
    other, _ = store.open(tiny_recipe, 7, shapes_fingerprint)
    record = other.folder / "run.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "seed": 8}))
    assert mended(store).get(other.id).spec.seed == 7


def test_plan_of_a_search_is_left_for_a_person_and_its_notes_are_not(store, finished_run):
    folder = store.folder / ".searches"
    folder.mkdir()
    (folder / "0123456789ab.json").write_text('{"format": 1, "sear')
    (folder / "ba9876543210.json").write_text('{"format": 99}')
    (folder / "0123456789ab.spent.json").write_text("{")
    assert faults(store) == {
        ".searches/0123456789ab.json": "the plan of this search can't be read",
        ".searches/ba9876543210.json": "a newer Tenfold wrote this plan",
        ".searches/0123456789ab.spent.json": "it can't be read",
    }
    mended(store)
    assert {path.name for path in folder.iterdir()} == {"0123456789ab.json", "ba9876543210.json"}


def test_labels_that_are_cut_are_moved_and_the_run_stays(store, finished_run):
    (finished_run.folder / "labels.json").write_text('{"star": tr')
    assert faults(store) == {f"{finished_run.id}/labels.json": "it can't be read"}
    assert mended(store).get(finished_run.id).state() is RunState.FINISHED and faults(store) == {}


def test_renamed_folder_is_named(store, finished_run):
    finished_run.folder.rename(store.folder / ("a" * 32))  # the digest is known by no other run
    assert "another run" in faults(store)["a" * 32 + "/run.json"]


def test_stale_files_of_the_store_are_moved_and_young_ones_left(store, finished_run):
    for name in (".new-0011223344556677", ".new-8811223344556677"):
        (store.folder / name).mkdir()
    os.utime(store.folder / ".new-0011223344556677", (1e9, 1e9))
    (store.folder / ".speed.json").write_text('{"points": [')
    assert set(faults(store)) == {".new-0011223344556677", ".speed.json"}
    mended(store)
    assert faults(store) == {} and (store.folder / ".new-8811223344556677").exists()


def test_orphans_of_the_queue_are_moved(store, finished_run, queued_run):
    store.enqueue(finished_run)
    for name in ("f" * 32, "no-id"):
        (store.folder / ".queue" / name).touch()
    (store.folder / ("c" * 32)).mkdir()
    (store.folder / ".queue" / ("c" * 32)).touch()
    found = faults(store)
    assert {where.removeprefix(".queue/") for where in found if where.startswith(".queue")} == {
        finished_run.id,
        "f" * 32,
        "no-id",
        "c" * 32,
    }
    assert mended(store).queued_ids() == [queued_run.id]


def test_torn_look_is_counted_after_the_repair(store, finished_run):
    finished_run.look("here")
    with (finished_run.folder / "looks.jsonl").open("a") as file:
        file.write('{"time": 1.0, "whe')
    assert finished_run.looks() == 1
    assert mended(store).get(finished_run.id).looks() == 2


def test_run_whose_worker_lives_is_left_alone(store, finished_run):
    finished_run.events_path.write_bytes(finished_run.events_path.read_bytes() + b'{"event')
    lock = FileLock(finished_run.lock_path)
    found = doctor.examine(store)
    assert lock.acquire()
    try:
        assert faults(store) == {}
        assert doctor.repair(store, found) == ([], None)
    finally:
        lock.release()


def test_command_tells_mends_and_then_is_content(store, finished_run, capsys):
    flip(finished_run.folder / "weights.pt")
    assert main(["doctor", "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["repairable"] and not finding["repaired"]
    assert main(["doctor", "--repair"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"mended: [0-9a-f]{32}/weights.pt", printed) and "/.repair/" in printed
    assert main(["doctor", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["findings"] == [] and result["copies"] is None


def test_command_tells_how_it_found_what_is_remembered_of_runs_and_plans(store, finished_run, capsys):
    settle_plan(store, finished_run.spec.digest, [42], [])
    assert main(["doctor"]) == 0
    assert "that of the plans: not there, which is no fault" in capsys.readouterr().out
    (store.folder / ".sweeps" / ".index").write_bytes(b"no index")
    (store.folder / ".index.sqlite").write_bytes(b"no database")
    assert main(["doctor"]) == 0
    assert re.search(
        r"index +was damaged .* made anew; that of the plans: was damaged", capsys.readouterr().out
    )


def test_failed_run_and_one_with_no_events_are_no_faults(store, tiny_recipe, shapes_fingerprint):
    run, _ = store.open(tiny_recipe, 3, shapes_fingerprint)
    assert faults(store) == {}
    run.events_path.write_text(to_line(Failed(1.0, "error", "It broke.")))
    write_json(run.folder / "runner.json", {"launches": 1})
    assert faults(store) == {}


def test_end_that_names_a_file_outside_is_not_followed(store, finished_run):
    *lines, _ = finished_run.events_path.read_text().splitlines(keepends=True)
    end = finished_run.history().end
    assert isinstance(end, Finished)
    crafted = dataclasses.replace(end, sha256={"../../secret": "0" * 64})
    finished_run.events_path.write_text("".join([*lines, to_line(crafted)]))
    assert not any("secret" in where for where in faults(store))
