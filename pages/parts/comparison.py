"""Recipe against recipe: the sentence first, then what it rests on, then the images that make the difference."""

import math
from itertools import combinations

import numpy as np
import streamlit as st

from core import seed_figures, stats
from core.seed_table import Entry, accuracies
from core.seeds import FEWEST_SEEDS
from core.stats import Comparison, Verdict
from core.study import Study
from core.verdicts import judge, on_validation, raised_ps
from pages.parts import cache
from pages.parts.cards import cards
from pages.parts.frame import wrapping_columns
from pages.parts.live_chart import live_chart
from pages.parts.seeds_report import comparison_report
from pages.parts.words import escaped

FIGURE_PX = 225

Pairs = dict[tuple[str, str], float]
"""Welch's p of recipes by their digests; NaN where one of them has a single seed."""

_BOXES = {
    Verdict.a_better: (st.success, ":material/trophy:"),
    Verdict.b_better: (st.success, ":material/trophy:"),
    Verdict.no_evidence: (st.info, ":material/balance:"),
    Verdict.too_few_seeds: (st.warning, ":material/hourglass_empty:"),
}


def comparison(shown: list[Entry]) -> None:
    """Two of the chosen recipes on their test images; with more, each p is raised for all comparisons."""
    ready = [entry for entry in shown if entry.sweep.finished]
    if len(ready) < 2:
        st.info("Choose two recipes above that have finished runs: then they are compared here.")
        return
    threshold = _threshold()
    one, other = _pair(ready)
    if one.sweep.digest == other.sweep.digest:
        st.info("Choose two different recipes.")
    elif one.sweep.data_fingerprint != other.sweep.data_fingerprint:
        _different_images(one, other)
    elif not one.revealed:
        _on_validation(one, other)
        comparison_report(one, other, threshold)
    else:
        _on_test(one, other, threshold, _all_pairs(ready, one))


def _all_pairs(ready: list[Entry], one: Entry) -> Pairs:
    """Every pair of the recipes that saw the same images: chosen together, they are looked at together.

    By their accuracies alone: with 50 recipes there are 1,225 pairs.
    """
    values = {
        entry.sweep.digest: accuracies(entry)
        for entry in ready
        if entry.sweep.data_fingerprint == one.sweep.data_fingerprint
    }
    return {
        (a, b): stats.welch_p(values[a], values[b]) if min(len(values[a]), len(values[b])) > 1 else math.nan
        for a, b in combinations(values, 2)
    }


def _threshold() -> float:
    return (
        st.number_input(
            "Smallest difference that matters (points)",
            0.05,
            20.0,
            1.0,
            0.05,
            key="seeds.threshold",
            persist_state="session",
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
                    help="Two recipes are compared: is B better than A, and is that more than luck?",
                )
            )
    return ready[chosen[0]], ready[chosen[1]]


def _on_test(one: Entry, other: Entry, threshold: float, pairs: Pairs) -> None:
    a, b = cache.study(one.sweep), cache.study(other.sweep)
    if not np.array_equal(a.labels, b.labels):
        _different_images(one, other)
        return
    found = cache.compare(one.sweep, other.sweep, threshold)
    raised = raised_ps(pairs)
    key = (one.sweep.digest, other.sweep.digest)
    holm_p = raised.get(key, raised.get(key[::-1])) if len(pairs) > 1 else None
    said = judge(one.sweep, other.sweep, found, threshold, holm_p=holm_p, comparisons=len(pairs))
    box, icon = _BOXES[said.verdict]
    box(escaped(said.sentence), icon=icon)
    for remark in said.remarks:
        st.caption(escaped(remark))
    rows = [
        ("other seeds, these images (Welch)", found.difference, found.welch),
        ("other images, these models (paired)", found.difference, found.image_paired),
    ]
    live_chart(
        seed_figures.difference_intervals(rows),
        "seeds-difference",
        210,
        f"Difference of mean test accuracy, A minus B: {100 * found.difference:.2f} points, with two intervals",
    )
    _figures(found, one, other)
    if len(pairs) > 1:
        _all_against(pairs, raised)
    if found.n_a == found.n_b == 1:
        p = stats.mcnemar(a.correct[0], b.correct[0])
        st.caption(
            f"One run each: McNemar's exact test gives p = {p:.3f}. It compares these two trained models, not the "
            "recipes: another seed of either may turn it round."
        )
    comparison_report(one, other, threshold, found, said)
    _images(one, a, b)


