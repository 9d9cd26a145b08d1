"""What each network consists of, told without torch: the form and the layer table read it.

One function a model, taking the same arguments as its class; a test compares every one of them
with the real module, shape by shape and weight by weight.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """One row of the layer table.

    `shape` is what comes out for one image: (channels, height, width) or (features,).
    `weights` counts the numbers that training changes, `multiply_adds` those of one forward pass of one image.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    weights: int
    multiply_adds: int


class _Stack:
    """Layers one after another, each fed with what the last one gives."""

    def __init__(self, channels: int, side: int) -> None:
        self.shape: tuple[int, ...] = (channels, side, side)
        self.layers: list[Layer] = []

    def _add(self, name: str, kind: str, shape: tuple[int, ...], weights: int = 0, work: int = 0) -> None:
        self.shape = shape
        self.layers.append(Layer(name, kind, shape, weights, work))

    def conv(
        self, name: str, channels: int, kernel: int, padding: int = 0, stride: int = 1, bias: bool = True
    ) -> None:
        inputs, side = self.shape[0], (self.shape[1] + 2 * padding - kernel) // stride + 1
        weights = channels * inputs * kernel**2
        shape = (channels, side, side)
        kind = f"convolution {kernel} × {kernel}" + (f", stride {stride}" if stride > 1 else "")
        self._add(name, kind, shape, weights + (channels if bias else 0), weights * side**2)

    def batch_norm(self, name: str, scale: bool = True) -> None:
        self._add(name, "batch normalisation", self.shape, (2 if scale else 1) * self.shape[0])

    def activation(self, name: str) -> None:
        self._add("", {"relu": "ReLU", "gelu": "GELU"}[name], self.shape)

    def pool(self) -> None:
        channels, side, _ = self.shape
        self._add("", "max pooling 2 × 2", (channels, side // 2, side // 2))

    def global_pool(self, kind: str) -> None:
        self._add("", f"{kind} over all pixels", self.shape[:1])

    def flatten(self) -> None:
        if len(self.shape) > 1:
            channels, height, width = self.shape
            self._add("", "flatten", (channels * height * width,))

    def linear(self, name: str, features: int, bias: bool = True) -> None:
        self.flatten()
        weights = self.shape[0] * features
        self._add(name, "fully connected", (features,), weights + (features if bias else 0), weights)


def scaled(channels: int, width: float) -> int:
    """Channels of a layer under the width multiplier, at least 1."""
    return max(1, round(channels * width))


def baseline(classes: int, image_size: int, width: float, activation: str) -> list[Layer]:
    """The report's baseline network; see `core.models.baseline.Baseline`."""
    stack = _Stack(3, image_size)
    _report_convolutions(stack, width, activation, normalised=())
    stack.linear("fc1", classes)
    return stack.layers


def improved(
    classes: int,
    image_size: int,
    width: float,
    activation: str,
    dropout: float,
    batch_norm: bool,
    hidden: bool,
) -> list[Layer]:
    """The report's improved network, or what is left without its additions; see `core.models.improved`."""
    stack = _Stack(3, image_size)
    _report_convolutions(stack, width, activation, normalised=(1, 4) if batch_norm else ())
    stack.flatten()
    if hidden:
        stack.linear("fc1", scaled(512, width))
        stack.activation(activation)
    stack._add("", f"dropout {dropout:g}", stack.shape)
    stack.linear("fc2" if hidden else "fc1", classes)
    return stack.layers


def _report_convolutions(stack: _Stack, width: float, activation: str, normalised: tuple[int, ...]) -> None:
    for number, (channels, kernel) in enumerate(((256, 3), (512, 3), (256, 5), (128, 5)), start=1):
        stack.conv(f"conv{number}", scaled(channels, width), kernel)
        if number in normalised:
            stack.batch_norm(f"norm{number}")
        stack.activation(activation)
        if number in (2, 4):
            stack.pool()


def residual(
    classes: int, image_size: int, width: float, activation: str, depth: int, skip: bool
) -> list[Layer]:
    """A residual network, or the plain one of the same depth; see `core.models.residual.Residual`."""
    stack = _Stack(3, image_size)
    stack.conv("conv1", scaled(16, width), 3, padding=1, bias=False)
    stack.batch_norm("norm1")
    stack.activation(activation)
    for stage, channels in enumerate((16, 32, 64), start=1):
        for block in range(1, blocks_per_stage(depth) + 1):
            name, stride = f"{stage}.{block}", 2 if stage > 1 and block == 1 else 1
            stack.conv(f"{name} conv1", scaled(channels, width), 3, padding=1, stride=stride, bias=False)
            stack.batch_norm(f"{name} norm1")
            stack.activation(activation)
            stack.conv(f"{name} conv2", scaled(channels, width), 3, padding=1, bias=False)
            stack.batch_norm(f"{name} norm2")
            if skip:
                stack._add(f"{name} skip", "adds the block's input", stack.shape)
            stack.activation(activation)
    stack.global_pool("mean")
    stack.linear("fc", classes)
    return stack.layers


def blocks_per_stage(depth: int) -> int:
    """Blocks of two convolutions in each of the three stages: with the first and the last layer, depth layers."""
    return (depth - 2) // 6


def fast(classes: int, image_size: int, width: float, activation: str) -> list[Layer]:
    """The fast network; see `core.models.fast.Fast`."""
    stack = _Stack(3, image_size)
    shape = (WHITENING_FILTERS, image_size - 1, image_size - 1)
    work = 3 * 2**2 * WHITENING_FILTERS * (image_size - 1) ** 2
    stack._add("whiten", "fixed convolution 2 × 2", shape, WHITENING_FILTERS, work)  # only the bias learns
    stack.activation(activation)
    for group, channels in enumerate(FAST_CHANNELS, start=1):
        for conv in (1, 2):
            stack.conv(f"{group} conv{conv}", scaled(channels, width), 3, padding=1, bias=False)
            if conv == 1:
                stack.pool()
            stack.batch_norm(f"{group} norm{conv}", scale=False)
            stack.activation(activation)
    stack.global_pool("maximum")
    stack.linear("fc", classes, bias=False)
    return stack.layers


FAST_CHANNELS = (64, 256, 256)
WHITENING_FILTERS = 24
"""Each of the 12 principal directions of a 2 × 2 patch of 3 channels, and its negative."""


def matrix_sizes(layers: list[Layer]) -> list[int]:
    """How many numbers each convolution and each fully connected layer multiplies with and learns, in order."""
    return [
        layer.multiply_adds // math.prod(layer.shape[1:])
        for layer in layers
        if layer.multiply_adds and not layer.kind.startswith("fixed")
    ]


def totals(layers: list[Layer]) -> tuple[int, int]:
    """Weights, and multiply-adds of one forward pass of one image, of a whole network."""
    return sum(layer.weights for layer in layers), sum(layer.multiply_adds for layer in layers)
