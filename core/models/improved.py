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

    Each of the three additions can be left out, so that their worth can be measured one by one
    (`core/ladder.py`). Without all of them the weights have the names, the shapes and, under the same
    seed, the values of the baseline's.

    Args:
        classes: number of classes.
        image_size: side of the images in pixels, at least 24.
        width: multiplies the channels of every convolution and the hidden features.
        activation: "relu" or "gelu".
        dropout: share of the last layer's inputs switched off in training, in [0, 1).
        batch_norm: whether batch normalisation is there.
        hidden: whether the hidden layer is there; without it, fc1 gives the logits.
    """

    def __init__(
        self,
        classes: int = 10,
        image_size: int = 32,
        width: float = 1.0,
        activation: str = "relu",
        dropout: float = 0.5,
        batch_norm: bool = True,
        hidden: bool = True,
    ) -> None:
        super().__init__()
        normalised = (1, 4) if batch_norm else ()
        self.features, features = report_convolutions(image_size, width, activation, normalised)
        outputs = scaled(512, width) if hidden else classes
        self.fc1 = nn.Linear(features, outputs)
        self.dropout = nn.Dropout(dropout)
        self.hidden = hidden
        if hidden:
            self.act = ACTIVATIONS[activation]()
            self.fc2 = nn.Linear(outputs, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.features(images).flatten(1)
        if not self.hidden:
            return self.fc1(self.dropout(features))
        return self.fc2(self.dropout(self.act(self.fc1(features))))
