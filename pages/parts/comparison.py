"""Recipe against recipe: the sentence first, then what it rests on, then the images that make the difference."""

import math

import numpy as np
import streamlit as st

from core import pictures, seed_figures, stats
from core.seed_table import Entry, accuracies
from core.stats import Comparison, Verdict
from pages.parts import cache
from pages.parts.frame import wrapping_columns
from pages.parts.live_chart import live_chart
from pages.parts.words import escaped, percent

CARDS, CARD_PX = 18, 84

_BOXES = {
    Verdict.a_better: (st.success, ":material/trophy:"),
    Verdict.b_better: (st.success, ":material/trophy:"),
    Verdict.no_evidence: (st.info, ":material/balance:"),
    Verdict.too_few_seeds: (st.warning, ":material/hourglass_empty:"),
}


def comparison(shown: list[Entry]) -> None:
    """Two of the chosen recipes on their test images; all of them against the first where there are more."""
    ready = [entry for entry in shown if entry.sweep.finished]
    if len(ready) < 2:
        st.info("Choose two recipes above that have finished runs: then they are compared here.")
        return
    threshold = _threshold()
    one, other = _pair(ready)
    if one.sweep.digest == other.sweep.digest:
        st.info("Choose two different recipes.")
    elif not (one.revealed and other.revealed):
        _on_validation(one, other)
    elif one.sweep.data_fingerprint != other.sweep.data_fingerprint:
        _different_images(one, other)
    else:
        _on_test(one, other, threshold)
    if len(ready) > 2 and all(entry.revealed for entry in ready):
        _all_against(one, [entry for entry in ready if entry is not one])


def _threshold() -> float:
    return (
        st.number_input(
            "Smallest difference that matters (points)",
            0.05,
            20.0,
            1.0,
            0.05,
            key="seeds.threshold",
            width=280,
            help="Below it you would not care. While the seeds can't show a difference of this size, "
            "the page says that they are too few.",
        )
        / 100
    )


def _pair(ready: list[Entry]) -> tuple[Entry, Entry]:
    places = list(range(len(ready)))
    chosen = []
    for letter, column, place in zip("AB", wrapping_columns(2, "pair"), (0, 1), strict=True):
        with column:
            chosen.append(
                st.selectbox(
                    f"Recipe {letter}",
                    places,
                    index=place,
                    format_func=lambda index: (
                        f"{ready[index].name} ({len(ready[index].sweep.finished)} seeds)"
                    ),
                    key=f"seeds.pair.{letter}.{len(ready)}",
                )
            )
    return ready[chosen[0]], ready[chosen[1]]


def _on_test(one: Entry, other: Entry, threshold: float) -> None:
    a, b = cache.study(one.sweep), cache.study(other.sweep)
    if not np.array_equal(a.labels, b.labels):
        _different_images(one, other)
        return
    found = cache.compare(one.sweep, other.sweep, threshold)
    box, icon = _BOXES[found.verdict]
    box(escaped(stats.sentence(found, "A", "B", threshold)), icon=icon)
    rows = [("other seeds, these images (Welch)", found.difference, found.welch)]
    rows.append(("other images, these models (paired)", found.difference, found.image_paired))
    live_chart(
        seed_figures.difference_intervals(rows),
        "seeds-difference",
        210,
        f"Difference of mean test accuracy, A minus B: {100 * found.difference:.2f} points, with two intervals",
    )
    _figures(found, one, other)
    if found.n_a == found.n_b == 1:
        p = stats.mcnemar(a.correct[0], b.correct[0])
        st.caption(
            f"One run each: McNemar's exact test gives p = {p:.3f}. It compares these two trained models, not the "
            "recipes: another seed of either may turn it round."
        )
    _images(one, other, a.correct, b.correct, a.answers, b.answers)


def _figures(found: Comparison, one: Entry, other: Entry) -> None:
    """What the sentence rests on, two rows of three."""
    a, b = (accuracies(entry) for entry in (one, other))
    figures = [
        (f"A, mean of {len(a)}", percent(float(a.mean())), one.name),
        (f"B, mean of {len(b)}", percent(float(b.mean())), other.name),
        ("A is ahead in", f"{found.p_a_better:.0%} of pairs", _pairs_help(found)),
    ]
    if found.check:
        needed = "over 1,000" if found.seeds_needed is None else f"{found.seeds_needed}"
        figures += [
            (
                "p: Welch, check",
                f"{_p(found.welch_p)}, {_p(found.check.p)}",
                f"Of Welch's t test, and of one that assumes no normal distribution: {found.check.name}.",
            ),
            (
                "These seeds can show",
                f"{100 * found.minimum_detectable:.2f} points",
                "The smallest true difference that so many seeds would show in 4 of 5 cases (5 % level).",
            ),
            (
                "It takes",
                f"{needed} seeds each" if found.difference else "–",
                "To show the difference seen here in 4 of 5 cases, were it the true one.",
            ),
        ]
    for begin in range(0, len(figures), 3):
        columns = wrapping_columns(3, f"figures-{begin}")
        for column, (label, value, help) in zip(columns, figures[begin : begin + 3], strict=True):
            column.metric(label, value, help=escaped(help))


