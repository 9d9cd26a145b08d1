"""The report's baseline: four convolutions without padding, two pools, one fully connected layer."""

from collections import OrderedDict

import torch
from torch import nn

from core.layers import scaled

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU}


class Baseline(nn.Module):
    """Images (n, 3, s, s), normalised, to logits (n, classes).

    Args:
        classes: number of classes.
        image_size: side of the images in pixels, at least 24.
        width: multiplies the channels of every convolution; 1 is the report's network.
        activation: "relu" or "gelu".

    Source: the report's table of layers, `core/layers.py`.
    """

    def __init__(
        self, classes: int = 10, image_size: int = 32, width: float = 1.0, activation: str = "relu"
    ) -> None:
        super().__init__()
        self.features, features = report_convolutions(image_size, width, activation, normalised=())
        self.fc1 = nn.Linear(features, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc1(self.features(images).flatten(1))


def report_convolutions(
    image_size: int, width: float, activation: str, normalised: tuple[int, ...]
) -> tuple[nn.Sequential, int]:
    """The four convolutions that both networks of the report share, and how many features they give.

    Args:
        normalised: after which of the four (counted from 1) batch normalisation follows.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    inputs, side = 3, image_size
    for number, (channels, kernel) in enumerate(((256, 3), (512, 3), (256, 5), (128, 5)), start=1):
        outputs = scaled(channels, width)
        modules[f"conv{number}"] = nn.Conv2d(inputs, outputs, kernel)
        if number in normalised:
            modules[f"norm{number}"] = nn.BatchNorm2d(outputs)
        modules[f"act{number}"] = ACTIVATIONS[activation]()
        inputs, side = outputs, side - kernel + 1
        if number in (2, 4):
            modules[f"pool{number}"] = nn.MaxPool2d(2)
            side //= 2
    return nn.Sequential(modules), inputs * side**2
