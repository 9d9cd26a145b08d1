import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from core import index, index_rows
from core.errors import UserError
from core.index import RunIndex
from core.labels import (
    MOST_NOTE_LETTERS,
    MOST_TAG_LETTERS,
    MOST_TAGS,
    NAME,
    Labels,
    change_labels,
    read_labels,
)

WHOLE = Labels(("warm-up", "for the class"), True, "First line\nsecond <b>line</b>", True)


@pytest.fixture
def folders(store, tiny_recipe):
    return [store.open(tiny_recipe, seed, "data")[0].folder for seed in (1, 2, 3)]


def test_labels_are_read_back_as_they_were_written(folders):
    change_labels(folders[:1], lambda labels: WHOLE)
    assert read_labels(folders[0]) == WHOLE and read_labels(folders[1]) == Labels()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[1]",
        b"null",
        b'{"tags": 3, "star": "yes", "note": ["x"], "archived": 1}',
        b'{"tags": [1, null, {}, "  "]}',
        json.dumps({"star": None, "unknown": 1}).encode(),
        b"[" * 100_000,
    ],
)
def test_damaged_file_counts_as_no_labels(folders, content):
    (folders[0] / NAME).write_bytes(content)
    assert read_labels(folders[0]) == Labels()


def test_file_beyond_the_bounds_is_cut_to_them(folders):
    values = {"tags": ["a" * 500, *map(str, range(50))], "note": "x" * 9999, "star": True}
    (folders[0] / NAME).write_text(json.dumps(values))
    found = read_labels(folders[0])
    assert len(found.tags) == MOST_TAGS and len(found.tags[0]) == MOST_TAG_LETTERS
    assert len(found.note) == MOST_NOTE_LETTERS and found.star


def test_tags_are_tidied_and_kept_once():
    found = Labels(("old",)).tagged(["  a   b ", "a b", "old", " "], removed=["none"])
    assert found.tags == ("old", "a b")
    assert found.tagged([], removed=["a  b"]).tags == ("old",)


@pytest.mark.parametrize("tags", [["x" * (MOST_TAG_LETTERS + 1)], list(map(str, range(MOST_TAGS + 1)))])
def test_too_many_or_too_long_tags_are_refused(tags):
    with pytest.raises(UserError, match="at most"):
        Labels().tagged(tags)


def test_note_that_is_too_long_changes_no_run(folders):
    change_labels(folders[2:], lambda labels: labels.noted("x" * (MOST_NOTE_LETTERS - 3)))
    with pytest.raises(UserError, match="2,000"):
        change_labels(folders, lambda labels: labels.noted("more", append=True))
    assert [read_labels(folder).note for folder in folders[:2]] == ["", ""]


def test_appended_note_is_a_line_of_its_own():
    assert Labels(note="one").noted(" two\r\nthree ", append=True).note == "one\ntwo\nthree"
    assert Labels().noted("one", append=True).note == "one"


def test_run_that_was_deleted_meanwhile_leaves_the_others_as_they_are(folders):
    for file in folders[1].iterdir():
        file.unlink()
    folders[1].rmdir()
    with pytest.raises(UserError, match="deleted meanwhile"):
        change_labels(folders, lambda labels: WHOLE)
    assert read_labels(folders[0]) == Labels()


def test_changes_by_several_sessions_at_once_all_last(folders):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: change_labels(folders, lambda old: old.tagged([str(n)])), range(MOST_TAGS)))
    assert all(sorted(map(int, read_labels(f).tags)) == list(range(MOST_TAGS)) for f in folders)


@pytest.mark.parametrize("settling", [-1.0, 60.0])
def test_labels_reach_the_rows_without_the_events_being_read_again(
    store, finished_run, monkeypatch, settling
):
    monkeypatch.setattr(index, "SETTLING_SECONDS", -1.0)
    shared = RunIndex(store)
    assert shared.rows()[0].labels == Labels()
    monkeypatch.setattr(index_rows, "read_history", None)
    if settling > 0:  # labels are young, the rest is not
        real = index.stamp

        def young(path):
            found = real(path)
            if found and path.endswith(NAME):
                return found[0], found[1] + 10**15, found[2]
            return found

        monkeypatch.setattr(index, "stamp", young)
    for note in ("aa", "bb"):
        change_labels([finished_run.folder], lambda labels, note=note: labels.noted(note))
        assert shared.rows()[0].labels.note == note == RunIndex(store).rows()[0].labels.note
    (finished_run.folder / NAME).unlink()
    assert shared.rows()[0].labels == Labels() == RunIndex(store).rows()[0].labels


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_cannot_be_written_raises_and_keeps_the_labels(folders):
    change_labels(folders[:1], lambda labels: WHOLE)
    folders[0].chmod(0o555)
    try:
        with pytest.raises(OSError):
            change_labels(folders[:1], lambda labels: Labels())
    finally:
        folders[0].chmod(0o755)
    assert read_labels(folders[0]) == WHOLE
