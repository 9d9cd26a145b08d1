"""Do the maps of `core/explain.py` depend on what a network learned, and how long do they take?

    python benchmarks/explanations.py [--dataset cifar10] [--images 50] [--json] [--picture docs/why.png]

Of the shipped `fast` network on test images of a data set with its classes, on one thread of the CPU:

milliseconds  of one map, median and 95th percentile, after one to warm up
gap           share of the logit's difference that integrated gradients miss, median and 95th percentile
sanity        rank correlation of a map with that of random weights, mean over images and its standard
              error, another draw of weights for each image; near 0 if the map shows what was learned. `strength`
              compares absolute values: there an image's own edges show whatever the weights
              (Adebayo et al., arXiv 1810.03292, found the same)

The picture shows one image a class, its maps, and the same maps with random weights.
"""

import argparse
import io
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.datasets import Split, source
from core.explain import completeness, explain, reinitialised, sanity
from core.explanations import METHODS
from core.models import MODELS
from core.overlay import legend, overlay
from core.pictures import enlarged
from core.pretrained import Card, cards

SIDE_PX, GAP_PX, LABEL_PX = 96, 6, 190
SHOWN = (0, 3, 5, 7, 8)
"""Classes of the picture: airplane, cat, dog, horse, ship."""


def shipped(name: str = "fast") -> tuple[Card, torch.nn.Module]:
    card = cards()[name]
    model = MODELS[card.recipe.model].build(card.recipe, len(card.classes))
    model.load_state_dict(torch.load(io.BytesIO(card.content()), weights_only=True))
    return card, model.eval()


def measure(card: Card, model: torch.nn.Module, images: Split) -> dict:
    """Everything of the docstring, as numbers."""
    asked = [
        (image, np.array(card.mean), np.array(card.std), int(label))
        for image, label in zip(images.images, images.labels, strict=True)
    ]
    gaps = [completeness(model, *one).gap for one in asked]
    figures: dict = {"images": len(asked), "gap": _middle_and_high(gaps)}
    for method in METHODS:
        explain(model, *asked[0], method)
        times = []
        for one in asked:
            begin = time.perf_counter()
            explain(model, *one, method)
            times.append(1000 * (time.perf_counter() - begin))
        figures[method] = {"milliseconds": _middle_and_high(times)}
        for key, absolute in (("sanity", False), ("sanity_of_strength", True)):
            found = [sanity(model, *one, method, seed, absolute) for seed, one in enumerate(asked)]
            error = np.std(found, ddof=1) / len(found) ** 0.5
            figures[method][key] = [round(float(np.mean(found)), 3), round(float(error), 3)]
    return figures


def picture(card: Card, model: torch.nn.Module, images: Split) -> Image.Image:
    """Columns: the first image of some classes. Rows: as it is, each map, each map with random weights."""
    mean, std = np.array(card.mean), np.array(card.std)
    random = reinitialised(model, 0)
    rows = [("the image", None, None)]
    rows += [(method.title, name, model) for name, method in METHODS.items()]
    rows += [(f"{METHODS[name].title},\nrandom weights", name, random) for name in ("gradcam", "integrated")]
    step = SIDE_PX + GAP_PX
    whole = Image.new("RGB", (LABEL_PX + step * len(SHOWN), 30 + step * len(rows) + 30), "white")
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(15)
    for column, label in enumerate(SHOWN):
        image = images.images[np.flatnonzero(images.labels == label)[0]]
        left = LABEL_PX + column * step
        draw.text((left + SIDE_PX / 2, 15), card.classes[label], "black", font, anchor="mm")
        for row, (_, method, network) in enumerate(rows):
            tile = enlarged(image, SIDE_PX)
            if method:
                tile = overlay(image, explain(network, image, mean, std, label, method), SIDE_PX)
            whole.paste(tile, (left, 30 + row * step))
    for row, (title, _, _) in enumerate(rows):
        draw.text((8, 30 + row * step + SIDE_PX / 2), title, "black", font, anchor="lm")
    whole.paste(legend(step * len(SHOWN) - GAP_PX, 22), (LABEL_PX, 30 + step * len(rows)))
    return whole


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dataset", default="cifar10", help="one with the network's classes, in their order")
    parser.add_argument("--images", type=int, default=50, help="of the test set, evenly spaced")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--picture", type=Path, help="draw this file, and measure nothing")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    card, model = shipped()
    test = source(options.dataset).load().test
    if options.picture:
        picture(card, model, test).save(options.picture, optimize=True)
        return
    chosen = np.linspace(0, len(test) - 1, options.images).astype(int)
    figures = measure(card, model, Split(test.images[chosen], test.labels[chosen]))
    if options.json:
        print(json.dumps(figures))
        return
    print(
        f"{figures['images']} images; completeness gap: median {figures['gap'][0]:.2%}, 95 % {figures['gap'][1]:.2%}"
    )
    for method in METHODS:
        own = figures[method]
        print(
            f"{METHODS[method].title:22} {own['milliseconds'][0]:6.1f} ms (95 %: {own['milliseconds'][1]:.1f}), "
            f"with random weights {own['sanity'][0]:+.3f} ± {own['sanity'][1]:.3f}, "
            f"strength {own['sanity_of_strength'][0]:+.3f} ± {own['sanity_of_strength'][1]:.3f}"
        )


def _middle_and_high(values: list[float]) -> list[float]:
    return [round(float(share), 4) for share in np.quantile(values, (0.5, 0.95))]


if __name__ == "__main__":
    main()
