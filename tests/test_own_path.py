"""From files on a disk through decoding, fitting and the network: the same answers that the run wrote down."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.__main__ import main
from core.classify import open_run
from core.config import Recipe
from core.datasets import source
from core.decoding import Decoder
from core.predictions import read_predictions
from core.worker import work


@pytest.fixture
def folder(tmp_path) -> Path:
    """PNG and JPEG files of two classes and of several sizes, with a test part of its own."""
    drawn = np.random.default_rng(3)
    for part, images in (("train", 60), ("test", 25)):
        for label, name in enumerate(("dark", "light")):
            place = tmp_path / "mine" / part / name
            place.mkdir(parents=True)
            for number in range(images):
                height, width = ((32, 32), (40, 32), (50, 70))[number % 3]
                pixels = drawn.integers(0, 140, (height, width, 3)) + 100 * label
                suffix = (".png", ".jpg")[number % 2]
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number:03}{suffix}")
    return tmp_path / "mine"


def test_files_on_a_disk_get_the_logits_that_the_run_wrote_down(store, folder, capsys):
    recipe = Recipe(dataset=f"folder:{folder}", width=0.0625, epochs=1, batch_size=16, flip_test=True)
    run, _ = store.open(recipe, 5, source(recipe.dataset).load().fingerprint)
    work(run)
    stored, end = read_predictions(run), run.history().end
    files = sorted(folder.glob("test/*/*"))
    assert len(files) == len(stored.labels) == 50
    classifier = open_run(store, run.id)

    decoded = Decoder().decode([(file.name, file.read_bytes()) for file in files], shown=False)
    answers = classifier.classify(np.stack([image.seen for image in decoded]))
    assert np.array_equal(answers.logits[0], stored.logits)
    right = answers.mean.argmax(1) == [classifier.classes.index(file.parent.name) for file in files]
    assert right.mean() == pytest.approx(end.test_accuracy, abs=1e-6)

    assert main(["classify", *map(str, files), "--run", run.id, "--json"]) == 0
    named = [result["classes"][0]["name"] for result in json.loads(capsys.readouterr().out)]
    assert (
        np.mean([name == file.parent.name for name, file in zip(named, files, strict=True)]) == right.mean()
    )
    assert run.looks() == 0
