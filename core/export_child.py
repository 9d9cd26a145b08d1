"""Makes a file of a run that takes torch or all its images: `python -m core.export_child RUNS ID KIND [--test]`.

A process of its own, as torch has no place in the dashboard; `core.taking` starts it and reads its outcome.
The command line calls `make` in its own process.
"""

import io
import json
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.torch

from core.checkpoints import from_bytes
from core.config import KNOBS, applying_fields
from core.datasets import source
from core.errors import UserError
from core.export_tables import checked_file, file_stem, finished
from core.locks import FileLock
from core.paths import write_atomically
from core.plain_script import Facts, plain_script
from core.store import Run, RunStore
from core.taking import FOLDER, MADE, Made, name_of, write
from core.wording import value_title

INSTALL = "pip install -r requirements-export.txt"

MOST_IMAGE_BYTES = 1_000_000_000
"""So much of images goes beside a script; a larger data set is no thing to carry about."""

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same file for the same content

Content = tuple[str, bytes, str]
"""Name of a file, its content, and what was checked about it."""


def main(arguments: list[str]) -> int:
    """Make one, unless another process is at it; the outcome stands beside it."""
    folder, run_id, kind, *more = arguments
    run, test = RunStore(Path(folder)).get(run_id), "--test" in more
    name = name_of(kind, test)
    lock = FileLock(run.folder / FOLDER / f"{name}.lock")
    if not lock.acquire():
        return 0
    try:
        file, content, note = make(run, kind, test)
        if name != kind:
            stem, _, suffix = file.partition(".")
            file = f"{stem}-with-test.{suffix}"
        write_atomically(run.folder / FOLDER / file, content)
        write(run, name, Made(time.time(), running=False, file=file, note=note))
    except UserError as error:
        write(run, name, Made(time.time(), running=False, error=str(error)))
        return 1
    except Exception as error:
        message = f"It could not be made ({type(error).__name__}); {name}.log in the folder exports of the run has more."
        write(run, name, Made(time.time(), running=False, error=message))
        raise
    finally:
        lock.release()
    return 0


def make(run: Run, kind: str, test: bool) -> Content:
    """One of `core.taking.MADE` of a finished run.

    Args:
        test: whether test figures may be in it.

    Raises:
        UserError: the run has not finished, its files are damaged, its images have changed, a package is
            missing, or the recipe is none that this kind covers.
    """
    makers: dict[str, Callable[[Run, bool], Content]] = {
        "safetensors": _safetensors,
        "onnx": _onnx,
        "script": _script,
        "tensorboard": _tensorboard,
    }
    assert makers.keys() == MADE.keys()
    return makers[kind](run, test)


def metadata(run: Run) -> dict[str, str]:
    """What weights need to be used without this project, as texts."""
    history, end = finished(run)
    recipe = run.spec.recipe
    shown = {name: value_title(name, getattr(recipe, name)) for name in ("dataset", "model")}
    fields = {name: getattr(recipe, name) for name in applying_fields(recipe)}
    fields["dataset"] = shown["dataset"]
    return {
        "made_by": "Tenfold",
        "model": recipe.model,
        "recipe": json.dumps(fields),
        "recipe_digest": run.spec.digest,
        "seed": str(run.spec.seed),
        "classes": json.dumps(history.started.classes),
        "image_size": str(recipe.image_size),
        "mean": json.dumps(list(history.started.mean)),
        "std": json.dumps(list(history.started.std)),
        "temperature": repr(end.temperature),
        "weights_sha256": end.sha256["weights.pt"],
    }


def _safetensors(run: Run, test: bool) -> Content:
    state = from_bytes(checked_file(run, "weights.pt"))
    whole = {name: value.contiguous() for name, value in state.items()}
    content = safetensors.torch.save(whole, {"format": "pt", **metadata(run)})
    read = safetensors.torch.load(content)
    if any(not value.equal(read[name]) for name, value in state.items()):
        raise RuntimeError("safetensors gave other numbers back")
    note = f"{len(state)} tensors, read back and equal to weights.pt; recipe, classes, mean and deviation in its header."
    return f"{file_stem(run)}.safetensors", content, note


