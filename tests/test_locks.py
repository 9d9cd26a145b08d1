import os
import signal
import subprocess
import sys

import pytest

from core.locks import FileLock, is_held, last_holder
from core.paths import ROOT

HOLD = "import sys, time; from core.locks import FileLock; from pathlib import Path; \
FileLock(Path(sys.argv[1])).acquire() and print('held', flush=True); time.sleep(60)"


def test_lock_goes_with_its_process_however_it_ends(tmp_path):
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert is_held(path) and last_holder(path) == holder.pid
        assert not FileLock(path).acquire(patience_seconds=0.1)
        os.kill(holder.pid, signal.SIGKILL)
    assert not is_held(path)
    assert FileLock(path).acquire(patience_seconds=0.1)


def test_lock_can_be_taken_again_after_release(tmp_path):
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire() and is_held(lock.path)
    lock.release()
    assert not is_held(lock.path) and lock.acquire()
    lock.release()


def test_missing_file_is_held_by_nobody(tmp_path):
    assert not is_held(tmp_path / "none") and last_holder(tmp_path / "none") is None


@pytest.mark.parametrize("signature", ["", "17 some-other-machine", "no number", "\u0661 x", "1 2 3"])
def test_signature_of_another_machine_or_none_names_no_process(tmp_path, signature):
    (tmp_path / "lock").write_text(signature)
    assert last_holder(tmp_path / "lock") is None
