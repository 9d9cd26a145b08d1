"""What is tried next: Optuna, on a study that is made anew from our own runs."""

import math
import statistics

import optuna
import pytest

from core.search import importances, keeps_up, propose, rebuilt
from core.search_log import Trial
from core.search_space import METHODS, REDUCTION, Search, rungs, share_trained
from core.searches import Outcome, TrialState
from tests.test_search_space import QUICK, plan


def ended(number: int, values: dict, accuracy: float | None, state=TrialState.FINISHED, curve=()) -> Outcome:
    return Outcome(Trial(number, values), None, state, tuple(curve), accuracy)


def searched(search: Search, accuracy_of, n: int) -> list[Outcome]:
    """The trials of a search whose runs give what a formula says."""
    found = []
    for number in range(1, n + 1):
        values = propose(search, found)
        found.append(ended(number, values, accuracy_of(values)))
    return found


def by_learning_rate(values: dict) -> float:
    """Best at 0.02, whatever the rest."""
    return 0.9 - 0.2 * abs(math.log10(values["learning_rate"] / 0.02))


def test_rebuilt_study_equals_the_trials():
    search = plan("learning_rate", "optimizer")
    rate = search.ranges[0].values
    outcomes = [
        ended(1, {"learning_rate": rate[3], "optimizer": "adam"}, 0.7, curve=(0.4, 0.7)),
        ended(2, {"learning_rate": rate[0], "optimizer": "sgd"}, None, TrialState.CUT, (0.2,)),
        ended(3, {"learning_rate": rate[-1], "optimizer": "sgd"}, None, TrialState.DIVERGED),
        ended(4, {"learning_rate": rate[1], "optimizer": "sgd"}, None, TrialState.STOPPED, (0.3,)),
        ended(5, {"learning_rate": rate[2], "optimizer": "sgd"}, None, TrialState.RUNNING, (0.3,)),
    ]
    trials = rebuilt(search, outcomes, seed=1).trials
    states = optuna.trial.TrialState
    assert [trial.state for trial in trials] == [
        states.COMPLETE,
        states.PRUNED,
        states.COMPLETE,
        states.RUNNING,
    ]
    assert [trial.params["learning_rate"] for trial in trials] == [3, 0, len(rate) - 1, 2]
    assert trials[0].params["optimizer"] == "adam"
    assert trials[0].value == 0.7 and trials[0].intermediate_values == {1: 0.4, 2: 0.7}
    assert trials[1].intermediate_values == {1: 0.2}
    assert trials[2].value == 0.0  # the worst there is: its neighbours are avoided


@pytest.mark.parametrize("method", METHODS)
def test_values_lie_in_their_ranges_and_no_recipe_comes_twice(method):
    search = plan("learning_rate=0.001:0.1", "batch_size=16,32", "nesterov", "momentum=0:0.9", method=method)
    found = searched(search, by_learning_rate, 30)
    names = {search.recipe(one.trial.values).digest("") for one in found}
    assert len(names) == 30
    for one in found:
        assert all(one.trial.values[each.field] in each.values for each in search.ranges)


def test_search_ends_when_every_combination_was_tried():
    search = plan("batch_size=16,32", "optimizer=sgd,adam", "momentum=0.8,0.9")  # no momentum under Adam
    found = searched(search, lambda values: 0.5, 6)
    assert len({search.recipe(one.trial.values).digest("") for one in found}) == 6
    assert propose(search, found) is None


def test_values_that_do_not_go_together_are_passed_over(monkeypatch):
    """No two fields of today's recipes exclude each other within a search; a depth of 9 stands in for that."""
    search = plan("depth=8,14", recipe=QUICK.changed(["model=residual"]))
    object.__setattr__(search.ranges[0], "values", (8, 9, 10, 14))
    found = searched(search, lambda values: 0.5, 2)
    assert sorted(one.trial.values["depth"] for one in found) == [8, 14]
    assert propose(search, found) is None


