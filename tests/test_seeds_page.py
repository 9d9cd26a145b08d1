"""The Seeds page as a person meets it: launch, table, verdict, images, ladder, lesson."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from core import ladder
from core.executors import pause
from core.index import RunIndex
from core.seed_table import Entry, table
from core.store import RunState
from core.sweep import FOLDER, settle_plan, sweeps
from pages.parts.seed_table import _file
from tests.test_pages import fresh_caches, no_probe, text, visit  # noqa: F401  (fixtures)
from tests.test_sweep import finish


@pytest.fixture(scope="module")
def _two_recipes(tmp_path_factory, tiny_recipe, shapes_fingerprint):
    """Two recipes of three seeds each, trained once; the second one longer."""
    from core.store import RunStore
    from core.worker import work

    store = RunStore(tmp_path_factory.mktemp("sweeps") / "runs")
    for recipe in (tiny_recipe, dataclasses.replace(tiny_recipe, epochs=3)):
        settle_plan(store, recipe.digest(shapes_fingerprint), [0, 1, 2], [])
        for seed in range(3):
            work(store.open(recipe, seed, shapes_fingerprint)[0])
    return store.folder


@pytest.fixture
def trained(store, _two_recipes):
    """A copy of them, as (short, long) sweeps."""
    shutil.copytree(_two_recipes, store.folder)
    found = sweeps(store, RunIndex(store).rows())
    return sorted(found, key=lambda sweep: sweep.recipe.epochs)


def tab(app, name: str):
    """Open a tab, as a click does."""
    app.session_state["seeds.tab"] = name
    app.run()
    assert not app.exception, app.exception
    return app


def revealed(app):
    app.button(key="reveal").click().run()
    assert not app.exception
    return app


def shown_table(app):
    return app.dataframe[0].value


def test_first_visit_says_what_to_do_and_offers_the_recipe_of_the_form(app):
    visit(app, "pages/seeds.py")
    assert "no runs yet" in text(app)
    assert app.button(key="launch.start").label == "Repeat over these seeds"


def test_one_click_repeats_a_recipe_over_seeds(app, store, tiny_recipe):
    app.session_state["draft"] = tiny_recipe.to_dict()
    visit(app, "pages/seeds.py")
    app.text_input(key="launch.seeds").set_value("3 seeds").run()
    app.button(key="launch.start").click().run(timeout=120)
    assert not app.exception
    runs = store.runs()
    assert sorted(run.spec.seed for run in runs) == [0, 1, 2]
    assert all(run.state() is RunState.FINISHED for run in runs)
    assert shown_table(app)["n"].iloc[0] == 3
    assert not app.error


def test_sweep_starts_from_the_train_page(app, store, tiny_recipe):
    app.session_state["draft"] = tiny_recipe.to_dict()
    visit(app, "pages/train.py")
    app.text_input(key="train.seeds").set_value("4, 5").run()
    app.button(key="train.start").click().run(timeout=120)
    assert sorted(run.spec.seed for run in store.runs()) == [4, 5]
    plan = json.loads(next((store.folder / FOLDER).glob("????????????????.json")).read_text())
    assert plan["seeds"] == [4, 5]


@pytest.mark.parametrize("seeds", ["", "9-0", "x", "0-5000"])
def test_wrong_seeds_are_a_sentence_and_start_nothing(app, store, seeds):
    visit(app, "pages/seeds.py")
    app.text_input(key="launch.seeds").set_value(seeds).run()
    assert len(app.error) == 1 and not app.exception
    assert store.runs() == []


def test_one_source_of_chance_alone_can_be_swept(app, store, tiny_recipe):
    app.session_state["draft"] = tiny_recipe.to_dict()
    visit(app, "pages/seeds.py")
    app.text_input(key="launch.seeds").set_value("0-1").run()
    app.selectbox(key="launch.varies").set_value("initial weights only").run()
    app.button(key="launch.start").click().run(timeout=120)
    recipes = {run.spec.recipe for run in store.runs()}
    assert recipes == {
        dataclasses.replace(tiny_recipe, vary_order=False, vary_augmentation=False, vary_split=False)
    }


def test_source_of_chance_that_is_not_there_is_refused(app, tiny_recipe):
    app.session_state["draft"] = tiny_recipe.to_dict()  # neither augmentation nor dropout
    visit(app, "pages/seeds.py")
    app.selectbox(key="launch.varies").set_value("augmentation and dropout only").run()
    assert "neither augmentation nor dropout" in app.error[0].value


def test_test_figures_are_covered_until_revealed_and_each_run_counts_the_look(app, trained):
    visit(app, "pages/seeds.py")
    assert "Judged on validation images." in text(app)
    assert [row.run.looks() for sweep in trained for row in sweep.rows] == [0] * 6
    revealed(app)
    assert "Judged on test images." in text(app)
    assert [row.run.looks() for sweep in trained for row in sweep.rows] == [1] * 6
    app.run()
    assert [row.run.looks() for sweep in trained for row in sweep.rows] == [1] * 6
    mean = np.mean([row.test_accuracy for row in trained[1].rows])
    assert np.isclose(shown_table(app)["mean"], 100 * mean).any()


def test_link_names_the_recipes_that_are_shown(app, trained):
    visit(app, "pages/seeds.py", recipes=trained[0].digest)
    # Query parameters do not survive the switch of pages in the test runner; asking again does.
    app.query_params["recipes"] = trained[0].digest
    app.run()
    assert app.multiselect(key="seeds.recipes").value == [trained[0].digest]
    app.multiselect(key="seeds.recipes").set_value([trained[1].digest]).run()
    assert app.query_params["recipes"] in (trained[1].digest, [trained[1].digest])
    app.query_params["recipes"] = "nonsense"
    app.run()
    assert not app.exception and app.multiselect(key="seeds.recipes").value


@pytest.mark.parametrize(
    "name",
    ["Seed table", "Curves", "Recipe against recipe", "Robust?", "Images", "Ablation ladder", "Lucky seed"],
)
@pytest.mark.parametrize("look", [False, True])
def test_every_view_opens_covered_and_revealed(app, trained, name, look):
    visit(app, "pages/seeds.py")
    if look:
        revealed(app)
    tab(app, name)
    assert not app.error


def test_comparison_says_its_sentence_with_both_intervals(app, trained):
    revealed(visit(app, "pages/seeds.py"))
    tab(app, "Recipe against recipe")
    boxes = [element.value for kind in (app.success, app.info, app.warning) for element in kind]
    assert any(" A " in f" {box} " and "B" in box and "points" in box for box in boxes), boxes
    assert "A is ahead in" in [metric.label for metric in app.metric]


def test_comparison_without_a_look_speaks_of_validation_only(app, trained):
    visit(app, "pages/seeds.py")
    tab(app, "Recipe against recipe")
    assert "On validation, which is for choosing" in text(app).replace("\\", "")
    assert [row.run.looks() for sweep in trained for row in sweep.rows] == [0] * 6


def test_recipes_on_different_images_are_warned_of(app, store, trained, tiny_recipe):
    for row in trained[0].rows:  # as if trained on another data set
        values = json.loads((row.run.folder / "run.json").read_text())
        values["data_fingerprint"] = "other"
        (row.run.folder / "run.json").write_text(json.dumps(values))
    visit(app, "pages/seeds.py")
    app.multiselect(key="seeds.recipes").set_value([sweep.digest for sweep in trained]).run()
    revealed(app)
    tab(app, "Recipe against recipe")
    assert any("different images" in warning.value for warning in app.warning)


def test_damaged_predictions_are_a_sentence(app, trained):
    (trained[0].rows[0].run.folder / "predictions.npz").write_bytes(b"")
    revealed(visit(app, "pages/seeds.py"))
    assert any("delete that run on the Runs page" in error.value.replace("\\", "") for error in app.error)


def test_one_covered_recipe_covers_the_table_again(app, trained):
    """Test and validation are no scale to sort on together."""
    visit(app, "pages/seeds.py")
    app.multiselect(key="seeds.recipes").set_value([trained[0].digest]).run()
    revealed(app)
    assert "Judged on test images." in text(app)
    app.multiselect(key="seeds.recipes").set_value([sweep.digest for sweep in trained]).run()
    assert "Judged on validation images." in text(app)
    assert [row.run.looks() for row in trained[1].rows] == [0] * 3


def test_no_verdict_while_planned_seeds_are_missing(app, store, trained):
    settle_plan(store, trained[0].digest, [0, 1, 2, 3], [])
    revealed(visit(app, "pages/seeds.py"))
    tab(app, "Recipe against recipe")
    assert any("No verdict yet" in warning.value for warning in app.warning)


def test_click_on_pause_is_not_lost_when_a_run_has_just_ended(app, store, tiny_recipe, shapes_fingerprint):
    recipe = dataclasses.replace(tiny_recipe, epochs=2)
    digest = recipe.digest(shapes_fingerprint)
    settle_plan(store, digest, [0, 1, 2], [])
    runs = [store.open(recipe, seed, shapes_fingerprint)[0] for seed in range(3)]
    for run in runs:
        store.enqueue(run)
    visit(app, "pages/seeds.py")
    finish(runs[0])  # between the drawing and the click
    app.button(key=f"pause-{digest}").click().run()
    assert [run.state() for run in runs[1:]] == [RunState.PAUSED] * 2


def test_look_that_cannot_be_written_down_reveals_nothing(app, trained, monkeypatch):
    def refused(run, where, *guess):
        raise PermissionError(13, "Permission denied")

    visit(app, "pages/seeds.py")
    monkeypatch.setattr("core.store.Run.look", refused)
    app.button(key="reveal").click().run()
    assert not app.exception and "stay covered" in app.error[0].value
    assert "Judged on validation images." in text(app)


def test_paused_sweep_offers_to_go_on_and_goes_on(app, store, tiny_recipe, shapes_fingerprint):
    recipe = dataclasses.replace(tiny_recipe, epochs=2)
    digest = recipe.digest(shapes_fingerprint)
    settle_plan(store, digest, [0, 1], [])
    runs = [store.open(recipe, seed, shapes_fingerprint)[0] for seed in (0, 1)]
    for run in runs:
        store.enqueue(run)
        pause(store, run)
    visit(app, "pages/seeds.py")
    assert any("2 paused" in bar.proto.text for bar in app.get("progress"))
    app.button(key=f"resume-{digest}").click().run(timeout=120)
    assert [run.state() for run in runs] == [RunState.FINISHED] * 2


def test_seeds_added_after_results_are_marked_in_the_table(app, store, trained):
    visit(app, "pages/seeds.py", recipes=trained[0].digest)
    app.multiselect(key="seeds.recipes").set_value([trained[0].digest]).run()
    app.session_state["launch"] = True
    app.run()
    app.text_input(key="launch.seeds").set_value("0-3").run()
    app.button(key="launch.start").click().run(timeout=120)
    assert "1 added after 3 results were known" in shown_table(app)["state"].iloc[0]


def test_ladder_shows_what_each_step_gained(app, store, shapes_fingerprint):
    labels = np.arange(1000) % 10
    generator = np.random.default_rng(0)
    for place, step in enumerate(ladder.steps("shapes", 0.0625, 4)):
        for seed in range(3):
            answers = np.where(generator.random(1000) < 0.5 + 0.05 * place, labels, (labels + 1) % 10)
            run, _ = store.open(step.recipe, seed, shapes_fingerprint)
            finish(run, float((answers == labels).mean()) + 0.01)
            logits = 5 * np.eye(10, dtype=np.float32)[answers]
            np.savez(run.folder / "predictions.npz", test_logits=logits, test_labels=labels)
    visit(app, "pages/seeds.py")
    tab(app, "Ablation ladder")
    assert "Validation accuracy; a dot" in text(app)
    assert sum(row.looks for row in RunIndex(store).rows()) == 0
    app.button(key="reveal-ladder").click().run()
    assert not app.exception and not app.error
    (table,) = [element.value for element in app.markdown if element.value.startswith("| step |")]
    rows = table.splitlines()[2:]
    assert len(rows) == 9 and all("| 3 of 3 |" in row for row in rows)
    assert (
        sum("better" in row for row in rows) >= 4
    )  # five points a step; three seeds and Holm leave some of them unshown
    assert "worse" not in table
    assert sum(row.looks for row in RunIndex(store).rows()) == 27


def test_table_goes_home_in_three_formats(trained):
    shown = [Entry(name, sweep, revealed=False) for name, sweep in zip("ab", trained, strict=True)]
    rows = table(shown)
    csv, latex, markdown = (_file(rows, shown, kind) for kind in ("csv", "latex", "markdown"))
    assert csv.count("\n") == 9 and "n = 3" in csv.splitlines()[0] and "Student's t" in csv.splitlines()[0]
    assert "toprule" in latex and "n = 3" in latex
    assert markdown.count("| a |") == 4 and "chi-square" in markdown
