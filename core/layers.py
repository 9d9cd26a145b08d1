"""What each network consists of, told without torch: the form and the layer table read it.

One function a model, taking the same arguments as its class; a test compares every one of them
with the real module, shape by shape and weight by weight.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """One row of the layer table.

    `shape` is what comes out for one image: (channels, height, width) or (features,).
    `weights` counts trained numbers, `multiply_adds` those of one forward pass of one image.
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

    def conv(self, name: str, channels: int, kernel: int) -> None:
        inputs, side = self.shape[0], self.shape[1] - kernel + 1
        weights = channels * inputs * kernel**2
        shape = (channels, side, side)
        self._add(name, f"convolution {kernel} × {kernel}", shape, weights + channels, weights * side**2)

    def batch_norm(self, name: str) -> None:
        self._add(name, "batch normalisation", self.shape, 2 * self.shape[0])

    def activation(self, name: str) -> None:
        self._add("", {"relu": "ReLU", "gelu": "GELU"}[name], self.shape)

    def pool(self) -> None:
        channels, side, _ = self.shape
        self._add("", "max pooling 2 × 2", (channels, side // 2, side // 2))

    def linear(self, name: str, features: int) -> None:
        if len(self.shape) > 1:
            channels, height, width = self.shape
            self._add("", "flatten", (channels * height * width,))
        weights = self.shape[0] * features
        self._add(name, "fully connected", (features,), weights + features, weights)


def scaled(channels: int, width: float) -> int:
    """Channels of a layer under the width multiplier, at least 1."""
    return max(1, round(channels * width))


def baseline(classes: int, image_size: int, width: float, activation: str) -> list[Layer]:
    """The report's baseline network; see `core.models.baseline.Baseline`."""
    stack = _Stack(3, image_size)
    _report_convolutions(stack, width, activation, normalised=())
    stack.linear("fc1", classes)
    return stack.layers


def improved(classes: int, image_size: int, width: float, activation: str, dropout: float) -> list[Layer]:
    """The report's improved network; see `core.models.improved.Improved`."""
    stack = _Stack(3, image_size)
    _report_convolutions(stack, width, activation, normalised=(1, 4))
    stack.linear("fc1", scaled(512, width))
    stack.activation(activation)
    stack._add("", f"dropout {dropout:g}", stack.shape)
    stack.linear("fc2", classes)
    return stack.layers


def _report_convolutions(stack: _Stack, width: float, activation: str, normalised: tuple[int, ...]) -> None:
    for number, (channels, kernel) in enumerate(((256, 3), (512, 3), (256, 5), (128, 5)), start=1):
        stack.conv(f"conv{number}", scaled(channels, width), kernel)
        if number in normalised:
            stack.batch_norm(f"norm{number}")
        stack.activation(activation)
        if number in (2, 4):
            stack.pool()


def totals(layers: list[Layer]) -> tuple[int, int]:
    """Weights, and multiply-adds of one forward pass of one image, of a whole network."""
    return sum(layer.weights for layer in layers), sum(layer.multiply_adds for layer in layers)
