"""What trained networks say of images: the same as their runs wrote down, alone and together."""

import dataclasses

import numpy as np
import pytest
import torch

from core import classify
from core.checkpoints import to_bytes
from core.classify import open_card, open_run, open_sweep, open_weights, put_together
from core.config import Recipe
from core.datasets import source
from core.energy import choose_alarm, energy
from core.errors import UserError
from core.models import MODELS
from core.predictions import read_predictions
from core.pretrained import cards
from core.worker import work


@pytest.fixture(scope="module")
def test_images() -> np.ndarray:
    return source("shapes").load().test.images


def test_run_answers_as_it_did_when_it_was_trained(store, finished_run, test_images):
    classifier = open_run(store, finished_run.id)
    stored = read_predictions(finished_run).logits
    answers = classifier.classify(test_images)
    assert np.array_equal(answers.logits[0], stored)


def test_image_alone_gets_its_logits_up_to_rounding(store, tiny_recipe, shapes_fingerprint, test_images):
    """Sums of another number of images may be taken in another order: not the same bits on every processor."""
    run, _ = store.open(dataclasses.replace(tiny_recipe, precision="fp32"), 1, shapes_fingerprint)
    work(run)
    classifier, stored = open_run(store, run.id), read_predictions(run).logits
    for few in (slice(7, 8), slice(0, 64)):
        np.testing.assert_allclose(
            classifier.classify(test_images[few]).logits[0], stored[few], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("model", MODELS)
def test_every_model_answers_as_its_run_did(store, tiny_recipe, shapes_fingerprint, test_images, model):
    recipe = dataclasses.replace(
        tiny_recipe, model=model, depth=8, flip_test=True, averaging=0.5 if model == "fast" else 0.0
    )
    run, _ = store.open(recipe, 1, shapes_fingerprint)
    work(run)
    found = open_run(store, run.id).classify(test_images).logits[0]
    assert np.array_equal(found, read_predictions(run).logits)


def test_probabilities_are_calibrated_and_add_up(store, finished_run, test_images):
    classifier = open_run(store, finished_run.id)
    answers = classifier.classify(test_images[:20])
    temperature = finished_run.history().end.temperature
    expected = torch.softmax(torch.from_numpy(answers.logits) / temperature, dim=2).numpy()
    assert np.allclose(answers.probabilities, expected, atol=1e-6) and classifier.calibrated
    assert answers.probabilities.dtype == np.float32
    assert (answers.spread == 0).all() and (answers.agreement == 1).all()
    assert finished_run.looks() == 0


def test_probabilities_are_called_calibrated_only_where_a_temperature_was_fitted(
    store, finished_run, test_images
):
    classifier = open_run(store, finished_run.id)
    (member,) = classifier.members
    bare = dataclasses.replace(classifier, members=[dataclasses.replace(member, temperature=None)])
    assert not bare.calibrated and member.data_fingerprint
    answers = bare.classify(test_images[:5])
    expected = torch.softmax(torch.from_numpy(answers.logits), dim=2).numpy()
    assert np.allclose(answers.probabilities, expected, atol=1e-6)
    one = dataclasses.replace(classifier, members=[dataclasses.replace(member, temperature=1.0)])
    assert one.calibrated  # 1 may be what was fitted


def test_seeds_of_a_recipe_are_put_together(
    store, finished_run, tiny_recipe, shapes_fingerprint, test_images, monkeypatch
):
    other, _ = store.open(tiny_recipe, 43, shapes_fingerprint)
    work(other)
    classifier = open_sweep(store, other.spec.digest[:8])
    answers = classifier.classify(test_images[:50])
    assert [member.seed for member in classifier.members] == [42, 43]
    assert answers.probabilities.shape == (2, 50, 10) and answers.mean.shape == (50, 10)
    assert np.allclose(answers.spread, answers.probabilities.std(axis=0, ddof=1))
    agreed = answers.probabilities.argmax(2) == answers.mean.argmax(1)
    assert np.array_equal(answers.agreement, agreed.mean(0)) and set(answers.agreement) <= {0.0, 0.5, 1.0}
    assert "2 seed(s)" in classifier.note and classifier.alarm.false_alarms < 0.1
    monkeypatch.setattr(classify, "MOST_MEMBERS", 1)
    fewer = open_sweep(store, other.spec.digest)
    assert len(fewer.members) == 1 and "1 more seeds are left out" in fewer.note


@pytest.mark.parametrize("name", cards())
def test_card_recognises_nothing_in_particular_and_still_answers(name, test_images):
    classifier = open_card(name)
    answers = classifier.classify(test_images[:3])
    assert classifier.image_size == 32 and len(classifier.classes) == 10
    assert answers.mean.shape == (3, 10) and np.allclose(answers.mean.sum(1), 1, atol=1e-5)
    assert "CIFAR-10" in classifier.note and "%" in classifier.note


def test_no_image_gives_no_answer():
    answers = open_card("baseline-narrow").classify(np.zeros((0, 3, 32, 32), np.uint8))
    assert answers.mean.shape == (0, 10) and answers.unusual.shape == (0,)


def test_pixels_of_another_kind_are_no_images():
    classifier = open_card("baseline-narrow")
    for images in (np.zeros((1, 3, 32, 32), np.float32), np.zeros((1, 3, 33, 32), np.uint8)):
        with pytest.raises(ValueError):
            classifier.classify(images)


def test_what_is_not_there_is_refused_in_a_sentence(store, finished_run, queued_run):
    for call in (
        lambda: open_card("nothing"),
        lambda: open_run(store, "../../etc"),
        lambda: open_run(store, queued_run.id),
        lambda: open_sweep(store, "0123456789"),
        lambda: open_sweep(store, queued_run.spec.digest),
    ):
        with pytest.raises(UserError, match=r"\w.*[.:]"):
            call()


def test_flipped_bit_in_weights_is_noticed(store, finished_run):
    path = finished_run.folder / "weights.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged: train it again"):
        open_run(store, finished_run.id)