def _figures(found: Comparison, one: Entry, other: Entry) -> None:
    """What the sentence rests on."""
    a, b = (accuracies(entry) for entry in (one, other))
    figures = [
        (f"A, mean of {len(a)}", f"{a.mean():.2%}", one.name),
        (f"B, mean of {len(b)}", f"{b.mean():.2%}", other.name),
        ("A is ahead in", f"{found.p_a_better:.0%} of pairs", _pairs_help(found)),
    ]
    if found.check:
        enough = found.seeds_needed and max(found.seeds_needed, FEWEST_SEEDS)
        needed = "over 1,000" if enough is None else f"{enough}"
        floor = 2 / math.comb(found.n_a + found.n_b, found.n_a)
        figures += [
            (
                "p: Welch, check",
                f"{_p(found.welch_p)}, {_p(found.check.p)}",
                f"Of Welch's t test, and of one that assumes no normal distribution: {found.check.name}; with "
                f"{found.n_a} and {found.n_b} seeds that can't go below {_p(floor)}.",
            ),
            (
                "These seeds can show",
                f"{100 * found.minimum_detectable:.2f} points",
                "The smallest true difference that so many seeds would show in 4 of 5 cases (5% level).",
            ),
            (
                "It takes",
                f"{needed} seeds each" if found.difference else "–",
                "To show the difference seen here in 4 of 5 cases, were it the true one.",
            ),
        ]
    with st.container(horizontal=True):
        for label, value, help in figures:
            st.metric(label, value, help=escaped(help), width=FIGURE_PX)


def _pairs_help(found: Comparison) -> str:
    words = "Of all pairs of one seed of A and one of B; a tie counts half. P(A > B)."
    if found.p_a_better_interval is None:
        return f"{words} Without an interval: that takes 10 seeds of each."
    return (
        f"{words} 95% interval {found.p_a_better_interval.low:.0%} to {found.p_a_better_interval.high:.0%}."
    )


def _p(value: float) -> str:
    return "–" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _on_validation(one: Entry, other: Entry) -> None:
    """For choosing: each seed may hold out other images, so only the interval over seeds exists."""
    words = on_validation(accuracies(one), accuracies(other))
    st.info(
        escaped(
            f"{words} The verdict, and the images behind it, come with the test figures: reveal them above."
        ),
        icon=":material/visibility_off:",
    )
    for letter, entry in (("A", one), ("B", other)):
        for remark in entry.sweep.remarks():
            st.caption(escaped(f"{letter}: {remark}"))


def _different_images(one: Entry, other: Entry) -> None:
    a, b = (float(accuracies(entry).mean()) for entry in (one, other))
    st.warning(
        escaped(
            "These recipes were tested on different images, so their difference means nothing and no verdict is "
            f"given. Their mean {'test' if one.revealed else 'validation'} accuracies are {a:.2%} and {b:.2%}."
        ),
        icon=":material/warning:",
    )


def _all_against(pairs: Pairs, raised: Pairs) -> None:
    """What the p of this pair is among."""
    alone = len(pairs) - len(raised)
    st.caption(
        escaped(
            f"{len(pairs)} comparisons of the chosen recipes side by side; the verdict above counts them all (Holm: "
            f"{', '.join(_p(p) for p in sorted(raised.values()))}). The intervals are those of one comparison each."
            + (f" {alone} have a single seed on one side, and no p." if alone else "")
        )
    )


def _images(one: Entry, a: Study, b: Study) -> None:
    """Images that one gets right and the other wrong, those first where that holds over most seeds."""
    sides = ["A gets right and B wrong", "B gets right and A wrong"]
    side = st.segmented_control(
        "Images that",
        sides,
        default=sides[0],
        required=True,
        key="seeds.side",
        help="Which test images to show: those that speak for A, or those that speak for B; the clearest come first.",
    )
    winner, loser = (a, b) if side == sides[0] else (b, a)
    lead = winner.correct.mean(axis=0) - loser.correct.mean(axis=0)
    order = np.argsort(-lead, kind="stable")[: int((lead > 0).sum())]
    if not len(order):
        st.caption("There is none.")
        return
    data = cache.judged_images(one.sweep)

    def caption(index: int) -> str:
        truth = data.test.labels[index]
        wrong = loser.answers[:, index][loser.answers[:, index] != truth]
        return (
            f"{data.classes[truth]}: right in {winner.correct[:, index].sum()} of {len(winner.seeds)}, "
            f"other wrong in {len(wrong)} of {len(loser.seeds)} ({data.classes[np.bincount(wrong).argmax()]})"
        )

    cards(data.test, order, caption, "seeds.images.page")
    st.caption(f"{len(order):,} images in all.")
