"""Which images that are no photographs of the ten classes are called unusual? `python -m benchmarks.unusual [--json]`

1,000 images of each kind, shown to the networks that come with Tenfold: pixels drawn evenly, pixels around
grey, letters on plain ground (half of them black on white), the test images of `shapes`. The rate of
false alarms is that of the card: of validation images that the thresholds were not chosen on.

What it printed for the cards of this version (bf16; another machine may differ in the last digit):

    % called unusual      even noise  normal noise          text        shapes  false alarms
    fast                        94.6         100.0          88.7          33.5           3.4
    baseline-narrow              0.6           4.9          62.6          15.7           3.7

Energy is as good as the network: the small baseline takes noise for something that it knows. Text is told by
it only because the rule looks at both ends (`core.energy`): with the upper threshold alone it tells none
of black letters on white. The highest probability in place of the energy tells less of every kind.
"""

import argparse
import json
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from core.classify import open_card
from core.datasets import source
from core.pretrained import cards

IMAGES = 1000
SIDE = 32
LETTERS = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ    ")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    options = parser.parse_args(arguments)
    result = measure(kinds(np.random.default_rng(5)))
    if options.json:
        print(json.dumps(result))
        return 0
    names = list(next(iter(result.values())))
    print(f"{'% called unusual':18}" + "".join(f"{name:>14}" for name in names))
    for card, shares in result.items():
        print(f"{card:18}" + "".join(f"{100 * share:14.1f}" for share in shares.values()))
    return 0


def kinds(random: np.random.Generator) -> dict[str, np.ndarray]:
    """(n, 3, 32, 32) uint8 of each kind."""
    shape = (IMAGES, 3, SIDE, SIDE)
    return {
        "even noise": random.integers(0, 256, shape, np.uint8),
        "normal noise": np.clip(random.normal(128, 50, shape), 0, 255).astype(np.uint8),
        "text": np.stack([_text(random, plain=number % 2 == 0) for number in range(IMAGES)]),
        "shapes": source("shapes").load().test.images[:IMAGES],
    }


def measure(images: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """For each card the share of each kind that is called unusual, and the card's false alarms."""
    result = {}
    for name in cards():
        classifier = open_card(name)
        shares = {kind: float(classifier.classify(some).unusual.mean()) for kind, some in images.items()}
        result[name] = {**shares, "false alarms": classifier.alarm.false_alarms}
    return result


def _text(random: np.random.Generator, plain: bool) -> np.ndarray:
    """Three lines of letters, black on white or in two colours."""
    ground, ink = ("white", "black") if plain else (tuple(random.integers(0, 256, 3)) for _ in range(2))
    image = Image.new("RGB", (SIDE, SIDE), ground)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=10)
    for line in range(3):
        draw.text((1, 10 * line), "".join(random.choice(LETTERS, 8)), fill=ink, font=font)
    return np.asarray(image).transpose(2, 0, 1)


if __name__ == "__main__":
    sys.exit(main())
