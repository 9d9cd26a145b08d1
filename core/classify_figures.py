"""Figures about one image: how probable its classes are, and along a slider when the answer changes.

Plain dicts, as in `core.figures`. Probabilities come in as fractions and are shown in percent. A network is
told by its colour and by its symbol or dash, never by colour alone.
"""

from collections.abc import Sequence

import numpy as np

from core.figures import GREY, Spec, plain
from core.seed_traces import DASHES, PERCENT, colour_of, upright

SHADES = ("", "/", "x", ".", "+", "-", "|")
"""Patterns of bars, so that networks differ without colours."""


def class_bars(classes: Sequence[str], probabilities: dict[str, np.ndarray], most: int = 5) -> Spec:
    """The most probable classes as horizontal bars, the best on top; one bar for each network.

    A bar is the mean over the seeds of a recipe; its whisker reaches from the lowest seed to the highest.

    Args:
        classes: names, in the order of the probabilities.
        probabilities: network or recipe -> (classes,) of one network or (n_seeds, classes).
        most: so many classes, those with the highest mean over all networks.
    """
    scores = {name: np.atleast_2d(np.asarray(values, dtype=float)) for name, values in probabilities.items()}
    overall = np.mean([values.mean(0) for values in scores.values()], axis=0)
    shown = np.argsort(-overall, kind="stable")[:most]
    names = [plain(classes[number]) for number in shown]
    traces = [
        _bars(name, names, values[:, shown], index) for index, (name, values) in enumerate(scores.items())
    ]
    layout = {
        "barmode": "group",
        "xaxis": {"title": {"text": "probability"}, "range": [0, 1.02], "tickformat": PERCENT},
        "yaxis": {"type": "category", "autorange": "reversed"},
        "showlegend": len(traces) > 1,
    }
    return {"data": traces, "layout": layout}


def probability_along(
    title: str,
    unit: str,
    values: np.ndarray,
    probabilities: dict[str, np.ndarray],
    start: float | None = None,
    changes: Sequence[float | None] = (),
) -> Spec:
    """How probable the first answer stays along a slider, for one network or several.

    Args:
        title, unit: of the slider, "Rotation" and "°".
        values: (n,) ascending.
        probabilities: network -> (n,) fractions.
        start: where the slider is: a dashed line.
        changes: where the answer is another one for the first time: a cross on the first network's line.
    """
    traces = [
        _line(name, values, line, index, unit) for index, (name, line) in enumerate(probabilities.items())
    ]
    crossed = [place for place in changes if place is not None]
    if crossed and traces:
        traces.append(_crosses(crossed, traces[0]["y"][np.searchsorted(values, crossed)], unit))
    layout = {
        "xaxis": {"title": {"text": plain(f"{title} ({unit})" if unit else title)}},
        "yaxis": {"title": {"text": "probability"}, "range": [-0.02, 1.02], "tickformat": PERCENT},
        "hovermode": "closest",
        "showlegend": len(probabilities) > 1,
        "shapes": [] if start is None else [upright(start)],
    }
    return {"data": traces, "layout": layout}


def _bars(name: str, classes: list[str], values: np.ndarray, index: int) -> Spec:
    """(n_seeds, classes) as one bar a class."""
    mean, several = values.mean(0), len(values) > 1
    words = (
        f", seeds from %{{customdata[0]:.1%}} to %{{customdata[1]:.1%}} (n = {len(values)})"
        if several
        else ""
    )
    trace: Spec = {
        "type": "bar",
        "orientation": "h",
        "name": plain(name),
        "y": classes,
        "x": mean,
        "marker": {"color": colour_of(index), "pattern": {"shape": SHADES[index % len(SHADES)]}},
        "hovertemplate": f"%{{y}}: %{{x:.1%}}{words}<extra>{plain(name)}</extra>",
    }
    if several:
        low, high = np.minimum(values.min(0), mean), np.maximum(values.max(0), mean)  # a mean is rounded
        ends = {"type": "data", "symmetric": False, "array": high - mean, "arrayminus": mean - low}
        trace["error_x"] = {**ends, "color": GREY, "thickness": 2, "width": 5}
        trace["customdata"] = np.stack((low, high), axis=1)
    return trace


def _line(name: str, values: np.ndarray, line: np.ndarray, index: int, unit: str) -> Spec:
    return {
        "type": "scatter",
        "name": plain(name),
        "x": values,
        "y": line,
        "mode": "lines+markers",
        "line": {"color": colour_of(index), "width": 2, "dash": DASHES[index % len(DASHES)]},
        "marker": {"size": 5},
        "hovertemplate": f"%{{x}}{plain(unit)}: %{{y:.1%}}",
    }


def _crosses(places: list[float], heights: np.ndarray, unit: str) -> Spec:
    return {
        "type": "scatter",
        "name": "another answer",
        "x": places,
        "y": heights,
        "mode": "markers",
        "marker": {"symbol": "x", "size": 11, "color": GREY},
        "hovertemplate": f"from %{{x}}{plain(unit)} on another answer<extra></extra>",
    }
