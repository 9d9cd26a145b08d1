"""Recipes to start from: the report's own, and one that ends within seconds on a laptop."""

from dataclasses import dataclass

from core.config import Recipe


@dataclass(frozen=True)
class Preset:
    """A named recipe; its data set and width are what the person is most likely to change."""

    title: str
    summary: str
    recipe: Recipe


PRESETS: dict[str, Preset] = {
    "quick": Preset(
        "Quick start",
        "The report's baseline, very narrow, with a higher learning rate: seconds on a CPU.",
        Recipe(width=0.0625, epochs=7, learning_rate=0.02, batch_size=32, log_every=25),
    ),
    "report-baseline": Preset(
        "Report: baseline",
        "Four convolutions, SGD with momentum, 4 epochs. The report's figure is 75.36 % on the test set.",
        Recipe(dataset="cifar10", width=1.0),
    ),
    "report-improved": Preset(
        "Report: improved",
        "The same with batch normalisation, a hidden layer with dropout, augmentation and Adam, 60 epochs. "
        "The report's figure is 83 % on the test set.",
        Recipe(
            dataset="cifar10",
            model="improved",
            width=1.0,
            epochs=60,
            optimizer="adam",
            learning_rate=0.0005,
            weight_decay=1e-4,
            schedule="plateau",
            flip=True,
            rotation=15,
            brightness=0.2,
            contrast=0.2,
            saturation=0.2,
            hue=0.05,
        ),
    ),
}
