"""A small network that learns CIFAR-10 with a tenth of the arithmetic of the report's baseline for each image."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from core.layers import FAST_CHANNELS, WHITENING_FILTERS, scaled
from core.models.baseline import ACTIVATIONS

BIAS_RATE = 64.0
"""How much faster than the weights the shifts of the batch normalisation learn, under SGD."""

WHITENING_EPOCHS = 3
"""So long the bias of the first layer learns; then nothing flows back into it, which saves its time."""

LOGIT_SCALE = 1 / 9


class Fast(nn.Module):
    """Images (n, 3, s, s), normalised, to logits (n, classes).

    A first layer that is computed instead of learned: it whitens patches of 2 × 2 pixels. Then three
    groups of convolution, pooling, batch normalisation, activation, convolution, batch normalisation,
    activation; the maximum over all pixels; one fully connected layer, its outputs divided by nine.
    Convolutions begin as identities as far as their channels reach, and the scales of the batch
    normalisation stay at 1.

    Args:
        classes: number of classes.
        image_size: side of the images in pixels, at least 24.
        width: multiplies the 64, 256 and 256 channels of the groups.
        activation: "relu" or "gelu".

    Source: Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv 2404.00498: its
    airbench94, built anew from the description.
    """

    def __init__(
        self, classes: int = 10, image_size: int = 32, width: float = 1.0, activation: str = "gelu"
    ) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, WHITENING_FILTERS, 2)
        self.whiten.weight.requires_grad_(False)
        nn.init.zeros_(self.whiten.bias)
        self.act = ACTIVATIONS[activation]()
        groups: OrderedDict[str, nn.Module] = OrderedDict()
        inputs = WHITENING_FILTERS
        for number, channels in enumerate(FAST_CHANNELS, start=1):
            outputs = scaled(channels, width)
            groups[f"group{number}"] = _group(inputs, outputs, activation)
            inputs = outputs
        self.groups = nn.Sequential(groups)
        self.pool = _Maximum()
        self.fc = nn.Linear(inputs, classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        features = self.groups(self.act(self.whiten(images)))
        return self.fc(self.pool(features)) * LOGIT_SCALE

    @torch.no_grad()
    def adapt(self, images: Tensor) -> None:
        """Compute the first layer from (n, 3, s, s) normalised training images; a few thousand will do.

        Its filters are the principal directions of all 2 × 2 patches, each divided by the deviation
        along it, and their negatives: what comes out is uncorrelated and of variance 1.
        """
        patches = images.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12)
        # In doubles on the CPU: the sign and order of eigenvectors must not depend on the device's rounding.
        patches = patches.cpu().double()
        patches -= patches.mean(0)  # normalised images have means near 0, others have not
        covariance = patches.T @ patches / len(patches)
        variances, directions = torch.linalg.eigh(covariance)
        filters = (directions / (variances + 5e-4).sqrt()).T.flip(0).view(12, 3, 2, 2)
        self.whiten.weight.copy_(torch.cat((filters, -filters)).to(self.whiten.weight))

    def begin_epoch(self, epoch: int) -> None:
        """Called before each epoch, which counts from 1; depends on nothing else, so a resume repeats it."""
        self.whiten.bias.requires_grad_(epoch <= WHITENING_EPOCHS)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What learns at which multiple of the recipe's rate."""
        shifts = [module.bias for module in self.modules() if isinstance(module, nn.BatchNorm2d)]
        faster = {id(shift) for shift in shifts}
        learning = [parameter for parameter in self.parameters() if parameter.requires_grad]
        others = [parameter for parameter in learning if id(parameter) not in faster]
        return [{"params": others, "rate": 1.0}, {"params": shifts, "rate": BIAS_RATE}]


def _group(inputs: int, outputs: int, activation: str) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv1=_conv(inputs, outputs),
            pool=nn.MaxPool2d(2),
            norm1=_norm(outputs),
            act1=ACTIVATIONS[activation](),
            conv2=_conv(outputs, outputs),
            norm2=_norm(outputs),
            act2=ACTIVATIONS[activation](),
        )
    )


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[:inputs])
    return conv


def _norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    norm.weight.requires_grad_(False)
    return norm


class _Maximum(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features.amax((2, 3))  # (n, c, h, w) -> (n, c)
