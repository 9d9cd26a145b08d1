"""Residual networks for small images, and the plain networks of the same depth to hold them against."""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional

from core.layers import blocks_per_stage, scaled
from core.models.baseline import ACTIVATIONS


class Residual(nn.Module):
    """Images (n, 3, s, s), normalised, to logits (n, classes).

    One convolution, three stages of blocks of two convolutions at full, half and quarter resolution,
    the mean over all pixels and one fully connected layer: `depth` layers with weights in all. The
    shortcuts have no weights, so with and without them the network has the same ones.

    Args:
        classes: number of classes.
        image_size: side of the images in pixels; any works, since the last pooling is global.
        width: multiplies the 16, 32 and 64 channels of the stages.
        activation: "relu" or "gelu".
        depth: 6 n + 2 for n blocks a stage: 8, 14, 20, 32, 44, 56, ...
        skip: whether a block's input is added to its output; without, it is the plain network.

    Source: He et al., "Deep residual learning for image recognition", arXiv 1512.03385, section 4.2,
    with its shortcut A (identity, padded with zero channels).
    """

    def __init__(
        self,
        classes: int = 10,
        image_size: int = 32,
        width: float = 1.0,
        activation: str = "relu",
        depth: int = 20,
        skip: bool = True,
    ) -> None:
        super().__init__()
        channels = scaled(16, width)
        self.conv1 = _conv(3, channels)
        self.norm1 = nn.BatchNorm2d(channels)
        self.act1 = ACTIVATIONS[activation]()
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for stage, wide in enumerate((16, 32, 64), start=1):
            for block in range(1, blocks_per_stage(depth) + 1):
                outputs, stride = scaled(wide, width), 2 if stage > 1 and block == 1 else 1
                blocks[f"{stage}-{block}"] = _Block(channels, outputs, stride, activation, skip)
                channels = outputs
        self.blocks = nn.Sequential(blocks)
        self.pool = _Mean()
        self.fc = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        features = self.blocks(self.act1(self.norm1(self.conv1(images))))
        return self.fc(self.pool(features))


class _Block(nn.Module):
    """(n, inputs, s, s) to (n, outputs, s / stride, s / stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: str, skip: bool) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, outputs, stride)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.act1 = ACTIVATIONS[activation]()
        self.conv2 = _conv(outputs, outputs)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.skip = _Skip(outputs - inputs, stride) if skip else None
        self.act2 = ACTIVATIONS[activation]()

    def forward(self, images: Tensor) -> Tensor:
        features = self.act1(self.norm1(self.conv1(images)))
        features = self.norm2(self.conv2(features))
        return self.act2(self.skip(features, images) if self.skip else features)


class _Skip(nn.Module):
    """Adds a block's input to what its convolutions made of it; every other pixel where these halve it."""

    def __init__(self, more_channels: int, stride: int) -> None:
        super().__init__()
        self.more_channels, self.stride = more_channels, stride

    def forward(self, features: Tensor, images: Tensor) -> Tensor:
        if self.stride > 1:
            images = images[:, :, :: self.stride, :: self.stride]
        if self.more_channels:
            images = functional.pad(images, (0, 0, 0, 0, 0, self.more_channels))
        return features + images


class _Mean(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features.mean((2, 3))  # (n, c, h, w) -> (n, c)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
