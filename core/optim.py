"""Optimiser and learning-rate schedule of a recipe, as torch has them."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from core.config import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimiser; fused, which walks over all weights once a step instead of once an operation.

    Under SGD, parameters that the network wants to learn faster do so, with the weight decay a step
    left as it is; Adam and AdamW choose each parameter's step by themselves.
    """
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        nesterov = recipe.nesterov and recipe.momentum > 0
        return SGD(
            _groups(model, rate, decay),
            lr=rate,
            momentum=recipe.momentum,
            weight_decay=decay,
            nesterov=nesterov,
            fused=True,
        )
    kind = {"adam": Adam, "adamw": AdamW}[recipe.optimizer]
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return kind(learning, lr=rate, weight_decay=decay, fused=True)


def _groups(model: nn.Module, rate: float, decay: float) -> list[dict[str, Any]]:
    """The network's own groups of parameters (`core.models`), or all in one."""
    if not hasattr(model, "parameter_groups"):
        return [{"params": list(model.parameters())}]
    return [
        {"params": group["params"], "lr": rate * group["rate"], "weight_decay": decay / group["rate"]}
        for group in model.parameter_groups()
    ]


def make_schedule(optimizer: Optimizer, recipe: Recipe, steps: int) -> LRScheduler:
    """The recipe's schedule over so many steps, to be moved on by `end_of_step` and `end_of_epoch`."""
    if recipe.schedule == "plateau":
        return ReduceLROnPlateau(
            optimizer, "min", factor=recipe.plateau_factor, patience=recipe.plateau_patience
        )
    if recipe.schedule == "linear":
        return LambdaLR(optimizer, warmup_and_decay(steps, recipe.warmup))
    if recipe.schedule == "one-cycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, peaks, total_steps=steps, pct_start=recipe.warmup, cycle_momentum=False)
    return ConstantLR(optimizer, factor=1.0)


def warmup_and_decay(steps: int, warmup: float) -> Callable[[int], float]:
    """The share of the full rate that step number i, counted from 0, uses.

    Rises in a straight line over the first `warmup` of all steps, then falls in one; neither end is
    0, so that no step is wasted.
    """
    peak = warmup * steps

    def share(step: int) -> float:
        return min((step + 1) / (peak + 1), max(0.0, (steps - step) / (steps - peak)))

    return share


def end_of_step(schedule: LRScheduler) -> None:
    """Move a schedule on that changes with each step."""
    if isinstance(schedule, LambdaLR | OneCycleLR):
        schedule.step()


def end_of_epoch(schedule: LRScheduler, validation_loss: float) -> None:
    """Move a schedule on that changes with each epoch; the validation loss decides where it is a plateau."""
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(validation_loss)
    elif isinstance(schedule, ConstantLR):
        schedule.step()


def learning_rate(optimizer: Optimizer) -> float:
    """The rate that the next step will use; of the first group where there are several."""
    return float(optimizer.param_groups[0]["lr"])
