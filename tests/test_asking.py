"""Asking the process that classifies: its answers are those of the networks, its death is survived."""

import shutil
import threading

import numpy as np
import pytest

from core import answering
from core.answering import Answerer
from core.asking import LOG_NAME, MOST_LOG_BYTES, Asker, Forgotten
from core.errors import UserError
from core.predictions import read_predictions
from core.store import RunStore

CARD = {"kind": "card", "name": "fast"}
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    asker = Asker(RunStore(tmp_path_factory.mktemp("asked") / "runs"))
    yield asker
    asker.close()


@pytest.fixture
def asker(store):
    found = Asker(store)
    yield found
    found.close()


def test_card_tells_what_it_is_and_classifies(shared):
    about, _ = shared.ask("open", CARD)
    assert len(about["classes"]) == 10 and about["size"] == 32 and about["calibrated"]
    _, found = shared.ask("classify", CARD, {"images": IMAGES})
    assert found["probabilities"].shape == (1, 3, 10)
    assert found["mean"].sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)


@pytest.mark.parametrize("method", ["gradcam", "integrated", "occlusion"])
def test_every_explanation_is_a_map_of_the_image(shared, method):
    told, found = shared.ask("explain", CARD, {"image": IMAGES[0]}, method=method, target=3)
    assert found["heat"].shape == (32, 32) and np.abs(found["heat"]).max() == pytest.approx(1.0)
    assert told["regions"] == ([[3, 3]] if method == "gradcam" else [])


def test_regions_are_those_of_the_networks_at_hand(shared):
    both = {"kind": "several", "of": [CARD, {"kind": "card", "name": "baseline-narrow"}]}
    told, _ = shared.ask("explain", both, {"image": IMAGES[0]}, method="gradcam", target=3)
    assert len(told["regions"]) == 2 and [3, 3] in told["regions"]


def test_along_each_slider_there_are_probabilities(shared):
    told, found = shared.ask("along", CARD, {"image": IMAGES[0]}, play={})
    assert set(told["along"]) >= {"rotation", "noise"}
    assert len(found["noise.values"]) == len(found["noise.probability"])


@pytest.mark.parametrize(
    "subject",
    [{"kind": "card", "name": "none"}, {"kind": "run", "id": "../x"}, {"kind": "sweep", "digest": "zz"}],
)
def test_what_is_not_there_is_refused_in_a_sentence(shared, subject):
    with pytest.raises(UserError) as refusal:
        shared.ask("open", subject)
    assert str(refusal.value).endswith((".", "baseline-narrow.", "lists them."))


def test_impossible_question_ends_nothing(shared):
    with pytest.raises(UserError, match="could not be answered"):
        shared.ask("classify", CARD, {"images": IMAGES[:, :, :5]})
    assert shared.ask("classify", CARD, {"images": IMAGES})[1]["mean"].shape == (3, 10)


def test_weights_that_were_brought_are_asked_and_others_refused(shared):
    from core.pretrained import cards

    card = cards()["fast"]
    named = {
        "kind": "own",
        "file": "mine.pt",
        "sha256": card.sha256,
        "recipe": card.recipe.to_dict(),
        "classes": card.classes,
        "mean": card.mean,
        "std": card.std,
    }
    content = np.frombuffer(card.content(), np.uint8)
    _, found = shared.ask("classify", named, {"images": IMAGES, "content": content})
    _, own = shared.ask("classify", CARD, {"images": IMAGES})
    assert np.array_equal(found["mean"].argmax(axis=1), own["mean"].argmax(axis=1))
    _, again = shared.ask("classify", named, {"images": IMAGES})  # without the content: it is in memory
    assert np.array_equal(again["mean"], found["mean"])
    with pytest.raises(Forgotten, match="bring them again"):
        shared.ask("open", {**named, "sha256": "never sent"})
    broken = {**named, "sha256": "other"}
    with pytest.raises(UserError):
        shared.ask("open", broken, {"content": content[:1000]})


def test_run_answers_as_it_did_at_its_end(asker, store, finished_run):
    from core.datasets import source

    data = source("shapes").load()
    stored = read_predictions(finished_run)
    _, found = asker.ask("classify", {"kind": "run", "id": finished_run.id}, {"images": data.test.images})
    assert np.array_equal(found["mean"].argmax(axis=1), stored.answers)


def test_killed_process_is_started_again(asker):
    asker.ask("open", CARD)
    asker._child.kill()
    asker._child.wait()
    assert asker.ask("open", CARD)[0]["size"] == 32


def test_process_that_dies_at_once_is_told_in_a_sentence(asker, monkeypatch):
    monkeypatch.setattr("core.asking.sys.executable", "/bin/false")
    with pytest.raises(UserError, match="ended without a word"):
        asker.ask("open", CARD)


