"""What happens inside a network: its first filters, and what each layer makes of one image."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 16
"""Of each layer, those that respond most to the image."""

LAYERS = 40
"""Of a deeper network, so many at even distances."""

SIDE_PX = 64
"""Larger maps are averaged down to this."""

_SHOWN = {
    nn.Conv2d: "convolution",
    nn.BatchNorm2d: "batch normalisation",
    nn.ReLU: "ReLU",
    nn.GELU: "GELU",
    nn.MaxPool2d: "max pooling",
}


class FeatureMap(NamedTuple):
    """What one layer makes of an image.

    `maps` (c, h, w) uint8 of the c channels that respond most, the lowest value black and the highest
    white, on one scale for all of them; `channels` (c,) are their numbers, `low` and `high` the two values. The layer has
    `count` channels of `shape` (h, w), before they were averaged down.
    """

    layer: str
    kind: str
    count: int
    shape: tuple[int, int]
    channels: np.ndarray
    maps: np.ndarray
    low: float
    high: float


def first_filters(model: nn.Module) -> np.ndarray | None:
    """(n, 3, k, k) float32 weights of the first convolution; None where nothing looks at the three colours."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            weights = module.weight.detach().float().cpu().contiguous().numpy()
            return weights if weights.shape[1] == 3 else None
    return None


@torch.inference_mode()
def feature_maps(model: nn.Module, image: Tensor) -> list[FeatureMap]:
    """From the first layer to the last that still has a height and a width, at most `LAYERS` of them.

    Args:
        model: in evaluation mode.
        image: (1, 3, s, s), normalised, on the device of the model.
    """
    found: list[tuple[str, str, Tensor]] = []

    def watch(name: str, kind: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
            if output.ndim == 4:
                found.append((name, kind, output[0].float().nan_to_num()))

        return keep

    hooks = [
        module.register_forward_hook(watch(name, _SHOWN[type(module)]))
        for name, module in model.named_modules()
        if type(module) in _SHOWN
    ]
    try:
        model(image)
    finally:
        for hook in hooks:
            hook.remove()
    number = min(len(found), LAYERS)
    places = [round(k * (len(found) - 1) / max(1, number - 1)) for k in range(number)]
    return [_map(*found[place]) for place in places]


def _map(name: str, kind: str, output: Tensor) -> FeatureMap:
    strength = output.abs().mean((1, 2))
    channels = strength.topk(min(CHANNELS, len(output))).indices
    count, height, width = output.shape
    chosen = output[channels]
    if max(height, width) > SIDE_PX:
        chosen = functional.adaptive_avg_pool2d(chosen, (min(height, SIDE_PX), min(width, SIDE_PX)))
    low, high = chosen.min().item(), chosen.max().item()
    unit = (chosen - low) / ((high - low) or 1.0)
    maps = (unit * 255).round().to(torch.uint8).cpu().numpy()
    return FeatureMap(name, kind, count, (height, width), channels.cpu().numpy(), maps, low, high)
