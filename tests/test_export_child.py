"""Files that take torch: the same numbers as safetensors, ONNX that agrees with torch, event files, and who makes them."""

import io
import json
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

from core import taking
from core.__main__ import main as command_line
from core.config import Recipe
from core.errors import UserError
from core.export_child import main, make
from core.locks import FileLock
from core.models import MODELS
from tests.finished import CLASSES, MEAN, finished

WIDTHS = {"baseline": 0.03125, "improved": 0.03125, "residual": 0.25, "fast": 0.0625}


def narrow(model: str, **more) -> Recipe:
    return Recipe(model=model, width=WIDTHS[model], depth=8, **more)


def test_safetensors_hold_the_same_numbers_and_what_it_takes_to_use_them(store):
    run = finished(store, narrow("residual"))
    name, content, note = make(run, "safetensors", test=False)
    ours = torch.load(run.folder / "weights.pt", weights_only=True)
    read = safetensors.torch.load(content)
    assert ours.keys() == read.keys() and all(torch.equal(ours[name], read[name]) for name in ours)
    length = int.from_bytes(content[:8], "little")
    told = json.loads(content[8 : 8 + length])["__metadata__"]
    assert told["recipe_digest"] == run.spec.digest and json.loads(told["classes"]) == CLASSES
    assert json.loads(told["mean"]) == MEAN and json.loads(told["recipe"])["depth"] == 8
    assert name.endswith(".safetensors") and f"{len(ours)} tensors" in note


@pytest.mark.filterwarnings("ignore")  # torch's exporter warns of itself
@pytest.mark.parametrize("model", MODELS)
def test_onnx_model_takes_any_number_of_images_and_agrees_with_torch(store, model, shapes_fingerprint):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    onnx = pytest.importorskip("onnx")
    run = finished(store, narrow(model, flip_test=model == "fast"), fingerprint=shapes_fingerprint)
    name, content, note = make(run, "onnx", test=False)
    assert "100 validation images" in note and name.endswith(".onnx")
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    net = MODELS[model].build(run.spec.recipe, len(CLASSES)).eval()
    net.load_state_dict(torch.load(run.folder / "weights.pt", weights_only=True))
    images = np.random.default_rng(1).random((7, 3, 32, 32), dtype=np.float32)
    shape = (1, 3, 1, 1)
    shown = torch.tensor(
        (images - np.float32(MEAN).reshape(shape)) / np.float32([0.2, 0.25, 0.3]).reshape(shape)
    )
    with torch.inference_mode():
        logits = net(shown)
        if model == "fast":
            logits = (logits + net(shown.flip(-1))) / 2
    wanted = (logits / 1.5).softmax(1).numpy()
    for n in (1, 7):
        found_logits, probabilities = session.run(["logits", "probabilities"], {"images": images[:n]})
        np.testing.assert_allclose(probabilities, wanted[:n], atol=1e-4)
        np.testing.assert_allclose(found_logits, logits[:n].numpy(), atol=1e-3)
    told = {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props}
    assert json.loads(told["classes"]) == CLASSES and "normalisation is inside" in told["input"]


@pytest.mark.parametrize("kind, missing", [("onnx", "onnxscript"), ("tensorboard", "tensorboard")])
def test_missing_package_is_said_with_the_command_that_brings_it(store, monkeypatch, kind, missing):
    for name in [
        name for name in sys.modules if name.partition(".")[0] == missing or "torch.utils.tensorboard" in name
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UserError, match=f"{missing}.*pip install -r requirements-export.txt"):
        make(finished(store, narrow("baseline")), kind, test=False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("test", [True, False])
def test_event_files_hold_the_curves_and_test_only_where_it_is_asked_for(store, tmp_path, test):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = finished(store, narrow("baseline"))
    _, content, note = make(run, "tensorboard", test)
    zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path / "events")
    (folder,) = (tmp_path / "events").iterdir()
    events = EventAccumulator(str(folder)).Reload()
    losses = [scalar.value for scalar in events.Scalars("loss/validation")]
    assert losses == pytest.approx([2.1, 1.05])
    assert [scalar.step for scalar in events.Scalars("loss/training step")] == [5, 10]
    assert ("accuracy/test" in events.Tags()["scalars"]) == test
    assert ("covered" in note) == (not test)


