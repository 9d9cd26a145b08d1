"""How large the gradients of each layer are: what skip connections change, made visible."""

import torch
from torch import Tensor, nn

SAMPLES = 8
"""So many steps of an epoch are looked at; each costs about as much as one more operation a layer."""


class GradientNorms:
    """The mean over some evenly spaced steps of an epoch of the L2 norm of each layer's gradient.

    Args:
        model: whose weights with two or more dimensions count: those of convolutions and of fully
            connected layers, named by the layer.
        steps: of the epoch.
    """

    def __init__(self, model: nn.Module, steps: int) -> None:
        self._weights = {
            name.removesuffix(".weight"): parameter
            for name, parameter in model.named_parameters()
            if parameter.ndim > 1 and parameter.requires_grad
        }
        samples = min(SAMPLES, steps)
        self._looked_at = {look * steps // samples for look in range(samples)}
        self._step = 0
        self._norms: list[Tensor] = []

    def take(self) -> None:
        """Look at the gradients between the backward pass and the update; nothing waits for the device."""
        if self._step in self._looked_at:
            gradients = [weight.grad for weight in self._weights.values()]
            self._norms.append(torch.stack(torch._foreach_norm(gradients)))
        self._step += 1

    def read(self) -> dict[str, float]:
        """Layer to norm, in the order of the network."""
        if not self._norms:
            return {}
        means = torch.stack(self._norms).float().mean(0).tolist()
        return dict(zip(self._weights, means, strict=True))
