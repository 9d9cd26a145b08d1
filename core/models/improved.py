"""The report's improved network: the baseline's convolutions, normalised, and a hidden layer."""

import torch
from torch import nn

from core.layers import scaled
from core.models.baseline import ACTIVATIONS, report_convolutions


class Improved(nn.Module):
    """Images (n, 3, s, s), normalised, to logits (n, classes).

    Batch normalisation after the first and the fourth convolution; 1152 → 512 → classes at full
    width, with dropout before the last layer. Pools after the second and fourth convolution: the
    report's text says first and third, which cannot be (`core/models/__init__.py`).

    Args:
        classes: number of classes.
        image_size: side of the images in pixels, at least 24.
        width: multiplies the channels of every convolution and the hidden features.
        activation: "relu" or "gelu".
        dropout: share of hidden features switched off in training, in [0, 1).
    """

    def __init__(
        self,
        classes: int = 10,
        image_size: int = 32,
        width: float = 1.0,
        activation: str = "relu",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features, features = report_convolutions(image_size, width, activation, normalised=(1, 4))
        hidden = scaled(512, width)
        self.fc1 = nn.Linear(features, hidden)
        self.act = ACTIVATIONS[activation]()
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.act(self.fc1(self.features(images).flatten(1)))
        return self.fc2(self.dropout(hidden))