def test_answer_that_does_not_come_is_not_waited_for(store):
    asker = Asker(store, seconds=0.01)
    with pytest.raises(UserError, match="No answer came"):
        asker.ask("open", CARD)
    asker.close()


def test_child_ends_with_its_asker(asker):
    asker.ask("open", CARD)
    child = asker._child
    child.stdin.close()
    assert child.wait(10) == 0


def test_warming_up_waits_for_no_question_of_others(asker):
    with asker._turns.turn():
        thread = threading.Thread(target=asker.warm, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive() and asker._child is None
    asker.warm()
    assert asker._child.poll() is None


def test_networks_that_come_along_need_no_folder_of_runs(tmp_path):
    (tmp_path / "file").write_text("no folder")
    asker = Asker(RunStore(tmp_path / "file" / "runs"))
    assert asker.ask("open", CARD)[0]["size"] == 32
    with pytest.raises(UserError, match=r"no such run|can't be used"):
        asker.ask("open", {"kind": "run", "id": "0" * 32})
    asker.close()


def test_process_that_cannot_start_is_no_lack_of_memory(asker, monkeypatch):
    monkeypatch.setattr("core.asking.sys.executable", "/nowhere/python")
    with pytest.raises(UserError, match="can't be started on this machine"):
        asker.ask("open", CARD)


def test_log_begins_anew_when_it_has_grown(asker, store):
    store.folder.mkdir()
    log = store.folder / LOG_NAME
    for size, kept in ((100, 100), (MOST_LOG_BYTES + 1, 0)):
        log.write_bytes(bytes(size))
        asker.warm()
        asker.close()
        assert log.stat().st_size == kept


def test_sweep_has_the_seeds_that_have_finished_by_now(store, finished_run):
    answerer = Answerer(store)
    sweep = {"kind": "sweep", "digest": finished_run.spec.digest}

    def members(named) -> int:
        return len(answerer.answer({"what": "open", "subject": named}, {})[0]["members"])

    first, _ = answerer.answer({"what": "open", "subject": sweep}, {})
    assert len(first["members"]) == members({"kind": "several", "of": [sweep]}) == 1
    another_seed(store, finished_run, 43)
    assert members(sweep) == members({"kind": "several", "of": [sweep]}) == 2
    assert members(first["named"]) == 1  # whoever looks at the one seed goes on with it


def another_seed(store, run, seed: int) -> str:
    """The id of a run of another seed with everything that a finished one left behind."""
    other, _ = store.open(run.spec.recipe, seed, run.spec.data_fingerprint)
    kept = shutil.ignore_patterns("run.json")
    shutil.copytree(run.folder, other.folder, ignore=kept, dirs_exist_ok=True)
    return other.id


def test_similar_images_are_looked_for_in_steps_between_which_others_are_answered(
    store, finished_run, monkeypatch
):
    monkeypatch.setattr(answering, "STEP_SECONDS", 0.0)
    answerer = Answerer(store)
    question = {"what": "nearest", "subject": {"kind": "run", "id": finished_run.id}, "count": 5}
    told, found = answerer.answer(question, {"images": IMAGES})
    assert 0 < told["done"] < told["total"] == 4000 and not found
    other, _ = answerer.answer({"what": "open", "subject": CARD}, {})
    assert other["size"] == 32
    steps = [told["done"]]
    while not found:
        told, found = answerer.answer(question, {"images": IMAGES})
        steps.append(told["done"])
        assert steps[-1] > steps[-2]
    assert steps[-1] == 4000 and found["images"].shape == (3, 5, 3, 32, 32)
    anew, _ = Answerer(store).answer(question, {"images": IMAGES})
    assert anew["done"] == 4000


def test_network_that_goes_from_memory_keeps_what_is_known(store, finished_run, monkeypatch):
    monkeypatch.setattr(answering, "STEP_SECONDS", 0.0)
    monkeypatch.setattr(answering, "KEPT_NEIGHBOURS", 1)
    other_id = another_seed(store, finished_run, 43)
    answerer, done = Answerer(store), []
    for run_id in (finished_run.id, other_id) * 2:
        question = {"what": "nearest", "subject": {"kind": "run", "id": run_id}, "count": 5}
        done.append(answerer.answer(question, {"images": IMAGES})[0]["done"])
    assert done[2] > done[0] and done[3] > done[1]


def test_folder_that_cannot_be_read_is_no_fault_of_an_image(store, monkeypatch):
    def unreadable(run_id):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(store, "get", unreadable)
    told, _ = Answerer(store).answer({"what": "open", "subject": {"kind": "run", "id": "0" * 32}}, {})
    assert told["error"] == "A file of the runs or data folder can't be used (Permission denied)."
