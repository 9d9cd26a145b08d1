"""The searching process: what it starts and stops, and that it goes on after any death."""

import contextlib
import dataclasses
import errno
import itertools
import os
import signal
import subprocess
import sys
import time

import pytest

from core import searches
from core.errors import UserError
from core.events import EpochEnd, Failed, Finished, Started, to_line
from core.executors import enqueue
from core.executors import stop as stop_run
from core.locks import FileLock, is_held
from core.paths import ROOT
from core.search_space import Search, parse_range
from core.searcher import HOPELESS, Searcher, main
from core.searches import TrialState, begin, best, find_search, go_on, outcome, stop_search, wake_searches
from core.store import Run, RunState


class Machine:
    """Stands in for an executor: queues runs, and trains them as far as a test says."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.locks: dict[str, FileLock] = {}

    def start(self, store, runs) -> None:
        for run in runs:
            enqueue(store, run)
            self.started.append(run.id)

    def wake(self, store) -> None:
        """Nothing waits."""

    def train(self, run: Run, *accuracies: float) -> None:
        """Take a run up if nobody has, and record these epochs."""
        if run.id not in self.locks:
            self.locks[run.id] = FileLock(run.lock_path)
            assert self.locks[run.id].acquire()
            self._log(run, Started(1.0, 0, run.spec.recipe.epochs, 16, 400, 100, ["a"], [0.5], [0.2], {}))
        for accuracy in accuracies:
            number = len(run.history().epochs) + 1
            self._log(run, EpochEnd(number, 16 * number, 1.0, 0.5, 1.0, accuracy, 0.1, 1.0, 400.0))

    def end(self, run: Run, event: Finished | Failed | None = None) -> None:
        """Without an event it leaves as a paused one does."""
        if event:
            self._log(run, event)
        self.locks.pop(run.id).release()
        run_queue = run.folder.parent / ".queue" / run.id
        run_queue.unlink(missing_ok=True)

    def finish(self, run: Run, accuracy: float) -> None:
        self.train(run, *[accuracy] * run.spec.recipe.epochs)
        self.end(run, Finished(1.0, 1.0, accuracy, 1.0, 0.1, 1.0, 1.0, 400.0, {}))

    def _log(self, run: Run, event) -> None:
        with run.events_path.open("a") as file:
            file.write(to_line(event))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def quiet(monkeypatch):
    """No process is started; gives the list of those that would have been."""
    spawned = []
    monkeypatch.setattr(searches, "spawn", lambda module, *arguments, log: spawned.append(arguments))
    monkeypatch.setenv("TENFOLD_SLOTS", "2")
    monkeypatch.setattr("core.searcher.PATIENCE_SECONDS", 0.0)  # nobody ends what these tests stop
    return spawned


def plan(recipe, *texts: str, **more) -> Search:
    texts = texts or ("learning_rate=0.001:1", "momentum")
    return Search(recipe, tuple(parse_range(text, recipe) for text in texts), **more)


@pytest.fixture
def searched(store, tiny_recipe, quiet):
    """Makes a searcher for a plan of 7 epochs, with its machine and its clock."""

    def make(*texts, **more):
        recipe = dataclasses.replace(tiny_recipe, epochs=7)
        files = begin(store, plan(recipe, *texts, **more))
        return Searcher(files, Machine(), Clock())

    return make


def restarted(searcher: Searcher) -> Searcher:
    """As after a kill: nothing of it is left but the files."""
    return Searcher(find_search(searcher.store, searcher.files.id), searcher._trainer, Clock())


def run_of(searcher: Searcher, number: int) -> Run:
    return searcher.store.get(searcher.outcomes[number - 1].trial.run_id)


def states(searcher: Searcher) -> list[str]:
    return [str(one.state) for one in searcher.outcomes]


def test_every_place_is_busy_and_one_run_waits(searched):
    searcher = searched()
    assert searcher.tick() is False
    assert len(searcher.outcomes) == 3  # two places
    machine = searcher._trainer
    machine.finish(run_of(searcher, 1), 0.5)
    assert searcher.tick() is False
    assert states(searcher) == ["finished", "waiting", "waiting", "waiting"]
    assert len(set(machine.started)) == len(machine.started) == 4


def test_wide_recipe_that_takes_all_places_has_one_behind_it(searched, monkeypatch):
    monkeypatch.setattr("core.searcher.places_for", lambda recipe: 2)
    searcher = searched()
    searcher.tick()
    assert len(searcher.outcomes) == 2


def test_all_runs_have_the_seed_of_the_search_and_only_its_fields_differ(searched):
    searcher = searched(seed=7)
    searcher.tick()
    for one in searcher.outcomes:
        spec = one.run.spec
        assert spec.seed == 7
        assert spec.recipe == dataclasses.replace(searcher.search.base, **one.trial.values)


def test_halving_stops_the_worst_and_nothing_else(searched):
    searcher = searched(halving=True)
    searcher.tick()
    machine, first, second, third = searcher._trainer, *(run_of(searcher, n) for n in (1, 2, 3))
    machine.train(first, 0.30)
    machine.train(second, 0.20)
    searcher.tick()
    assert states(searcher)[:2] == ["running", "running"]  # two are too few to judge
    machine.train(third, 0.10)
    searcher.tick()
    assert states(searcher)[:3] == ["running", "running", "stopped early"]
    assert third.marked("pause") and not first.marked("pause") and not second.marked("pause")
    machine.end(third)
    assert third.state() is RunState.PAUSED
    machine.train(second, 0.9, 0.9)  # what was kept at a rung is not judged there again
    machine.train(first, 0.3, 0.3)
    searcher.tick()
    assert states(searcher)[:2] == ["running", "running"]
    assert searcher.outcomes[0].trial.rungs == {1: True, 3: True}
    assert searcher.outcomes[2].trial.cut_at == 1


def test_without_halving_the_worst_is_left_alone(searched):
    searcher = searched()
    searcher.tick()
    for number in (1, 2, 3):
        searcher._trainer.train(run_of(searcher, number), 0.9 / number, 0.1, 0.1)
    searcher.tick()
    assert states(searcher)[:3] == ["running"] * 3


def test_judgement_survives_a_restart(searched, monkeypatch):
    searcher = searched(halving=True)
    searcher.tick()
    for number, accuracy in ((1, 0.3), (2, 0.2), (3, 0.1)):
        searcher._trainer.train(run_of(searcher, number), accuracy)
    monkeypatch.setattr(searcher, "_pause", killing)  # the kill comes between the line and the deed
    with pytest.raises(Killed):
        searcher.tick()
    assert not run_of(searcher, 3).marked("pause")
    again = restarted(searcher)
    assert run_of(again, 3).marked("pause")
    again.tick()
    assert [one.trial.rungs for one in again.outcomes[:3]] == [{1: True}, {1: True}, {1: False}]
    assert again.outcomes[2].state is TrialState.CUT


def test_cut_run_that_a_person_has_go_on_is_not_paused_again_by_the_next_searcher(searched):
    searcher = searched(halving=True)
    searcher.tick()
    machine, cut = searcher._trainer, run_of(searcher, 3)
    for number, accuracy in ((1, 0.3), (2, 0.2), (3, 0.1)):
        machine.train(run_of(searcher, number), accuracy)
    searcher.tick()
    machine.end(cut)
    assert cut.state() is RunState.PAUSED
    enqueue(searcher.store, cut)
    again = restarted(searcher)
    again.tick()
    assert cut.state() in (RunState.QUEUED, RunState.RESUMING) and cut.queued and not cut.marked("pause")
    assert again.outcomes[2].state is TrialState.CUT and again.outcomes[2].accuracies == (0.1,)


class Killed(BaseException):
    pass


def killing(*arguments):
    raise Killed


@pytest.mark.parametrize("deeds", range(1, 18))
def test_kill_between_any_two_deeds_starts_no_trial_twice(searched, monkeypatch, deeds):
    """Each line that is written and each run that is started may be the last deed of a process."""
    searcher = searched(most_runs=4)
    left = [deeds]

    def dying(deed):
        def done(*arguments):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return deed(*arguments)

        return done

    machine = searcher._trainer
    monkeypatch.setattr(searcher._log, "append", dying(searcher._log.append))
    monkeypatch.setattr(machine, "start", dying(machine.start))
    monkeypatch.setattr(searcher.store, "open", dying(searcher.store.open))
    with contextlib.suppress(Killed):
        finish_all(searcher, rounds=2)
    left[0] = 1000
    searcher = restarted(searcher)
    finish_all(searcher)
    assert searcher.files.end().sentence == "It has made all the runs that it was to make."
    assert [one.number for one in searcher.files.trials()] == [1, 2, 3, 4]
    assert len(searcher.store.runs()) == 4  # no orphan, no second attempt
    assert all(run.spec.attempt == 1 and run.state() is RunState.FINISHED for run in searcher.store.runs())


def finish_all(searcher: Searcher, rounds: int = 20) -> None:
    """Tick, and let the machine finish what waits, until the search is over."""
    for _ in range(rounds):
        if searcher.tick():
            return
        for one in searcher.outcomes:
            if one.state.open:
                searcher._trainer.finish(one.run, 0.5 + one.trial.number / 100)


def test_torn_last_line_is_cut(searched):
    searcher = searched()
    searcher.tick()
    before = searcher.files.trials()
    with searcher.files.path("jsonl").open("a") as file:
        file.write('{"trial": 4, "val')
    assert searcher.files.trials() == before
    again = restarted(searcher)
    again.tick()
    assert again.files.trials() == before


def test_searcher_goes_on_behind_a_damaged_line_and_gives_no_number_twice(searched):
    searcher = searched(most_runs=5)
    searcher.tick()
    path = searcher.files.path("jsonl")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"trial": 2,' not in line) + "\0\0\0\n")
    again = restarted(searcher)
    again.tick()
    again._trainer.finish(run_of(again, 1), 0.5)
    again.tick()
    numbers = [one.number for one in again.files.trials()]
    assert numbers[:2] == [1, 3] and len(numbers) == len(set(numbers)) >= 3
    assert again.files.log().damaged == 1


@pytest.mark.parametrize("spent", ['{"seconds": "x"}', '{"seconds": -5}', '{"seconds": NaN}', "[]", "\0\0"])
def test_budget_whose_file_is_damaged_begins_at_the_last_end_that_is_known(searched, spent):
    searcher = searched()
    searcher.tick()
    searcher._log.append({"trial": 1, "ended_at": 21.5})
    searcher.files.path("spent.json").write_text(spent)
    assert searcher.files.spent_seconds() == 21.5


@pytest.mark.parametrize("end", ['{"time": 1, "sentence": [1]}', '{"time": "x", "sentence": "Over."}', "[]"])
def test_end_that_is_damaged_is_an_end_without_a_sentence(searched, end):
    files = searched().files
    files.path("end.json").write_text(end)
    assert files.over and files.end() is None


@pytest.mark.parametrize("created", ["NaN", "1e300", "-1", '"x"', "1" + "0" * 400])
def test_search_of_no_date_is_left_out(searched, created):
    files = searched().files
    path = files.path("json")
    values = path.read_text()
    before, _, rest = values.partition('"created": ')
    path.write_text(f'{before}"created": {created}{rest[rest.index(",") :]}')
    assert searches.searches(files.store) == []


def test_budget_ends_the_search_and_stops_what_is_unfinished(searched):
    searcher = searched(minutes=1)
    searcher.tick()
    machine, clock = searcher._trainer, searcher._clock
    machine.finish(run_of(searcher, 1), 0.5)
    machine.train(run_of(searcher, 2), 0.4)
    searcher.tick()
    clock.now += 59
    assert searcher.tick() is False
    clock.now += 2
    assert searcher.tick() is True
    found = searcher.files
    assert found.over and not found.end().failed
    assert found.end().sentence == "Its minute is over. 3 unfinished runs were stopped."
    assert run_of(searcher, 2).marked("cancel") and not run_of(searcher, 1).marked("cancel")
    assert found.spent_seconds() == pytest.approx(61)


def test_budget_goes_on_after_a_restart_and_not_while_nothing_of_it_trains(searched):
    searcher = searched(minutes=1)
    searcher.tick()
    searcher._clock.now += 100  # others are before it in the queue
    assert searcher.tick() is False and searcher._spent == 0
    searcher._trainer.train(run_of(searcher, 1), 0.4)
    searcher.tick()
    searcher._clock.now += 40
    searcher.tick()
    again = restarted(searcher)
    again.tick()
    again._clock.now += 19
    assert again.tick() is False
    again._clock.now += 2
    assert again.tick() is True


def test_no_more_runs_than_asked_for(searched):
    searcher = searched(most_runs=5)
    finish_all(searcher)
    assert states(searcher) == ["finished"] * 5
    assert best(searcher.outcomes).trial.number == 5


def test_end_of_all_combinations_is_an_end(searched):
    searcher = searched("batch_size=128,256", "nesterov")
    finish_all(searcher)
    assert len(searcher.outcomes) == 4 and searcher.files.end().sentence == "Every combination was tried."


def test_run_that_exists_counts_at_once(searched, finished_run, tiny_recipe, store, quiet):
    search = Search(tiny_recipe, (parse_range("learning_rate=0.02,0.05", tiny_recipe),), seed=42, most_runs=2)
    searcher = Searcher(begin(store, search), Machine(), Clock())
    searcher.tick()
    (known,) = [one for one in searcher.outcomes if one.trial.known]
    assert known.run.id == finished_run.id and known.state is TrialState.FINISHED
    assert known.accuracy == finished_run.history().validation_accuracy
    assert finished_run.id not in searcher._trainer.started and len(searcher._trainer.started) == 1


def test_run_of_somebody_else_is_joined_and_never_stopped(searched, store, shapes_fingerprint):
    searcher = searched("batch_size=128,256", "nesterov", halving=True, minutes=1)
    everything = [
        searcher.search.recipe({"batch_size": size, "nesterov": nesterov})
        for size, nesterov in itertools.product((128, 256), (False, True))
    ]
    theirs = [store.open(recipe, 42, shapes_fingerprint)[0] for recipe in everything]
    machine = searcher._trainer
    for run in theirs:
        store.enqueue(run)
    for run, accuracy in zip(theirs, (0.9, 0.8, 0.7, 0.1), strict=True):
        machine.train(run, accuracy)
    searcher.tick()
    searcher.tick()
    assert machine.started == [] and set(states(searcher)) == {"running"}
    searcher._clock.now += 100
    searcher.tick()
    assert searcher.tick() is True
    assert not any(run.marked("cancel") or run.marked("pause") for run in theirs)


def test_stopped_search_stops_its_runs_and_goes_on_with_them(searched, quiet):
    searcher = searched(most_runs=3)
    searcher.tick()
    machine = searcher._trainer
    machine.train(run_of(searcher, 1), 0.4)
    stop_search(searcher.files)
    assert searcher.tick() is True
    assert searcher.files.stopped and not searcher.files.over and not searcher.files.running
    assert run_of(searcher, 1).marked("cancel") and run_of(searcher, 2).state() is RunState.CANCELLED
    machine.end(run_of(searcher, 1))
    before = len(quiet)
    wake_searches(searcher.store)
    assert len(quiet) == before  # nobody wakes what a person stopped
    go_on(searcher.files)
    again = restarted(searcher)
    again.tick()
    assert not any(run_of(again, number).marked("cancel") for number in (1, 2, 3))
    finish_all(again)
    assert states(again) == ["finished"] * 3 and len(again.store.runs()) == 3


def test_trial_that_a_person_stopped_or_deleted_does_not_hold_the_search_up(searched):
    import shutil

    searcher = searched(most_runs=4)
    searcher.tick()
    stop_run(searcher.store, run_of(searcher, 1))
    shutil.rmtree(run_of(searcher, 2).folder)
    finish_all(searcher)
    assert states(searcher) == ["stopped", "deleted", "finished", "finished"]
    assert searcher.files.over
    assert run_of(restarted(searcher), 1).marked("cancel")


def test_search_whose_runs_all_fail_ends_with_the_reason(searched):
    searcher = searched()
    for _ in range(HOPELESS + 1):
        if searcher.tick():
            break
        one = next(one for one in searcher.outcomes if one.state.open)
        searcher._trainer.train(one.run)
        searcher._trainer.end(one.run, Failed(1.0, "error", "The network has no layers."))
    assert searcher.files.over and "The network has no layers." in searcher.files.end().sentence


def test_diverged_run_is_a_result_and_the_search_goes_on(searched):
    searcher = searched(most_runs=4)
    searcher.tick()
    searcher._trainer.train(run_of(searcher, 1))
    searcher._trainer.end(run_of(searcher, 1), Failed(1.0, "diverged", "The loss is not finite."))
    finish_all(searcher)
    assert states(searcher) == ["diverged", *["finished"] * 3]


def test_double_click_makes_one_search_and_a_second_one_later_makes_another(store, tiny_recipe, quiet):
    first, second = (begin(store, plan(tiny_recipe)) for _ in range(2))
    assert first.id == second.id and len(searches.searches(store)) == 1
    searches.write_end(first, "Over.")
    assert begin(store, plan(tiny_recipe)).id != first.id
    assert begin(store, plan(tiny_recipe, minutes=9)).id != first.id


def test_plan_is_never_written_again(searched):
    searcher = searched(most_runs=3)
    path = searcher.store.folder / searches.FOLDER / f"{searcher.files.id}.json"
    before = path.read_bytes(), path.stat().st_ino
    finish_all(searcher)
    assert (path.read_bytes(), path.stat().st_ino) == before


def test_dead_search_is_woken_and_a_living_or_finished_one_is_not(searched, quiet):
    searcher = searched()
    quiet.clear()
    wake_searches(searcher.store)
    assert quiet == [(str(searcher.store.folder), searcher.files.id)]
    lock = FileLock(searcher.files.path("lock"))
    assert lock.acquire()
    wake_searches(searcher.store)
    assert len(quiet) == 1
    lock.release()
    searches.write_end(searcher.files, "Over.")
    wake_searches(searcher.store)
    assert len(quiet) == 1


@pytest.mark.parametrize("search_id", ["", "0" * 12, "../../etc", "x" * 5000])
def test_unknown_search_is_a_sentence(store, search_id):
    with pytest.raises(UserError, match="no such search"):
        find_search(store, search_id)


def test_damaged_plan_is_left_out(searched):
    searcher = searched()
    path = searcher.store.folder / searches.FOLDER / f"{searcher.files.id}.json"
    path.write_text(path.read_text()[:-20])
    assert searches.searches(searcher.store) == []
    wake_searches(searcher.store)


def test_images_that_changed_end_the_search_in_a_sentence(store, tiny_recipe, quiet, monkeypatch):
    files = begin(store, plan(tiny_recipe))
    monkeypatch.setattr("core.searcher.ready_fingerprint", lambda recipe: "others")
    assert main([str(store.folder), files.id]) == 1
    assert files.end().failed and "images have changed" in files.end().sentence
    assert not is_held(files.path("lock"))


def test_full_disk_ends_the_process_and_not_the_search(store, tiny_recipe, quiet, monkeypatch):
    def full(*arguments, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    files = begin(store, plan(tiny_recipe))
    monkeypatch.setattr("core.searcher.Searcher.tick", full)
    assert main([str(store.folder), files.id]) == 1
    assert files.running and not is_held(files.path("lock"))
    monkeypatch.setattr("core.searcher.Searcher.tick", lambda self: 1 / 0)
    assert main([str(store.folder), files.id]) == 1
    assert files.over and "ZeroDivisionError" in files.end().sentence


def test_run_whose_process_was_killed_with_the_search_is_started_again(
    store, tiny_recipe, quiet, monkeypatch
):
    monkeypatch.setenv("TENFOLD_EXECUTOR", "inline")
    files = begin(store, plan(tiny_recipe, "learning_rate=0.01:0.05", "nesterov", most_runs=1))

    def die(self, store, runs) -> None:
        enqueue(store, runs[0])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("core.executors.inline.Inline.start", die)
        main([str(store.folder), files.id])
    (run,) = store.runs()
    assert run.queued and run.state() is RunState.QUEUED
    assert main([str(store.folder), files.id]) == 0
    assert run.state() is RunState.FINISHED and files.over


def test_killed_process_goes_on_where_it_was(store, tiny_recipe, quiet, monkeypatch):
    """The real thing: SIGKILL while it searches, then another process to the end."""
    files = begin(store, plan(tiny_recipe, "learning_rate=0.01:0.05", "nesterov", most_runs=3))
    command = [sys.executable, "-m", "core.searcher", str(store.folder), files.id]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TENFOLD_EXECUTOR": "inline"})
    deadline = time.monotonic() + 60
    while not any(one.ended_at for one in files.trials()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    known = [one.run_id for one in files.trials() if one.run_id]
    assert known and not files.over
    assert main([str(store.folder), files.id]) == 0
    trials = files.trials()
    assert [one.run_id for one in trials][: len(known)] == known
    assert len(store.runs()) == len(trials) == 3 and files.over
    assert all(run.state() is RunState.FINISHED and run.spec.attempt == 1 for run in store.runs())
    found = [outcome(files, one, Run.history) for one in trials]
    assert best(found).accuracy == max(run.history().validation_accuracy for run in store.runs())
