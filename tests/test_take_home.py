"""The tab Take home as a person meets it, and the reports of the Seeds page."""

import sys

import pytest

from core import taking
from core.config import Recipe
from core.export_child import main
from core.sweep import settle_plan
from tests.finished import finished
from tests.test_pages import fresh_caches, no_probe, text, visit  # noqa: F401  (fixtures)


@pytest.fixture
def run(store):
    return finished(store, Recipe(width=0.03125, epochs=2))


@pytest.fixture
def asked(monkeypatch):
    """What was started in the background, which nothing is."""
    found = []
    monkeypatch.setattr("core.taking.spawn", lambda *arguments, log: found.append(arguments))
    return found


def open_tab(app, run):
    app.session_state["runs.tab"] = "Take home"
    return visit(app, "pages/runs.py", run=run.id)


def labels(app) -> list[str]:
    return [button.proto.label for button in app.get("download_button")]


def test_tab_offers_weights_tables_report_recipe_and_script(app, run):
    open_tab(app, run)
    shown = labels(app)
    for wanted in (
        "weights",
        "Predictions, CSV",
        "Predictions, Parquet",
        "Epochs, CSV",
        "Steps, CSV",
        "HTML",
        "JSON",
    ):
        assert any(wanted in label for label in shown), wanted
    assert {button.key for button in app.button} >= {f"make-{kind}" for kind in taking.MADE}
    assert any("/train?recipe=" in block.value for block in app.code)
    assert "Test figures are covered" in text(app) and not app.error


def test_button_has_a_file_made_and_then_offers_it(app, run, asked, store):
    open_tab(app, run)
    app.button(key="make-safetensors").click().run()
    assert [arguments[2:] for arguments in asked] == [(run.id, "safetensors")]
    assert "being made" in app.button(key="make-safetensors").label
    assert main([str(store.folder), run.id, "safetensors"]) == 0
    app.run()
    assert any("Weights as safetensors" in label for label in labels(app)) and "read back and equal" in text(
        app
    )


def test_file_that_could_not_be_made_says_why(app, run, asked, store, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    open_tab(app, run)
    app.button(key="make-onnx").click().run()
    assert main([str(store.folder), run.id, "onnx"]) == 1
    app.run()
    assert "onnxscript" in app.error[0].value and not app.button(key="make-onnx").disabled


def test_event_files_with_test_are_not_offered_to_who_has_not_revealed_it(app, run, asked, store):
    (run.folder / taking.FOLDER).mkdir()
    assert main([str(store.folder), run.id, "tensorboard", "--test"]) == 0
    open_tab(app, run)
    assert not any("TensorBoard" in label for label in labels(app))
    app.session_state["revealed"] = [run.id]
    app.run()
    assert any("TensorBoard" in label for label in labels(app)) and "as you revealed them" in text(app)


def test_damaged_predictions_take_tables_and_report_away_but_nothing_else(app, run):
    (run.folder / "predictions.npz").write_bytes(b"no archive")
    open_tab(app, run)
    assert "predictions of this run are damaged" in text(app)
    shown = labels(app)
    assert any("weights" in label for label in shown) and not any("CSV" in label for label in shown)


def test_run_on_its_way_has_nothing_to_take_home(app, queued_run):
    open_tab(app, queued_run)
    assert "when the run has finished" in text(app) and not labels(app)


@pytest.mark.parametrize("reveal", [False, True])
def test_comparison_is_taken_home_with_test_figures_only_where_they_are_revealed(
    app, store, monkeypatch, reveal
):
    for epochs in (2, 3):
        runs = [finished(store, Recipe(width=0.03125, epochs=epochs), seed) for seed in range(3)]
        settle_plan(store, runs[0].spec.digest, [0, 1, 2], [])
    offered = {}
    monkeypatch.setattr(
        "streamlit.download_button", lambda label, data, **more: offered.update({more["file_name"]: data})
    )
    app.session_state["seeds.tab"] = "Recipe against recipe"
    visit(app, "pages/seeds.py")
    if reveal:
        offered.clear()
        app.button(key="reveal").click().run()
    ((name, make),) = [(name, make) for name, make in offered.items() if name.endswith(".html")]
    assert name.startswith("tenfold-") and ("validation-only" in name) == (not reveal)
    content = make().decode()
    assert ("Is A better than B?" in content) == reveal
    assert ("Test figures are covered" in content) == (not reveal)
