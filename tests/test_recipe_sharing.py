"""A recipe goes out as a file or a link and comes back the same; whatever else comes in is refused in a sentence."""

import base64
import dataclasses
import json

import pytest

from core.config import KNOBS, Recipe
from core.errors import UserError
from core.presets import PRESETS
from core.recipe_sharing import FILE_BYTES, LINK_CHARACTERS, from_json, from_query, to_json, to_query
from core.wording import dataset_title
from tests.test_pages import fresh_caches, no_probe, text, visit  # noqa: F401  (fixtures)


@pytest.mark.parametrize("name", PRESETS)
def test_preset_comes_back_from_its_link_and_its_file(name):
    recipe = PRESETS[name].recipe
    assert from_query(to_query(recipe, 7)) == (recipe, 7)
    assert from_json(to_json(recipe, 7).encode()) == (recipe, 7)


def test_link_holds_only_what_differs_from_the_defaults():
    assert len(to_query(Recipe(), 42)) < 20
    assert len(to_query(Recipe(epochs=5), 42)) < 40


def test_link_that_changes_every_field_is_within_the_bound():
    values = {name: max((*knob.choices, ""), key=len) or knob.high or True for name, knob in KNOBS.items()}
    values["dataset"] = "folder:" + 100 * "x"
    assert len(base64.urlsafe_b64encode(json.dumps(values).encode())) < LINK_CHARACTERS


def test_folder_travels_by_its_last_name_only():
    recipe = Recipe(dataset="folder:/home/somebody/pets")
    assert from_query(to_query(recipe, 1))[0].dataset == "folder:pets"
    assert "somebody" not in to_json(recipe, 1)
    assert dataset_title(recipe.dataset) == "Folder: pets"


def test_run_json_and_bare_fields_are_read_too(finished_run, tiny_recipe):
    whole = (finished_run.folder / "run.json").read_bytes()
    assert from_json(whole) == (tiny_recipe, 42)
    assert from_json(json.dumps({"epochs": 9, "seed": 3}).encode()) == (Recipe(epochs=9), 3)


HOSTILE = {
    "no JSON": b"\x00\xff",
    "a list": b"[1, 2]",
    "nested without end": b"[" * 30_000,
    "unknown field": b'{"recipe": {"epoch": 3}}',
    "wrong type": b'{"recipe": {"epochs": "many"}}',
    "out of bounds": b'{"recipe": {"learning_rate": 1e9}}',
    "not a number": b'{"recipe": {"learning_rate": NaN}}',
    "endless": b'{"recipe": {"learning_rate": 1e999}}',
    "object for a number": b'{"recipe": {"epochs": {"a": 1}}}',
    "twice": b'{"recipe": {"epochs": 3, "epochs": 4}}',
    "seed below 0": b'{"seed": -1, "recipe": {}}',
    "seed is true": b'{"seed": true, "recipe": {}}',
    "too large": b'{"recipe": {}}' + b" " * FILE_BYTES,
    "long text": json.dumps({"recipe": {"dataset": "x" * 50_000}}).encode(),
    "script": b'{"recipe": {"model": "<script>alert(1)</script>"}}',
    "something beside it": b'{"recipe": {}, "command": "rm"}',
    "no fields": b'{"recipe": 3}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_in_one_sentence(name):
    with pytest.raises(UserError) as refused:
        from_json(HOSTILE[name])
    assert len(str(refused.value)) < 400 and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "field, value", [("epochs", "many"), ("learning_rate", 1e9), ("flip", 1), ("nothing", 1)]
)
def test_refusal_names_the_field(field, value):
    for read in (
        lambda: from_json(json.dumps({"recipe": {field: value}}).encode()),
        lambda: from_query(base64.urlsafe_b64encode(json.dumps({field: value}).encode()).decode()),
    ):
        with pytest.raises(UserError, match=field):
            read()


@pytest.mark.parametrize(
    "text", ["", "%", "é", "A" * 3, "A" * (LINK_CHARACTERS + 1), "bnVsbA", to_query(Recipe(), 1)[:-3]]
)
def test_damaged_link_is_refused_in_one_sentence(text):
    with pytest.raises(UserError, match="link"):
        from_query(text)


def test_link_fills_the_form_and_the_seed(app):
    recipe = dataclasses.replace(PRESETS["residual"].recipe, dataset="shapes", epochs=3)
    link = to_query(recipe, 7)
    visit(app, "pages/train.py", recipe=link)
    assert app.session_state["draft"] == recipe.to_dict() and app.number_input(key="seed").value == 7
    app.run()
    assert app.query_params["recipe"] in (link, [link])  # reloading gives the same
    app.number_input(key="seed").set_value(8).run()
    assert "recipe" not in app.query_params and app.number_input(key="seed").value == 8
    assert app.session_state["draft"] == recipe.to_dict()
    assert not app.error and not app.warning


def test_hostile_link_leaves_the_form_as_it_was(app):
    link = base64.urlsafe_b64encode(b'{"epochs": "<img src=x>"}').decode()
    visit(app, "pages/train.py", recipe=link)
    assert "epochs must be a whole number" in app.error[0].value
    assert app.session_state["draft"] == PRESETS["quick"].recipe.to_dict()
    assert app.button(key="start")


def test_link_to_a_folder_that_is_not_offered_says_so(app):
    visit(app, "pages/train.py", recipe=to_query(Recipe(dataset="folder:/etc"), 1))
    assert "none of this name is offered" in app.error[0].value
    assert app.session_state["draft"]["dataset"] == "shapes"


def test_file_fills_the_form_and_a_bad_one_changes_nothing(app):
    recipe = dataclasses.replace(PRESETS["quick"].recipe, epochs=3, flip=True)
    visit(app, "pages/train.py")
    app.file_uploader(key="recipe.file").upload(
        "r.json", to_json(recipe, 5).encode(), "application/json"
    ).run()
    assert app.session_state["draft"] == recipe.to_dict() and app.number_input(key="seed").value == 5
    app.file_uploader(key="recipe.file").upload(
        "r.json", b'{"recipe": {"epochs": -1}}', "application/json"
    ).run()
    assert "epochs must lie between" in app.error[0].value
    assert app.session_state["draft"] == recipe.to_dict()
    assert "epochs" in text(app).lower()
