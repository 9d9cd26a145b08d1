"""Figures of a few runs beside each other: their curves, and the difference of two confusion matrices.

Plain dicts, as in `core.figures`. Every figure says which images its accuracies and losses are of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.figures import Spec, plain
from core.judge_figures import labels_of
from core.seed_traces import MOST_NUMBERED, colour_of, symbol_of

WIDE = 50
"""Learning rates that lie further apart than this factor are drawn on a logarithmic axis."""

_FEWER, _AS_MANY, _MORE = "rgba(42,134,200,0.95)", "rgba(138,148,160,0.10)", "rgba(217,106,29,0.95)"
"""Blue and vermillion of `core.figures`; nearly nothing in the middle, so that the page shows through, light or dark."""


@dataclass(frozen=True)
class Curve:
    """One run in a figure; `training` is empty where there is nothing to draw dashed."""

    name: str
    uid: str
    x: np.ndarray
    validation: np.ndarray
    training: np.ndarray


def overlay(quantity: str, curves: Sequence[Curve], axis: str) -> Spec:
    """Curves of several runs: validation solid, training dashed, a run by its colour and symbol.

    Args:
        quantity: "loss" (nats an image), "accuracy" (fractions) or "learning rate".
        axis: title of the horizontal axis.
    """
    percent, loss = quantity == "accuracy", quantity == "loss"
    number = ".2%" if percent else ".4g"
    traces = []
    for index, curve in enumerate(curves):
        line, dashed = _lines(curve, index, f"%{{y:{number}}}")
        traces.append(line)
        if len(curve.training):
            traces.append(dashed)
    rate = quantity == "learning rate"
    key = "" if rate else "; solid: validation, dashed: training"
    layout = {
        "xaxis": {"title": {"text": plain(axis + key)}, "rangemode": "tozero"},
        "yaxis": {
            "title": {"text": f"{quantity} (nats an image)" if loss else quantity},
            "tickformat": ".0%" if percent else "",
            **(_without_outliers(curves) if loss else {}),
            **(_rate_axis(curves) if rate else {}),
        },
        "hovermode": "closest",
        "showlegend": True,
    }
    return {"data": traces, "layout": layout}


def _lines(curve: Curve, index: int, number: str) -> tuple[Spec, Spec]:
    colour, name = colour_of(index), plain(curve.name)
    common = {"type": "scatter", "x": curve.x, "legendgroup": curve.uid, "showlegend": False}
    line = {
        **common,
        "uid": f"{curve.uid} solid",
        "name": name,
        "showlegend": True,
        "y": curve.validation,
        "mode": "lines+markers",
        "line": {"color": colour, "width": 2.5},
        "marker": {"size": 7, "symbol": symbol_of(index), "maxdisplayed": 12},
        "hovertemplate": f"{number} at %{{x:,.6~g}}<extra>{name}</extra>",
    }
    dashed = {
        **common,
        "uid": f"{curve.uid} dashed",
        "name": f"{name}, training",
        "y": curve.training,
        "mode": "lines",
        "line": {"color": colour, "width": 1.5, "dash": "dash"},
        "hovertemplate": f"{number} at %{{x:,.6~g}}<extra>{name}, training</extra>",
    }
    return line, dashed


def _without_outliers(curves: Sequence[Curve]) -> Spec:
    """From 0 to where training begins, or to twice the highest median: a run that diverges does not press
    the rest to the floor."""
    parts = [values for curve in curves for values in (curve.validation, curve.training)]
    finite = [values[np.isfinite(values)] for values in parts if np.isfinite(values).any()]
    if not finite:
        return {"rangemode": "tozero"}
    usual = max(2 * float(max(map(np.median, finite))), 1.1 * float(np.median([v[0] for v in finite])))
    return {"rangemode": "tozero", "autorangeoptions": {"clipmax": usual}}


def _rate_axis(curves: Sequence[Curve]) -> Spec:
    rates = np.concatenate([np.empty(0), *(curve.validation for curve in curves)])
    rates = rates[np.isfinite(rates) & (rates > 0)]
    wide = len(rates) and rates.max() / rates.min() > WIDE
    return {"type": "log", "dtick": 1} if wide else {"rangemode": "tozero"}


def confusion_difference(
    classes: Sequence[str], shares: np.ndarray, names: tuple[str, str], part: str
) -> Spec:
    """By how many points more of each class the second run takes for each class than the first.

    On the diagonal more is better, elsewhere less.

    Args:
        shares: (classes, classes) differences of row shares, NaN where there is nothing to compare.
        names: of the two runs.
        part: "validation" or "test".
    """
    labels, points = labels_of(classes), 100 * shares
    highest = max(1.0, float(np.nanmax(np.abs(points), initial=0.0)))
    cells = {
        "type": "heatmap",
        "x": labels,
        "y": labels,
        "z": points,
        "zmin": -highest,
        "zmax": highest,
        "colorscale": [[0, _FEWER], [0.5, _AS_MANY], [1, _MORE]],
        "colorbar": {"title": {"text": "points", "side": "right"}, "thickness": 14, "tickformat": "+.3~g"},
        "xgap": 1,
        "ygap": 1,
        "hoverongaps": False,
        "hovertemplate": f"%{{z:+.1f}} points more of %{{y}} taken for %{{x}}<extra>{plain(part)}</extra>",
    }
    # Text of its own, in the colour of the page's text: plotly's own would contrast with a white page.
    rows, columns = np.nonzero(np.isfinite(points) & (np.abs(points) >= 0.05))
    text = {
        "type": "scatter",
        "mode": "text",
        "x": [labels[column] for column in columns],
        "y": [labels[row] for row in rows],
        "text": [f"{points[row, column]:+.1f}" for row, column in zip(rows, columns, strict=True)],
        "hoverinfo": "skip",
    }
    first, second = map(plain, names)
    category = {"type": "category", "categoryorder": "array", "categoryarray": labels, "showgrid": False}
    layout = {
        "title": {"text": f"{plain(part)}: {second} minus {first}", "font": {"size": 13}, "x": 0},
        "margin": {"t": 36},
        "xaxis": {**category, "title": {"text": f"answer, on {plain(part)} images"}},
        "yaxis": {**category, "title": {"text": "true class"}, "autorange": "reversed"},
        "hovermode": "closest",
        "showlegend": False,
    }
    return {"data": [cells, *([text] if len(labels) <= MOST_NUMBERED else [])], "layout": layout}
