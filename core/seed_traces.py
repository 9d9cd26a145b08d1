"""What the figures about seeds are put together from: dots, means, bands, rows, heat maps, panels.

Plain dicts of plotly; `core.seed_figures` says what they show. Rows are numbered from the top, one unit
high each, so that dots can be spread within a row.
"""

import hashlib
import textwrap
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from core.figures import GREY, RECIPE_COLOURS, Spec, plain
from core.stats import pointwise_band

SYMBOLS = ("circle", "square", "triangle-up", "cross", "star", "x", "triangle-down", "pentagon")
"""Eight beside seven colours: 56 recipes before a pair comes again."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")

MOST_NUMBERED = 12
"""Rows and columns of a heat map up to which its cells carry their number."""

PERCENT = ".2~%"
"""As d3 writes it: no more digits than it needs, at most hundredths of a percent."""

DOTS, MEAN = -0.14, 0.28
"""Where in its row, counted downwards from the middle, the dots lie and the mean does."""

Ends = tuple[float, float] | None


def colour_of(index: int) -> str:
    return RECIPE_COLOURS[index % len(RECIPE_COLOURS)]


def symbol_of(index: int) -> str:
    return SYMBOLS[index % len(SYMBOLS)]


def dots(values: np.ndarray, row: int, colour: str, symbol: str, hover: str) -> Spec:
    """A dot for each value, spread over the height of its row: equal values stay apart.

    The spread is no chance: in order of value each dot takes the next place of van der Corput's
    sequence, which never comes to the same place twice and keeps neighbours far apart.
    """
    numbers = np.asarray(values, dtype=float)
    ranks = np.argsort(np.argsort(numbers, kind="stable"), kind="stable")
    heights = np.array([_van_der_corput(int(rank) + 1) for rank in ranks])
    return {
        "type": "scatter",
        "x": numbers,
        "y": row + DOTS + 0.5 * (heights - 0.5),
        "mode": "markers",
        "marker": {
            "color": colour,
            "symbol": symbol,
            "size": 8 if len(numbers) <= 30 else 6,
            "opacity": 0.65,
        },
        "hovertemplate": hover,
    }


def mean_with_interval(
    value: float, ends: Ends, row: float, colour: str, name: str, form: str = ".2%", unit: str = ""
) -> Spec:
    """A diamond with a bar from end to end; open, and without a bar, where there is no interval.

    Args:
        row: its height in the figure.
        form, unit: how Python writes the numbers of the hover.
    """
    trace: Spec = {
        "type": "scatter",
        "x": [value],
        "y": [row],
        "mode": "markers",
        "marker": {"color": colour, "symbol": "diamond" if ends else "diamond-open", "size": 12},
    }
    words = f"{value:{form}}{unit}"
    if ends is not None:
        low, high = ends
        words += f", interval {low:{form}} to {high:{form}}{unit}"
        bar = {"type": "data", "symmetric": False, "array": [high - value], "arrayminus": [value - low]}
        trace["error_x"] = {**bar, "color": colour, "thickness": 2.5, "width": 5}
    return {**trace, "hovertemplate": f"{words}<extra>{plain(name)}</extra>"}


def row_layout(names: Sequence[str], quantity: str, values: Sequence[np.ndarray]) -> Spec:
    """Rows with their names at the left, the first on top, above an axis in percent.

    Args:
        values: the accuracies that are drawn in the rows. The axis reaches as far again to either side as
            they do, and not beyond 0 and 100 %: an interval of two seeds would press them to a point.
    """
    numbers = np.concatenate([np.empty(0), *values])
    labels = ["<br>".join(plain(line) for line in textwrap.wrap(name, 30)) for name in names]
    return {
        "xaxis": {
            "title": {"text": plain(quantity)},
            "tickformat": PERCENT,
            "showgrid": True,
            **({"range": _around(numbers)} if len(numbers) else {}),
        },
        "yaxis": {
            "tickvals": list(range(len(names))),
            "ticktext": labels,
            "range": [len(names) - 0.5, -0.5],
            "showgrid": False,
        },
        "hovermode": "closest",
        "showlegend": False,
    }


def _around(numbers: np.ndarray) -> list[float]:
    low, high = float(numbers.min()), float(numbers.max())
    room = max(high - low, 0.01)
    return [max(-0.002, low - room), min(1.002, high + room)]


def upright(x: float) -> Spec:
    """A dashed line over the whole height of a figure."""
    line = {"color": GREY, "width": 1.5, "dash": "dash"}
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line}


def curves_of(recipe: str, values: np.ndarray, index: int, number: str, faint: float) -> list[Spec]:
    """Three traces: the thin lines of all seeds, the band, and the mean, which stands for all in the legend.

    Args:
        number: how d3, and Python, write a value.
        faint: what the opacity of all but the mean is multiplied by, for figures with many recipes.
    """
    band = pointwise_band(values)
    colour = colour_of(index)
    epochs = np.arange(1, values.shape[1] + 1).astype(float)
    common = {"type": "scatter", "legendgroup": f"{index}", "showlegend": False, "hoverinfo": "skip"}
    # A gap after each seed, so that no line leads from the end of one to the start of the next.
    gapped = np.pad(np.asarray(values, dtype=float), ((0, 0), (0, 1)), constant_values=np.nan)
    thin = {
        **common,
        "uid": _uid("seeds", recipe),
        "x": np.tile(np.append(epochs, epochs[-1] if len(epochs) else 0).astype(float), len(gapped)),
        "y": gapped.ravel(),
        "mode": "lines",
        "line": {"color": colour, "width": 1},
        "opacity": 0.35 * faint,
    }
    x, y = _outline(*broken(epochs, band.n, band.low, band.high))
    area = {
        **common,
        "uid": _uid("band", recipe),
        "x": x,
        "y": y,
        "mode": "lines",
        "fill": "toself",
        "line": {"color": colour, "width": 1},
        "opacity": 0.4 * faint,
    }
    at, low, high, mean, n = broken(epochs, band.n, band.low, band.high, band.mean, band.n)
    words = [
        (f", {ends[0]:{number}} to {ends[1]:{number}}" if np.isfinite(ends).all() else "")
        + f" (n = {count:.0f})"
        for *ends, count in zip(low, high, np.nan_to_num(n), strict=True)
    ]
    hover = {"text": words, "hovertemplate": f"%{{y:{number}}}%{{text}}"}
    return [thin, area, {**thick(recipe, values, index), "x": at, "y": mean, **hover}]


def broken(x: np.ndarray, n: np.ndarray, *lines: np.ndarray) -> tuple[np.ndarray, ...]:
    """Lines over epochs with a gap wherever the number of seeds changes: a jump there is no learning."""
    places = np.flatnonzero(np.diff(n)) + 1
    return tuple(np.insert(np.asarray(line, dtype=float), places, np.nan) for line in (x, *lines))


def seeds_in_curve(values: np.ndarray) -> str:
    """ "n = 3", or "n = 3, 2 from epoch 6 on" where not all have come so far."""
    n = (~np.isnan(values)).sum(axis=0)
    changes = [0, *(np.flatnonzero(np.diff(n)) + 1)]
    parts = [f"n = {n[0]}", *(f"{n[place]} from epoch {place + 1} on" for place in changes[1:] if n[place])]
    return ", ".join(parts[:3])


def _uid(kind: str, recipe: str) -> str:
    """What Plotly knows a trace by; it makes a CSS selector of it, which a recipe's own name can break."""
    return f"{kind}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"


