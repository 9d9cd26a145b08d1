"""Guided experiments: what is compared, who wins by which rule, and what the page shows when."""

import re

import numpy as np
import pytest

from core.config import differences
from core.datasets.cifar10 import ARCHIVE_NAME, Cifar10
from core.estimate import probe_path
from core.experiments import EXPERIMENTS, Result, leader, spread
from core.paths import data_dir, write_json
from tests.fake_runs import diverged, finished
from tests.test_cifar10 import PACKED, archive
from tests.test_pages import fresh_caches, no_probe, text, visit  # noqa: F401  (fixtures)

BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}
PAGE = "pages/experiments.py"


def results(*arms: list[float], lost: tuple[int, ...] = ()) -> list[Result]:
    lost = lost or (0,) * len(arms)
    return [Result(np.array(values, dtype=float), number) for values, number in zip(arms, lost, strict=True)]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda one: one.name)
def test_every_answer_has_two_sentences(experiment):
    assert len(experiment.answers) == len(experiment.because) >= 3
    for words in experiment.because:
        assert len(re.findall(r"[.?!](?:\s|$)", words)) == 2, words


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda one: one.name)
def test_arms_are_judged_on_the_same_validation_images(experiment):
    recipes = [arm.recipe for arm in experiment.arms]
    assert all(recipe.dataset == "shapes" and not recipe.vary_split for recipe in recipes)
    assert len({recipe.validation_share for recipe in recipes}) == 1
    assert len({recipe.epochs for recipe in recipes}) == 1
    assert len({recipe.digest("x") for recipe in recipes}) == len(recipes)


def test_arms_differ_in_what_the_question_asks_alone():
    asked = {
        "learning-rate": {"learning_rate"},
        "depth": {"skip"},
        "normalisation": {"normalisation"},
        "gelu": {"activation"},
        "augmentation": {"flip", "rotation", "shift", "vary_augmentation"},
    }
    for name, fields in asked.items():
        first, *others = (arm.recipe for arm in BY_NAME[name].arms)
        for other in others:
            assert set(differences(first, other)) <= fields, name


def test_clear_difference_has_a_leader_and_overlap_has_none():
    assert leader(results([0.3, 0.25, 0.28], [0.87, 0.86, 0.88], [0.1, 0.1, 0.11])) == 1
    assert leader(results([0.86, 0.88, 0.84], [0.87, 0.86, 0.85])) == 2
    assert leader(results([0.86, 0.87, 0.88], [0.861, 0.871, 0.882], [0.4, 0.41, 0.42])) == 3


def test_arm_without_figures_loses_to_one_with_them():
    assert leader(results([0.8, 0.81, 0.82], [], lost=(0, 3))) == 0
    assert leader(results([], [], lost=(3, 3))) == 2
    assert leader(results([0.8], [0.3], lost=(0, 0))) == 2  # one seed each tells nothing


def test_equal_arms_get_a_leader_no_more_often_than_the_level():
    draws = np.random.default_rng(1)
    found = [
        leader(results(*(draws.normal(0.8, 0.01, 4).tolist() for _ in range(3)))) != 3 for _ in range(400)
    ]
    assert np.mean(found) < 0.05


def test_spread_names_the_step_that_best_minus_worst_falls_into():
    for gap, place in ((0.005, 0), (0.02, 1), (0.033, 2), (0.2, 3)):
        assert spread(results([0.8, 0.8 + gap, 0.8 + gap / 2])) == place


def guess(app, experiment: str, words: str):
    app.radio(key=f"experiments.guess.{experiment}.shapes").set_value(words).run()
    assert not app.exception, app.exception
    return app


def test_start_waits_for_a_guess_and_two_clicks_start_each_run_once(app, store, monkeypatch):
    started = []
    monkeypatch.setattr(
        "core.launch.executor", lambda: type("X", (), {"start": lambda self, _, runs: started.extend(runs)})()
    )
    visit(app, PAGE, experiment="depth")
    assert app.button(key="experiments.start.depth").disabled
    guess(app, "depth", "The residual one")
    app.button(key="experiments.start.depth").click().run()
    app.button(key="experiments.start.depth").click().run()
    assert not app.exception
    assert sorted((run.spec.recipe.skip, run.spec.seed) for run in store.runs()) == [
        (skip, seed) for skip in (False, True) for seed in (0, 1, 2)
    ]


def fill(store, fingerprint: str, name: str, *levels: float, images: int = 0) -> None:
    """All runs of an experiment, around a level of accuracy for each arm."""
    for arm, level in zip(BY_NAME[name].arms, levels, strict=True):
        reached = {seed: (level + 0.002 * seed, level - 0.1) for seed in BY_NAME[name].seeds}
        finished(store, arm.recipe, reached, fingerprint, images)


def test_result_is_hidden_until_a_guess_then_told_from_the_runs(app, store, shapes_fingerprint):
    fill(store, shapes_fingerprint, "depth", 0.3, 0.9)
    visit(app, PAGE, experiment="depth")
    assert "Guess first" in text(app) and "Your runs say" not in text(app)
    guess(app, "depth", "The plain one")
    words = text(app)
    assert "You guessed: The plain one" in words and "Your runs say: The residual one" in words
    assert "**residual**: 90.2% on average over 3 seeds, 90.0% to 90.4%" in words
    assert "80.0%" not in words  # of test


