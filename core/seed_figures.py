"""Figures about seeds: how runs of one recipe differ, and by how much recipes do.

Plain dicts, as in `core.figures`. Accuracies come in as fractions and are shown in percent, their
differences in points. A recipe is told by its colour and by its symbol, never by colour alone.
Nothing here computes an interval but `curve_band`: the caller knows what its intervals are about.
"""

from collections.abc import Sequence

import numpy as np

from core.figures import BLUE, GREY, VERMILLION, Spec, plain
from core.seed_traces import (
    MEAN,
    PERCENT,
    Ends,
    broken,
    clipped,
    colour_of,
    curves_of,
    dots,
    epoch_axis,
    heat_map,
    histogram,
    legend,
    mean_with_interval,
    row_layout,
    symbol_of,
    thick,
    upright,
)
from core.stats import pointwise_band

_POINTS = "percentage points"

Places = dict[str, int] | None
"""Recipe -> its number among colours and symbols, so that it looks the same in every figure; in order unless given."""


def seed_strip(
    accuracies: dict[str, np.ndarray],
    intervals: dict[str, Ends],
    seeds: dict[str, np.ndarray],
    quantity: str,
    places: Places = None,
) -> Spec:
    """Every seed of every recipe as a dot; below the dots of a recipe their mean with its interval.

    Args:
        accuracies: recipe -> (n_seeds,) fractions; a recipe without any keeps its row.
        intervals: recipe -> ends of the 95 % interval of its mean, None where there is none.
        seeds: recipe -> (n_seeds,) int, in the order of its accuracies.
        quantity: title of the axis, "test accuracy".
        places: see `Places`.
    """
    traces = []
    for row, (recipe, values) in enumerate(accuracies.items()):
        place = row if places is None else places[recipe]
        colour = colour_of(place)
        hover = f"seed %{{customdata}}: %{{x:.2%}}<extra>{plain(recipe)}</extra>"
        traces.append({**dots(values, row, colour, symbol_of(place), hover), "customdata": seeds[recipe]})
        if len(values):
            mean = float(np.mean(values))
            traces.append(
                mean_with_interval(mean, intervals[recipe], row + MEAN, colour, f"mean of {recipe}")
            )
    return {"data": traces, "layout": row_layout(list(accuracies), quantity, list(accuracies.values()))}


def curve_band(quantity: str, curves: dict[str, np.ndarray], places: Places = None) -> Spec:
    """A thin line for each seed, their mean, and its 95 % t interval at each epoch.

    One trace for all thin lines of a recipe, so that 50 recipes stay 150 traces. Hiding a recipe in the
    legend hides all its parts.

    Args:
        quantity: "validation accuracy" (fractions) or one that ends in "loss" (nats an image).
        curves: recipe -> (n_seeds, n_epochs), NaN where a seed did not get so far.
        places: see `Places`.
    """
    loss = quantity.endswith("loss")
    faint = min(1.0, 7 / max(1, len(curves)))
    traces = []
    for index, (recipe, values) in enumerate(curves.items()):
        place = index if places is None else places[recipe]
        traces += curves_of(recipe, values, place, ".3f" if loss else ".2%", faint)
    layout = {
        "xaxis": epoch_axis(curves),
        "yaxis": {
            "title": {"text": plain(f"{quantity} (nats an image)" if loss else quantity)},
            "tickformat": "" if loss else PERCENT,
            "rangemode": "tozero" if loss else "normal",
            **(clipped(curves) if loss else {}),
        },
        "hovermode": "x unified",
        **legend(len(curves)),
    }
    return {"data": traces, "layout": layout}


