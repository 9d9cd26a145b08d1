"""The Search page as a person meets it: form, search, winner, and what stays covered."""

import dataclasses
import json

import pytest
from scipy.stats import binomtest

from core import searcher, searches
from core.config import Recipe
from core.paths import write_json
from core.search_space import Search, parse_range
from core.searches import TrialState, begin, best, outcome, write_end
from core.settings import write_settings
from core.store import Run, RunState
from tests.test_pages import fresh_caches, no_probe, text, visit  # noqa: F401  (fixtures)
from tests.test_searcher import Machine


@pytest.fixture
def spawned(monkeypatch):
    """The searching processes that would have been started."""
    found = []
    monkeypatch.setattr(searches, "spawn", lambda module, *arguments, log: found.append(arguments))
    return found


@pytest.fixture
def in_process(monkeypatch):
    """Searching happens in this process, before Start returns."""
    monkeypatch.setattr(searches, "spawn", lambda module, *arguments, log: searcher.main([*arguments]))


@pytest.fixture
def finished(store, tiny_recipe, finished_run, spawned):
    """A search of three runs: one that exists, one that ended at its first rung, one that diverged."""
    recipe = dataclasses.replace(tiny_recipe, learning_rate=0.02)
    ranges = (parse_range("learning_rate=0.01:0.03", recipe), parse_range("nesterov", recipe))
    files = begin(store, Search(recipe, ranges, minutes=2, halving=True))
    log = searcher._Log(files.path("jsonl"))
    for number, (rate, about) in enumerate(
        [
            (0.02, {"run": finished_run.id, "ours": False, "known": True}),
            (0.01, {"run": None, "ours": True, "known": False}),
            (0.03, {"run": None, "ours": True, "known": False}),
        ],
        start=1,
    ):
        values = {"learning_rate": rate, "nesterov": False}
        run, _ = store.open(files.search.recipe(values), 42, files.images)
        log.append({"trial": number, "time": 1.0, "values": values})
        log.append({"trial": number, **about, "run": run.id})
    machine = Machine()
    machine.train(store.get(files.trials()[1].run_id), 0.25)
    log.append({"trial": 2, "epoch": 1, "kept": False})
    for number, seconds in ((1, 1.0), (2, 30.0)):
        log.append({"trial": number, "ended_at": seconds})
    write_json(files.path("spent.json"), {"seconds": 60.0})
    return files


def test_first_visit_offers_three_fields_and_tells_what_they_mean(app, spawned):
    visit(app, "pages/search.py")
    assert app.multiselect(key="search.fields").value == ["learning_rate", "batch_size", "width"]
    low, high = app.select_slider(key="search.range.learning_rate.0.02").value
    assert (low, high) == (0.002, 0.2)
    assert "combinations" in text(app)
    helped = [*app.select_slider, *app.multiselect, *app.number_input, *app.selectbox, *app.toggle]
    assert len(helped) > 8 and all(widget.help for widget in helped)
    assert app.button(key="search.start").label == "Start the search"


def test_start_searches_what_the_form_says(app, store, tiny_recipe, spawned):
    app.session_state["draft"] = tiny_recipe.to_dict()
    visit(app, "pages/search.py")
    app.multiselect(key="search.fields").set_value(["learning_rate", "optimizer"]).run()
    app.select_slider(key="search.range.learning_rate.0.02").set_range(0.01, 0.05).run()
    app.multiselect(key="search.range.optimizer.sgd").set_value(["sgd", "adamw"]).run()
    app.number_input(key="search.minutes").set_value(2.5).run()
    app.selectbox(key="search.method").set_value("random").run()
    app.toggle(key="search.halving").set_value(True).run()
    app.button(key="search.start").click().run()
    assert not app.exception and not app.error
    (files,) = searches.searches(store)
    search = files.search
    assert search.base == tiny_recipe and (search.method, search.halving, search.minutes) == (
        "random",
        True,
        2.5,
    )
    assert {one.field: one.values for one in search.ranges} == {
        "learning_rate": (0.01, 0.02, 0.03, 0.05),
        "optimizer": ("sgd", "adamw"),
    }
    assert {id for _, id in spawned} == {files.id}
    assert "The first runs are being chosen" in text(app) and app.button(key="search.stop")


def test_search_runs_to_its_winner_from_the_page(app, store, tiny_recipe, in_process):
    app.session_state["draft"] = tiny_recipe.to_dict()
    visit(app, "pages/search.py")
    app.multiselect(key="search.fields").set_value(["learning_rate"]).run()
    app.number_input(key="search.runs").set_value(2).run()
    app.button(key="search.start").click().run(timeout=120)
    assert not app.exception and not app.error
    assert [run.state() for run in store.runs()] == [RunState.FINISHED] * 2
    winning = max(run.history().validation_accuracy for run in store.runs())
    assert [one.value for one in app.metric] == [f"{winning:.1%}", "covered"]
    assert "It has made all the runs" in text(app) and "part of that is luck" in text(app)
    assert len(app.dataframe[0].value) == 2


