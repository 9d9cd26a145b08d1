"""Arrays to plotly figures, as plain dicts of traces and layout; the one place with colours.

Plain dicts, since plotly's own classes check every point again on each tick of a live page.
Colours read well on a light and on a dark page; fonts and grid are the page's (`pages/parts/live_chart.py`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

BLUE, VERMILLION, GREEN, PURPLE, OCHRE, SKY, GREY = (
    "#2a86c8",
    "#d96a1d",
    "#1a9e78",
    "#bf6ba0",
    "#b98a1a",
    "#63b6e6",
    "#8a94a0",
)
RECIPE_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, OCHRE, SKY, GREY)
"""One colour for one recipe on every page."""

Spec = dict[str, Any]


def plain(text: str) -> str:
    """Text that a person or a file supplied, for a label: plotly would read markup in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def class_histogram(classes: Sequence[str], counts: dict[str, np.ndarray]) -> Spec:
    """How many images of each class each part of a data set has.

    Args:
        counts: name of the part ("training") -> (classes,) number of images.
    """
    names = [plain(name) for name in classes]
    traces = [
        {
            "type": "bar",
            "name": plain(part),
            "x": names,
            "y": numbers,
            "marker": {"color": colour},
            "hovertemplate": "%{x}: %{y:,} images<extra></extra>",
        }
        for (part, numbers), colour in zip(counts.items(), RECIPE_COLOURS, strict=False)
    ]
    layout = {
        "barmode": "group",
        "xaxis": {"type": "category", "title": {"text": "class"}},
        "yaxis": {"title": {"text": "images"}, "rangemode": "tozero"},
        "showlegend": len(traces) > 1,
    }
    return {"data": traces, "layout": layout}


def curve(
    quantity: str,
    steps: tuple[np.ndarray, np.ndarray],
    training: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    epochs: int,
    colour: str = BLUE,
) -> Spec:
    """Loss or accuracy of one run over epochs: training dashed, validation solid.

    Args:
        quantity: "loss" (nats an image) or "accuracy" (fractions, shown in percent).
        steps: epochs and values logged every few steps on training images.
        training: epochs and values of whole epochs; likewise `validation`.
        epochs: how long the axis is, so that a growing curve does not rescale it.
    """
    percent = quantity == "accuracy"
    number = ".1%" if percent else ".3f"
    # One wild validation loss of an early epoch would press all the rest to the floor.
    usual = np.concatenate([values[np.isfinite(values)] for _, values in (steps, training)])
    clip = {"autorangeoptions": {"clipmax": 2 * usual.max()}} if len(usual) and not percent else {}
    traces = [
        _line("training steps", *steps, {"color": GREY, "width": 1}, "lines", number),
        _line("training", *training, {"color": colour, "width": 2, "dash": "dash"}, "lines+markers", number),
        _line("validation", *validation, {"color": colour, "width": 3}, "lines+markers", number),
    ]
    layout = {
        "xaxis": {"title": {"text": "epochs"}, "range": [0, epochs * 1.02], "hoverformat": ".2f"},
        "yaxis": {
            "title": {"text": quantity if percent else f"{quantity} (nats an image)"},
            "tickformat": ".0%" if percent else "",
            "rangemode": "normal" if percent else "tozero",
            **clip,
        },
        "hovermode": "x unified",
    }
    return {"data": traces, "layout": layout}


def gradient_sizes(layers: Sequence[str], epochs: dict[str, dict[int, np.ndarray]]) -> Spec:
    """How large the gradients of each layer were in some epochs, of one run or of two with the same layers.

    Args:
        layers: names in the order of the network, from the image to the answer.
        epochs: name of a run -> number of an epoch -> (layers,) root mean squares; the last epoch is drawn solid.
    """
    traces = []
    for (run, shown), colour in zip(epochs.items(), RECIPE_COLOURS, strict=False):
        dashes = ["dot", "dash", "solid"][-len(shown) :]
        for (epoch, sizes), dash in zip(shown.items(), dashes, strict=True):
            traces.append(
                {
                    "type": "scatter",
                    "name": plain(f"{run}, epoch {epoch}" if len(epochs) > 1 else f"epoch {epoch}"),
                    "x": [plain(name) for name in layers],
                    "y": np.where(sizes > 0, sizes, np.nan),
                    "mode": "lines+markers",
                    "line": {"color": colour, "width": 2, "dash": dash},
                    "marker": {"size": 6},
                    "hovertemplate": "%{y:.2e}",
                }
            )
    layout = {
        "xaxis": {"type": "category", "title": {"text": "layer, from the image to the answer"}, "nticks": 24},
        "yaxis": {
            "type": "log",
            "title": {"text": "typical gradient of a weight"},
            "exponentformat": "power",
            "dtick": 1,
        },
        "hovermode": "x unified",
    }
    return {"data": traces, "layout": layout}


def _line(name: str, x: np.ndarray, y: np.ndarray, line: Spec, mode: str, number: str) -> Spec:
    return {
        "type": "scatter",
        "name": name,
        "x": x,
        "y": y,
        "mode": mode,
        "line": line,
        "marker": {"size": 7},
        "hovertemplate": f"%{{y:{number}}}",
    }
