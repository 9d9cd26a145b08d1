"""What the report of one run says: how it learned, what it gets wrong, and with what it was made."""

import time
from typing import Any

import numpy as np

from core import judge, judge_figures
from core.class_report import Score, class_report
from core.config import KNOBS, Recipe, applying_fields, in_words
from core.events import EpochEnd, Finished, Started
from core.export_tables import checked_file, finished
from core.figures import curve
from core.history import History, curve_lines
from core.html_report import Chart, KeyFigure, Report, Section, Table, TableRow
from core.predictions import Predictions, read_predictions
from core.recipe_sharing import to_query
from core.stats import wilson_interval
from core.store import Run
from core.wording import dataset_title, value_title


def run_report(run: Run, test: bool) -> Report:
    """One finished run.

    Args:
        test: whether its test figures may be in it; without, it says that they are covered.

    Raises:
        UserError: it has not finished, or its predictions are gone or damaged.
    """
    history, end = finished(run)
    checked_file(run, "predictions.npz")
    part = "test" if test else "validation"
    found, recipe = read_predictions(run, part), run.spec.recipe
    sections = [
        Section("curves", "How it learned", charts=curves(history), tables=[_epochs(history.epochs)]),
        _judged(found, history.started.classes, part),
        _believed(found, end.temperature, part),
        Section("recipe", "Recipe", tables=[recipe_table([recipe], ["value"])], paragraphs=[link_words(run)]),
        Section("passport", "Passport", [_PASSPORT], tables=[_passport(run, history.started, end)]),
    ]
    seed = f"{dataset_title(recipe.dataset)}, seed {run.spec.seed}"
    return Report(
        f"{in_words(recipe)}, seed {run.spec.seed}",
        [f"One training on {seed}. Written by Tenfold on {date(time.time())}.", covered_words(test)],
        "",
        [],
        _key_figures(end, history, test, found),
        sections,
    )


_PASSPORT = "The same recipe, seed and passport give the same weights; on a CPU bit by bit."


def date(seconds: float) -> str:
    return time.strftime("%d %B %Y, %H:%M", time.localtime(seconds)).lstrip("0")


def covered_words(test: bool) -> str:
    """Which images the figures are about, and what that means for a reader."""
    if test:
        return (
            "Test figures are in this report: they are for the final word on a recipe that was chosen before."
        )
    return "Test figures are covered and not in this report: everything here is about training and validation images."


def link_words(run: Run) -> str:
    """The way back into a form."""
    return (
        "In Tenfold, this address after the dashboard's own fills the form of the Train page with this recipe and seed: "
        f"/train?recipe={to_query(run.spec.recipe, run.spec.seed)}"
    )


def _key_figures(end: Finished, history: History, test: bool, found: Predictions) -> list[KeyFigure]:
    images = history.started.validation_images
    figures = [_accuracy("Validation accuracy", end.validation_accuracy, images)]
    if test:
        figures.append(_accuracy("Test accuracy", end.test_accuracy, len(found.labels)))
    figures += [
        KeyFigure(
            "Validation loss",
            f"{end.validation_loss:.3f}",
            f"nats an image; temperature {end.temperature:.2f}",
        ),
        KeyFigure("Epochs", str(len(history.epochs)), f"weights of epoch {end.epoch or len(history.epochs)}"),
        KeyFigure(
            "Training time",
            f"{end.train_seconds / 60:.1f} min",
            f"{end.images_per_second:,.0f} images a second",
        ),
    ]
    return figures


def _accuracy(title: str, accuracy: float, images: int) -> KeyFigure:
    low, high = wilson_interval(accuracy, images)
    return KeyFigure(
        title, f"{accuracy:.2%}", f"95% over images (Wilson, {images:,}): {low:.1%} to {high:.1%}"
    )


def curves(history: History) -> list[Chart]:
    """Accuracy and loss over epochs."""
    charts = []
    for quantity in ("accuracy", "loss"):
        figure = curve(quantity, *curve_lines(history, quantity), history.started.epochs)
        last = getattr(history.epochs[-1], f"validation_{quantity}")
        words = f"Curves of {quantity} over epochs; validation ends at {last:.3f}"
        charts.append(Chart(quantity.capitalize(), figure, 320, words))
    return charts


