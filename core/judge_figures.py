"""Figures about what one trained model gets wrong: confusion, classes with intervals, calibration.

Plain dicts, as in `core.figures`. Each names the part of the data set that it is about, "validation" or
"test", on an axis: a picture that is cut out and passed on still says so.
"""

from collections.abc import Sequence

import numpy as np

from core.class_report import ClassReport, Score, bin_intervals
from core.figures import BLUE, GREEN, GREY, VERMILLION, Spec, plain
from core.judge import Calibration, row_shares
from core.seed_traces import MOST_NUMBERED, heat_map

LONGEST_NAME = 18
"""Signs of a class's name that fit beside an axis."""

_ON_GREY = "#101820"
"""Plotly's own choice can hardly be read there; the cells are the same grey on a light and on a dark page."""

_OFFSETS = {"recall": -0.22, "precision": 0.0, "F1": 0.22}
_LOOKS = {"recall": (BLUE, "circle"), "precision": (VERMILLION, "square"), "F1": (GREEN, "diamond")}


def labels_of(classes: Sequence[str]) -> list[str]:
    """Names for an axis: short, harmless, and each once, else plotly would draw two classes as one."""
    found: list[str] = []
    for number, name in enumerate(classes):
        short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        found.append(plain(short if plain(short) not in found else f"{short} ({number})"))
    return found


def confusion(matrix: np.ndarray, classes: Sequence[str], part: str, shares: bool = False) -> Spec:
    """True classes in rows, answers in columns; colours tell mistakes, and right answers, which outnumber them, are grey.

    The mistakes are the first trace and the diagonal the second, each over the whole square, so that a
    click on either gives row and column.

    Args:
        matrix: (classes, classes) counts, rows true classes, in the order in which they are drawn.
        part: "validation" or "test".
        shares: percent of the images of the row's class in place of counts.
    """
    values = 100 * row_shares(matrix) if shares else matrix.astype(float)
    diagonal = np.eye(len(matrix), dtype=bool)
    names = labels_of(classes)
    unit = "% of the class" if shares else "images"
    words = "%{y}, taken for %{x}: " + ("%{z:.1f}% of its images" if shares else "%{z:,} images")
    titles = (f"answer, on {part} images", "true class", f"mistakes ({unit})")
    figure = heat_map(names, names, np.where(diagonal, np.nan, values), words, titles, lowest=0.0)
    right = heat_map(names, names, np.where(diagonal, values, np.nan), words, titles)["data"][0]
    for trace in (figure["data"][0], right):
        if max(matrix.shape) <= MOST_NUMBERED:
            trace["text"] = [[_number(value, shares) for value in row] for row in trace["z"]]
    right |= {
        "colorscale": [[0, GREY], [1, GREY]],
        "textfont": {"color": _ON_GREY},
        "showscale": False,
        "hovertemplate": words.replace(", taken for %{x}", " recognised") + "<extra></extra>",
    }
    figure["data"].append(right)
    return figure


def _number(value: float, shares: bool) -> str:
    if np.isnan(value):
        return ""
    return f"{value:.1f}" if shares else f"{value:,.0f}"


def class_scores(report: ClassReport, classes: Sequence[str], part: str) -> Spec:
    """Recall, precision and F1 of each class with their 95 % intervals, the first class on top.

    Args:
        report: its classes in the order of `classes`.
    """
    scores = {"recall": report.recall, "precision": report.precision, "F1": report.f1}
    ends = np.concatenate([score.low for score in scores.values()])
    lowest = float(np.nanmin(ends)) if not np.isnan(ends).all() else 0.0
    layout = {
        "xaxis": {
            "title": {"text": f"on {part} images, with 95% intervals"},
            "tickformat": ".0%",
            "showgrid": True,
            "range": [max(-0.01, lowest - 0.05), 1.01],
        },
        "yaxis": {
            "tickvals": list(range(len(classes))),
            "ticktext": labels_of(classes),
            "range": [len(classes) - 0.5, -0.5],
            "showgrid": False,
        },
        "hovermode": "closest",
        "showlegend": True,
    }
    traces = [_dots(name, score, classes) for name, score in scores.items()]
    return {"data": traces, "layout": layout}