def sd_by_epoch(curves: dict[str, np.ndarray], places: Places = None) -> Spec:
    """How far seeds lie apart at each epoch: their deviation (ddof=1) in points, from 2 seeds on.

    Args:
        curves: recipe -> (n_seeds, n_epochs) accuracies, NaN where a seed did not get so far.
        places: see `Places`.
    """
    traces = []
    for index, (recipe, values) in enumerate(curves.items()):
        place = index if places is None else places[recipe]
        band, line = pointwise_band(values), thick(recipe, values, place)
        at, sd = broken(line["x"], band.n, 100 * band.sd)
        traces.append({**line, "x": at, "y": sd, "hovertemplate": "%{y:.2f} points"})
    layout = {
        "xaxis": epoch_axis(curves),
        "yaxis": {
            "title": {"text": "sd over seeds (points)"},
            "rangemode": "tozero",
        },
        "hovermode": "x unified",
        **legend(len(curves)),
    }
    return {"data": traces, "layout": layout}


def churn_matrix(seeds: Sequence[int], matrix: np.ndarray) -> Spec:
    """On how many of the images, in percent, each two seeds answer differently; the diagonal is blank.

    Args:
        matrix: (n_seeds, n_seeds) fractions, as `core.stats.churn` gives them.
    """
    shown = 100 * np.asarray(matrix, dtype=float)
    np.fill_diagonal(shown, np.nan)
    names = [str(seed) for seed in seeds]
    words = "seeds %{y} and %{x} answer differently on %{z:.1f}% of the images"
    return heat_map(names, names, shown, words, ("seed", "seed", "images (%)"), lowest=0.0)


def class_by_seed(classes: Sequence[str], seeds: Sequence[int], recalls: np.ndarray) -> Spec:
    """How much of each class each seed recognises; the class that is hardest on average on top.

    Args:
        recalls: (n_seeds, classes) fractions, as `core.stats.recall_by_seed` gives them; a class
            without images is NaN and comes last.
    """
    values = np.asarray(recalls, dtype=float)
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        means = np.where(there, values, 0).sum(axis=0) / there.sum(axis=0)
    order = np.argsort(means, kind="stable")  # NaN sorts last
    names = [plain(classes[index]) for index in order]
    words = "seed %{x} recognises %{z:.1f}% of the images of %{y}"
    titles = ("seed", "class", "recall (%)")
    return heat_map([str(seed) for seed in seeds], names, 100 * values.T[order], words, titles)


