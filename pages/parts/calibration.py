"""How far a run's probabilities may be believed, as they came out and with its temperature."""

import pandas as pd
import streamlit as st

from core import judge, judge_figures
from core.judge import Calibration
from core.store import Run
from pages.parts.judged import Judged, judge_in_fragment
from pages.parts.live_chart import live_chart

HEIGHT_PX = 520


def calibration(run: Run) -> None:
    """For a finished run."""
    judge_in_fragment(run, _calibration)


def _calibration(judged: Judged) -> None:
    bins = st.select_slider(
        "Bins",
        [5, 10, 15, 20, 30],
        value=judge.BINS,
        key="depth.bins",
        width=260,
        persist_state="session",
        help="Answers are put together by their probability in so many bins of equal width. Another number gives another "
        "expected calibration error: compare only figures with the same one.",
    )
    logits, labels = judged.predictions.logits, judged.predictions.labels
    before, after = (judge.calibration(logits, labels, t, bins) for t in (1.0, judged.temperature))
    st.markdown(_sentence(judged, before, after))
    live_chart(
        judge_figures.reliability(before, after, judged.part),
        f"calibration-{judged.part}",
        HEIGHT_PX,
        f"Reliability diagram on {judged.part} images with {bins} bins: expected calibration error {before.ece:.1%}, "
        f"with temperature {after.ece:.1%}",
    )
    _table(judged, before, after)


def _sentence(judged: Judged, before: Calibration, after: Calibration) -> str:
    """What the picture says, in words."""
    accuracy = float(judged.predictions.correct.mean())
    gap = before.confidence - accuracy
    if abs(gap) < 0.005:
        verdict = "as sure as it is right, on the whole"
    else:
        verdict = (
            f"{abs(gap) * 100:.1f} points {'too sure of itself' if gap > 0 else 'less sure than it might be'}"
        )
    fitted = (
        "The temperature was fitted on these very images, so “with temperature” looks a little too good here: test tells."
        if judged.part == "validation"
        else "The temperature was fitted on validation; test had no say in it."
    )
    return (
        f"On {judged.part} images the network is {before.confidence:.1%} sure of its answers on average, and "
        f"{accuracy:.1%} of them are right: **{verdict}**. With its logits divided by {judged.temperature:.2f} it is "
        f"{after.confidence:.1%} sure. {fitted}"
    )


def _table(judged: Judged, before: Calibration, after: Calibration) -> None:
    rows = {
        "temperature": ("{:.3f}", "What logits are divided by; above 1 makes answers less sure"),
        "confidence": ("{:.2%}", "Mean probability of the answers; should be the accuracy"),
        "ece": (
            "{:.2%}",
            f"Mean distance between probability and accuracy over {len(before.bins.counts)} bins",
        ),
        "nll": ("{:.4f}", "Mean −log of the probability of the true class, in nats: the loss"),
        "brier": ("{:.4f}", "Mean squared distance of all probabilities from the truth, 0 to 2"),
    }
    titles = [
        "temperature",
        "confidence",
        "ECE (expected calibration error)",
        "NLL (negative log-likelihood)",
        "Brier score",
    ]
    table = pd.DataFrame(
        {
            f"on {judged.part}": titles,
            "as it came out": [form.format(getattr(before, name)) for name, (form, _) in rows.items()],
            "with temperature": [form.format(getattr(after, name)) for name, (form, _) in rows.items()],
            "meaning": [meaning for _, meaning in rows.values()],
        }
    )
    st.table(table, hide_index=True, alt=f"Calibration on {judged.part} images, before and after temperature")
    st.caption("For the last three lower is better. A temperature changes no answer, so the accuracy stays.")
