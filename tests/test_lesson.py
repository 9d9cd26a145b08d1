"""Two equal recipes, drawn often: leads and alarms are as large as theory says, and no larger."""

import math
import time

import numpy as np
import pytest

from core import stats
from core.lesson import Simulated, _welch_p, lesson, one_draw

REPORT = Simulated(0.7591, 0.0034)
POOL = np.array([0.750, 0.754, 0.756, 0.757, 0.759, 0.760, 0.761, 0.763, 0.765, 0.766])


def chance(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def simulated():
    return lesson(REPORT, draws=20_000, generator=chance())


@pytest.mark.parametrize("n", [1, 3, 10])
def test_mean_lead_is_that_of_two_normal_means(simulated, n):
    """The mean of |x − y| for two means of n is 2/√π · sd/√n."""
    assert simulated.by_n[n].leads.mean() == pytest.approx(
        2 / math.sqrt(math.pi) * 0.0034 / math.sqrt(n), rel=0.03
    )


@pytest.mark.parametrize(("n", "low", "high"), [(3, 0.025, 0.05), (10, 0.04, 0.055)])
def test_welch_raises_its_false_alarm_about_as_often_as_it_says(simulated, n, low, high):
    assert low < simulated.by_n[n].welch_false_alarms < high


@pytest.mark.parametrize(("n", "sds"), [(1, 0), (3, 0.846), (10, 1.539)])
def test_best_of_n_lies_above_the_mean_as_printed_tables_say(simulated, n, sds):
    assert simulated.by_n[n].best_sds == pytest.approx(sds, abs=0.02)


def test_single_seed_raises_no_alarm_but_leads_all_the_same(simulated):
    assert math.isnan(simulated.by_n[1].welch_false_alarms)
    shares = [simulated.by_n[n].share(0.003) for n in (1, 3, 10)]
    assert shares[0] > 0.5 > shares[1] > 0.1 > shares[2]


def test_welch_at_once_is_welch_one_by_one():
    arms = POOL[chance(1).integers(len(POOL), size=(2, 200, 3))]
    arms[0, :2], arms[1, 0], arms[1, 1] = 0.1, 0.1, 0.3  # no spread: equal, and apart
    expected = [stats.welch_p(a, b) for a, b in zip(*arms, strict=True)]
    assert _welch_p(*arms) == pytest.approx(expected, rel=1e-9)
    assert expected[:2] == [1, 0]


def test_arms_of_a_pool_hold_its_runs_and_repeat_them():
    one, other = one_draw(POOL, 50, chance())
    assert len(one) == len(other) == 50
    assert {*one} <= {*POOL} and len({*one}) < 50 and one.tolist() != other.tolist()


def test_next_draw_is_another():
    generator = chance()
    first, second = one_draw(REPORT, 3, generator)[0], one_draw(REPORT, 3, generator)[0]
    assert first.tolist() != second.tolist()


def test_same_generator_gives_the_same_lesson():
    one, other = (lesson(POOL, generator=chance(5)) for _ in range(2))
    assert all((one.leads()[n] == other.leads()[n]).all() for n in (1, 3, 10))


def test_lead_of_just_the_threshold_counts():
    assert 0.43 - 0.42 != 0.01  # in binary
    found = lesson(np.array([0.42, 0.43]), (1,), 400, generator=chance()).by_n[1]
    assert {*found.leads} == {0.0, 0.01} and found.share(0.01) == found.leads.astype(bool).mean()
    assert found.share(0.1 * 0.1) == found.share(0.01)


def test_mean_and_deviation_of_a_pool_are_those_of_what_is_drawn():
    found = lesson(POOL, (1,), 50_000, generator=chance())
    draws = POOL[chance().integers(10, size=100_000)]
    assert (found.mean, found.sd) == pytest.approx((draws.mean(), draws.std()), rel=0.01)


def test_recipe_whose_runs_are_all_equal_never_leads():
    found = lesson(np.full(4, 0.1), (1, 3), 50, generator=chance())
    assert found.by_n[3].leads.max() == 0 == found.by_n[3].welch_false_alarms
    assert math.isnan(found.by_n[3].best_sds)


def test_source_says_whether_runs_or_a_formula_speak():
    assert "your own 10 runs" in lesson(POOL, (1,), 1, generator=chance()).source
    assert lesson(REPORT, (1,), 1, generator=chance()).source.startswith("simulated")
    assert "75.91%" in lesson(REPORT, (1,), 1, generator=chance()).source


def test_lesson_is_drawn_while_a_slider_moves():
    """2,000 draws of all three counts; the best of five, since other processes share the machine."""
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        lesson(REPORT, generator=chance())
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 0.05


@pytest.mark.parametrize(
    "call",
    [
        lambda: lesson(np.array([0.5]), generator=chance()),
        lambda: lesson(np.array([0.5, math.nan]), generator=chance()),
        lambda: lesson(POOL[None], generator=chance()),
        lambda: lesson(POOL, (0,), generator=chance()),
        lambda: lesson(POOL, draws=0, generator=chance()),
        lambda: one_draw(np.array([]), 3, chance()),
        lambda: one_draw(POOL, 0, chance()),
        lambda: Simulated(math.nan, 0.1),
        lambda: Simulated(0.5, -0.1),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_reason(call):
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        call()