def test_tpe_spends_its_trials_near_the_best_values_and_random_does_not():
    def distance(method: str) -> float:
        search = plan("learning_rate=0.00001:1", "batch_size", "momentum", method=method)
        late = searched(search, by_learning_rate, 30)[15:]
        return statistics.mean(abs(math.log10(one.trial.values["learning_rate"] / 0.02)) for one in late)

    assert distance("tpe") < 0.7 * distance("random")


def test_same_trials_give_the_same_proposal_and_another_seed_another():
    search = plan("learning_rate=0.00001:1", "momentum")
    found = searched(search, by_learning_rate, 8)
    assert propose(search, found) == propose(search, found)
    proposals = {
        str(propose(plan("learning_rate=0.00001:1", "momentum", seed=seed), found)) for seed in range(5)
    }
    assert len(proposals) > 1


def test_nothing_is_stored_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    search = plan("learning_rate", "width")
    found = searched(search, by_learning_rate, 10)
    assert isinstance(rebuilt(search, found, 0)._storage, optuna.storages.InMemoryStorage)
    assert importances(search, found)
    assert list(tmp_path.rglob("*")) == []


def test_importances_name_the_field_that_decides():
    search = plan("learning_rate=0.0001:1", "batch_size", "flip", method="random")
    shares = importances(search, searched(search, by_learning_rate, 40))
    assert next(iter(shares)) == "learning_rate" and shares["learning_rate"] > 0.6
    assert sum(shares.values()) == pytest.approx(1)


def test_importances_count_runs_that_were_stopped_early():
    search = plan("learning_rate=0.0001:1", "flip", method="random")
    found = searched(search, by_learning_rate, 30)
    cut = [
        ended(one.trial.number, one.trial.values, None, TrialState.CUT, (one.accuracy,))
        if one.accuracy < 0.75
        else one
        for one in found
    ]
    assert {one.state for one in cut} == {TrialState.CUT, TrialState.FINISHED}
    assert importances(search, cut) == importances(search, found)


def test_importances_of_few_or_equal_runs_are_not_told():
    search = plan("learning_rate", "width")
    assert importances(search, searched(search, by_learning_rate, 7)) == {}
    assert importances(search, searched(search, lambda values: 0.5, 9)) == {}


def test_rungs_lie_three_times_as_far_apart_each():
    assert rungs(1) == [] and rungs(7) == [1, 3] and rungs(38) == [1, 3, 9, 27] and rungs(27) == [1, 3, 9]


def test_runs_beyond_the_top_third_of_their_rung_fall_behind():
    assert keeps_up(0.1, []) and keeps_up(0.1, [0.9])  # too few to judge
    assert keeps_up(0.9, [0.8, 0.7]) and not keeps_up(0.75, [0.8, 0.7])
    others = [0.1 * number for number in range(1, 9)]
    kept = [value for value in (0.05, 0.55, 0.65, 0.75, 0.85) if keeps_up(value, others)]
    assert kept == [0.65, 0.75, 0.85]  # of nine, three
    assert keeps_up(0.8, [0.8] * 5)  # equal ones are no better


@pytest.mark.parametrize(
    ("runs", "kept"), [(3, 1), (4, 1), (5, 1), (6, 2), (8, 2), (9, 3), (10, 3), (100, 33)]
)
def test_third_that_goes_on_is_rounded_down_and_never_empty(runs, kept):
    accuracies = [number / runs for number in range(runs)]
    going = [
        accuracy
        for place, accuracy in enumerate(accuracies)
        if keeps_up(accuracy, accuracies[:place] + accuracies[place + 1 :])
    ]
    assert going == accuracies[-kept:]


def test_average_run_under_halving_is_as_short_as_its_rungs_say():
    assert share_trained(1) == 1
    assert share_trained(7) == pytest.approx((1 + 2 / 3 + 4 / 9) / 7)
    assert REDUCTION == 3