def test_run_without_predictions_classifies_without_alarm(store, finished_run, test_images):
    (finished_run.folder / "predictions.npz").unlink()
    classifier = open_run(store, finished_run.id)
    assert classifier.alarm is None and not classifier.classify(test_images[:9]).unusual.any()


def test_network_of_tf32_computes_without_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert classify.compute_here(Recipe(precision="tf32")).precision == "fp32"


def test_opening_takes_nothing_from_the_generator(store, finished_run):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    open_run(store, finished_run.id)
    assert torch.equal(before, torch.get_rng_state())


def test_brought_weights_answer_like_the_run(store, finished_run, test_images):
    member = open_run(store, finished_run.id).members[0]
    content = (finished_run.folder / "weights.pt").read_bytes()
    mine = open_weights(content, "../a/b.pt", member.recipe, member.classes, member.mean, member.std)
    stored = read_predictions(finished_run).logits
    assert np.array_equal(mine.classify(test_images).logits[0], stored)
    assert (
        mine.title == "b.pt" and mine.alarm is None and not mine.calibrated and "not calibrated" in mine.note
    )


def test_brought_weights_that_overflow_are_named(tiny_recipe, test_images):
    state = MODELS["baseline"].build(tiny_recipe, 10).state_dict()
    state = {name: value * 0 + 3e38 for name, value in state.items()}
    classifier = open_weights(to_bytes(state), "x.pt", tiny_recipe, list("abcdefghij"), [0, 0, 0], [1, 1, 1])
    with pytest.raises(UserError, match="not finite"):
        classifier.classify(test_images[:2])


@pytest.mark.parametrize("std", [[1, 1], [1, 1, 0], [1, 1, np.nan]])
def test_deviation_must_be_one(tiny_recipe, std):
    with pytest.raises(UserError, match="deviation above 0"):
        open_weights(b"", "x.pt", tiny_recipe, ["a", "b"], [0, 0, 0], std)


# ---- unusual images


def test_energy_agrees_with_its_formula():
    logits = np.array([[1.0, 2.0, -1.0]], np.float32)
    assert energy(logits) == pytest.approx(-np.log(np.exp([1.0, 2.0, -1.0]).sum()))
    assert np.isfinite(energy(np.array([[1e30, -1e30]], np.float32))).all()


def test_alarm_is_rarely_wrong_about_more_than_it_promises():
    random = np.random.default_rng(0)
    wrong = [
        choose_alarm(random.standard_normal(2000)).tells(random.standard_normal(20_000)).mean() > 0.05
        for _ in range(200)
    ]
    assert np.mean(wrong) < 0.1


def test_alarm_is_chosen_and_measured_on_different_images():
    energies = np.zeros(1000)
    energies[1::2] = 1.0
    alarm = choose_alarm(energies)
    assert (alarm.below, alarm.above) == (0, 0) and alarm.false_alarms == 1


def test_alarm_tells_both_ends():
    alarm = choose_alarm(np.arange(2000.0))
    assert alarm.tells(np.array([-1.0, 5.0, 100.0, 1500.0, 1990.0, 2001.0])).tolist() == [1, 1, 0, 0, 1, 1]


def test_too_few_images_give_no_alarm():
    assert choose_alarm(np.arange(144.0)) is None and choose_alarm(np.array([])) is None
    few = choose_alarm(np.arange(150.0))
    assert few.above == 148 and few.below is None and not few.tells(np.array([-1e9])).any()
    assert choose_alarm(np.full(1000, np.nan)) is None


def test_own_images_of_a_run_are_usual(store, finished_run, test_images):
    classifier = open_run(store, finished_run.id)
    answers = classifier.classify(test_images)
    assert answers.unusual.mean() < 0.1
    assert np.array_equal(answers.unusual, classifier.alarm.tells(answers.energy))


def test_models_put_together_answer_as_each_alone(test_images):
    one, other = open_card("fast"), open_card("baseline-narrow")
    both = put_together([one, other])
    found = both.classify(test_images)
    assert [count for _, count in both.parts] == [1, 1] and both.alarm is None
    for place, alone in enumerate((one, other)):
        assert np.array_equal(found.probabilities[place], alone.classify(test_images).probabilities[0])


def test_models_of_other_classes_are_not_put_together(store, finished_run):
    with pytest.raises(UserError, match="do not know the same classes"):
        put_together([open_card("fast"), open_run(store, finished_run.id)])
