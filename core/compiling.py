"""`torch.compile` for a network, its time kept apart from the training's."""

import copy
import re
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from core.device import Compute
from core.errors import UserError

_WANTS_A_COMPILER = re.compile(r"C(\+\+)? compile|CxxCompiler|g\+\+|gcc|clang")


def compiled(
    model: nn.Module, batches: Sequence[Tensor], epoch: int, compute: Compute
) -> tuple[Callable[[Tensor], Tensor], float]:
    """The network's compiled forward pass, and how many seconds that took.

    Compiling happens at the first call with each shape, so the batches go through, forward and backward,
    and leave no trace in weights, gradients and statistics. Shapes are never generalised: torch does so at
    the second one it meets, so that a training which goes on in the middle would compute with other code
    than one from the beginning.

    Args:
        batches: normalised images, one of each size that the training will see.
        epoch: the next one, from which it may depend what learns.

    Raises:
        UserError: it can't be compiled here, most often for want of a C++ compiler.
    """
    begin = time.monotonic()
    before = copy.deepcopy(model.state_dict())
    torch._dynamo.reset()  # an earlier training in this process counts against the limit of variants
    forward = torch.compile(model, dynamic=False)
    model.train()
    if hasattr(model, "begin_epoch"):
        model.begin_epoch(epoch)
    try:
        for images in batches:
            with compute.autocast():
                loss = forward(images).float().sum()
            loss.backward()
    except Exception as error:
        if not _is_of_the_compiler(error):
            raise
        remedy = ", or install a C++ compiler such as g++" if _WANTS_A_COMPILER.search(str(error)) else ""
        raise UserError(
            f"The network can't be compiled here ({type(error).__name__}): switch Compile off{remedy}."
        ) from error
    model.zero_grad(set_to_none=True)
    model.load_state_dict(before)
    return forward, time.monotonic() - begin


def _is_of_the_compiler(error: Exception) -> bool:
    """Not all of its errors have a base in common: some of the backward pass come as they are."""
    return isinstance(error, torch._dynamo.exc.TorchDynamoException) or type(error).__module__.startswith(
        ("torch._inductor", "triton")
    )
