"""Pictures of sweeps: seeds as dots, curves as a band, classes and disagreement as heat maps, the rule of robustness."""

import numpy as np
import streamlit as st

from core import robustness, seed_figures
from core.history import epoch_matrix
from core.robustness import Answer, Limits
from core.seed_table import Entry, accuracies, judged_on, summary
from core.stats import pointwise_band
from core.sweep import Sweep
from pages.parts import cache
from pages.parts.colours import colour_places
from pages.parts.frame import sentences, wrapping_columns
from pages.parts.live_chart import live_chart
from pages.parts.pace import ticking
from pages.parts.words import escaped, percent

TICK_SECONDS = 2.0
ROW_PX, CHART_PX, MAP_PX = 46, 300, 420
MOST_CURVES = 4  # recipes in one picture

_ICONS = {
    Answer.kept: ":material/check_circle:",
    Answer.broken: ":material/cancel:",
    Answer.open: ":material/help:",
}


def strip(shown: list[Entry]) -> None:
    """Every seed as a dot, the mean and its interval beside them."""
    with_runs = [entry for entry in shown if entry.sweep.finished]
    if not with_runs:
        st.caption("The dots begin with the first run that finishes.")
        return
    quantity = f"{judged_on(with_runs)} accuracy"
    intervals = {entry.name: summary(entry).mean_interval for entry in with_runs}
    figure = seed_figures.seed_strip(
        {entry.name: accuracies(entry) for entry in with_runs},
        intervals,
        {entry.name: np.array([row.run.spec.seed for row in entry.sweep.finished]) for entry in with_runs},
        quantity,
        _places([(entry.name, entry.sweep) for entry in shown]),
    )
    means = ", ".join(f"{entry.name}: {percent(summary(entry).mean)}" for entry in with_runs[:5])
    live_chart(
        figure, "seeds-strip", 110 + ROW_PX * len(with_runs), f"Seeds as dots. Mean {quantity}: {means}"
    )


def _places(shown: list[tuple[str, Sweep]]) -> dict[str, int]:
    """Of all that are shown, whether there is something of them to draw or not: none takes another's colour."""
    numbers = colour_places([sweep.digest for _, sweep in shown])
    return {name: number for (name, _), number in zip(shown, numbers, strict=True)}


def curves(shown: list[Entry]) -> None:
    """Bands of validation curves, growing while the sweeps run."""
    moving = any(entry.sweep.under_way for entry in shown)
    ticking(_curves, TICK_SECONDS, moving)([(e.name, e.sweep) for e in shown[:MOST_CURVES]])
    if len(shown) > MOST_CURVES:
        st.caption(f"The first {MOST_CURVES} of the chosen recipes.")


def _curves(shown: list[tuple[str, Sweep]]) -> None:
    with sentences():
        _draw_curves(shown)


def _draw_curves(shown: list[tuple[str, Sweep]]) -> None:
    found, places = {}, _places(shown)
    for quantity in ("accuracy", "loss"):
        arrays = {
            name: epoch_matrix(
                [cache.history(row.run.id) for row in sweep.rows],
                sweep.recipe.epochs,
                f"validation_{quantity}",
            )
            for name, sweep in shown
        }
        found[quantity] = {name: array for name, array in arrays.items() if np.isfinite(array).any()}
    if not found["accuracy"]:
        st.caption("The curves begin with the first epoch.")
        return
    for column, (quantity, arrays) in zip(wrapping_columns(2, "seed-curves"), found.items(), strict=True):
        with column:
            figure = seed_figures.curve_band(quantity, arrays, places)
            live_chart(figure, f"seeds-band-{quantity}", CHART_PX, _band_alt(quantity, arrays))
    st.caption(
        "Validation, a thin line for each seed; thick: their mean; shaded: the mean's 95% interval at each epoch by "
        "itself (Student's t). Nothing is smoothed."
    )
    spread = {name: array for name, array in found["accuracy"].items() if len(array) > 1}
    if spread:
        st.markdown("**How much seeds differ, epoch by epoch**")
        live_chart(
            seed_figures.sd_by_epoch(spread, places),
            "seeds-sd",
            CHART_PX - 40,
            "Standard deviation of validation accuracy over seeds at each epoch",
        )


def _band_alt(quantity: str, arrays: dict[str, np.ndarray]) -> str:
    parts = []
    for name, array in arrays.items():
        mean = pointwise_band(array).mean
        last = np.flatnonzero(np.isfinite(mean))[-1]
        value = percent(mean[last]) if quantity == "accuracy" else f"{mean[last]:.3f}"
        parts.append(f"{name}: {value} after epoch {last + 1}, {len(array)} seeds")
    return f"Mean validation {quantity}. {'; '.join(parts)}"


def heat_maps(entry: Entry) -> None:
    """Which classes are hard in which seed, and how far seeds disagree."""
    found = cache.study(entry.sweep)
    names = [str(seed) for seed in found.seeds]
    left, right = wrapping_columns(2, "heat-maps")
    with left:
        st.markdown("**Recall of each class in each seed**")
        live_chart(
            seed_figures.class_by_seed(entry.classes, names, found.recalls),
            "seeds-classes",
            MAP_PX,
            "Recall by class and seed",
        )
    with right:
        st.markdown("**Images on which two seeds answer differently**")
        live_chart(
            seed_figures.churn_matrix(names, found.churn),
            "seeds-churn",
            MAP_PX,
            "Disagreement of seeds in pairs",
        )


def robust(entry: Entry) -> None:
    """Robust by a rule that the reader sets."""
    standard = Limits()
    columns = wrapping_columns(3, "limits")
    sd = columns[0].number_input(
        "Spread allowed (points)",
        0.05,
        20.0,
        100 * standard.sd,
        0.05,
        help="Standard deviation over seeds.",
        key="limits.sd",
        persist_state="session",
    )
    worst = columns[1].number_input(
        "Weakest class may fall behind (points)",
        1.0,
        100.0,
        100 * standard.worst_class,
        1.0,
        help="Behind the mean over classes, on average over seeds.",
        key="limits.class",
        persist_state="session",
    )
    churn = columns[2].number_input(
        "Disagreement allowed (%)",
        1.0,
        100.0,
        100 * standard.disagreement,
        1.0,
        help="Images on which two seeds answer differently, on average.",
        key="limits.churn",
        persist_state="session",
    )
    found = cache.study(entry.sweep)
    if len(found.seeds) < 2:
        st.caption("Robustness needs at least two seeds that have finished.")
        return
    limits = Limits(sd / 100, worst / 100, churn / 100)
    lost = sum(entry.sweep.lost.values())
    answers = robustness.rules(
        found.accuracies, found.recalls, list(entry.classes), found.churn, limits, lost
    )
    st.markdown(f"**{escaped(robustness.verdict(answers, len(found.seeds), entry.sweep.final))}**")
    for rule in answers:
        st.markdown(f"{_ICONS[rule.answer]} **{rule.title}.** {escaped(rule.sentence)}")
    for remark in entry.sweep.remarks():
        st.caption(escaped(remark))
