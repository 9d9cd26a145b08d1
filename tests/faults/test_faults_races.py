"""16 processes that start one run: the short form of `tests.faults.races`."""

import pytest

from tests.faults import races

pytestmark = pytest.mark.faults


def test_sixteen_processes_that_start_the_same_run_ten_times_make_one_each_time(tmp_path):
    races.only_opened(tmp_path, 10)


def test_run_that_sixteen_processes_start_is_trained_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TENFOLD_EXECUTOR", "local")
    races.trained_once(tmp_path)
