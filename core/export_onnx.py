"""A run's network as an ONNX model that takes images as they are, checked against torch before it is given away.

Input `images`: (n, 3, s, s) float32, RGB between 0 and 1; normalisation is inside, and so is "judge both sides"
where the recipe has it. Outputs: `logits` (n, classes), and `probabilities`, which are calibrated: the softmax
of the logits divided by the temperature that was fitted on validation. fp32 throughout, whatever the training
computed in.
"""

import contextlib
import io
import warnings

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from core.checkpoints import from_bytes
from core.datasets import source
from core.datasets.split import split_indices
from core.errors import UserError
from core.export_tables import checked_file, finished
from core.own_weights import network
from core.seeds import sources_of
from core.store import Run

CHECKED_IMAGES = 100
TOLERANCE = 1e-4
"""On probabilities, between ONNX and torch."""

OPSET = 18


class Whole(nn.Module):
    """From images between 0 and 1 to logits and calibrated probabilities."""

    def __init__(
        self, model: nn.Module, mean: np.ndarray, std: np.ndarray, temperature: float, both: bool
    ) -> None:
        super().__init__()
        self.model, self.temperature, self.both_sides = model, temperature, both
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        shown = (images - self.mean) / self.std
        logits = self.model(shown)
        if self.both_sides:
            logits = (logits + self.model(shown.flip(-1))) / 2
        return logits, (logits / self.temperature).softmax(1)


def onnx_model(run: Run, metadata: dict[str, str]) -> tuple[bytes, str]:
    """The content of the file, and what was checked, in words.

    Raises:
        UserError: the weights are gone or damaged.
        RuntimeError: the model that came out says something else than torch.
    """
    history, end = finished(run)
    recipe, started = run.spec.recipe, history.started
    state = from_bytes(checked_file(run, "weights.pt"))
    model = network(recipe, len(started.classes), state)
    whole = Whole(model, started.mean, started.std, end.temperature, recipe.flip_test).eval()
    content = _exported(whole, recipe.image_size, metadata)
    images, which = _images(run)
    with torch.inference_mode():
        wanted = whole(torch.from_numpy(images))[1].numpy()
    found, engine = _computed(content, images)
    apart = float(np.abs(found - wanted).max())
    if not apart <= TOLERANCE:
        raise RuntimeError(f"ONNX and torch differ by {apart} in a probability")
    return (
        content,
        f"On {len(images)} {which} images {engine} and torch differ by at most {apart:.1e} in a probability.",
    )


def _exported(whole: Whole, side: int, metadata: dict[str, str]) -> bytes:
    example = torch.rand(2, 3, side, side)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # torch's exporter warns of itself
        program = torch.onnx.export(
            whole,
            (example,),
            input_names=["images"],
            output_names=["logits", "probabilities"],
            dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto
    words = {
        "input": "images: float32 RGB between 0 and 1, (n, 3, side, side); normalisation is inside",
        "output": "logits (n, classes); probabilities (n, classes), calibrated: softmax(logits / temperature)",
    }
    onnx.helper.set_model_props(model, {**metadata, **words})
    model.doc_string = f"{words['input']}. {words['output']}."
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def _images(run: Run) -> tuple[np.ndarray, str]:
    """Up to 100 validation images as the model gets them; noise where the data set is not here any more."""
    recipe = run.spec.recipe
    with contextlib.suppress(UserError, OSError):
        data = source(recipe.dataset, recipe.image_size).load()
        if data.fingerprint == run.spec.data_fingerprint:
            split = sources_of(recipe, run.spec.seed).split
            _, rows = split_indices(len(data.train), recipe.validation_share, split)
            return (data.train.images[rows[:CHECKED_IMAGES]] / np.float32(255)).astype(
                np.float32
            ), "validation"
    shape = (CHECKED_IMAGES, 3, recipe.image_size, recipe.image_size)
    return np.random.default_rng(0).random(
        shape, dtype=np.float32
    ), "random (its data set is not here any more)"


def _computed(content: bytes, images: np.ndarray) -> tuple[np.ndarray, str]:
    """Probabilities by onnxruntime where it is installed, else by the slow reference; and by which."""
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        session, engine = ReferenceEvaluator(content), "onnx's reference"
    else:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        engine = "onnxruntime"
    return np.asarray(session.run(["probabilities"], {"images": images})[0]), engine
