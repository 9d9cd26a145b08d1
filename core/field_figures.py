"""Fields of many runs against their validation accuracy: scatter, and parallel coordinates.

Plain dicts, as in `core.figures`. Numbers whose slider grows by factors lie on a logarithmic axis.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import KNOBS
from core.figures import BLUE, GREY, PURPLE, VERMILLION, Spec, plain
from core.seed_traces import PERCENT

LOGARITHMIC = 50
"""A slider that spans more than this factor grows by factors."""

COLOURS = [[0, BLUE], [0.5, PURPLE], [1, VERMILLION]]
"""Low to high accuracy. Neither end is near a light or a dark page, on which thin lines would vanish."""

MOST_TICKS = 8
MOST_LETTERS = 18
LETTER_PX = 7
CLOSEST_TICKS = 0.045
"""Of the length of an axis: nearer ticks would print their numbers over each other."""


@dataclass(frozen=True)
class Scale:
    """A field of many runs as places on an axis: numbers, their logarithms, or the numbers of choices.

    `ticks` maps a place to what is written there; empty where plotly's own ticks do. `shown` is each
    run's own value in words.
    """

    label: str
    places: np.ndarray
    ticks: dict[float, str]
    shown: list[str]


def is_logarithmic(name: str) -> bool:
    """Whether the ticks of a field's slider grow by factors rather than by steps."""
    ticks = [tick for tick in KNOBS[name].ticks if tick > 0]
    return bool(ticks) and ticks[-1] / ticks[0] >= LOGARITHMIC


