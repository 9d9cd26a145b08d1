"""Recipes to start from: the report's own, and one that ends within seconds on a laptop."""

from dataclasses import dataclass, replace

from core.config import Recipe


@dataclass(frozen=True)
class Preset:
    """A named recipe; its data set and width are what the person is most likely to change."""

    title: str
    summary: str
    recipe: Recipe


_IMPROVED = Recipe(
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
)

PRESETS: dict[str, Preset] = {
    "quick": Preset(
        "Quick start",
        "The report's baseline, very narrow, with a higher learning rate: seconds on a CPU.",
        Recipe(width=0.0625, epochs=7, learning_rate=0.02, batch_size=32, log_every=25),
    ),
    "report-baseline": Preset(
        "Report: baseline",
        "Four convolutions, SGD with momentum, 4 epochs. The report's figure is 75.36% on the test set.",
        Recipe(dataset="cifar10", width=1.0),
    ),
    "report-improved": Preset(
        "Report: improved",
        "The same with batch normalisation, a hidden layer with dropout, augmentation and Adam, 60 epochs. "
        "The report's figure is 83% on the test set.",
        _IMPROVED,
    ),
    "report-improved-gelu": Preset(
        "Report: improved, GELU",
        "The improved recipe with GELU in place of ReLU, which the report tried and found no better.",
        replace(_IMPROVED, activation="gelu"),
    ),
    "report-improved-half": Preset(
        "Report: improved, 0.5 and 0.5",
        "The improved recipe for 100 epochs, normalised with 0.5 in place of the data set's own figures. "
        "The report's figure is 85% on the test set.",
        replace(_IMPROVED, normalisation="half", epochs=100),
    ),
    "residual": Preset(
        "Residual network",
        "Twenty layers with skip connections, which you may switch off to see what they do.",
        Recipe(
            dataset="cifar10",
            model="residual",
            width=1.0,
            epochs=20,
            learning_rate=0.2,
            batch_size=128,
            nesterov=True,
            weight_decay=5e-4,
            schedule="linear",
            flip=True,
            shift=4,
            log_every=50,
        ),
    ),
    "fast": Preset(
        "Fast",
        "A network and a recipe made for speed: far more accurate than the report's, with about the arithmetic of "
        "its baseline in all, and a fifteenth of its improved one's.",
        Recipe(
            dataset="cifar10",
            validation_share=0.1,
            model="fast",
            width=1.0,
            activation="gelu",
            epochs=38,
            learning_rate=1.5,
            batch_size=1024,
            momentum=0.85,
            nesterov=True,
            weight_decay=1.3e-3,
            schedule="linear",
            warmup=0.23,
            label_smoothing=0.2,
            averaging=0.99,
            flip=True,
            alternate_flip=True,
            shift=3,
            cutout=10,
            flip_test=True,
            log_every=11,
        ),
    ),
}