def _dots(name: str, score: Score, classes: Sequence[str]) -> Spec:
    colour, symbol = _LOOKS[name]
    return {
        "type": "scatter",
        "name": name,
        "x": score.value,
        "y": np.arange(len(classes)) + _OFFSETS[name],
        "mode": "markers",
        "marker": {"color": colour, "symbol": symbol, "size": 8},
        "error_x": {**_bars(score), "color": colour, "thickness": 1.5, "width": 3},
        "text": [
            f"{plain(label)}, {name} {value:.1%}, {low:.1%} to {high:.1%}"
            for label, value, low, high in zip(classes, *score, strict=True)
        ],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _bars(score: Score) -> Spec:
    """From the dot to both ends of its interval."""
    up, down = score.high - score.value, score.value - score.low
    return {"type": "data", "symmetric": False, "array": up.clip(0), "arrayminus": down.clip(0)}


def reliability(before: Calibration, after: Calibration | None, part: str) -> Spec:
    """How often answers are right against how sure they were, above how many there are of each.

    On the dashed line they are right as often as they say. Below it the model is too sure of itself. The bars
    are 95 % intervals: few answers in a bin prove little.

    Args:
        before: at temperature 1; `after`: at the fitted one, or None.
    """
    line = {"x": [0, 1], "y": [0, 1], "mode": "lines", "line": {"color": GREY, "dash": "dash", "width": 1.5}}
    traces: list[Spec] = [{"type": "scatter", "hoverinfo": "skip", "showlegend": False, **line}]
    for number, (name, found) in enumerate((("as it came out", before), ("with temperature", after))):
        if found is not None:
            traces += _bins(name, found, number)
    layout = {
        "xaxis": {
            "title": {"text": f"probability of the answer, on {part} images"},
            "range": [0, 1.01],
            "tickformat": ".0%",
            "anchor": "y2",
        },
        "yaxis": {
            "title": {"text": "share that is right"},
            "range": [-0.02, 1.02],
            "tickformat": ".0%",
            "domain": [0.36, 1],
        },
        "yaxis2": {"title": {"text": "images"}, "domain": [0, 0.26], "rangemode": "tozero", "nticks": 4},
        "barmode": "overlay",
        "bargap": 0.05,
        "hovermode": "closest",
        "showlegend": True,
    }
    return {"data": traces, "layout": layout}


def _bins(name: str, found: Calibration, number: int) -> list[Spec]:
    """The dots of a reliability diagram and, on the axis below, their counts."""
    colour, symbol, dash = ((VERMILLION, "square", "dot"), (BLUE, "circle", "solid"))[number]
    bins, ends = found.bins, bin_intervals(found.bins.accuracy, found.bins.counts)
    there = bins.counts > 0
    spans = [f"{low:.0%} to {high:.0%}" for low, high in zip(bins.edges[:-1], bins.edges[1:], strict=True)]
    words = [
        f"{count:,} answers given with {span}: {right:.1%} are right, {sure:.1%} would be fair"
        for count, span, right, sure in zip(bins.counts, spans, bins.accuracy, bins.confidence, strict=True)
    ]
    few = Score(*(values[there] for values in ends))
    dots = {
        "type": "scatter",
        "name": f"{name} (ECE {found.ece:.1%})",
        "legendgroup": name,
        "x": bins.confidence[there],
        "y": few.value,
        "mode": "lines+markers",
        "line": {"color": colour, "width": 2, "dash": dash},
        "marker": {"color": colour, "symbol": symbol, "size": 8},
        "error_y": {**_bars(few), "color": colour, "thickness": 1.5, "width": 3},
        "text": [text for text, known in zip(words, there, strict=True) if known],
        "hovertemplate": "%{text}<extra></extra>",
    }
    bars = {
        "type": "bar",
        "legendgroup": name,
        "showlegend": False,
        "x": (bins.edges[:-1] + bins.edges[1:]) / 2,
        "y": bins.counts,
        "width": np.diff(bins.edges) * (0.5 if number else 0.9),
        "yaxis": "y2",
        "marker": {"color": colour, "opacity": 0.55},
        "text": words,
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
    }
    return [dots, bars]
