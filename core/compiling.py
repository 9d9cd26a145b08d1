"""`torch.compile` for a network, its time kept apart from the training's."""

import copy
import time
from typing import Any

import torch
from torch import nn

from core.config import Recipe
from core.device import Compute
from core.errors import UserError


def compiled(learner: Any, data: Any, recipe: Recipe, compute: Compute) -> tuple[nn.Module, float]:
    """The network's compiled forward pass, and how many seconds that took.

    Compiling happens at the first call, so a batch goes through, forward and backward, and leaves no
    trace in the weights and statistics.

    Raises:
        UserError: it can't be compiled here, most often for want of a C++ compiler.
    """
    begin = time.monotonic()
    before = copy.deepcopy(learner.model.state_dict())
    forward = torch.compile(learner.model)
    learner.model.train()
    size = min(recipe.batch_size, len(data.train_labels))
    images = data.normalise(data.train_images[:size].float() / 255)
    try:
        with compute.autocast():
            loss = forward(images).float().sum()
        loss.backward()
    except torch._dynamo.exc.TorchDynamoException as error:
        raise UserError(
            f"The network can't be compiled here ({type(error).__name__}): switch Compile off, or install "
            "a C++ compiler such as g++."
        ) from error
    learner.optimizer.zero_grad(set_to_none=True)
    learner.model.load_state_dict(before)
    return forward, time.monotonic() - begin
