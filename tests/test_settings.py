"""What a person set stays, whatever else is in the file."""

import json

import pytest

from core.settings import NAME, Settings, read_settings, write_settings


def test_without_a_file_there_are_the_defaults(tmp_path):
    assert read_settings(tmp_path / "none") == (Settings(), "")


def test_what_was_written_is_read_and_unknown_keys_stay(tmp_path):
    (tmp_path / NAME).write_text('{"from_tomorrow": [1, 2]}')
    assert write_settings(tmp_path, cover_test=False) == Settings(cover_test=False)
    assert read_settings(tmp_path) == (Settings(cover_test=False), "")
    assert json.loads((tmp_path / NAME).read_text())["from_tomorrow"] == [1, 2]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_damaged_file_gives_the_defaults_and_a_sentence_and_is_set_aside(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    found, fault = read_settings(tmp_path)
    assert found == Settings() and fault.endswith("the defaults are used.")
    write_settings(tmp_path, cover_test=False)
    assert read_settings(tmp_path) == (Settings(cover_test=False), "")
    assert (tmp_path / f"{NAME}.damaged").read_bytes() == content


def test_value_of_the_wrong_kind_counts_as_not_set(tmp_path):
    (tmp_path / NAME).write_text('{"cover_test": "no"}')
    found, fault = read_settings(tmp_path)
    assert found == Settings() and "cover_test" in fault


def test_setting_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(TypeError):
        write_settings(tmp_path, cover_tset=False)
    assert not (tmp_path / NAME).exists()
