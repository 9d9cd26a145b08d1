"""Trained weights that come with Tenfold, so that something can be classified before anything was trained.

    NAME.json   the card: recipe, seed, data, accuracies, versions, SHA-256, command
    NAME.pt     the state dict, its numbers rounded to half precision; the card's accuracies are of these

Made from a finished run by `core.pretrained.export`. Listing and checking need no torch.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import Recipe
from core.errors import UserError
from core.paths import read_json

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Card:
    """What a shipped network is, and how well it does.

    `data` says in words on which images; `mean` and `std` (channels, on the scale 0 to 1) normalise an
    image for it. Accuracies are fractions, measured with the rounded weights on images that the
    network did not learn from; those of the run itself are beside them. `images_seen` counts training
    images, each as often as it was shown. `alarm` has
    the values of a `core.energy.Alarm`, which tells unusual images.
    """

    name: str
    title: str
    recipe: Recipe
    seed: int
    data: str
    data_fingerprint: str
    classes: list[str]
    mean: list[float]
    std: list[float]
    validation_accuracy: float
    test_accuracy: float
    run_validation_accuracy: float
    run_test_accuracy: float
    temperature: float
    images_seen: int
    train_seconds: float
    images_per_second: float
    passport: dict[str, Any]
    sha256: str
    command: str
    alarm: dict[str, float | None] | None = None

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.pt"

    def content(self) -> bytes:
        """The file of weights, as `torch.load(..., weights_only=True)` reads it.

        Raises:
            UserError: it is missing or damaged.
        """
        try:
            content = self.path.read_bytes()
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise UserError(
                f"The weights of {self.title} that came with Tenfold are missing or damaged: install it anew."
            )
        return content


def cards() -> dict[str, Card]:
    """Every network that comes with Tenfold, by name, the most accurate on validation first."""
    found = []
    for path in FOLDER.glob("*.json"):
        values = read_json(path)
        if values:
            found.append(Card(**{**values, "recipe": Recipe.from_dict(values["recipe"])}))
    found.sort(key=lambda card: -card.validation_accuracy)
    return {card.name: card for card in found}
