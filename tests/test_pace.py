"""Live parts tick less often the more browsers watch, and never more often than they ask for."""

import pytest

from pages.parts import pace


@pytest.mark.parametrize("base", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("watching", [1, 2, 7, 50, 400, 10_000])
def test_ticks_of_all_sessions_stay_within_their_share(base, watching):
    pause = pace.seconds(base, watching)
    assert pause >= base
    if pause > base:
        assert watching * pace.TICK_CPU_SECONDS / pause <= pace.SHARE + 1e-9
        assert (
            watching * pace.TICK_CPU_SECONDS / (pause / pace.STEP) > pace.SHARE
        )  # and no slower than that needs


def test_one_person_gets_the_pace_that_a_part_asks_for():
    assert [pace.seconds(base) for base in (0.5, 1.0, 2.0)] == [0.5, 1.0, 2.0]


def test_page_learns_of_a_slower_pace_at_once_and_of_a_faster_one_late(monkeypatch):
    watching = {"now": 1}
    monkeypatch.setattr(pace, "sessions", lambda: watching["now"])
    limit = next(number for number in range(20, 1000) if pace.seconds(1.0, number) > pace.seconds(1.0, 20))
    fewer, crowded = pace.seconds(1.0, 20), pace.seconds(1.0, limit)
    watching["now"] = limit
    assert pace.is_outdated(fewer, 1.0) and not pace.is_outdated(crowded, 1.0)
    watching["now"] = limit - 1  # one left, and may be back in a moment
    assert not pace.is_outdated(crowded, 1.0)
    watching["now"] = 1
    assert pace.is_outdated(crowded, 1.0)


def test_second_tab_that_comes_and_goes_redraws_once(monkeypatch):
    monkeypatch.setattr(pace, "sessions", lambda: 1)
    assert not pace.is_outdated(pace.seconds(1.0, 2), 1.0)


def test_page_that_moves_gets_the_clock_of_its_sessions(app, queued_run, monkeypatch):
    """The interval is in no element of `AppTest`, so it is read where Streamlit is told of it."""
    told = []
    fragment = pace.st.fragment
    monkeypatch.setattr(pace, "sessions", lambda: 50)
    monkeypatch.setattr("core.executors.inline.Inline.wake", lambda self, store: None)
    monkeypatch.setattr(
        pace.st, "fragment", lambda part, run_every=None: told.append(run_every) or fragment(part)
    )
    app.query_params["run"] = queued_run.id
    app.run().switch_page("pages/train.py").run()
    assert not app.exception
    assert pace.seconds(1.0, 50) in told and all(pause is None or pause >= 2.0 for pause in told)