def test_fewer_than_two_values_are_a_sentence_and_nothing_starts(app, store, spawned):
    visit(app, "pages/search.py")
    app.select_slider(key="search.range.width.0.0625").set_range(0.0625, 0.0625).run()
    assert "at least two values" in app.error[0].value
    assert not [button for button in app.button if button.key == "search.start"]
    app.multiselect(key="search.fields").set_value([]).run()
    assert "at least one field" in app.error[0].value and not app.exception


def test_fields_of_another_recipe_are_offered_with_ranges_around_its_values(app, spawned):
    visit(app, "pages/search.py")
    app.multiselect(key="search.fields").set_value(["learning_rate", "momentum"]).run()
    app.selectbox(key="search.base").set_value("report-improved").run()
    assert not app.exception
    assert app.multiselect(key="search.fields").value == ["learning_rate"]  # Adam has no momentum
    assert app.select_slider(key="search.range.learning_rate.0.0005").value == (5e-5, 0.005)


def test_winner_and_every_run_are_shown_and_test_stays_covered_until_revealed(app, finished, finished_run):
    visit(app, "pages/search.py")
    end = finished_run.history().end
    assert "The best recipe so far: run 1" in text(app)
    assert [one.value for one in app.metric] == [f"{end.validation_accuracy:.1%}", "covered"]
    table = app.dataframe[0].value
    assert table["state"].tolist() == ["finished", "stopped early", "waiting"]
    assert table["note"].tolist() == ["known", "", ""] and table["epochs"].tolist() == [1, 1, 0]
    assert finished_run.looks() == 0
    app.button(key="search.reveal").click().run()
    assert app.metric[1].value == f"{end.test_accuracy:.1%}"
    assert finished_run.looks() == 1
    app.run()
    assert finished_run.looks() == 1
    others = [run for run in finished.store.runs() if run.id != finished_run.id]
    assert all(run.looks() == 0 for run in others)


def test_without_the_cover_the_winner_s_test_figure_is_shown_and_counts_as_one_look(
    app, finished, finished_run
):
    write_settings(finished.store.folder, cover_test=False)
    visit(app, "pages/search.py")
    assert app.metric[1].value == f"{finished_run.history().end.test_accuracy:.1%}"
    assert not [button for button in app.button if button.key == "search.reveal"]
    app.run()
    looks = [
        json.loads(line)["where"] for line in (finished_run.folder / "looks.jsonl").read_text().splitlines()
    ]
    assert looks == ["search page"]


def test_click_on_reveal_that_comes_twice_counts_once(app, finished, finished_run):
    visit(app, "pages/search.py")
    app.session_state["revealed"] = [finished_run.id]  # another part of the page was quicker
    app.button(key="search.reveal").click().run()
    assert not app.exception and finished_run.looks() == 0
    assert app.session_state["revealed"] == [finished_run.id]


def test_runs_that_were_stopped_early_count_among_those_the_winner_was_chosen_from(app, finished):
    visit(app, "pages/search.py")  # one finished, one cut with a figure, one waits without any
    assert "chosen from 2 runs" in text(app) and "probably lower" in text(app)


def test_only_run_was_not_chosen_for_luck(app, finished, finished_run):
    lines = finished.path("jsonl").read_text().splitlines(keepends=True)
    finished.path("jsonl").write_text("".join(line for line in lines if '"trial": 1' in line))
    visit(app, "pages/search.py")
    assert "only run with a result" in text(app) and "luck" not in text(app)
    history = finished_run.history()
    images = history.started.validation_images
    found = binomtest(round(history.validation_accuracy * images), images).proportion_ci(method="wilson")
    assert f"between {found.low:.1%} and {found.high:.1%}" in text(app)


TRIAL = {"trial": 4, "values": {"learning_rate": 0.02, "nesterov": True}}


