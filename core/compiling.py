"""`torch.compile` for a network, its time kept apart from the training's."""

import copy
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from core.device import Compute
from core.errors import UserError


def compiled(model: nn.Module, images: Tensor, compute: Compute) -> tuple[Callable[[Tensor], Tensor], float]:
    """The network's compiled forward pass, and how many seconds that took.

    Compiling happens at the first call, so a batch goes through, forward and backward, and leaves no
    trace in weights, gradients and statistics.

    Args:
        images: a batch, normalised.

    Raises:
        UserError: it can't be compiled here, most often for want of a C++ compiler.
    """
    begin = time.monotonic()
    before = copy.deepcopy(model.state_dict())
    forward = torch.compile(model)
    model.train()
    try:
        with compute.autocast():
            loss = forward(images).float().sum()
        loss.backward()
    except torch._dynamo.exc.TorchDynamoException as error:
        raise UserError(
            f"The network can't be compiled here ({type(error).__name__}): switch Compile off, or install "
            "a C++ compiler such as g++."
        ) from error
    model.zero_grad(set_to_none=True)
    model.load_state_dict(before)
    return forward, time.monotonic() - begin