def _pairs_help(found: Comparison) -> str:
    words = "Of all pairs of one seed of A and one of B; a tie counts half. P(A > B)."
    if found.p_a_better_interval is None:
        return f"{words} Without an interval: that takes 10 seeds of each."
    return (
        f"{words} 95 % interval {found.p_a_better_interval.low:.0%} to {found.p_a_better_interval.high:.0%}."
    )


def _p(value: float) -> str:
    return "–" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _on_validation(one: Entry, other: Entry) -> None:
    """For choosing: each seed may hold out other images, so only the interval over seeds exists."""
    a, b = (np.array([row.validation_accuracy for row in entry.sweep.finished]) for entry in (one, other))
    words = f"On validation, which is for choosing, A is {100 * (a.mean() - b.mean()):+.2f} points ahead of B"
    if min(len(a), len(b)) > 1:
        low, high = stats.welch_interval(a, b)
        words += f" (95 % interval over seeds, Welch: {100 * low:+.2f} to {100 * high:+.2f})"
    st.info(
        escaped(
            f"{words}. The verdict, and the images behind it, come with the test figures: reveal them above."
        ),
        icon=":material/visibility_off:",
    )


def _different_images(one: Entry, other: Entry) -> None:
    a, b = accuracies(one), accuracies(other)
    words = (
        "These recipes were tested on different images, so they can't be compared image by image, and no verdict is "
        f"given. Their mean accuracies are {percent(float(a.mean()))} and {percent(float(b.mean()))}"
    )
    if min(len(a), len(b)) > 1:
        low, high = stats.welch_interval(a, b)
        words += f"; the difference, over seeds alone: {100 * low:+.2f} to {100 * high:+.2f} points"
    st.warning(escaped(f"{words}."), icon=":material/warning:")


def _all_against(first: Entry, others: list[Entry]) -> None:
    """Several comparisons at once: p-values raised after Holm."""
    others = [e for e in others if e.sweep.data_fingerprint == first.sweep.data_fingerprint]
    several = [e for e in others if min(len(e.sweep.finished), len(first.sweep.finished)) > 1]
    if not several:
        return
    found = [cache.compare(first.sweep, entry.sweep, 0.01) for entry in several]
    raised = stats.holm(np.array([c.welch_p for c in found]))
    st.markdown("**A against all the others**")
    lines = [
        "| recipe | A minus it, points | 95 % over seeds | 95 % over images | p (Holm) |",
        "|---|---|---|---|---|",
    ]
    for entry, c, p in zip(several, found, raised, strict=True):
        lines.append(
            f"| {escaped(entry.name)} | {100 * c.difference:+.2f} | {_both(c.welch)} | {_both(c.image_paired)} | {_p(p)} |"
        )
    st.markdown("\n".join(lines))
    st.caption(
        f"Holm's correction over {len(several)} comparisons: one false alarm among all stays as rare as in one."
    )


def _both(interval: stats.Interval) -> str:
    return f"{100 * interval.low:+.2f} to {100 * interval.high:+.2f}"


def _images(
    one: Entry,
    other: Entry,
    correct_a: np.ndarray,
    correct_b: np.ndarray,
    answers_a: np.ndarray,
    answers_b: np.ndarray,
) -> None:
    """Images that one gets right and the other wrong, those first where that holds over most seeds."""
    side = st.segmented_control(
        "Images that",
        ["A gets right and B wrong", "B gets right and A wrong"],
        default="A gets right and B wrong",
        required=True,
        key="seeds.side",
    )
    lead = correct_a.mean(axis=0) - correct_b.mean(axis=0)
    lead = lead if side.startswith("A") else -lead
    order = np.argsort(-lead, kind="stable")[: int((lead > 0).sum())]
    if not len(order):
        st.caption("There is none.")
        return
    pages = -(-len(order) // CARDS)
    page = st.number_input(f"Page (of {pages:,})", 1, pages, 1, key="seeds.images.page", width=160)
    data = cache.judged_images(one.sweep)
    winners, losers = (answers_a, answers_b) if side.startswith("A") else (answers_b, answers_a)
    right = correct_a if side.startswith("A") else correct_b
    with st.container(horizontal=True):
        for index in order[(page - 1) * CARDS : page * CARDS]:
            truth = data.test.labels[index]
            wrong = losers[:, index][losers[:, index] != truth]
            usual = data.classes[np.bincount(wrong).argmax()]
            st.image(
                pictures.enlarged(data.test.images[index], CARD_PX),
                caption=escaped(
                    f"{data.classes[truth]}: right in {right[:, index].sum()} of {len(winners)}, "
                    f"other wrong in {len(wrong)} of {len(losers)} ({usual})"
                ),
                width=CARD_PX + 40,
                output_format="PNG",
                alt=f"Test image {index}",
            )
    st.caption(f"{len(order):,} images in all. A: {escaped(one.name)}. B: {escaped(other.name)}.")