@pytest.mark.parametrize(
    "line",
    [
        "\0" * 50,
        "{",
        "[" * 100_000,
        "[]",
        "7",
        '{"trial": 1}',
        '{"values": {}}',
        '{"trial": 99, "ended_at": 3.0}',
        '{"trial": [1], "ended_at": 3.0}',
        '{"trial": true, "ended_at": 3.0}',
        '{"trial": 2, "ended_at": "x"}',
        '{"trial": 2, "ended_at": NaN}',
        '{"trial": 2, "ended_at": 1' + "0" * 400 + "}",
        '{"trial": 2, "epoch": "x", "kept": false}',
        '{"trial": 2, "epoch": 1, "kept": "no"}',
        '{"trial": 2, "run": ["x"], "ours": true, "known": true}',
        '{"trial": 2, "run": "x"}',
        json.dumps({**TRIAL, "trial": 1}),
        json.dumps({**TRIAL, "values": []}),
        json.dumps({**TRIAL, "values": {"learning_rate": 0.02}}),
        json.dumps({**TRIAL, "values": {"learning_rate": 0.07, "nesterov": True}}),
        json.dumps({**TRIAL, "values": {"learning_rate": "<b>", "nesterov": True}}),
        json.dumps({**TRIAL, "values": {"learning_rate": 0.02, "nesterov": 1}}),
        json.dumps({**TRIAL, "values": {"learning_rate": 0.02, "speed": 1}}),
        json.dumps({**TRIAL, "values": {**TRIAL["values"], "speed": 1}}),
    ],
    ids=lambda line: line[:60].strip("\0") or "NUL",
)
def test_damaged_line_is_left_out_and_counted_and_the_rest_stays(finished, line):
    before = finished.trials()
    with finished.path("jsonl").open("a") as file:
        file.write(line + "\n")
    assert finished.trials() == before and finished.log().damaged == 1
    with finished.path("jsonl").open("a") as file:
        file.write(json.dumps(TRIAL) + "\n")
    assert [one.number for one in finished.trials()] == [1, 2, 3, 4]


def test_search_with_damaged_files_is_shown_with_a_sentence_and_others_still_open(
    app, finished, tiny_recipe, spawned
):
    other = begin(finished.store, Search(tiny_recipe, (parse_range("width", tiny_recipe),)))
    other.path("jsonl").write_text('[]\n{"trial": 1}\n\0\0\n')
    with finished.path("jsonl").open("a") as file:
        file.write('{"trial": 4, "values": {"learning_rate": 0.5, "nesterov": false}}\n')
    finished.path("spent.json").write_text('{"seconds": "x"}')
    finished.path("importances.json").write_text(
        '{"importances": {"speed": 0.5, "learning_rate": "x", "nesterov": 0.4}}'
    )
    visit(app, "pages/search.py", search=other.id)
    assert not app.exception and not app.error
    assert "3 lines of its log can't be read" in app.warning[0].value
    app.selectbox(key="search.shown").set_value(finished.id).run()
    assert not app.exception and not app.error and "The best recipe so far: run 1" in text(app)
    assert "1 line of its log can't be read" in app.warning[0].value
    assert finished.importances() == {"nesterov": 0.4}


def test_winner_s_recipe_goes_to_train_and_to_seeds(app, finished, finished_run):
    visit(app, "pages/search.py")
    app.button(key="search.use").click().run()
    assert not app.exception
    assert Recipe.from_dict(app.session_state["draft"]) == finished_run.spec.recipe
    app.session_state["draft"] = dataclasses.replace(finished_run.spec.recipe, epochs=9).to_dict()
    app.switch_page("pages/search.py").run()
    app.button(key="search.seeds").click().run()
    assert not app.exception
    assert Recipe.from_dict(app.session_state["draft"]) == finished_run.spec.recipe
    assert app.button(key="launch.start").label == "Repeat over these seeds"


def test_stop_and_go_on_are_one_click_each(app, finished, spawned):
    visit(app, "pages/search.py")
    app.button(key="search.stop").click().run()
    assert finished.stopped and "Stopped before its budget was over" in text(app)
    spawned.clear()
    app.button(key="search.go-on").click().run()
    assert finished.running and spawned == [(str(finished.store.folder), finished.id)]


def test_end_is_told_and_nothing_can_be_stopped_any_more(app, finished):
    write_end(finished, "The images <b>have</b> changed.", failed=True)
    visit(app, "pages/search.py")
    assert "have" in app.error[0].value and "<b>" not in app.error[0].value.replace("\\<b\\>", "")
    assert not {button.key for button in app.button} & {"search.stop", "search.go-on"}


def test_one_of_several_searches_is_chosen_and_the_address_names_it(app, finished, tiny_recipe, spawned):
    other = begin(finished.store, Search(tiny_recipe, (parse_range("width", tiny_recipe),)))
    visit(app, "pages/search.py", search=finished.id)
    assert "The best recipe so far: run 1" in text(app)
    app.selectbox(key="search.shown").set_value(other.id).run()
    assert "The first runs are being chosen" in text(app)
    assert app.query_params["search"] in (other.id, [other.id])


@pytest.mark.parametrize("address", ["x", "../../etc", "0" * 12])
def test_address_of_no_search_shows_the_newest(app, finished, address):
    visit(app, "pages/search.py", search=address)
    assert not app.error and "The best recipe so far" in text(app)


def test_run_that_was_deleted_stays_in_the_table(app, finished):
    import shutil

    shutil.rmtree(finished.store.get(finished.trials()[1].run_id).folder)
    visit(app, "pages/search.py")
    assert app.dataframe[0].value["state"].tolist()[1] == "deleted"
    found = [outcome(finished, trial, Run.history) for trial in finished.trials()]
    assert found[1].state is TrialState.GONE and best(found).trial.number == 1
