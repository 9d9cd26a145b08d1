"""Which part of the image a cell of a network's last map looks at, and the map laid over the image there.

Grad-CAM as it is usually drawn stretches the map over the whole image. A network without padding looks at
the middle with its outer cells, so its map would be pulled apart: by 8 of 32 pixels in the report's baseline.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import UserError

_SLIDING = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)

Size = tuple[int, int]


class _Call(NamedTuple):
    module: nn.Module
    given: torch.Size
    gave: torch.Size


def watched(network: nn.Module, shown: Tensor) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """The layer that gives the last map of more than one pixel, and where its cells look.

    That map is the last convolution's, after the modules behind it that keep its size.

    Args:
        shown: (1, 3, h, w) normalised.

    Returns:
        The layer, and for each row and for each column of its map the pixel in the middle of what it sees.

    Raises:
        UserError: no convolution of the network gives such a map.
    """
    calls = _calls(network, shown)
    once = Counter(id(call.module) for call in calls)
    maps = [
        index
        for index, call in enumerate(calls)
        if isinstance(call.module, nn.Conv2d) and call.gave[2:].numel() > 1 and once[id(call.module)] == 1
    ]
    if not maps:
        raise UserError(
            "This network has no convolution with a map of more than one pixel: no Grad-CAM of it."
        )
    last = calls[maps[-1]]
    keeping = [call for call in calls[maps[-1] :] if call.gave == last.gave and once[id(call.module)] == 1]
    sliding = [call for call in calls[: maps[-1] + 1] if isinstance(call.module, _SLIDING)]
    return keeping[-1].module, *(_middles(sliding, axis, shown.shape[2 + axis]) for axis in (0, 1))


def spread(cells: np.ndarray, rows: np.ndarray, columns: np.ndarray, size: Size) -> np.ndarray:
    """A map (cells_down, cells_across) over all pixels: bilinear between the middles, constant beyond them."""
    down, across = (
        np.stack([np.interp(np.arange(side), middles, unit) for unit in np.eye(len(middles))], axis=1)
        for side, middles in zip(size, (rows, columns), strict=True)
    )  # (pixels, cells)
    return down @ cells @ across.T


def _calls(network: nn.Module, shown: Tensor) -> list[_Call]:
    """Every innermost module in the order of its use."""
    calls: list[_Call] = []

    def note(module: nn.Module, given: tuple, gave: Tensor) -> None:
        calls.append(_Call(module, given[0].shape, gave.shape))

    hooks = [
        module.register_forward_hook(note) for module in network.modules() if not list(module.children())
    ]
    try:
        with torch.no_grad():
            network(shown)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _middles(sliding: list[_Call], axis: int, pixels: int) -> np.ndarray:
    """Middles of the receptive fields along one axis, in pixels from 0.

    Evenly spread over the image where modules do not follow one another, as beside a branch.

    Source: Araujo et al., "Computing receptive fields of convolutional neural networks", Distill 2019.
    """
    middle, apart, side = 0.0, 1, pixels
    for module, given, gave in sliding:
        if given[2 + axis] != side:
            cells = sliding[-1].gave[2 + axis]
            return (np.arange(cells) + 0.5) * pixels / cells - 0.5
        kernel, stride = (_along(value, axis) for value in (module.kernel_size, module.stride))
        reach = (kernel - 1) * _along(getattr(module, "dilation", 1), axis)
        middle += apart * (reach / 2 - _padding(module, axis, reach))
        apart *= stride
        side = gave[2 + axis]
    return middle + apart * np.arange(side)


def _padding(module: nn.Module, axis: int, reach: int) -> float:
    if isinstance(module.padding, str):
        return {"same": reach / 2, "valid": 0}[module.padding]
    return _along(module.padding, axis)


def _along(value: int | Size, axis: int) -> int:
    return value[axis] if isinstance(value, tuple) else value
