"""Predict before you reveal: the guess, what is written down of it, and how far off it is said to be."""

import json

import pytest

from core.guesses import guess_in_words, last_guess, read_guess
from core.presets import PRESETS
from core.settings import write_settings
from tests.fake_runs import finished
from tests.test_pages import fresh_caches, no_probe, text, visit  # noqa: F401  (fixtures)

RECIPE = PRESETS["report-baseline"].recipe


@pytest.fixture
def asks(store):
    """A dashboard whose teacher wants guesses."""
    write_settings(store.folder, guess_test=True)


def guess(app, key: str, name: str, value: float | None):
    """Type a guess and send it."""
    app.number_input(key=f"{key}.guess.{name}").set_value(value)
    app.button(key=key).click().run()
    assert not app.exception


def lines(run) -> list[dict]:
    return [json.loads(line) for line in (run.folder / "looks.jsonl").read_text().splitlines()]


def plain(app) -> str:
    return text(app).replace("\\", "")


@pytest.mark.parametrize(
    "accuracy, said",
    [
        (0.676, "You guessed 65%, it is 67.6%: 2.6 points off."),
        (0.6249, "You guessed 65%, it is 62.5%: 2.5 points off."),
        (0.65004, "You guessed 65%, it is 65.0%: exactly right."),
    ],
)
def test_distance_is_that_of_the_figures_as_they_are_shown(accuracy, said):
    assert guess_in_words(0.65, accuracy) == said


@pytest.mark.parametrize(
    "line",
    ["", "{", "[]", "null", '{"time": 1, "where": "x"}']
    + [f'{{"guess": {value}}}' for value in ("true", '"0.5"', "null", "-0.1", "1.01", "NaN", "1e999", "[]")],
)
def test_line_without_a_valid_guess_holds_none(line):
    assert read_guess(line) is None


def test_guess_of_a_mean_is_no_guess_of_one_run(finished_run):
    finished_run.look("seeds page", 0.7, runs=5)
    assert last_guess(finished_run.folder) is None
    assert last_guess(finished_run.folder, runs=5) == 0.7


def test_last_guess_is_found_among_looks_of_older_versions(finished_run):
    (finished_run.folder / "looks.jsonl").write_text('{"time": 1, "where": "runs page"}\n')
    assert finished_run.look("runs page", 0.25) == 2
    finished_run.look("runs page")
    assert finished_run.looks() == 3 and last_guess(finished_run.folder) == 0.25


def test_nobody_is_asked_unless_the_settings_say_so(app, store):
    (run,) = finished(store, RECIPE, {42: (0.7, 0.676)})
    app.session_state["runs.tab"] = "Results"
    visit(app, "pages/runs.py")
    assert not [box for box in app.number_input if "guess" in box.label]
    app.button(key=f"reveal-{run.id}").click().run()
    assert "guessed" not in plain(app) and "guess" not in lines(run)[0]


def test_teacher_switches_guesses_on_and_a_run_is_guessed_before_it_is_shown(app, store):
    (run,) = finished(store, RECIPE, {42: (0.7, 0.676)})
    visit(app, "pages/settings.py")
    app.toggle(key="settings.guess").set_value(True).run()
    app.session_state["runs.tab"] = "Results"
    app.switch_page("pages/runs.py").run()
    assert "67.6" not in plain(app)
    guess(app, f"reveal-{run.id}", run.id, 65)
    assert "You guessed 65%, it is 67.6%: 2.6 points off." in plain(app)
    assert [(line["where"], line["guess"]) for line in lines(run)] == [("runs page", 0.65)]


def test_no_guess_is_allowed_and_an_empty_one_reveals_nothing(app, store, asks):
    (run,) = finished(store, RECIPE, {42: (0.7, 0.676)})
    app.session_state["runs.tab"] = "Results"
    visit(app, "pages/runs.py")
    guess(app, f"reveal-{run.id}", run.id, None)
    assert "Type your guess first" in app.error[0].value and run.looks() == 0
    app.button(key=f"reveal-{run.id}.no-guess").click().run()
    assert "67.6%" in plain(app) and "guessed" not in plain(app)
    assert "guess" not in lines(run)[0]


def test_guess_of_a_sweep_is_of_the_mean_and_is_told_after_a_refresh(app, store, asks):
    runs = finished(store, RECIPE, {0: (0.7, 0.66), 1: (0.7, 0.68)})
    digest = runs[0].spec.digest
    visit(app, "pages/seeds.py")
    guess(app, "reveal", digest, 60)
    assert "You guessed 60%, the mean of 2 runs is 67.0%: 7.0 points off." in plain(app)
    assert [(line["guess"], line["runs"]) for run in runs for line in lines(run)] == [(0.6, 2)] * 2
    for name in ("revealed", "revealed.sweeps", "revealed.guesses"):  # what a refresh forgets
        del app.session_state[name]
    app.run()
    assert "guessed" not in plain(app).lower()
    app.button(key="reveal.no-guess").click().run()
    assert "Guessed at an earlier look: 60%, the mean of 2 runs is 67.0%" in plain(app)


def test_each_recipe_of_several_is_guessed_by_itself(app, store, asks):
    import dataclasses

    one = finished(store, RECIPE, {0: (0.7, 0.66), 1: (0.7, 0.68)})
    other = finished(store, dataclasses.replace(RECIPE, epochs=9), {0: (0.7, 0.7), 1: (0.7, 0.72)})
    visit(app, "pages/seeds.py", recipes=f"{one[0].spec.digest},{other[0].spec.digest}")
    guess(app, "reveal", other[0].spec.digest, 71)
    assert "You guessed 71%, the mean of 2 runs is 71.0%: exactly right." in plain(app)
    assert all("guess" not in lines(run)[0] for run in one) and all(
        lines(run)[0]["guess"] == 0.71 for run in other
    )


def test_number_of_the_report_is_guessed_too(app, store, asks):
    (run,) = finished(store, RECIPE, {42: (0.7, 0.7501)})
    visit(app, "pages/report.py")
    guess(app, "report-reveal-baseline", "report.baseline", 70)
    assert "You guessed 70%, it is 75.0%: 5.0 points off." in plain(app)
    assert lines(run)[0]["guess"] == 0.7
