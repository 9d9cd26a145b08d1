import json
import subprocess
import sys
import threading

import numpy as np
import pytest

from core.__main__ import main
from core.locks import FileLock
from core.paths import ROOT
from core.presets import PRESETS
from core.stats import mean_interval, sd_interval

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


@pytest.fixture
def two_sweeps(capsys):
    """What `sweep` printed for two recipes of three seeds; the second learns longer."""
    found = []
    for epochs in (1, 3):
        settings = ["--set", "width=0.03125", f"epochs={epochs}", "batch_size=256"]
        found.append(call(capsys, "sweep", "--seeds", "0-2", "--wait", *settings))
    return found


def test_sweep_tells_every_seed_and_its_statistics(two_sweeps, store):
    status, result, _ = two_sweeps[0]
    accuracies = [seed["test_accuracy"] for seed in result["seeds"]]
    assert status == 0 and result["n"] == 3
    assert [seed["seed"] for seed in result["seeds"]] == result["planned"] == [0, 1, 2]
    assert result["mean"] == pytest.approx(np.mean(accuracies))
    assert result["sd"] == pytest.approx(np.std(accuracies, ddof=1))
    assert result["mean_interval"] == pytest.approx(mean_interval(np.array(accuracies)))
    assert result["sd_interval"] == pytest.approx(sd_interval(np.array(accuracies)))
    assert {seed["recipe"] for seed in result["seeds"]} == {result["recipe"]}
    assert all(store.get(seed["run"]).looks() == 1 for seed in result["seeds"])


def test_sweep_with_more_seeds_reuses_runs_and_marks_what_came_later(two_sweeps, capsys):
    _, before, _ = two_sweeps[0]
    _, after, _ = call(capsys, "sweep", "--seeds", "0-3", "--wait", *TINY)
    assert [seed["run"] for seed in after["seeds"]][:3] == [seed["run"] for seed in before["seeds"]]
    assert (after["planned"], after["added_later"]) == ([0, 1, 2], [3])
    assert [seed["cached"] for seed in after["seeds"]] == [True, True, True, False]


@pytest.mark.parametrize("seeds", ["", "9-0", "1.5", "0-100000"])
def test_sweep_without_proper_seeds_is_refused(capsys, store, seeds):
    status, result, _ = call(capsys, "sweep", "--seeds", seeds, *TINY)
    assert status == 2 and result["error"].endswith(".") and store.runs() == []


def test_sweep_that_is_not_waited_for_goes_on_in_the_background(monkeypatch, capsys, store):
    monkeypatch.setenv("TENFOLD_EXECUTOR", "local")
    monkeypatch.setattr("core.executors.local.spawn", lambda *arguments, log: None)  # nobody takes it up
    assert main(["sweep", "--seeds", "4,5", *TINY]) == 0
    printed = capsys.readouterr().out
    assert "2 go on in the background (seeds 4, 5)" in printed
    assert [run.spec.seed for run in store.queue()] == [4, 5]


def test_compare_gives_both_intervals_and_the_sentence(two_sweeps, capsys, store):
    short, long = (result["recipe"] for _, result, _ in two_sweeps)
    status, result, _ = call(capsys, "compare", long, short[:6])
    means = [result["mean"] for _, result, _ in two_sweeps]
    assert status == 0 and (result["a"], result["b"]) == (long, short)
    assert result["difference"] == pytest.approx(means[1] - means[0])
    for name in ("welch_interval", "image_interval"):
        assert result[name][0] <= result["difference"] <= result[name][1]
    assert 0 <= result["p_a_better"] <= 1 and result["minimum_detectable"] > 0
    assert result["verdict"] in ("a_better", "b_better", "no_evidence", "too_few_seeds")
    assert result["sentence"].endswith(".")
    assert all(run.looks() == 2 for run in store.runs())
    assert main(["compare", long, short]) == 0
    assert result["sentence"] in capsys.readouterr().out


def test_compare_refuses_what_it_cannot_compare(two_sweeps, capsys, store):
    short, long = (result["recipe"] for _, result, _ in two_sweeps)
    for wrong in (["zzz", long], [short, short], [short, long, "--threshold", "0"]):
        status, result, _ = call(capsys, "compare", *wrong)
        assert status == 2 and result["error"].endswith(".")
    for run in store.runs():
        if run.spec.digest == long:
            values = json.loads((run.folder / "run.json").read_text())
            (run.folder / "run.json").write_text(json.dumps({**values, "data_fingerprint": "other"}))
    status, result, _ = call(capsys, "compare", short, long)
    assert status == 2 and "different images" in result["error"]
    assert all(run.looks() == 1 for run in store.runs())  # who saw nothing has not looked
