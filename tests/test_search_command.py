"""`python -m core search`, as scripts use it."""

import json

import pytest

from core import search_command, searcher, searches
from core.__main__ import main

TINY = ["--set", "width=0.03125", "epochs=1", "batch_size=256", "learning_rate=0.02"]
FIELD = ["--field", "learning_rate=0.02,0.05"]


@pytest.fixture
def in_process(monkeypatch):
    monkeypatch.setattr(searches, "spawn", lambda module, *arguments, log: searcher.main([*arguments]))


def call(capsys, *arguments: str) -> tuple[int, dict, str]:
    status = main(["search", *arguments, "--json"])
    printed = capsys.readouterr()
    return status, json.loads(printed.out), printed.err


def test_search_prints_one_document_with_every_trial_and_its_winner(capsys, in_process, finished_run, store):
    settings = ["--set", "log_every=5", "--method", "random", "--minutes", "2"]
    status, result, _ = call(capsys, *TINY, *settings, *FIELD)
    assert status == 0 and result["over"] and result["sentence"] == "Every combination was tried."
    assert (
        result["method"] == "random"
        and not result["halving"]
        and result["fields"] == {"learning_rate": [0.02, 0.05]}
    )
    assert [trial["state"] for trial in result["trials"]] == ["finished"] * 2
    assert sum(trial["cached"] for trial in result["trials"]) == 1  # the run that was there
    assert {trial["run"] for trial in result["trials"]} == {run.id for run in store.runs()}
    best = result["best"]
    assert best["validation_accuracy"] == max(trial["validation_accuracy"] for trial in result["trials"])
    assert best["values"] == next(
        trial["values"] for trial in result["trials"] if trial["run"] == best["run"]
    )
    assert "chosen from 2 runs" in best["worth"] and "probably lower" in best["worth"]
    assert best["test_accuracy"] is None and all(run.looks() == 0 for run in store.runs())

    assert main(["search", *TINY, *settings, *FIELD]) == 0  # the same plan anew: all is there already
    printed = capsys.readouterr().out
    assert "finished" in printed and best["worth"] in printed and best["folder"] in printed
    assert "test accuracy" not in printed and all(run.looks() == 0 for run in store.runs())

    _, again, _ = call(capsys, *TINY, *settings, *FIELD, "--test")
    assert all(trial["cached"] for trial in again["trials"]) and again["search"] != result["search"]
    assert again["best"]["test_accuracy"] is not None and store.get(best["run"]).looks() == 1
    assert sum(run.looks() for run in store.runs()) == 1


def test_search_in_the_background_is_stopped_by_its_id(capsys, monkeypatch, store):
    spawned = []
    monkeypatch.setattr(searches, "spawn", lambda module, *arguments, log: spawned.append(arguments[1]))
    status, result, _ = call(capsys, *TINY, *FIELD, "--background")
    assert status == 0 and not result["over"] and result["trials"] == [] and result["best"] is None
    assert spawned == [result["search"]]
    status, stopped, _ = call(capsys, "--stop", result["search"])
    assert status == 0 and stopped["search"] == result["search"]
    assert searches.find_search(store, result["search"]).stopped


@pytest.mark.parametrize(
    "arguments",
    [
        ["--field", "speed"],
        ["--field", "width=5:9"],
        ["--minutes", "0"],
        ["--minutes", "nan"],
        ["--runs", "0"],
        ["--slots", "0"],
        ["--seed", "-1"],
        ["--stop", "../../etc"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_a_sentence_and_status_2(capsys, store, arguments):
    status, result, _ = call(capsys, *arguments)
    assert status == 2 and result["error"].endswith(".")
    assert searches.searches(store) == []


def test_waiting_command_wakes_what_died(capsys, monkeypatch, store):
    """The first process is never born; the command starts another after a while."""
    calls = []

    def spawn(module, *arguments, log):
        calls.append(arguments)
        if len(calls) > 1:
            searches.write_end(searches.find_search(store, arguments[1]), "It was woken.", failed=True)

    monkeypatch.setattr(searches, "spawn", spawn)
    monkeypatch.setattr(search_command, "WAKE_SECONDS", 0.0)
    status, result, _ = call(capsys, *TINY, *FIELD)
    assert status == 1 and result["sentence"] == "It was woken." and len(calls) == 2