def thick(recipe: str, values: np.ndarray, index: int) -> Spec:
    """The line of a recipe over epochs, still without its height; how many seeds it has is in its name."""
    colour = colour_of(index)
    return {
        "type": "scatter",
        "uid": _uid("line", recipe),
        "legendgroup": f"{index}",
        "name": plain(f"{recipe} ({seeds_in_curve(values)})"),
        "x": np.arange(1, values.shape[1] + 1).astype(float),
        "mode": "lines+markers",
        "line": {"color": colour, "width": 3},  # solid: dashed is training, on every page
        "marker": {"size": 7, "symbol": symbol_of(index), "maxdisplayed": 8},
    }


def epoch_axis(curves: dict[str, np.ndarray]) -> Spec:
    """As long as the longest curve may become, so that growing ones do not rescale it."""
    epochs = max((values.shape[1] for values in curves.values()), default=0)
    return {"title": {"text": "epochs"}, "range": [0, max(1, epochs) * 1.02]}


def legend(recipes: int) -> Spec:
    """At the right, where it scrolls, when it would push the curves down; else where the page has it."""
    if recipes <= MOST_NUMBERED:
        return {}
    return {"legend": {"orientation": "v", "x": 1.02, "y": 1, "yanchor": "top", "font": {"size": 11}}}


