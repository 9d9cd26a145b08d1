"""What sweeps forbid to say, whatever the figures are."""

import dataclasses

import numpy as np
import pytest

from core import stats
from core.events import Failed, to_line
from core.index import RunIndex
from core.stats import Verdict
from core.sweep import settle_plan, sweeps
from core.verdicts import judge, raised_ps
from tests.test_sweep import finish

CLEARLY = (
    np.arange(1000) < np.array([900, 902, 898])[:, None],
    np.arange(1000) < np.array([800, 802, 798])[:, None],
)


@pytest.fixture
def two(store, tiny_recipe):
    """Two sweeps of three seeds each, all finished."""
    for epochs in (1, 2):
        recipe = dataclasses.replace(tiny_recipe, epochs=epochs)
        settle_plan(store, recipe.digest("data"), [0, 1, 2], [])
        for seed in range(3):
            finish(store.open(recipe, seed, "data")[0])
    return sweeps(store, RunIndex(store).rows())


def judged(a, b, **more):
    return judge(a, b, stats.compare(*CLEARLY, 0.01), 0.01, **more)


def test_final_sweeps_get_the_verdict_of_their_figures(two):
    found = judged(*two)
    assert found.verdict is Verdict.a_better and found.final and found.remarks == ()
    assert found.sentence.startswith("A is better than B: over 3 seeds each")


def test_no_verdict_before_all_planned_seeds_have_ended(store, two):
    """Else one could stop where it pleases."""
    a, b = two
    settle_plan(store, a.digest, [0, 1, 2, 3], [])
    (a,) = [sweep for sweep in sweeps(store, RunIndex(store).rows()) if sweep.digest == a.digest]
    found = judged(a, b)
    assert found.verdict is Verdict.too_few_seeds and not found.final
    assert found.sentence.startswith("No verdict yet: 3 of 4 seeds of A and 3 of 3 seeds of B")
    assert any(remark.startswith("A: not final") for remark in found.remarks)


def test_lost_seeds_are_told_with_the_verdict(store, two):
    a, b = two
    run, _ = store.open(b.recipe, 9, "data")
    run.events_path.write_text(to_line(Failed(1.0, "diverged", "It did.")))
    settle_plan(store, b.digest, [0, 1, 2, 9], RunIndex(store).rows())
    (b,) = [sweep for sweep in sweeps(store, RunIndex(store).rows()) if sweep.digest == b.digest]
    found = judged(a, b)
    assert found.final and "B: 1 diverged: without figures, not in them" in found.remarks


def test_many_comparisons_take_back_what_one_would_have_said(two):
    assert judged(*two, holm_p=0.04, comparisons=3).verdict is Verdict.a_better
    found = judged(*two, holm_p=0.06, comparisons=3)
    assert found.verdict is Verdict.no_evidence
    assert "once all 3 comparisons" in found.sentence and "0.060" in found.sentence


def test_ps_are_raised_over_all_pairs_that_have_one():
    several = stats.compare(*CLEARLY, 0.01)
    alone = stats.compare(CLEARLY[0][:1], CLEARLY[1], 0.01)
    found = raised_ps({("a", "b"): several.welch_p, ("a", "c"): alone.welch_p, ("b", "c"): several.welch_p})
    assert set(found) == {("a", "b"), ("b", "c")}
    assert found["a", "b"] == pytest.approx(2 * several.welch_p)
    assert raised_ps({("a", "c"): alone.welch_p}) == {}