def _onnx(run: Run, test: bool) -> Content:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401  (torch's exporter wants it)
    except ImportError as error:
        raise UserError(f"An ONNX model needs {error.name}, which is not installed: {INSTALL}.") from error
    from core.export_onnx import onnx_model

    content, note = onnx_model(run, metadata(run))
    return f"{file_stem(run)}.onnx", content, note


def _script(run: Run, test: bool) -> Content:
    """train.py by itself where it downloads its images, else with them in a zip."""
    history, _ = finished(run)
    recipe, started = run.spec.recipe, history.started
    facts = Facts(len(started.classes), started.mean, started.std, run.spec.digest)
    text = plain_script(recipe, run.spec.seed, facts).encode()
    if recipe.dataset == "cifar10":
        return f"{file_stem(run)}-train.py", text, "Downloads CIFAR-10 once and trains."
    data = source(recipe.dataset, recipe.image_size).load()
    if data.fingerprint != run.spec.data_fingerprint:
        raise UserError("The images have changed since this run: the script would train on others.")
    if data.train.images.nbytes + data.test.images.nbytes > MOST_IMAGE_BYTES:
        raise UserError(
            f"The images of this run take over {MOST_IMAGE_BYTES / 1e9:.0f} GB: too much to go beside a script."
        )
    images = io.BytesIO()
    parts = {"train": data.train, "test": data.test}
    arrays = {f"{part}_images": split.images for part, split in parts.items()}
    np.savez(images, **arrays, **{f"{part}_labels": split.labels for part, split in parts.items()})
    content = zipped({"train.py": text, "images.npz": images.getbuffer()})
    return f"{file_stem(run)}-train.zip", content, "Unpack it and run: python train.py"


def _tensorboard(run: Run, test: bool) -> Content:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError(
            f"Event files need the package tensorboard, which is not installed: {INSTALL}."
        ) from error
    history, end = finished(run)
    with tempfile.TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            clock = history.started.time
            for step in history.steps:
                writer.add_scalar("loss/training step", step.loss, step.step, clock)
                writer.add_scalar("accuracy/training step", step.accuracy, step.step, clock)
            for epoch in history.epochs:
                clock += epoch.train_seconds
                for part in ("train", "validation"):
                    title = "training" if part == "train" else part
                    for what in ("loss", "accuracy"):
                        value = getattr(epoch, f"{part}_{what}")
                        writer.add_scalar(f"{what}/{title}", value, epoch.step, clock)
                writer.add_scalar("learning rate", epoch.learning_rate, epoch.step, clock)
            if test:
                writer.add_scalar("accuracy/test", end.test_accuracy, history.epochs[-1].step, clock)
            writer.add_text("recipe", _recipe_words(run), 0, clock)
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    covered = "" if test else " Test is covered and not in it."
    note = f"Unpack it into a folder and run: tensorboard --logdir FOLDER.{covered}"
    inside = {f"{file_stem(run)}/{name}": content for name, content in files.items()}
    return f"{file_stem(run)}-tensorboard.zip", zipped(inside), note


def _recipe_words(run: Run) -> str:
    """TensorBoard reads Markdown: what people named goes in as code, without the signs that end it."""
    recipe = run.spec.recipe
    rows = ["| field | value |", "| --- | --- |"]
    for name in applying_fields(recipe):
        value = value_title(name, getattr(recipe, name)).replace("`", "'").replace("|", "/")
        rows.append(f"| {KNOBS[name].label} | `{value}` |")
    return "\n".join([*rows, f"| Seed | `{run.spec.seed}` |", f"| Digest | `{run.spec.digest}` |"])


def zipped(files: dict[str, bytes | memoryview]) -> bytes:
    """An archive of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            with archive.open(entry, "w", force_zip64=True) as target:
                target.write(content)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