def test_explanation_follows_the_runs_not_the_textbook(app, store, shapes_fingerprint):
    fill(store, shapes_fingerprint, "depth", 0.9, 0.3)
    visit(app, PAGE, experiment="depth")
    guess(app, "depth", "The plain one")
    words = text(app).replace("\\", "")
    assert "Your runs say: The plain one" in words and "against what is usual" in words
    assert "undiminished" not in words


def test_answer_waits_for_the_last_run(app, store, shapes_fingerprint):
    plain, residual = BY_NAME["depth"].arms
    finished(store, plain.recipe, {0: (0.3, 0.3), 1: (0.3, 0.3), 2: (0.3, 0.3)}, shapes_fingerprint)
    finished(store, residual.recipe, {0: (0.9, 0.9)}, shapes_fingerprint)
    visit(app, PAGE, experiment="depth")
    guess(app, "depth", "I would rather not guess")
    words = text(app)
    assert "4 of 6 runs have ended" in words and "Your runs say" not in words
    assert app.button(key="experiments.start.depth").label == "Train what is missing"


def test_diverged_runs_are_counted_and_lose(app, store, shapes_fingerprint):
    small, middle, large = BY_NAME["learning-rate"].arms
    for arm, level in ((small, 0.3), (middle, 0.87)):
        finished(
            store,
            arm.recipe,
            {seed: (level + 0.001 * seed, level) for seed in range(3)},
            shapes_fingerprint,
        )
    diverged(store, large.recipe, [0, 1, 2], shapes_fingerprint)
    visit(app, PAGE, experiment="learning-rate")
    guess(app, "learning-rate", "0.02, the middle one")
    words = text(app).replace("\\", "")
    assert "Your runs say: 0.02, the middle one" in words
    assert "no run finished; 3 without a figure" in words


def test_test_images_speak_after_reveal_and_count_a_look(app, store, shapes_fingerprint):
    fill(store, shapes_fingerprint, "depth", 0.3, 0.9, images=400)
    visit(app, PAGE, experiment="depth")
    guess(app, "depth", "The residual one")
    assert "On the test images" not in text(app)
    app.button(key="experiments.reveal").click().run()
    assert not app.exception
    assert "residual is better than plain" in text(app)
    assert all(run.looks() == 1 for run in store.runs())


def test_link_opens_its_experiment_and_a_click_changes_the_address(app):
    visit(app, PAGE, experiment="gelu")
    assert app.radio(key="experiments.name").value == "gelu"
    app.radio(key="experiments.name").set_value("seeds").run()
    assert app.query_params["experiment"] == "seeds"


def test_unknown_link_opens_the_first_experiment(app):
    visit(app, PAGE, experiment="<script>")
    assert app.radio(key="experiments.name").value == EXPERIMENTS[0].name


@pytest.fixture
def small_cifar10(monkeypatch):
    """CIFAR-10 as if it were downloaded, with a few images."""
    monkeypatch.setattr(Cifar10.__init__, "__defaults__", (archive(),))
    data_dir().mkdir(parents=True)
    (data_dir() / ARCHIVE_NAME).write_bytes(PACKED)
    Cifar10("", 32).prepare(lambda *progress: None)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda one: one.name)
def test_every_experiment_runs_on_cifar10_too(
    app, store, small_cifar10, shapes_fingerprint, experiment, monkeypatch
):
    started = []
    monkeypatch.setattr(
        "core.launch.executor", lambda: type("X", (), {"start": lambda self, _, runs: started.extend(runs)})()
    )
    fill(
        store, shapes_fingerprint, experiment.name, *([0.5] * len(experiment.arms))
    )  # they answer for shapes alone
    probe = {"points": [{"multiply_adds": 1e7, "images_per_second": 1000.0}], "device_name": "x"}
    write_json(probe_path(store), probe)
    visit(app, PAGE, experiment=experiment.name)
    app.selectbox(key="experiments.dataset").set_value("cifar10").run()
    assert not app.exception and not app.error
    assert "There is no GPU here" in text(app)
    runs = len(experiment.arms) * len(experiment.seeds)
    assert re.search(rf"{runs} runs \(seeds .*\): about \*\*.* on this machine", text(app))
    app.radio(key=f"experiments.guess.{experiment.name}.cifar10").set_value(experiment.answers[0]).run()
    assert "Your runs say" not in text(app)
    app.button(key=f"experiments.start.{experiment.name}").click().run()
    assert not app.exception and not app.error
    assert len(started) == runs and {run.spec.recipe.dataset for run in started} == {"cifar10"}


def test_with_a_gpu_nobody_is_told_to_be_patient(app, small_cifar10, monkeypatch):
    monkeypatch.setattr("core.machine.gpus", lambda: 1)
    visit(app, PAGE)
    app.selectbox(key="experiments.dataset").set_value("cifar10").run()
    assert not app.exception and "There is no GPU here" not in text(app)


def test_cifar10_that_is_not_there_is_offered_as_a_download(app):
    visit(app, PAGE)
    app.selectbox(key="experiments.dataset").set_value("cifar10").run()
    assert not app.exception and not app.error
    assert "Download CIFAR-10" in [button.label for button in app.button]
    assert not [button for button in app.button if str(button.key).startswith("experiments.start")]
