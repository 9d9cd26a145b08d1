"""Trainings that need more memory than there is: the short form of `tests.faults.memory`."""

import dataclasses

import pytest

from core.events import Failed
from core.runner import WorkerExit
from core.store import RunState
from core.worker import work
from tests.faults.memory import greedy_and_modest, starve, why_it_died
from tests.faults.small import queued

pytestmark = pytest.mark.faults


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("TENFOLD_THREADS", "1")


def test_run_without_memory_says_which_batch_size_to_try_and_the_next_run_goes_on(store, tmp_path):
    greedy, modest, fingerprint = greedy_and_modest(tmp_path)
    after = queued(store, modest, fingerprint, [2])[0]
    run = starve(store, greedy, fingerprint, 100, 1)
    assert run.state() is RunState.FAILED
    assert run.history().end.message.endswith("try a batch size of 64.")
    # Not by that process, which a lack of memory may have harmed.
    assert after.state() is RunState.QUEUED and after.history().launches == 0
    assert work(after) is WorkerExit.DONE and after.state() is RunState.FINISHED


def test_worker_that_can_not_even_start_a_thread_ends_its_run_by_name(store, tmp_path):
    greedy, _, fingerprint = greedy_and_modest(tmp_path)
    assert starve(store, greedy, fingerprint, 2, 1).history().end.reason == "out_of_memory"


def test_worker_that_a_library_ended_for_want_of_memory_is_given_that_name(queued_run):
    queued_run.log_path.write_text("\nlibgomp: Thread creation failed: Resource temporarily unavailable\n")
    assert "try a batch size of 128" in why_it_died(queued_run, 1)
    queued_run.log_path.write_text("Segmentation fault\n")
    assert "without a word" in why_it_died(queued_run, 1)


@pytest.mark.gpu
def test_gpu_without_memory_is_named_and_the_next_run_goes_on(store, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    monkeypatch.setenv("TENFOLD_DEVICE", "cuda")
    greedy, modest, fingerprint = greedy_and_modest(tmp_path)
    greedy = dataclasses.replace(greedy, image_size=32, precision="fp32")
    run, after = (queued(store, recipe, fingerprint, [1])[0] for recipe in (greedy, modest))
    torch.cuda.set_per_process_memory_fraction(0.0005)  # 40 MB of an 80 GB card
    try:
        work(run)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    end = run.history().end
    assert isinstance(end, Failed) and end.reason == "out_of_memory", end
    assert "try a batch size of 64" in end.message
    assert work(after) is WorkerExit.DONE and after.state() is RunState.FINISHED
