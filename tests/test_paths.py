import os

import pytest

from core.paths import data_dir, read_json, runs_dir, write_atomically, write_json


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_survives_and_nan_is_refused(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"a": [1, 2.5, "ü"]})
    assert read_json(path) == {"a": [1, 2.5, "ü"]}
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_damaged_json_reads_as_nothing(tmp_path, content):
    (tmp_path / "value.json").write_bytes(content)
    assert read_json(tmp_path / "value.json") is None


def test_folders_follow_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TENFOLD_RUNS", str(tmp_path / "a"))
    monkeypatch.setenv("TENFOLD_DATA", str(tmp_path / "b"))
    assert runs_dir() == tmp_path / "a" and data_dir() == tmp_path / "b"
