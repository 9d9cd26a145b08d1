import dataclasses
import math

import pytest

from core.events import EpochEnd, Failed, Finished, Started, Step, from_line, to_line
from core.history import History, log_lines

STARTED = Started(1.0, 0, 4, 125, 4000, 1000, ["a", "b"], [0.5] * 3, [0.2] * 3, {"device": "cpu"})
EPOCH = EpochEnd(1, 125, 2.0, 0.3, 1.9, 0.35, 0.01, 3.0, 1300.0, "checkpoint-0001.pt", "ab")
FINISHED = Finished(9.0, 1.0, 0.6, 1.1, 0.59, 1.2, 12.0, 1300.0, {"weights.pt": "cd"})
EVENTS = [STARTED, Step(1, 25, 2.2, 0.1), EPOCH, FINISHED, Failed(2.0, "diverged", "why")]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_event_survives_its_line(event):
    line = to_line(event)
    assert line.endswith("\n") and line.count("\n") == 1
    assert from_line(line) == event


def test_infinite_loss_is_written_as_valid_json():
    line = to_line(Step(1, 2, math.inf, 0.1))
    assert "Infinity" not in line and "NaN" not in line
    assert math.isnan(from_line(line).loss)


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "3", '{"event": "party"}', '{"event": "step"}', '{"loss": 1}']
)
def test_damaged_line_is_no_event(line):
    assert from_line(line) is None


def test_line_of_a_newer_version_is_read_as_far_as_it_is_known():
    assert from_line('{"event": "step", "epoch": 1, "step": 2, "loss": 1.0, "accuracy": 0.5, "mood": "good"}')


def test_history_reads_only_whole_lines(tmp_path):
    path = tmp_path / "events.jsonl"
    whole, torn = to_line(STARTED), to_line(Step(1, 25, 2.2, 0.1))
    path.write_text(whole + torn[:20])
    history = History(path)
    assert history.read_new() and history.started == STARTED and history.steps == []
    with path.open("a") as file:
        file.write(torn[20:])
    assert history.read_new() and len(history.steps) == 1
    assert not history.read_new()


def test_resumed_run_has_no_epoch_missing_or_twice(tmp_path):
    path = tmp_path / "events.jsonl"
    lost = [Step(2, 150, 1.8, 0.3), EpochEnd(2, 250, *([1.0] * 7), "checkpoint-0002.pt", "x")]
    again = Started(2.0, 1, 4, 125, 4000, 1000, ["a", "b"], [0.5] * 3, [0.2] * 3, {})
    path.write_text("".join(map(to_line, [STARTED, Step(1, 25, 2.2, 0.1), EPOCH, *lost, again, lost[0]])))
    history = History(path)
    history.read_new()
    assert [step.step for step in history.steps] == [25, 150]
    assert [epoch.epoch for epoch in history.epochs] == [1]
    assert history.launches == 2


def test_history_of_a_run_that_was_deleted_and_made_anew_starts_anew(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text("".join(map(to_line, [STARTED, EPOCH, FINISHED])))
    history = History(path)
    history.read_new()
    other = tmp_path / "other"
    other.write_text("".join(map(to_line, [STARTED, EPOCH, Step(2, 150, 1.0, 0.5), EPOCH, EPOCH])))
    other.replace(path)
    history.read_new()
    assert history.end is None and len(history.steps) == 1


def test_validation_accuracy_is_that_of_the_weights_that_are_kept(tmp_path):
    path = tmp_path / "events.jsonl"
    worse = dataclasses.replace(EPOCH, epoch=2, step=250, validation_accuracy=0.2)
    kept = dataclasses.replace(FINISHED, validation_accuracy=0.35, epoch=1)
    history = History(path)
    assert history.validation_accuracy is None
    for event, accuracy in ((STARTED, None), (EPOCH, 0.35), (worse, 0.2), (kept, 0.35)):
        with path.open("a") as file:
            file.write(to_line(event))
        history.read_new()
        assert history.validation_accuracy == accuracy


def test_log_keeps_test_figures_covered(tmp_path):
    path = tmp_path / "events.jsonl"
    passport = {"device_name": "x", "precision": "fp32", "threads": 1, "torch": "2"}
    started = Started(1.0, 0, 4, 125, 4000, 1000, ["a"], [0.5] * 3, [0.2] * 3, passport)
    path.write_text("".join(map(to_line, [started, EPOCH, FINISHED])))
    history = History(path)
    history.read_new()
    text = "\n".join(log_lines(history))
    assert "epoch 1" in text and "35.00%" in text
    assert "59" not in text and "1.1" not in text.replace("1.1.", "")