def clipped(curves: dict[str, np.ndarray]) -> Spec:
    """An axis that one diverging seed does not stretch: to twice the highest median over seeds."""
    medians = [
        np.median(reached)
        for values in curves.values()
        for reached in (column[np.isfinite(column)] for column in np.asarray(values, dtype=float).T)
        if len(reached)
    ]
    return {"autorangeoptions": {"clipmax": 2 * float(max(medians))}} if medians else {}


def heat_map(
    columns: list[str],
    rows: list[str],
    values: np.ndarray,
    words: str,
    titles: tuple[str, str, str],
    lowest: float | None = None,
) -> Spec:
    """Colours for numbers, which the cells also carry where they are few; NaN stays blank.

    Cividis runs from dark blue to yellow: it is no lighter or darker than both pages at any end, and
    reads the same without red or green.

    Args:
        values: (rows, columns), the first row on top.
        words: hover of a cell, with %{x}, %{y} and %{z}.
        titles: of the horizontal axis, the vertical axis and the colours.
        lowest: where the colours begin, None for the lowest value.
    """
    few = max(values.shape) <= MOST_NUMBERED
    text = [["" if np.isnan(value) else f"{value:.1f}" for value in row] for row in values]
    trace = {
        "type": "heatmap",
        "x": columns,
        "y": rows,
        "z": values,
        "colorscale": "Cividis",
        **({} if lowest is None else {"zmin": lowest, "zmax": float(np.nanmax(values, initial=lowest + 1))}),
        "colorbar": {"title": {"text": titles[2], "side": "right"}, "thickness": 14},
        "xgap": 1,
        "ygap": 1,
        "hoverongaps": False,
        "hovertemplate": f"{words}<extra></extra>",
        **({"text": text, "texttemplate": "%{text}"} if few else {}),
    }
    layout = {
        "xaxis": {"type": "category", "title": {"text": titles[0]}},
        "yaxis": {
            "type": "category",
            "title": {"text": titles[1]},
            "autorange": "reversed",
            "showgrid": False,
        },
        "hovermode": "closest",
        "showlegend": False,
    }
    return {"data": [trace], "layout": layout}


def histogram(values: np.ndarray, edges: np.ndarray, colour: str, axis: str) -> Spec:
    """Bars of the share of values between each two edges, counted here: fewer numbers than values travel."""
    counts, _ = np.histogram(values, edges)
    spans = [f"{low:.2f} to {high:.2f}" for low, high in pairwise(edges)]
    return {
        "type": "bar",
        "x": (edges[:-1] + edges[1:]) / 2,
        "y": counts / max(1, len(values)),
        "width": np.diff(edges),
        "yaxis": axis,
        "marker": {"color": colour},
        "customdata": spans,
        "hovertemplate": "%{y:.1%} of draws have a lead of %{customdata} points<extra></extra>",
    }


def _outline(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Once round each stretch of the band: along its top and back along its bottom, NaN between two."""
    inside = np.isfinite(low) & np.isfinite(high)
    starts = np.flatnonzero(inside & ~np.append(False, inside[:-1]))
    stops = np.flatnonzero(inside & ~np.append(inside[1:], False)) + 1
    around_x, around_y = [], []
    for start, stop in zip(starts, stops, strict=True):
        part = slice(start, stop)
        around_x += [*x[part], *x[part][::-1], x[start], np.nan]
        around_y += [*high[part], *low[part][::-1], high[start], np.nan]
    return np.array(around_x[:-1], dtype=float), np.array(around_y[:-1], dtype=float)


def _van_der_corput(number: int) -> float:
    """The binary digits of a number mirrored at the point: 1/2, 1/4, 3/4, 1/8, ..."""
    digits = f"{number:b}"
    return int(digits[::-1], 2) / 2 ** len(digits)
