import json
import subprocess
import sys
import threading

import pytest

from core.__main__ import main
from core.locks import FileLock
from core.paths import ROOT
from core.presets import PRESETS

TINY = ["--set", "width=0.03125", "epochs=1", "batch_size=256"]


def call(capsys, *arguments: str) -> tuple[int, object, str]:
    status = main([*arguments, "--json"])
    printed = capsys.readouterr()
    return status, json.loads(printed.out), printed.err


def test_data_counts_classes(capsys):
    status, result, _ = call(capsys, "data", "--dataset", "shapes")
    assert status == 0 and set(result["train"].values()) == {500} and set(result["test"].values()) == {100}
    assert result["shape"] == [3, 32, 32] and list(result["train"]) == result["classes"]
    assert all(0 < value < 1 for value in result["mean"] + result["std"])


def test_train_prints_one_document_and_a_progress_bar():
    command = [sys.executable, "-m", "core", "train", *TINY, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    keys = "run folder state recipe seed cached device validation_accuracy test_accuracy images_per_second seconds"
    assert set(keys.split()) <= set(result)
    assert result["state"] == "finished" and result["seed"] == 42 and not result["cached"]
    assert "epoch 1/1" in done.stderr and "images/s" in done.stderr


def test_second_training_is_cached_and_again_is_not(capsys):
    _, first, _ = call(capsys, "train", *TINY)
    _, second, _ = call(capsys, "train", *TINY)
    _, third, _ = call(capsys, "train", *TINY, "--again")
    assert second["cached"] and second["run"] == first["run"]
    assert not third["cached"] and third["run"] != first["run"]
    assert third["validation_accuracy"] == first["validation_accuracy"]


def test_runs_lists_them_and_counts_the_look_at_test(capsys, store):
    _, trained, _ = call(capsys, "train", *TINY)
    _, runs, _ = call(capsys, "runs")
    assert [run["run"] for run in runs] == [trained["run"]]
    assert runs[0]["test_accuracy"] == trained["test_accuracy"]
    assert store.get(trained["run"]).looks() == 2
    assert main(["runs"]) == 0
    printed = capsys.readouterr().out
    assert trained["run"] in printed and f"{trained['test_accuracy']:.2%}" not in printed


def test_accuracy_is_that_of_the_weights_that_are_kept(capsys, kept_best):
    accuracy = kept_best.history().end.validation_accuracy
    _, (run,), _ = call(capsys, "runs")
    assert run["validation_accuracy"] == accuracy
    assert main(["runs"]) == 0
    printed = capsys.readouterr().out
    assert f"{accuracy:.2%}" in printed and "1.20%" not in printed


def test_doctor_finds_everything_in_order(capsys):
    status, result, _ = call(capsys, "doctor")
    assert status == 0 and result["device"] in ("cpu", "cuda", "mps") and result["ready"]["shapes"]


def test_doctor_finds_a_damaged_run(capsys, store):
    (store.folder / ("a" * 32)).mkdir(parents=True)
    status, result, _ = call(capsys, "doctor")
    assert status == 1 and len(result["damaged_runs"]) == 1


def test_stopped_run_goes_on_with_the_same_command(capsys, store):
    _, first, _ = call(capsys, "train", *TINY, "epochs=2")
    run = store.get(first["run"])
    lines = run.events_path.read_text().splitlines(keepends=True)
    epoch = next(number for number, line in enumerate(lines) if '"event": "epoch"' in line)
    run.events_path.write_text("".join(lines[: epoch + 1]))  # as it was after its first epoch
    run.mark("cancel")
    status, again, errors = call(capsys, "train", *TINY, "epochs=2")
    assert status == 0 and again["run"] == first["run"] and "going on after epoch 1" in errors
    assert run.history().end.sha256["weights.pt"]


def test_run_that_another_process_trains_is_watched(capsys, store, tiny_recipe, shapes_fingerprint):
    """The other one holds the lock for a while, then is gone, and the command trains."""
    recipe = PRESETS["quick"].recipe.changed(TINY[1:])
    run, _ = store.open(recipe, 42, shapes_fingerprint)
    lock = FileLock(run.lock_path)
    lock.acquire()
    threading.Timer(2.5, lock.release).start()
    status, result, errors = call(capsys, "train", *TINY)
    assert status == 0 and result["run"] == run.id and "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--set", "epochs=0"], "between 1 and 200"),
        (["train", "--set", "nonsense=1"], "no field"),
        (["train", "--set", "epochs=1" + 400 * "0"], "between 1 and 200"),
        (["train", "--set", "width=1" + 400 * "0"], "between"),
        (["train", "--dataset", "imagenet"], "no data set"),
        (["train", "--dataset", "folder:/none/such"], "/none/such"),
        (["data", "--dataset", "shapes:x"], "takes no path"),
    ],
)
def test_wrong_use_is_one_sentence_and_status_2(capsys, arguments, words):
    status, result, errors = call(capsys, *arguments)
    assert status == 2 and words in result["error"] and "Traceback" not in errors


def test_diverged_run_has_status_1_and_says_why(capsys):
    settings = [*TINY, "epochs=9", "optimizer=sgd", "learning_rate=10", "weight_decay=1"]
    status, result, _ = call(capsys, "train", *settings)
    assert status == 1 and result["state"] == "diverged" and "learning rate" in result["message"]
