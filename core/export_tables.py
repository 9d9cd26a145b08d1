"""What a run answered and how it learned, as tables for other programs: CSV and Parquet.

Figures of test images are in them only where somebody revealed them for this run. Without, the first row
says so in its last column, since a file travels without the page that made it.
"""

import hashlib
import io
from typing import Literal

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from core import judge
from core.datasets.split import split_indices
from core.errors import UserError
from core.events import Finished
from core.history import History
from core.predictions import Predictions, read_predictions
from core.seeds import sources_of
from core.store import Run
from core.tables import harmless

Format = Literal["csv", "parquet"]

NOTE = "note"
COVERED = "test is covered: this file is about training and validation only"


def file_stem(run: Run) -> str:
    """What the names of a run's files begin with; letters, digits and dashes."""
    return f"{run.spec.recipe.model}-seed{run.spec.seed}-{run.id[:8]}"


def finished(run: Run) -> tuple[History, Finished]:
    """The events of a finished run.

    Raises:
        UserError: it has not finished.
    """
    history = run.history()
    if not isinstance(history.end, Finished) or history.started is None:
        raise UserError("This run has not finished: there is nothing to take home yet.")
    return history, history.end


def checked_file(run: Run, name: str) -> bytes:
    """One of the files that a finished run left behind, if it is whole.

    Raises:
        UserError: the run has not finished, or the file is gone or has another SHA-256 than at its end.
    """
    _, end = finished(run)
    title = {"weights.pt": "weights", "predictions.npz": "predictions"}[name]
    try:
        content = (run.folder / name).read_bytes()
    except OSError as error:
        raise UserError(f"The {title} of this run are gone from its folder: train it again.") from error
    if hashlib.sha256(content).hexdigest() != end.sha256.get(name):
        raise UserError(f"The {title} of this run are damaged on the disk: train it again.")
    return content


def predictions_table(run: Run, test: bool) -> pd.DataFrame:
    """A row an image: which one it is, its class, the answer, and the probability of each class.

    `index` is the image's place in the data set's own training or test part. Probabilities come twice:
    as the network gives them, and calibrated by the temperature that was fitted on validation.

    Args:
        test: whether rows of test images follow those of validation.

    Raises:
        UserError: the run has not finished, or its predictions are gone or damaged.
    """
    history, end = finished(run)
    checked_file(run, "predictions.npz")
    started, recipe = history.started, run.spec.recipe
    images = started.train_images + started.validation_images
    split = sources_of(recipe, run.spec.seed).split
    _, validation = split_indices(images, recipe.validation_share, split)
    parts = {"validation": validation}
    tables = []
    for part in ("validation", "test") if test else ("validation",):
        found = read_predictions(run, part)
        index = parts.get(part, np.arange(len(found.labels)))
        tables.append(_answers(part, index, found, started.classes, end.temperature))
    return _noted(pd.concat(tables, ignore_index=True), test)


def _answers(
    part: str, index: np.ndarray, found: Predictions, classes: list[str], temperature: float
) -> pd.DataFrame:
    names = np.array(classes, dtype=object)
    calibrated = judge.probabilities(found.logits, temperature).astype(np.float32)
    columns = {
        "split": np.full(len(index), part, dtype=object),
        "index": index,
        "label": names[found.labels],
        "answer": names[found.answers],
        "correct": found.correct,
    }
    for title, values in (("probability", found.probabilities), ("calibrated", calibrated)):
        columns |= {f"{title} of {name}": values[:, k] for k, name in enumerate(classes)}
    return pd.DataFrame(columns)


def epochs_table(run: Run, test: bool) -> pd.DataFrame:
    """A row an epoch: losses in nats, accuracies and recalls as fractions, the rate, the time.

    `kept` marks the epoch whose weights the run keeps; its row holds the test figures where they are asked for.

    Raises:
        UserError: no epoch has ended yet.
    """
    history = run.history()
    if not history.epochs:
        raise UserError("No epoch of this run has ended yet: there are no figures to take home.")
    end = history.end if isinstance(history.end, Finished) else None
    kept = (end.epoch or history.epochs[-1].epoch) if end else None
    classes = history.started.classes if history.started else []
    rows = []
    for epoch in history.epochs:
        row = {name: getattr(epoch, name) for name in _EPOCH_COLUMNS}
        row["kept"] = epoch.epoch == kept
        if test:
            row["test_loss"] = end.test_loss if end and row["kept"] else None
            row["test_accuracy"] = end.test_accuracy if end and row["kept"] else None
        row |= {f"recall of {name}": value for name, value in zip(classes, epoch.recall, strict=False)}
        rows.append(row)
    return _noted(pd.DataFrame(rows), test)


_EPOCH_COLUMNS = (
    "epoch",
    "step",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "learning_rate",
    "train_seconds",
    "images_per_second",
)


def steps_table(run: Run) -> pd.DataFrame:
    """A row for each time that loss and accuracy on training images were written down.

    Raises:
        UserError: they never were.
    """
    steps = run.history().steps
    if not steps:
        raise UserError("This run wrote no losses of single steps down: see its field Log every.")
    return pd.DataFrame([vars(step) for step in steps])


def _noted(table: pd.DataFrame, test: bool) -> pd.DataFrame:
    notes = np.full(len(table), "", dtype=object)
    if not test and len(notes):
        notes[0] = COVERED
    return table.assign(**{NOTE: notes})


def render(table: pd.DataFrame, kind: Format) -> bytes:
    """The table as the content of a file.

    In CSV, text that a spreadsheet would compute gets an apostrophe in front (`core.tables.harmless`): class
    names come from people. Parquet has types, and is left as it is.
    """
    if kind == "parquet":
        buffer = io.BytesIO()
        table.to_parquet(buffer, engine="pyarrow", index=False)
        return buffer.getvalue()
    safe = table.rename(columns=harmless)
    for name in safe.columns[[not is_numeric_dtype(kind) for kind in safe.dtypes]]:
        values = {value: harmless(value) for value in safe[name].unique() if isinstance(value, str)}
        safe[name] = safe[name].map(lambda value, values=values: values.get(value, value))
    return safe.to_csv(index=False, lineterminator="\n", float_format="%.7g").encode("utf-8-sig")
