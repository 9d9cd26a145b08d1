"""What to try next, what to stop, and what matters: Optuna's side of a search.

Optuna keeps nothing: a study in memory is made anew from our own runs whenever it is asked, which takes 3 to
15 ms for 10 to 200 trials, and no second record can disagree with the runs. It is imported where it acts, in
the searching process; no page does.
"""

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.errors import UserError
from core.search_space import REDUCTION, Range, Search
from core.searches import Outcome, TrialState
from core.seeds import derive

if TYPE_CHECKING:
    import optuna

RANDOM_FIRST = 6
"""TPE draws so many trials at random before it learns from them: budgets here are for tens of runs."""

TRIES = 30
"""So often it is asked again for something that is new and valid, before the first such is taken."""

MOST_LOOKED_AT = 100_000

FEWEST_FOR_IMPORTANCES = 8


def rebuilt(search: Search, outcomes: Sequence[Outcome], seed: int) -> "optuna.Study":
    """The trials so far as a study in memory.

    Values are places in the lists of the search, so that steps are as even as the ticks of a slider. A trial
    that diverged, or failed by itself, has the worst value there is rather than none: else its neighbours would
    be tried for ever. One that a person stopped or deleted says nothing and is left out.

    Args:
        seed: of the sampler's chance.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if search.method == "tpe":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(constant_liar=True, seed=seed, n_startup_trials=RANDOM_FIRST)
    else:
        sampler = optuna.samplers.RandomSampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials([trial for one in outcomes if (trial := _frozen(search, one))])
    return study


def _frozen(search: Search, one: Outcome) -> "optuna.trial.FrozenTrial | None":
    from optuna.trial import TrialState as State
    from optuna.trial import create_trial

    if one.state in (TrialState.STOPPED, TrialState.GONE):
        return None
    state, value = State.RUNNING, None
    if one.state is TrialState.FINISHED:
        state, value = State.COMPLETE, one.accuracy
    elif one.state in (TrialState.DIVERGED, TrialState.FAILED):
        state, value = State.COMPLETE, 0.0
    elif one.state is TrialState.CUT:
        state = State.PRUNED
    return create_trial(
        state=state,
        value=value,
        params={each.field: _to_optuna(each, one.trial.values[each.field]) for each in search.ranges},
        distributions=_distributions(search),
        intermediate_values=dict(enumerate(one.accuracies, start=1)),
    )


def _distributions(search: Search) -> "dict[str, optuna.distributions.BaseDistribution]":
    from optuna.distributions import CategoricalDistribution, IntDistribution

    return {
        one.field: IntDistribution(0, len(one.values) - 1)
        if one.ordered
        else CategoricalDistribution(one.values)
        for one in search.ranges
    }


def _to_optuna(of: Range, value: Any) -> Any:
    return of.values.index(value) if of.ordered else value


def _from_optuna(of: Range, found: Any) -> Any:
    return of.values[found] if of.ordered else found


def propose(search: Search, outcomes: Sequence[Outcome]) -> dict[str, Any] | None:
    """Values to try next: valid together, and of a recipe that this search has not tried.

    The same trials give the same values, except those that are under way.

    Returns:
        field -> value; None when everything was tried.
    """
    tried = {_name(search, one.trial.values) for one in outcomes}
    study = rebuilt(search, outcomes, derive(search.seed, "search", len(outcomes)) % 2**32)
    distributions = _distributions(search)
    for _ in range(TRIES):
        params = study.ask(distributions).params
        values = {one.field: _from_optuna(one, params[one.field]) for one in search.ranges}
        if (name := _name(search, values)) and name not in tried:
            return values
    names = [one.field for one in search.ranges]
    whole = itertools.product(*(one.values for one in search.ranges))
    for combination in itertools.islice(whole, MOST_LOOKED_AT):
        values = dict(zip(names, combination, strict=True))
        if (name := _name(search, values)) and name not in tried:
            return values
    return None


def _name(search: Search, values: dict[str, Any]) -> str:
    """What is the same for recipes that train alike; empty where the values don't go together."""
    try:
        return search.recipe(values).digest("")
    except UserError:
        return ""


def importances(search: Search, outcomes: Sequence[Outcome]) -> dict[str, float]:
    """How much each field decides whether a run is among the best ones; shares that add up to 1, largest first.

    By PED-ANOVA, of trials that have ended: one that successive halving stopped counts with the accuracy that
    it had then, as it would be among the worst anyway. Optuna's other two evaluators want scikit-learn. Empty
    below `FEWEST_FOR_IMPORTANCES` trials, where a share would be noise, or where all ended alike.

    Source: Watanabe, Bansal, Hutter: PED-ANOVA, IJCAI 2023 (arXiv 2304.10255).
    """
    used = [
        replace(one, state=TrialState.FINISHED, accuracy=one.accuracies[-1])
        if one.state is TrialState.CUT and one.accuracies
        else one
        for one in outcomes
        if one.state in (TrialState.FINISHED, TrialState.CUT, TrialState.DIVERGED)
    ]
    if len(used) < FEWEST_FOR_IMPORTANCES or len({one.accuracy for one in used}) < 2:
        return {}
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    study = rebuilt(search, used, seed=0)
    best_share = min(0.5, max(0.1, 4 / len(used)))  # with four runs among the best there is something to fit
    found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=best_share))
    return {name: float(share) for name, share in found.items()}


def keeps_up(accuracy: float, others: Sequence[float]) -> bool:
    """Whether a run is in the top third of all that reached its rung, itself included; judged from three on.

    A third is rounded down, yet at least one: of 3, 4 or 5 runs the best one, of 6 the best two.

    Not Optuna's pruner: that one keeps what it decided in attributes of its own storage, which a study that
    is made anew from runs has not.

    Source: asynchronous successive halving, Li et al. 2020 (arXiv 1810.05934).

    Args:
        others: validation accuracies at this rung of the other runs, stopped ones too.
    """
    everybody = len(others) + 1
    if everybody < REDUCTION:
        return True
    better = sum(other > accuracy for other in others)
    return better < max(1, everybody // REDUCTION)
