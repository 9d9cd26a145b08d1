"""Writes into cards when an image looks unusual: `python -m core.pretrained.alarm --dataset folder:PATH [NAME ...]`.

`core.pretrained.export` does so for a network that is exported now; this is for cards that were made
before, with the very images that their networks were trained on.
"""

import argparse
import dataclasses
import sys

import numpy as np

from core.classify import open_card
from core.datasets import ImageData, source
from core.datasets.split import split_indices
from core.energy import choose_alarm, energy
from core.errors import UserError
from core.paths import write_json
from core.pretrained import FOLDER, Card, cards
from core.seeds import sources_of
from core.terminal import absolute


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of cards; all of them unless given")
    parser.add_argument("--dataset", required=True, help="the images that they were trained on")
    options = parser.parse_args(arguments)
    try:
        for name in options.names or cards():
            card = with_alarm(name, source(absolute(options.dataset)).load())
            print(f"{name}: {card.alarm}")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def with_alarm(name: str, images: ImageData) -> Card:
    """Choose and measure the threshold of a card on its validation images, and write it down.

    Raises:
        UserError: there is no such card, or these are not its images.
    """
    classifier = open_card(name)
    card = cards()[name]
    if images.fingerprint != card.data_fingerprint:
        raise UserError(f"The network called {name!r} was trained on other images than these.")
    split = sources_of(card.recipe, card.seed).split
    _, validation = split_indices(len(images.train), card.recipe.validation_share, split)
    found = classifier.members[0].logits(images.train.images[validation])
    accuracy = float((found.argmax(1) == images.train.labels[validation]).mean())
    if abs(accuracy - card.validation_accuracy) > 0.002:
        raise UserError(
            f"{name!r} recognises {accuracy:.2%} here, its card says {card.validation_accuracy:.2%}."
        )
    card = dataclasses.replace(card, alarm=alarm_values(found))
    write_card(card)
    return card


def alarm_values(validation: np.ndarray) -> dict[str, float | None] | None:
    """What a card keeps of the alarm that is chosen on (n, classes) logits; None for too few of them."""
    alarm = choose_alarm(energy(validation))
    return dataclasses.asdict(alarm) if alarm else None


def write_card(card: Card) -> None:
    """The file beside the weights."""
    values = {field.name: getattr(card, field.name) for field in dataclasses.fields(card)}
    write_json(FOLDER / f"{card.name}.json", {**values, "recipe": card.recipe.to_dict()})


if __name__ == "__main__":
    sys.exit(main())