def test_script_comes_with_the_images_that_it_reads(store, shapes_fingerprint):
    run = finished(store, narrow("baseline"), fingerprint=shapes_fingerprint)
    _, content, _ = make(run, "script", test=False)
    archive = zipfile.ZipFile(io.BytesIO(content))
    compile(archive.read("train.py"), "train.py", "exec")
    images = np.load(io.BytesIO(archive.read("images.npz")))
    assert images["train_images"].shape == (5000, 3, 32, 32) and images["test_labels"].shape == (1000,)


def test_script_is_refused_where_the_images_have_changed(store):
    with pytest.raises(UserError, match="images have changed"):
        make(finished(store, narrow("baseline"), fingerprint="others"), "script", test=False)


def test_damaged_weights_leave_in_no_format(store):
    run = finished(store, narrow("baseline"))
    path = run.folder / "weights.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for kind in ("safetensors", "onnx"):
        with pytest.raises(UserError, match="damaged"):
            make(run, kind, test=False)


def test_process_leaves_the_file_and_its_record(store):
    run = finished(store, narrow("baseline"))
    (run.folder / taking.FOLDER).mkdir()
    assert main([str(store.folder), run.id, "safetensors"]) == 0
    made = taking.status(run, "safetensors", test=False)
    assert made and not made.running and not made.error
    safetensors.torch.load(taking.path_of(run, made).read_bytes())
    taking.path_of(run, made).unlink()
    assert taking.status(run, "safetensors", test=False) is None


def test_process_that_is_refused_says_why(store):
    run = finished(store, narrow("baseline"))
    (run.folder / taking.FOLDER).mkdir()
    (run.folder / "weights.pt").unlink()
    assert main([str(store.folder), run.id, "safetensors"]) == 1
    assert "gone" in taking.status(run, "safetensors", test=False).error


def test_file_that_was_asked_for_is_made_in_the_background(store):
    run = finished(store, narrow("baseline"))
    taking.begin(run, "safetensors", test=False)
    assert taking.status(run, "safetensors", test=False).running
    deadline = time.monotonic() + 90
    while taking.status(run, "safetensors", test=False).running:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert taking.status(run, "safetensors", test=False).file.endswith(".safetensors")


def test_process_that_died_is_not_waited_for(store, monkeypatch):
    run = finished(store, narrow("baseline"))
    (run.folder / taking.FOLDER).mkdir()
    taking.write(run, "onnx", taking.Made(time.time()))
    lock = FileLock(run.folder / taking.FOLDER / "onnx.lock")
    monkeypatch.setattr(taking, "STARTING_SECONDS", -1.0)
    assert lock.acquire()
    assert taking.status(run, "onnx", test=False).running
    lock.release()
    assert "without a word" in taking.status(run, "onnx", test=False).error


def test_event_files_with_test_are_others_than_those_without(store):
    assert taking.name_of("tensorboard", True) != taking.name_of("tensorboard", False)
    assert taking.name_of("onnx", True) == taking.name_of("onnx", False)


def test_command_line_writes_tables_without_a_look_and_a_report_with_one(store, tmp_path):
    run = finished(store, narrow("baseline"))
    out = str(tmp_path / "out")
    assert command_line(["export", run.id, "--as", "csv", "--out", out, "--json"]) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert [name.rpartition("-")[2] for name in names] == ["epochs.csv", "predictions.csv", "steps.csv"]
    assert run.looks() == 0
    assert (
        command_line(["export", run.id, "--as", "html", "--test", "--out", f"{out}/mine.html", "--json"]) == 0
    )
    assert (tmp_path / "out" / "mine.html").stat().st_size > 4_000_000 and run.looks() == 1


def test_command_line_compares_two_recipes_in_a_report(store, tmp_path, capsys):
    runs = [
        finished(store, narrow("baseline", epochs=epochs), seed) for epochs in (2, 3) for seed in (0, 1, 2)
    ]
    digests = sorted({run.spec.digest for run in runs})
    arguments = ["export", *digests, "--as", "html", "--test", "--out", str(tmp_path), "--json"]
    assert command_line(arguments) == 0
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert "Is A better than B?" in Path(file).read_text() and all(run.looks() == 1 for run in runs)
    assert command_line(["export", digests[0], "--as", "onnx", "--json"]) == 2
    assert "html only" in capsys.readouterr().out
