"""Optimiser and learning-rate schedule of a recipe, as torch has them."""

from collections.abc import Iterable

import torch
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, ReduceLROnPlateau

from core.config import Recipe


def make_optimizer(parameters: Iterable[torch.nn.Parameter], recipe: Recipe) -> Optimizer:
    """The recipe's optimiser; fused, which walks over all weights once a step instead of once an operation."""
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return SGD(parameters, lr=rate, momentum=recipe.momentum, weight_decay=decay, fused=True)
    kind = {"adam": Adam, "adamw": AdamW}[recipe.optimizer]
    return kind(parameters, lr=rate, weight_decay=decay, fused=True)


def make_schedule(optimizer: Optimizer, recipe: Recipe) -> LRScheduler:
    """The recipe's schedule, to be moved on by `end_of_epoch`."""
    if recipe.schedule == "plateau":
        return ReduceLROnPlateau(
            optimizer, "min", factor=recipe.plateau_factor, patience=recipe.plateau_patience
        )
    return ConstantLR(optimizer, factor=1.0)


def end_of_epoch(schedule: LRScheduler, validation_loss: float) -> None:
    """Move the schedule on; the validation loss decides where it is a plateau."""
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(validation_loss)
    else:
        schedule.step()


def learning_rate(optimizer: Optimizer) -> float:
    """The rate that the next step will use."""
    return float(optimizer.param_groups[0]["lr"])
