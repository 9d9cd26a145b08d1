"""The running mean of a network's weights, which jumps about less than the weights themselves."""

import copy

import torch
from torch import nn


class Average:
    """An exponential moving average (EMA) of all weights and of the statistics of batch normalisation.

    In its first steps it forgets faster, so that the random initial weights do not linger: the share
    that is kept is at most (1 + steps) / (10 + steps).

    Args:
        decay: the share of the mean that a step keeps, in (0, 1).

    Source: Polyak and Juditsky 1992, in the form of TensorFlow's `ExponentialMovingAverage`.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).requires_grad_(False)
        pairs = list(zip(self.model.state_dict().values(), model.state_dict().values(), strict=True))
        self._means = [mean for mean, _ in pairs if mean.is_floating_point()]
        self._values = [value for mean, value in pairs if mean.is_floating_point()]
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]  # batches seen

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, which counts from 1; waits for nothing on the device."""
        keep = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._means, self._values, 1 - keep)
        for mean, value in self._counts:
            mean.copy_(value)
