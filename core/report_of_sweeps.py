"""What the report of one recipe over seeds says, and of two against each other: the sentence, and all it rests on."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core import seed_figures
from core.events import Finished
from core.history import History, epoch_matrix
from core.html_report import Chart, KeyFigure, Report, Section, Table, TableRow
from core.report_of_run import covered_words, date, link_words, recipe_table
from core.seed_table import Entry, accuracies, columns, judged_on, summary, table
from core.stats import Comparison
from core.study import Study
from core.sweep import Sweep, seeds_in_words
from core.tables import for_people
from core.verdicts import Judgement, on_validation
from core.wording import dataset_title

StudyOf = Callable[[Sweep], Study]
"""From a sweep to its runs, image by image."""

LETTERS = "AB"


@dataclass(frozen=True)
class Verdict:
    """The comparison of two recipes on test images that were revealed, made with `threshold`, a fraction."""

    found: Comparison
    said: Judgement
    threshold: float


def sweeps_report(entries: list[Entry], study_of: StudyOf, verdict: Verdict | None = None) -> Report:
    """One recipe over its seeds, or two of them as A and B.

    Args:
        entries: one or two, with the same kind of figures revealed; each has a finished run.
        verdict: of two recipes whose test figures are revealed; without, they are compared on validation.

    Raises:
        UserError: predictions are gone or damaged.
    """
    named = [(f"{letter}: {e.name}", e) for letter, e in zip(LETTERS, entries, strict=False)]
    if len(entries) == 1:
        named = [(entries[0].name, entries[0])]
    test = entries[0].revealed
    histories = [[row.run.history() for row in entry.sweep.finished] for _, entry in named]
    sections = [*_against(verdict), _seeds(named), _curves(named, histories)]
    if test:
        sections += [_robust(f"robust{k}", name, e, study_of(e.sweep)) for k, (name, e) in enumerate(named)]
    sections += [_recipes(named), _runs(named, histories), _how_to_read(test, len(entries) > 1)]
    data = ", ".join(dict.fromkeys(dataset_title(entry.sweep.recipe.dataset) for entry in entries))
    told = [f"{name}, {len(entry.sweep.finished)} seed(s)" for name, entry in named]
    return Report(
        "Recipe against recipe" if len(entries) > 1 else named[0][0],
        [*told, f"{data}. Written by Tenfold on {date(time.time())}.", covered_words(test)],
        _sentence(entries, verdict),
        _remarks(named, verdict),
        _key_figures(named, verdict),
        sections,
    )


def _sentence(entries: list[Entry], verdict: Verdict | None) -> str:
    if verdict:
        return verdict.said.sentence
    if len(entries) == 2:
        return on_validation(*(accuracies(entry) for entry in entries))
    found = summary(entries[0])
    words = f"{found.n} seed(s) reach {found.mean:.2%} {judged_on(entries)} accuracy on average"
    if found.mean_interval is None:
        return f"{words}: how far another one would stray takes at least two seeds."
    low, high = found.mean_interval
    return (
        f"{words}; with many more seeds the mean would likely settle between {low:.2%} and {high:.2%} "
        f"(95%, Student's t), and single seeds differ by a standard deviation of {100 * found.sd:.2f} points."
    )


def _remarks(named: list[tuple[str, Entry]], verdict: Verdict | None) -> list[str]:
    if verdict:
        return [
            *verdict.said.remarks,
            f"The smallest difference that matters to the reader was set to {100 * verdict.threshold:g} points.",
        ]
    prefix = [f"{letter}: " for letter in LETTERS] if len(named) > 1 else [""]
    pairs = zip(prefix, named, strict=False)
    return [f"{letter}{remark}" for letter, (_, entry) in pairs for remark in entry.sweep.remarks()]


def _key_figures(named: list[tuple[str, Entry]], verdict: Verdict | None) -> list[KeyFigure]:
    figures = []
    for name, entry in named:
        found = summary(entry)
        about = f"{found.n} seed(s)"
        if found.mean_interval:
            low, high = found.mean_interval
            about = f"95% {low:.2%} to {high:.2%} (Student's t, {found.n} seeds)"
        title = f"mean {judged_on([entry])} accuracy"
        figures.append(
            KeyFigure(
                f"{name[0]}, {title}" if len(named) > 1 else title.capitalize(), f"{found.mean:.2%}", about
            )
        )
    if len(named) == 1 and found.sd_interval:
        low, high = found.sd_interval
        about = f"points; 95% {100 * low:.2f} to {100 * high:.2f} (chi-square)"
        figures.append(KeyFigure("Standard deviation", f"{100 * found.sd:.2f}", about))
    return figures + (_of_comparison(verdict.found) if verdict else [])


def _of_comparison(found: Comparison) -> list[KeyFigure]:
    figures = [
        KeyFigure("A minus B", f"{100 * found.difference:+.2f}", "points of mean test accuracy"),
        KeyFigure("A is ahead in", f"{found.p_a_better:.0%}", "of pairs of a seed of A and one of B"),
    ]
    if found.check:
        figures += [
            KeyFigure(
                "p, Welch's t", f"{found.welch_p:.3g}", f"check: {found.check.name} {found.check.p:.3g}"
            ),
            KeyFigure(
                "These seeds can show", f"{100 * found.minimum_detectable:.2f}", "points, in 4 of 5 cases"
            ),
        ]
    return figures


def _against(verdict: Verdict | None) -> list[Section]:
    if verdict is None:
        return []
    found = verdict.found
    rows = [
        ("other seeds, these images (Welch)", found.difference, found.welch),
        ("other images, these models (paired)", found.difference, found.image_paired),
    ]
    words = f"Difference of mean test accuracy, A minus B: {100 * found.difference:.2f} points, with two intervals"
    caption = "A is called better only where both 95% intervals lie on the same side of the dashed line, no difference."
    chart = Chart("Difference, A minus B", seed_figures.difference_intervals(rows), 210, words, caption)
    return [Section("difference", "Is A better than B?", charts=[chart])]


def _seeds(named: list[tuple[str, Entry]]) -> Section:
    entries = [entry for _, entry in named]
    on = judged_on(entries)
    figure = seed_figures.seed_strip(
        {name: accuracies(entry) for name, entry in named},
        {name: summary(entry).mean_interval for name, entry in named},
        {name: np.array([row.run.spec.seed for row in entry.sweep.finished]) for name, entry in named},
        f"{on} accuracy",
    )
    caption = "A dot for each seed; below them the mean with its 95% interval (Student's t)."
    words = f"Seeds as dots, {on} accuracy"
    chart = Chart(f"Every seed, {on} accuracy", figure, 110 + 60 * len(named), words, caption)
    chosen = columns(entries, short=True)
    rows = table(entries, seeds=True)
    header, cells = for_people(
        [row if row["n"] is not None else {**row, "recipe": "↳"} for row in rows], chosen
    )
    kinds = ["marked" if row["n"] is not None else "under" for row in rows]
    whole = [TableRow(line, kind) for line, kind in zip(cells, kinds, strict=True)]
    return Section("seeds", "Seed by seed", charts=[chart], tables=[Table("", header, whole)])


def _curves(named: list[tuple[str, Entry]], histories: list[list[History]]) -> Section:
    charts, short = [], [(name[0] if len(named) > 1 else name, entry) for name, entry in named]
    for quantity in ("accuracy", "loss"):
        arrays = {
            name: epoch_matrix(known, entry.sweep.recipe.epochs, f"validation_{quantity}")
            for (name, entry), known in zip(short, histories, strict=True)
        }
        title = f"Validation {quantity}"
        figure = seed_figures.curve_band(title.lower(), arrays)
        charts.append(Chart(title, figure, 340, f"{title} of every seed over epochs, with mean and band"))
    words = (
        "A thin line for each seed; thick: their mean; shaded: the mean's 95% interval at each epoch by itself "
        "(Student's t). Nothing is smoothed."
    )
    return Section("curves", "How they learned", [words], charts)


def _robust(key: str, name: str, entry: Entry, found: Study) -> Section:
    """Which classes are hard in which seed, how far seeds disagree, which images are always wrong."""
    counts = np.bincount(found.wrong_counts, minlength=len(found.seeds) + 1)
    charts = [
        Chart(
            "Recall of each class in each seed",
            seed_figures.class_by_seed(entry.classes, found.seeds, found.recalls),
            420,
            "Recall by class and seed",
        )
    ]
    if len(found.seeds) > 1:
        disagreement = seed_figures.churn_matrix(found.seeds, found.churn)
        charts += [
            Chart(
                "Images on which two seeds answer differently",
                disagreement,
                420,
                "Disagreement of seeds in pairs",
            ),
            Chart(
                "In how many seeds an image is wrong",
                seed_figures.wrong_in_k(counts),
                320,
                "Images by wrong seeds",
            ),
        ]
    words = f"All seeds together, their probabilities averaged: {found.ensemble_accuracy:.2%} of {len(found.labels):,} test images."
    return Section(key, f"Robust? {name}", [words], charts)


def _recipes(named: list[tuple[str, Entry]]) -> Section:
    recipes = [entry.sweep.recipe for _, entry in named]
    titles = list(LETTERS) if len(named) > 1 else ["value"]
    links = [link_words(entry.sweep.finished[0].run) for _, entry in named]
    paragraphs = ["Fields in which they differ stand out."] if len(named) > 1 else []
    return Section(
        "recipe",
        "Recipe" if len(named) == 1 else "Recipes",
        paragraphs + links,
        [],
        [recipe_table(recipes, titles)],
    )


def _runs(named: list[tuple[str, Entry]], histories: list[list[History]]) -> Section:
    """Where each figure comes from: every run, and with what they were made."""
    rows, papers = [], []
    for (name, entry), known in zip(named, histories, strict=True):
        for row, history in zip(entry.sweep.finished, known, strict=True):
            end = history.end
            weights = end.sha256.get("weights.pt", "") if isinstance(end, Finished) else ""
            letter = [name[0]] if len(named) > 1 else []
            time_spent = f"{row.train_seconds:,.0f}"
            rows.append(TableRow([*letter, str(row.run.spec.seed), row.run.id, time_spent, weights[:16]]))
            papers.append(history.started.passport if history.started else {})
    header = [
        *([""] if len(named) > 1 else []),
        "seed",
        "run",
        "training, s",
        "SHA-256 of its weights, begins",
    ]
    digests = [
        f"{name}: digest {entry.sweep.digest}, seeds {seeds_in_words(list(entry.sweep.runs))}"
        for name, entry in named
    ]
    facts = list(dict.fromkeys(fact for paper in papers for fact in paper))
    shared = [TableRow([fact.replace("_", " "), _values(papers, fact)]) for fact in facts]
    tables = [Table("Runs", header, rows), Table("Passports", ["fact", "value"], shared)]
    return Section("runs", "Where these figures come from", digests, [], tables)


def _values(papers: list[dict], fact: str) -> str:
    """What all runs share, or each value with how many runs have it."""
    counts = Counter(str(paper.get(fact, "–")) for paper in papers)
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{value} ({number} runs)" for value, number in counts.most_common())


def _how_to_read(test: bool, several: bool) -> Section:
    words = [
        "Accuracy moves for two reasons: another seed, and other images. Intervals over seeds (Student's t, Welch) speak "
        "of the first and hold for these images; Wilson's and the paired one speak of the second and hold for these "
        "trained models. Neither replaces the other.",
        "A standard deviation over few seeds is itself known badly: its own interval (chi-square) says how badly.",
    ]
    if test:
        words.append(
            "Validation images chose; test images were measured once a run, at its end, and chose nothing."
        )
    if several:
        words.append(
            "The same seed in two recipes is no pair: seeds are compared as two groups. The check beside Welch's p assumes "
            "no normal distribution."
        )
    return Section("reading", "How to read this", words)
