"""How good a run is in each class: recall, precision and F1 with their intervals, as a picture and as a table."""

import numpy as np
import pandas as pd
import streamlit as st

from core import judge_figures
from core.class_report import ClassReport, Score, class_report
from core.store import Run
from core.tables import harmless
from pages.parts.judged import Judged, chosen_part
from pages.parts.live_chart import live_chart

_HELP = {
    "recall": "Of the images of this class, the share that was recognised.",
    "precision": "Of the images that were taken for this class, the share that belongs to it.",
    "F1": "The harmonic mean of recall and precision: high only where both are.",
}


def class_table(run: Run) -> None:
    """For a finished run."""
    judged = chosen_part(run)
    if judged is None:
        return
    report = class_report(judged.matrix)
    st.caption(
        f"On {len(judged.predictions.labels):,} {judged.part} images; the mean over classes of F1 is "
        f"{np.nanmean(report.f1.value):.1%}. The bars are 95% intervals.",
        help="Where the figures of these trained weights would lie on endlessly many images like these (Wilson's "
        "interval; for F1 carried over from the share of right ones among all images of the class or taken for it). Another "
        "seed may move them further.",
    )
    order = np.argsort(np.nan_to_num(report.f1.value, nan=2.0), kind="stable")  # the hardest on top
    sorted_report = ClassReport(
        *(Score(*(part[order] for part in score)) for score in report[:3]),
        report.images[order],
        report.answers[order],
    )
    names = [judged.classes[place] for place in order]
    live_chart(
        judge_figures.class_scores(sorted_report, names, judged.part),
        f"classes-{judged.part}",
        min(900, 110 + 44 * len(names)),
        f"Recall, precision and F1 of each class on {judged.part} images; the lowest F1 has {names[0]}",
    )
    _table(judged, sorted_report, names)


def _table(judged: Judged, report: ClassReport, names: list[str]) -> None:
    columns = {
        "class": [harmless(name) for name in names],
        "images": report.images,
        "answers": report.answers,
    }
    shown = {
        "images": st.column_config.NumberColumn(format="localized", help=f"Of this class, in {judged.part}."),
        "answers": st.column_config.NumberColumn(format="localized", help="How often this class was named."),
    }
    for name, score in zip(_HELP, (report.recall, report.precision, report.f1), strict=True):
        columns[name] = 100 * score.value
        columns[f"{name}, 95%"] = [_span(low, high) for low, high in zip(score.low, score.high, strict=True)]
        shown[name] = st.column_config.NumberColumn(format="%.1f%%", help=_HELP[name])
        shown[f"{name}, 95%"] = st.column_config.TextColumn(help="Its 95% interval, across images.")
    st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        column_config=shown,
        alt=f"Recall, precision and F1 of each class on {judged.part} images, with intervals",
    )


def _span(low: float, high: float) -> str:
    return "" if np.isnan(low) else f"{low:.1%} to {high:.1%}"
