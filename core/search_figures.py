"""Figures of a hyperparameter search: how far it came, what each field does, and the curves of its runs.

Plain dicts, as in `core.figures`. Accuracies come in as fractions. Runs that went their whole way are full
dots, those that ended early open ones at the accuracy of their last epoch, and the best one is a star:
told by shape, never by colour alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.figures import BLUE, GREY, VERMILLION, Spec, plain

_PERCENT = ".2~%"
_MOST_LABELS = 10
_SPREAD = 0.28
"""Of a place on the axis: how far dots of one value lie apart, so that equal ones are seen."""


@dataclass(frozen=True)
class Dot:
    """A trial as figures show it; `minute` of the budget at its end, None while it is under way."""

    number: int
    accuracy: float
    finished: bool
    best: bool
    minute: float | None
    words: str


def best_so_far(dots: Sequence[Dot], minutes: float) -> Spec:
    """Every run at the minute at which it ended, and the best finished one so far as a line of steps.

    Args:
        minutes: the whole budget, so that the axis stays as it is.
    """
    ended = sorted((dot for dot in dots if dot.minute is not None), key=lambda dot: dot.minute)
    done = [dot for dot in ended if dot.finished]
    highest = np.maximum.accumulate([dot.accuracy for dot in done]) if done else np.empty(0)
    last = max([minutes, *(dot.minute for dot in ended[-1:])])
    line = {
        "type": "scatter",
        "name": "best so far",
        "uid": "line",
        "x": np.array([dot.minute for dot in (*done, *(ended[-1:] if done else []))]),
        "y": np.append(highest, highest[-1:]),  # holds until now
        "mode": "lines",
        "line": {"color": VERMILLION, "width": 3, "shape": "hv"},
        "hoverinfo": "skip",
    }
    traces = [line, *_dots([(dot, dot.minute) for dot in ended])]
    layout = {
        "xaxis": {"title": {"text": "minutes of the budget"}, "range": [0, last * 1.02]},
        "yaxis": {"title": {"text": "validation accuracy"}, "tickformat": _PERCENT},
        "hovermode": "closest",
    }
    return {"data": traces, "layout": layout}


def slice_plot(title: str, labels: Sequence[str], dots: Sequence[tuple[Dot, int]]) -> Spec:
    """One field against validation accuracy; the other fields differ from dot to dot.

    Places are evenly spaced, as on the field's slider: where its ticks are logarithmic, so is the axis.

    Args:
        title: of the field.
        labels: of all values that the search may give it, in order.
        dots: each with the place of its value among them.
    """
    seen: dict[int, int] = {}
    placed = []
    for dot, place in dots:
        rank = seen[place] = seen.get(place, -1) + 1
        placed.append((dot, place + _SPREAD * _off_centre(rank)))
    every = -(-len(labels) // _MOST_LABELS)
    shown = list(range(0, len(labels), every))
    layout = {
        "xaxis": {
            "title": {"text": plain(title)},
            "tickvals": shown,
            "ticktext": [plain(labels[place]) for place in shown],
            "range": [-0.6, len(labels) - 0.4],
        },
        "yaxis": {"title": {"text": "validation accuracy"}, "tickformat": _PERCENT},
        "hovermode": "closest",
        "showlegend": False,
    }
    return {"data": _dots(placed), "layout": layout}


def importance_bars(names: Sequence[str], shares: Sequence[float]) -> Spec:
    """How much each field decides whether a run is among the best, the most important on top."""
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": np.array(shares, dtype=float),
        "y": [plain(name) for name in names],
        "marker": {"color": BLUE},
        "text": [f"{share:.0%}" for share in shares],
        "textposition": "auto",
        "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }
    layout = {
        "xaxis": {"title": {"text": "share of what decides"}, "tickformat": ".0%", "range": [0, 1.0]},
        "yaxis": {"type": "category", "autorange": "reversed", "showgrid": False},
        "hovermode": "closest",
        "showlegend": False,
    }
    return {"data": [bars], "layout": layout}


def trial_curves(curves: Sequence[tuple[Dot, Sequence[float]]], epochs: int) -> Spec:
    """Validation accuracy over epochs, a thin line for each run; the best one thick.

    Two traces however many runs there are: gaps keep them apart.

    Args:
        curves: each run with its accuracy after each epoch.
        epochs: of the longest recipe.
    """
    traces = []
    for name, wanted, line, opacity in (
        ("other runs", False, {"color": GREY, "width": 1.5}, 0.7),
        ("the best run", True, {"color": VERMILLION, "width": 4}, 1.0),
    ):
        x, y, words = [], [], []
        for dot, values in curves:
            if dot.best is wanted and len(values):
                x += [*range(1, len(values) + 1), len(values)]
                y += [*values, np.nan]
                words += [dot.words] * (len(values) + 1)
        trace = {
            "type": "scatter",
            "name": name,
            "uid": name,
            "x": np.array(x, dtype=float),
            "y": np.array(y, dtype=float),
            "text": words,
            "mode": "lines+markers",
            "marker": {"size": 4 if not wanted else 7},
            "line": line,
            "opacity": opacity,
            "hovertemplate": "%{text}<br>epoch %{x}: %{y:.2%}<extra></extra>",
        }
        traces.append(trace)
    layout = {
        "xaxis": {"title": {"text": "epochs"}, "range": [0, max(1, epochs) * 1.02]},
        "yaxis": {"title": {"text": "validation accuracy"}, "tickformat": _PERCENT},
        "hovermode": "closest",
    }
    return {"data": traces, "layout": layout}


def _dots(placed: Sequence[tuple[Dot, float]]) -> list[Spec]:
    """Three traces: those that ended early, those that finished, the best."""
    kinds = (
        ("ended early", {"color": GREY, "symbol": "circle-open", "size": 8, "line": {"width": 1.5}}),
        ("finished", {"color": BLUE, "symbol": "circle", "size": 9, "opacity": 0.75}),
        ("best", {"color": VERMILLION, "symbol": "star", "size": 15}),
    )
    traces = []
    for name, marker in kinds:
        of_kind = [(dot, x) for dot, x in placed if _kind(dot) == name]
        traces.append(
            {
                "type": "scatter",
                "name": name,
                "uid": name,
                "x": np.array([x for _, x in of_kind], dtype=float),
                "y": np.array([dot.accuracy for dot, _ in of_kind], dtype=float),
                "text": [dot.words for dot, _ in of_kind],
                "mode": "markers",
                "marker": marker,
                "hovertemplate": "%{text}<br>%{y:.2%}<extra></extra>",
            }
        )
    return traces


def _kind(dot: Dot) -> str:
    return "best" if dot.best else "finished" if dot.finished else "ended early"


def _off_centre(rank: int) -> float:
    """0, then alternately to the right and to the left, ever closer: never twice the same."""
    if not rank:
        return 0.0
    step = (rank + 1) // 2
    return (1 if rank % 2 else -1) * step / (step + 2)