def _epochs(epochs: list[EpochEnd]) -> Table:
    header = ["epoch", "training loss", "accuracy, %", "validation loss", "accuracy, %", "learning rate"]
    rows = [
        TableRow(
            [
                str(epoch.epoch),
                f"{epoch.train_loss:.4f}",
                f"{100 * epoch.train_accuracy:.2f}",
                f"{epoch.validation_loss:.4f}",
                f"{100 * epoch.validation_accuracy:.2f}",
                f"{epoch.learning_rate:.4g}",
            ]
        )
        for epoch in epochs
    ]
    return Table("", header, rows)


def _judged(found: Predictions, classes: list[str], part: str) -> Section:
    """The confusion matrix, and each class by itself with its intervals."""
    matrix = judge.confusion_matrix(found.labels, found.answers, len(classes))
    chart = Chart(
        f"Confusion on {len(found.labels):,} {part} images",
        judge_figures.confusion(matrix, classes, part),
        140 + 30 * max(8, len(classes)),
        f"Confusion matrix of {len(found.labels):,} {part} images",
        "Rows are true classes, columns answers. Colours tell mistakes; right answers are grey.",
    )
    report = class_report(matrix)
    header = ["class", f"{part} images", *(f"{name}, %" for name in ("recall", "precision", "F1"))]
    rows = [
        TableRow(
            [
                name,
                f"{report.images[k]:,}",
                *(_score(s, k) for s in (report.recall, report.precision, report.f1)),
            ]
        )
        for k, name in enumerate(classes)
    ]
    caption = "In brackets: 95% intervals over images; none of them says how another seed would do."
    title = f"What it gets wrong ({part} images)"
    return Section("judged", title, charts=[chart], tables=[Table("", header, rows, caption)])


def _score(score: Score, k: int) -> str:
    if np.isnan(score.value[k]):
        return "–"
    return f"{100 * score.value[k]:.1f} ({100 * score.low[k]:.1f} to {100 * score.high[k]:.1f})"


def _believed(found: Predictions, temperature: float, part: str) -> Section:
    """How far its probabilities may be believed, as they came out and with its temperature."""
    before, after = (judge.calibration(found.logits, found.labels, t) for t in (1.0, temperature))
    chart = Chart(
        "Probability and truth",
        judge_figures.reliability(before, after, part),
        460,
        f"Reliability diagram on {part} images, {judge.BINS} bins",
        "On the dashed line answers are right as often as they say; below it the network is too sure of itself.",
    )
    rows = [
        TableRow(
            [
                name,
                f"{c.temperature:.3f}",
                f"{c.confidence:.2%}",
                f"{c.ece:.2%}",
                f"{c.nll:.4f}",
                f"{c.brier:.4f}",
            ]
        )
        for name, c in (("as it came out", before), ("with temperature", after))
    ]
    error = f"expected calibration error ({judge.BINS} bins)"
    header = ["", "temperature", "mean probability of answers", error, "loss, nats", "Brier score"]
    caption = "The temperature was fitted on validation" + (
        "." if part == "test" else ", so here it looks a little too good."
    )
    title = f"May it be believed? ({part} images)"
    return Section("believed", title, charts=[chart], tables=[Table("", header, rows, caption)])


def recipe_table(recipes: list[Recipe], titles: list[str]) -> Table:
    """Every field that does something in one of the recipes; those in which they differ stand out."""
    applying = [set(applying_fields(recipe)) for recipe in recipes]
    names = [name for name in KNOBS if any(name in fields for fields in applying)]
    rows = []
    for name in names:
        cells = [
            value_title(name, getattr(recipe, name)) if name in fields else "–"
            for recipe, fields in zip(recipes, applying, strict=True)
        ]
        differ = len(set(cells)) > 1
        rows.append(TableRow([KNOBS[name].label, *cells, KNOBS[name].help], "marked" if differ else ""))
    return Table("", ["field", *titles, "meaning"], rows)


def _passport(run: Run, started: Started, end: Finished) -> Table:
    facts: dict[str, Any] = {
        **started.passport,
        "training images": f"{started.train_images:,}",
        "validation images": f"{started.validation_images:,}",
        "recipe digest": run.spec.digest,
        "run id": run.id,
        "started": date(started.time),
        **{f"SHA-256 of {name}": digest for name, digest in end.sha256.items()},
    }
    return Table("", ["fact", "value"], [TableRow([k.replace("_", " "), str(v)]) for k, v in facts.items()])