def numeric_scale(label: str, values: Sequence[Any], logarithmic: bool, shown: list[str]) -> Scale:
    """Numbers on an axis; 0 on a logarithmic one, and None anywhere, have a place of their own below all others.

    Args:
        values: of each run, None where the field does nothing.
        shown: the same in words.
    """
    numbers = np.array([np.nan if value is None else float(value) for value in values])
    written = dict(zip(numbers.tolist(), shown, strict=True))
    logarithmic = logarithmic and bool((numbers > 0).any())
    places = numbers
    if logarithmic:
        places = np.where(numbers > 0, np.log10(np.where(numbers > 0, numbers, 1.0)), np.nan)
    known = places[np.isfinite(places)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    below = max(0.12 * (high - low), 0.3 if logarithmic else 1e-12)
    distinct = sorted(
        {number for number in numbers[np.isfinite(numbers)].tolist() if not logarithmic or number > 0}
    )
    places = places.copy()
    ticks = {}
    if logarithmic and (numbers == 0).any():
        low -= below
        places[numbers == 0] = low
        ticks[float(low)] = "0"
    if np.isnan(numbers).any():
        low -= below
        places[np.isnan(numbers)] = low
        ticks[float(low)] = "none"
    if logarithmic or len(distinct) <= MOST_TICKS or ticks:
        for number in _marked(distinct, logarithmic):
            place = math.log10(number) if logarithmic else number
            ticks[float(place)] = written.get(number, f"{number:g}")
    return Scale(label, places, _apart(ticks), shown)


def _marked(numbers: list[float], logarithmic: bool) -> list[float]:
    """Which numbers an axis names: all, where they are few; else round ones."""
    if len(numbers) <= MOST_TICKS:
        return numbers
    if not logarithmic:
        return [float(number) for number in np.linspace(numbers[0], numbers[-1], 5)]
    powers = range(math.floor(math.log10(numbers[0])), math.ceil(math.log10(numbers[-1])) + 1)
    factors = (1, 3) if len(powers) > 2 else (1, 2, 3, 5, 7)
    return [
        float(f"{factor}e{power}")
        for power in powers
        for factor in factors
        if numbers[0] <= float(f"{factor}e{power}") <= numbers[-1]
    ]


def _apart(ticks: dict[float, str]) -> dict[float, str]:
    """Without those that would be printed over the one before, or that say the same as another one."""
    kept: dict[float, str] = {}
    nearest = CLOSEST_TICKS * (max(ticks) - min(ticks)) if ticks else 0.0
    for place in sorted(ticks):
        if (not kept or place - max(kept) >= nearest) and ticks[place] not in kept.values():
            kept[place] = ticks[place]
    return kept


def choice_scale(label: str, shown: list[str]) -> Scale:
    """Words on an axis, in the order of the alphabet."""
    words = sorted(set(shown))
    numbers = {word: float(number) for number, word in enumerate(words)}
    places = np.array([numbers[word] for word in shown])
    # Numbered where they are cut: of two ticks with one text plotly draws one alone.
    cut = [
        word if len(word) <= MOST_LETTERS else f"{word[:MOST_LETTERS]}… {n + 1}"
        for n, word in enumerate(words)
    ]
    return Scale(label, places, dict(zip(numbers.values(), cut, strict=True)), shown)


def field_scatter(x: Scale, y: Scale | None, accuracies: np.ndarray, names: list[str]) -> Spec:
    """A dot for each run: a field against validation accuracy, or two fields with accuracy as the colour.

    Args:
        y: None for the accuracy itself.
        accuracies: (n,) of validation, fractions.
        names: of the runs, for who points at a dot.
    """
    hover = [f"{plain(x.label)}: {plain(word)}" for word in x.shown]
    if y is not None:
        more = [f"<br>{plain(y.label)}: {plain(word)}" for word in y.shown]
        hover = [first + second for first, second in zip(hover, more, strict=True)]
    texts = [f"{first}<extra>{plain(name)}</extra>" for first, name in zip(hover, names, strict=True)]
    many = len(accuracies) > 300
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": x.places,
        "y": accuracies if y is None else y.places,
        "marker": {
            "size": 6 if many else 10,
            "opacity": 0.55 if many else 0.85,
            "color": accuracies,
            "colorscale": COLOURS,
            "line": {"width": 1, "color": GREY},
            "colorbar": {
                "title": {"text": "validation accuracy", "side": "right"},
                "tickformat": PERCENT,
                "thickness": 14,
            },
            "showscale": y is not None,
        },
        "customdata": accuracies,
        "hovertemplate": [f"validation %{{customdata:.2%}}<br>{text}" for text in texts],
    }
    accuracy_axis = {"title": {"text": "validation accuracy"}, "tickformat": PERCENT}
    layout = {
        "xaxis": _field_axis(x),
        "yaxis": accuracy_axis if y is None else _field_axis(y),
        "hovermode": "closest",
        "showlegend": False,
    }
    return {"data": [dots], "layout": layout}


def _field_axis(scale: Scale) -> Spec:
    ticks = {"tickvals": list(scale.ticks), "ticktext": [plain(word) for word in scale.ticks.values()]}
    return {"title": {"text": plain(scale.label)}, "showgrid": True, **(ticks if scale.ticks else {})}


def parallel(scales: Sequence[Scale], accuracies: np.ndarray) -> Spec:
    """A line for each run through the value of each of its fields, and at last its validation accuracy.

    Args:
        accuracies: (n,) fractions; also the colour of the lines.
    """
    dimensions = [
        {
            "label": plain(scale.label),
            "values": scale.places,
            # Written by d3 as they are, unlike the label: escaped, a "&" would show as "&amp;".
            **(
                {"tickvals": list(scale.ticks), "ticktext": list(scale.ticks.values())} if scale.ticks else {}
            ),
        }
        for scale in scales
    ]
    end = {"label": "validation accuracy", "values": accuracies, "tickformat": PERCENT}
    lines = {
        "type": "parcoords",
        "dimensions": [*dimensions, end],
        "line": {"color": accuracies, "colorscale": COLOURS},
        "labelangle": 0,
        "labelfont": {"size": 12},
        "unselected": {"line": {"opacity": 0.04}},
    }
    first = max((len(word) for word in scales[0].ticks.values()), default=0) if scales else 0
    return {
        "data": [lines],
        "layout": {"margin": {"l": max(60, LETTER_PX * first), "r": 60, "t": 64, "b": 24}},
    }