def wrong_in_k(counts: np.ndarray) -> Spec:
    """How many images are wrong in exactly k of the n seeds; the bar at n is what no seed gets right.

    Most images are wrong in none, and their bar would press the rest to the floor: where it is more
    than half as high again as the next, it is cut off there, and the axis says how high it is. Not a
    logarithmic axis, on which bars have no honest length.

    Args:
        counts: (n_seeds + 1,) numbers of images, from wrong in 0 to wrong in all.
    """
    numbers = np.asarray(counts)
    n = len(numbers) - 1
    highest = 1.5 * (numbers[1:].max() if n else 0)
    cut = 0 < highest < numbers[0]
    title = "images (the first bar is cut)" if cut else "images"
    bars = {
        "type": "bar",
        "x": np.arange(n + 1),
        "y": numbers,
        "marker": {"color": BLUE},
        "text": [f"{number:,}" for number in numbers],
        "textposition": "inside",
        "insidetextanchor": "start",  # at the foot, where no bar is cut
        "textangle": 0,
        "hovertemplate": f"%{{y:,}} images are wrong in exactly %{{x}} of {n} seeds<extra></extra>",
    }
    layout = {
        "xaxis": {"title": {"text": f"wrong in exactly so many of {n} seeds"}, "dtick": max(1, n // 10)},
        "yaxis": {"title": {"text": title}, **({"range": [0, highest]} if cut else {"rangemode": "tozero"})},
        "bargap": 0.15,
        "hovermode": "closest",
        "showlegend": False,
    }
    return {"data": [bars], "layout": layout}


def difference_intervals(rows: list[tuple[str, float, Ends]]) -> Spec:
    """Differences, A minus B, with their intervals, one under another, beside a line at no difference.

    Args:
        rows: what is compared, the difference and its interval as fractions; open where it has none.
    """
    traces = []
    for row, (name, difference, interval) in enumerate(rows):
        ends = None if interval is None else (100 * interval[0], 100 * interval[1])
        traces.append(
            mean_with_interval(100 * difference, ends, row, colour_of(row), name, "+.2f", " points")
        )
    layout = row_layout([name for name, _, _ in rows], f"A minus B ({_POINTS})", [])
    layout["xaxis"] |= {"tickformat": "", "rangemode": "tozero"}
    return {"data": traces, "layout": {**layout, "shapes": [upright(0.0)]}}


def ladder(
    steps: list[str], accuracies: list[np.ndarray], intervals: list[Ends], quantity: str = "test accuracy"
) -> Spec:
    """Accuracy after each ingredient that was added, from top to bottom; a line joins the means.

    Args:
        steps: what each step added, the first one the recipe that it starts from.
        accuracies: (n_seeds,) fractions of each step; one without any leaves a gap in the line.
        intervals: ends of the 95 % interval of each step's mean, None where there is none.
        quantity: what stands at the axis.
    """
    means = np.array([np.mean(values) if len(values) else np.nan for values in accuracies])
    path = {
        "type": "scatter",
        "x": means,
        "y": np.arange(len(steps)) + MEAN,
        "mode": "lines",
        "line": {"color": GREY, "width": 2},
        "hoverinfo": "skip",
    }
    traces = [path]
    for row, (step, values, interval) in enumerate(zip(steps, accuracies, intervals, strict=True)):
        hover = f"one seed: %{{x:.2%}}<extra>{plain(step)}</extra>"
        traces.append(dots(values, row, BLUE, "circle", hover))
        if len(values):
            name = f"mean: {step}"
            traces.append(mean_with_interval(float(means[row]), interval, row + MEAN, VERMILLION, name))
    return {"data": traces, "layout": row_layout(steps, quantity, accuracies)}


def leads(by_n: dict[int, np.ndarray], threshold: float) -> Spec:
    """How large a lead chance alone gives one of two equal recipes, in a panel for each number of seeds.

    All panels share the horizontal axis: that leads shrink with more seeds is the point.

    Args:
        by_n: seeds of each recipe -> (draws,) absolute differences of the two means, fractions.
        threshold: the lead that the upright line marks, a fraction.
    """
    longest = max([threshold, *(float(np.max(values)) for values in by_n.values() if len(values))])
    edges = np.linspace(0, 100 * longest * 1.02 or 1.0, 41)
    title = {"text": f"lead of the luckier of two equal recipes ({_POINTS})"}
    layout: Spec = {
        "xaxis": {
            "title": title,
            "anchor": f"y{len(by_n)}" if len(by_n) > 1 else "y",
            "range": [0, edges[-1]],
        },
        "annotations": [],
        "shapes": [upright(100 * threshold)],
        "bargap": 0,
        "hovermode": "closest",
        "showlegend": False,
    }
    traces = []
    for row, (n, values) in enumerate(by_n.items()):
        axis = f"y{row + 1}" if row else "y"
        top = 1 - row / len(by_n)
        traces.append(histogram(100 * np.asarray(values), edges, colour_of(row), axis))
        layout[axis.replace("y", "yaxis")] = _panel(top, len(by_n))
        layout["annotations"].append(_share(n, values, threshold, top))
    return {"data": traces, "layout": layout}


def _panel(top: float, panels: int) -> Spec:
    return {
        "domain": [max(0.0, top - 0.86 / panels), top],
        "title": {"text": "draws"},
        "tickformat": ".0%",
        "rangemode": "tozero",
        "nticks": 4,
    }


def _share(n: int, values: np.ndarray, threshold: float, top: float) -> Spec:
    """The words in the corner of a panel; rounded, so that a lead of just the threshold counts."""
    share = float(np.mean(np.round(values, 12) >= round(threshold, 12))) if len(values) else 0.0
    seeds = "1 seed" if n == 1 else f"{n} seeds"
    return {
        "text": f"{seeds} each: {share:.1%} of draws lead by {100 * threshold:.3g} points or more",
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "x": 1,
        "y": top,
        "xanchor": "right",
        "yanchor": "top",
    }
