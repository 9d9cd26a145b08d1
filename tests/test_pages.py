"""Every page as a person meets it, run by Streamlit's own test runner."""

import dataclasses
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from core.events import Failed, Progress, Started, to_line
from core.executors import stop
from core.locks import FileLock
from core.paths import ROOT, data_dir, write_json
from core.preparation import Preparation, _place
from core.store import RunState

PAGES = ["dashboard.py", *sorted(f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py"))]


@pytest.fixture(autouse=True)
def no_probe(monkeypatch):
    """Measuring the machine takes seconds of both cores; one test of its own does it."""
    monkeypatch.setattr("core.launch.begin_probe", lambda store: None)


@pytest.fixture(autouse=True)
def fresh_caches():
    import streamlit as st

    st.cache_data.clear()
    st.cache_resource.clear()


def visit(app, page: str, **query: str):
    app.query_params.update(query)
    app.run()
    if page != "dashboard.py":
        app.switch_page(page).run()
    assert not app.exception, app.exception
    return app


def text(app) -> str:
    kinds = (app.markdown, app.caption, app.success, app.info, app.error, app.warning, app.metric)
    parts = [
        f"{element.label} {element.value}" if kind is app.metric else element.value
        for kind in kinds
        for element in kind
    ]
    return "\n".join(parts)


@pytest.mark.parametrize("page", PAGES)
def test_page_opens_as_the_first_visit(app, page):
    visit(app, page)
    assert not app.error


@pytest.mark.parametrize("page", PAGES)
def test_page_opens_with_a_finished_run(app, page, finished_run):
    visit(app, page)
    assert not app.error


@pytest.mark.parametrize("page", PAGES)
def test_page_shows_damaged_and_failed_runs_beside_good_ones(app, page, store, tiny_recipe, finished_run):
    failed, _ = store.open(tiny_recipe, 9, "data")
    failed.events_path.write_text(to_line(Failed(1.0, "error", "It broke.")) + '{"event": "st')
    empty, _ = store.open(tiny_recipe, 10, "data")
    started = Started(
        1.0,
        0,
        4,
        125,
        4000,
        1000,
        ["a"],
        [0.5] * 3,
        [0.2] * 3,
        {"device_name": "x"} | dict.fromkeys(("precision", "threads", "torch"), "y"),
    )
    empty.events_path.write_text(to_line(started))
    (store.folder / ("e" * 32)).mkdir()
    visit(app, page)


@pytest.mark.parametrize("page", ["pages/runs.py", "pages/train.py"])
@pytest.mark.parametrize("run_id", ["0" * 32, "../../etc", "<script>"])
def test_address_of_no_run_is_a_sentence(app, page, run_id, finished_run):
    visit(app, page, run=run_id)
    assert "no such run" in app.error[0].value


def test_pages_load_no_torch():
    code = (
        "import sys\nfrom streamlit.testing.v1 import AppTest\n"
        "app = AppTest.from_file('dashboard.py', default_timeout=30).run()\n"
        f"for page in {PAGES[1:]}: app.switch_page(page).run(); assert not app.exception\n"
        "assert 'torch' not in sys.modules, 'torch was loaded'"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, check=True)


def test_first_step_trains_the_quick_preset(app, store, monkeypatch):
    started = []
    monkeypatch.setattr(
        "core.launch.executor", lambda: type("X", (), {"start": lambda self, _, runs: started.extend(runs)})()
    )
    visit(app, "dashboard.py")
    app.button(key="first-run").click().run()
    assert not app.exception
    assert [run.spec.seed for run in started] == [42] and started[0].spec.recipe.dataset == "shapes"


def test_start_trains_what_the_form_says_and_shows_it(app, store):
    visit(app, "pages/train.py")
    app.select_slider(key="field.width").set_value(0.03125).run()
    app.select_slider(key="field.epochs").set_value(1).run()
    app.select_slider(key="field.batch_size").set_value(256).run()
    app.button(key="start").click().run()
    (run,) = store.runs()
    assert run.state() is RunState.FINISHED  # the inline executor trains at once
    assert (run.spec.recipe.width, run.spec.recipe.epochs, run.spec.recipe.batch_size) == (0.03125, 1, 256)
    assert "Validation accuracy" in text(app)
    assert app.button(key="start").label == "Open the finished run"


def test_two_starts_make_one_run_and_again_makes_a_second(app, store):
    visit(app, "pages/train.py")
    for name, value in (("width", 0.03125), ("epochs", 1), ("batch_size", 256)):
        app.select_slider(key=f"field.{name}").set_value(value).run()
    app.button(key="start").click().run()
    app.button(key="start").click().run()
    assert len(store.runs()) == 1
    app.button(key="again").click().run()
    assert sorted(run.spec.attempt for run in store.runs()) == [1, 2]


def test_preset_fills_the_form_and_reset_takes_changes_back(app):
    visit(app, "pages/train.py")
    app.selectbox(key="preset.widget").set_value("report-improved").run()
    assert app.selectbox(key="field.model").value == "improved"
    assert app.select_slider(key="field.epochs").value == 60
    app.select_slider(key="field.epochs").set_value(30).run()
    assert "60 → **30**" in text(app)
    app.button(key="reset").click().run()
    assert app.select_slider(key="field.epochs").value == 60 and "→" not in text(app)


def test_each_change_of_a_preset_is_marked_and_taken_back_by_itself(app):
    visit(app, "pages/train.py")
    app.select_slider(key="field.width").set_value(0.125).run()
    app.toggle(key="field.flip").set_value(True).run()
    width, rate = (app.select_slider(key=f"field.{name}") for name in ("width", "learning_rate"))
    assert "changed" in width.label and "The preset has 0\\.0625×" in width.help
    assert "changed" not in rate.label and "preset" not in rate.help
    assert "width 0\\.0625× → **0\\.125×**, flip off → **on**" in text(app)
    app.button(key="reset.width").click().run()
    assert app.select_slider(key="field.width").value == 0.0625
    assert app.toggle(key="field.flip").value is True
    assert "changed" not in app.select_slider(key="field.width").label


def test_size_and_work_of_the_network_follow_the_knobs(app):
    visit(app, "pages/train.py")
    before = [one.value for one in app.caption if "multiply-adds an image" in one.value]
    app.select_slider(key="field.width").set_value(1.0).run()
    after = [one.value for one in app.caption if "multiply-adds an image" in one.value]
    assert len(before) == len(after) == 1 and "**5.3 million** weights" in after[0]
    assert "million** weights" not in before[0] and before[0].split("·")[1] != after[0].split("·")[1]


def test_form_survives_a_visit_to_another_page(app):
    visit(app, "pages/train.py")
    app.select_slider(key="field.learning_rate").set_value(0.5).run()
    app.number_input(key="seed").set_value(7).run()
    app.switch_page("pages/runs.py").run()
    app.switch_page("pages/train.py").run()
    assert app.select_slider(key="field.learning_rate").value == 0.5
    assert app.number_input(key="seed").value == 7


def test_field_that_does_nothing_is_hidden(app):
    visit(app, "pages/train.py")
    app.selectbox(key="field.optimizer").set_value("sgd").run()
    keys = {widget.key for widget in app.slider}
    assert "field.momentum" in keys and not keys & {"field.dropout", "field.image_size"}
    app.selectbox(key="field.model").set_value("improved").run()
    app.selectbox(key="field.optimizer").set_value("adam").run()
    keys = {widget.key for widget in app.slider}
    assert "field.dropout" in keys and "field.momentum" not in keys


def test_estimate_is_shown_before_start(app, store):
    from core.estimate import probe_path

    store.folder.mkdir()
    points = [{"multiply_adds": work, "images_per_second": 1e10 / work} for work in (1e6, 1e9)]
    write_json(probe_path(store), {"points": points, "device_name": "Test CPU"})
    visit(app, "pages/train.py")
    assert "Takes about" in text(app) and "Test CPU" in text(app) and "a short probe" in text(app)


def test_test_accuracy_is_covered_until_it_is_revealed_and_looks_are_counted(app, finished_run):
    accuracy = f"{finished_run.history().end.test_accuracy:.1%}"
    app.session_state["runs.tab"] = "Results"
    visit(app, "pages/runs.py")
    shown = [metric.value for metric in app.metric]
    assert "covered" in shown and list(app.dataframe[0].value["test"]) == ["covered"]
    app.button(key=f"reveal-{finished_run.id}").click().run()
    assert accuracy in [metric.value for metric in app.metric]
    assert list(app.dataframe[0].value["test"]) == [accuracy]
    assert finished_run.looks() == 1 and "Looked at 1 time" in text(app)
    app.run()
    assert finished_run.looks() == 1


def test_weights_are_offered_with_the_code_that_loads_them(app, finished_run):
    app.session_state["runs.tab"] = "Take home"
    visit(app, "pages/runs.py")
    assert any("weights_only=True" in block.value for block in app.code)
    assert app.get("download_button")


def test_missing_weights_are_said_in_a_sentence(app, finished_run):
    (finished_run.folder / "weights.pt").unlink()
    app.session_state["runs.tab"] = "Take home"
    visit(app, "pages/runs.py")
    assert "gone" in text(app)


def test_damaged_weights_are_not_given_away(app, finished_run):
    path = finished_run.folder / "weights.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    app.session_state["runs.tab"] = "Take home"
    visit(app, "pages/runs.py")
    assert "weights of this run are damaged" in text(app)
    assert not any("weights_only=True" in block.value for block in app.code)
    assert not any("weights" in button.proto.label for button in app.get("download_button"))


def test_gradients_of_each_layer_are_drawn(app, finished_run):
    app.session_state["runs.tab"] = "Gradients"
    visit(app, "pages/runs.py")
    assert "How strongly the weights of each layer" in text(app)
    assert any(
        "Typical gradients of a weight in 5 layers" in str(chart.proto) for chart in app.get("bidi_component")
    )


def test_gradients_of_two_networks_with_the_same_layers_are_drawn_together(
    app, store, tiny_recipe, shapes_fingerprint
):
    from core.worker import work

    runs = []
    for skip in (True, False):
        recipe = dataclasses.replace(tiny_recipe, model="residual", width=0.25, depth=8, skip=skip)
        run, _ = store.open(recipe, 1, shapes_fingerprint)
        work(run)
        runs.append(run)
    app.session_state["runs.tab"] = "Gradients"
    visit(app, "pages/runs.py", run=runs[0].id)
    box = app.selectbox(key=f"gradients-beside-{runs[0].id}")
    assert "no skips" in box.options[1] and "8 layers" in box.options[1]
    box.set_value(runs[1].id).run()
    assert not app.exception
    assert any("the other, epoch 1" in str(chart.proto) for chart in app.get("bidi_component"))


def test_layers_whose_weights_have_the_same_gradients_are_drawn_level(finished_run):
    from core.layers import matrix_sizes
    from core.models import MODELS
    from pages.parts.gradients import _sizes

    epoch = finished_run.history().epochs[-1]
    weights = matrix_sizes(MODELS["baseline"].describe(finished_run.spec.recipe, 10))
    assert len(weights) == len(epoch.gradients) and max(weights) > 10 * min(weights)
    norms = {layer: 0.01 * number**0.5 for layer, number in zip(epoch.gradients, weights, strict=True)}
    sizes = _sizes(finished_run, dataclasses.replace(epoch, gradients=norms))
    np.testing.assert_allclose(sizes, 0.01)
    silent = _sizes(finished_run, dataclasses.replace(epoch, gradients=norms | {next(iter(norms)): 0.0}))
    assert np.isnan(silent[0]) and not np.isnan(silent[1:]).any()


def test_only_as_many_histories_are_read_as_runs_are_offered_beside(
    finished_run, store, tiny_recipe, monkeypatch
):
    from pages.parts import gradients

    read = []
    monkeypatch.setattr(gradients, "MOST_OTHERS", 3)
    monkeypatch.setattr(
        gradients.cache, "history", lambda run_id: read.append(run_id) or finished_run.history()
    )
    others = [store.open(tiny_recipe, seed, "data")[0].id for seed in range(6)]
    deeper = store.open(dataclasses.replace(tiny_recipe, model="residual"), 1, "data")[0].id
    candidates = [run.id for run in gradients._candidates(finished_run)]
    assert len(candidates) == 3 and set(candidates) <= set(others)
    assert read == candidates and deeper not in candidates


def test_table_shows_the_accuracy_of_the_weights_that_are_kept(app, kept_best):
    from pages.parts.gradients import _label

    accuracy = kept_best.history().end.validation_accuracy
    visit(app, "pages/runs.py")
    assert list(app.dataframe[0].value["validation"]) == [accuracy]
    assert f"{accuracy:.1%} validation accuracy" in _label(kept_best)


def test_run_is_proven_by_a_button(app, finished_run, monkeypatch):
    from core.prover import main

    monkeypatch.setattr("core.proof.spawn", lambda module, *arguments, log: main([*arguments]))
    app.session_state["runs.tab"] = "Passport"
    visit(app, "pages/runs.py")
    app.button(key=f"prove-{finished_run.id}").click().run()
    assert not app.exception
    assert "Proven just now" in text(app) and "bit by bit" in text(app)


def test_proof_tells_its_length_and_can_be_stopped(app, finished_run):
    from core import proof

    app.session_state["runs.tab"] = "Passport"
    visit(app, "pages/runs.py")
    assert "Takes about" in text(app)
    proof.write(finished_run, proof.Proof(time.time()))
    app.run()
    app.button(key=f"stop-proof-{finished_run.id}").click().run()
    assert not app.exception
    assert finished_run.marked(proof.STOP_MARK) and "Stopping" in text(app)
    proof.write(finished_run, proof.Proof(time.time(), running=False, stopped=True))
    app.run()
    assert "Stopped just now" in text(app) and "Prove it" in [button.label for button in app.button]


def test_proof_of_a_run_without_the_promise_blames_nobody(app, finished_run):
    from core import proof
    from pages.parts.proof import _reason

    found = proof.Proof(time.time(), running=False, differs=1)
    recipe = finished_run.spec.recipe
    assert "not deterministic" in _reason(found, recipe)
    assert "Deterministic switched off" in _reason(found, dataclasses.replace(recipe, deterministic=False))
    changed = dataclasses.replace(found, changes=["commit: a before, b now"])
    assert "commit: a before, b now" in _reason(changed, recipe)


def test_coach_speaks_on_the_page(app, store, tiny_recipe, shapes_fingerprint):
    from core.worker import work

    recipe = dataclasses.replace(tiny_recipe, learning_rate=1e-5, epochs=2)
    run, _ = store.open(recipe, 1, shapes_fingerprint)
    work(run)
    visit(app, "pages/train.py", run=run.id)
    assert "learning rate looks too low" in text(app)


def test_coach_does_not_talk_over_the_verdict_on_a_failed_run(app, store, tiny_recipe, shapes_fingerprint):
    from core.worker import work

    recipe = dataclasses.replace(tiny_recipe, learning_rate=1e-5, epochs=2)
    run, _ = store.open(recipe, 1, shapes_fingerprint)
    work(run)
    *lines, _ = run.events_path.read_text().splitlines(keepends=True)
    run.events_path.write_text("".join(lines) + to_line(Failed(1.0, "diverged", "It diverged.")))
    visit(app, "pages/train.py", run=run.id)
    assert "It diverged" in text(app).replace("\\", "") and "learning rate looks" not in text(app)


def test_page_says_that_the_network_is_being_compiled_until_the_first_sign(app, store, tiny_recipe):
    run, _ = store.open(dataclasses.replace(tiny_recipe, compile=True), 1, "data")
    started = Started(1.0, 0, 1, 16, 4000, 1000, ["a", "b"], [0.5] * 3, [0.2] * 3, {"device_name": "x"})
    run.events_path.write_text(to_line(started))

    def bar() -> str:
        return app.get("progress")[-1].proto.text

    lock = FileLock(run.lock_path)
    assert lock.acquire()
    try:
        visit(app, "pages/train.py", run=run.id)
        assert bar().startswith("Compiling")
        write_json(run.folder / "progress.json", vars(Progress(1, 3, 500.0)))
        app.run()
        assert bar().startswith("Epoch 1 of 1")
    finally:
        lock.release()


def test_probe_that_gave_way_goes_on_after_its_first_figure(app, store, monkeypatch):
    from core.estimate import probe_path

    store.folder.mkdir()
    write_json(probe_path(store), {"points": [{"multiply_adds": 1e7, "images_per_second": 1e4}]})
    begun = []
    monkeypatch.setattr("core.launch.begin_probe", begun.append)
    visit(app, "pages/train.py")
    assert "Takes about" in text(app) and begun


@pytest.mark.parametrize("preset", ["residual", "fast", "report-improved-half"])
def test_form_and_layer_table_draw_every_preset(app, preset):
    visit(app, "pages/train.py")
    app.selectbox(key="preset.widget").set_value(preset).run()
    app.selectbox(key="field.dataset").set_value("shapes").run()
    assert not app.exception and not app.error
    assert "multiply-adds" in text(app)


def test_depth_that_does_not_exist_cannot_be_chosen(app):
    from core.config import Recipe

    visit(app, "pages/train.py")
    app.selectbox(key="preset.widget").set_value("residual").run()
    for depth in app.select_slider(key="field.depth").options:
        Recipe(model="residual", depth=int(depth))


def test_unwritable_runs_folder_is_a_sentence(app, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TENFOLD_RUNS", str(tmp_path / "file" / "runs"))
    visit(app, "pages/train.py")
    app.button(key="start").click().run()
    assert not app.exception and "TENFOLD_RUNS" in app.error[0].value.replace("\\", "")


def test_stopped_run_offers_to_go_on(app, store, queued_run):
    stop(store, queued_run)
    visit(app, "pages/train.py", run=queued_run.id)
    app.button(key=f"go-on-{queued_run.id}").click().run()
    assert queued_run.state() is RunState.FINISHED


def test_queue_is_listed_and_can_be_stopped(app, store, tiny_recipe, monkeypatch):
    monkeypatch.setenv("TENFOLD_EXECUTOR", "local")
    monkeypatch.setattr("core.executors.local.Local.wake", lambda self, store: None)
    runs = [store.open(dataclasses.replace(tiny_recipe, epochs=9), seed, "data")[0] for seed in (1, 2)]
    for run in runs:
        store.enqueue(run)
    visit(app, "pages/train.py", run=runs[0].id)
    app.button(key=f"stop-queued-{runs[1].id}").click().run()
    assert [run.id for run in store.queue()] == [runs[0].id]
    assert runs[1].state() is RunState.CANCELLED


def test_every_view_of_the_data_page_opens(app):
    visit(app, "pages/data.py")
    assert "5,000" in text(app)
    for tab in ("One of each class", "Samples", "Anatomy of an example"):
        app.session_state["data.tab"] = tab
        app.run()
        assert not app.exception and not app.error


def test_missing_data_set_offers_its_download(app):
    visit(app, "pages/data.py")
    app.selectbox(key="data.set").set_value("cifar10").run()
    assert app.button(key="prepare").label == "Download CIFAR-10"
    assert not app.exception


def test_download_that_failed_says_why_and_can_be_tried_again(app):
    place = _place("cifar10", 32).with_suffix(".json")
    place.parent.mkdir(parents=True)
    write_json(place, vars(Preparation(error="There is no network here.")))
    visit(app, "pages/data.py")
    app.selectbox(key="data.set").set_value("cifar10").run()
    assert "no network" in app.error[0].value and app.button(key="prepare").label == "Try again"


HOSTILE = ["<script>alert(1)</script>", "**bold**", "$x$", "مرحبا", "猫🐈", "a" * 120]


@pytest.fixture
def folder():
    """Twelve classes with names of every kind, below the data folder."""
    root = data_dir() / "my images"
    for number, name in enumerate([*HOSTILE, *"abcdef"]):
        place = root / name.replace("/", "∕")
        place.mkdir(parents=True)
        for image in range(4):
            pixels = np.full((40, 50, 3), (number * 20, image * 50, 99), dtype=np.uint8)
            Image.fromarray(pixels).save(place / f"{image}.png")
    (root / "a" / "broken.png").write_bytes(b"not an image")
    (root / "test only").mkdir()
    return f"folder:{root}"


def test_folder_of_images_is_read_and_shown(app, folder):
    visit(app, "pages/data.py")
    app.selectbox(key="data.set").set_value(folder).run()
    assert app.button(key="prepare").label == "Read the images"
    subprocess.run([sys.executable, "-m", "core.preparation", folder, "32"], cwd=ROOT, check=True)
    app.run()
    for tab in ("Class counts", "One of each class", "Samples", "Anatomy of an example"):
        app.session_state["data.tab"] = tab
        app.run()
        assert not app.exception and not app.error
    assert "12" in text(app) and any("1 files could" in expander.label for expander in app.expander)
