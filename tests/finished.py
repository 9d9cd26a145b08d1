"""Runs that look finished without a training: random weights and hand-written logits, with everything a run leaves."""

import io

import numpy as np
import torch

from core.checkpoints import sha256, to_bytes
from core.config import Recipe
from core.events import EpochEnd, Finished, Started, Step, to_line
from core.models import MODELS
from core.paths import write_atomically
from core.store import Run, RunStore

CLASSES = ["=SUM(A1)", "<b>dog</b>", 'cat, "tabby"', *"defghij"]
"""Names as somebody else may have given them."""

MEAN, STD = [0.4, 0.5, 0.45], [0.2, 0.25, 0.3]


def finished(
    store: RunStore,
    recipe: Recipe,
    seed: int = 42,
    fingerprint: str = "data",
    validation: int = 40,
    test: int = 60,
) -> Run:
    """A run with the files and events of one that was trained for two epochs."""
    run, _ = store.open(recipe, seed, fingerprint)
    torch.manual_seed(seed)
    weights = to_bytes(MODELS[recipe.model].build(recipe, len(CLASSES)).state_dict())
    random = np.random.default_rng(seed)
    arrays = {}
    for part, n in (("validation", validation), ("test", test)):
        labels = np.random.default_rng(7).integers(0, len(CLASSES), n)
        logits = random.normal(size=(n, len(CLASSES))).astype(np.float32)
        logits[np.arange(n), labels] += 2
        arrays |= {f"{part}_logits": logits, f"{part}_labels": labels}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    files = {"weights.pt": weights, "predictions.npz": buffer.getvalue()}
    for name, content in files.items():
        write_atomically(run.folder / name, content)

    def accuracy(part: str) -> float:
        return float((arrays[f"{part}_logits"].argmax(1) == arrays[f"{part}_labels"]).mean())

    papers = {"device": "cpu", "device_name": "Test CPU", "precision": "fp32", "threads": 1, "torch": "2"}
    events = [Started(1e9, 0, 2, 5, 200 - validation, validation, CLASSES, MEAN, STD, papers)]
    for epoch in (1, 2):
        recall = [0.1 * k for k in range(len(CLASSES))]
        figures = (2.0 / epoch, 0.3 * epoch, 2.1 / epoch, accuracy("validation"), 0.01, 3.0, 100.0)
        events += [Step(epoch, 5 * epoch, 2.0 / epoch, 0.3)]
        events += [EpochEnd(epoch, 5 * epoch, *figures, recall=recall)]
    digests = {name: sha256(content) for name, content in files.items()}
    end = Finished(1e9, 1.0, accuracy("validation"), 1.1, accuracy("test"), 1.5, 6.0, 100.0, digests, 2)
    run.events_path.write_text("".join(map(to_line, [*events, end])))
    return run
