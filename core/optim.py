"""Optimiser and learning-rate schedule of a recipe, as torch has them."""

import math
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LambdaLR, LRScheduler, ReduceLROnPlateau

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
        rates = [one_cycle(steps, recipe.warmup, group["lr"]) for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = 1.0  # so that what the functions give is the rate, with no rounding in between
        return LambdaLR(optimizer, rates)
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


def one_cycle(steps: int, warmup: float, peak: float) -> Callable[[int], float]:
    """The rate that step number i, counted from 0, uses: up to `peak` along a cosine, and down along one.

    Starts at a 25th of the peak and ends at a 250,000th. Where the warm-up is one step or less, the first
    step uses the whole peak.

    Source: Smith and Topin, arXiv 1708.07120, in the form and the rounding of torch's `OneCycleLR`, which
    divides by zero where the warm-up is exactly one step.
    """
    start, top, last = peak / 25, warmup * steps - 1, steps - 1
    end = start / 1e4

    def rate(step: int) -> float:
        if 0 < top >= step:
            return _cosine(start, peak, step / top)
        return _cosine(peak, end, (step - top) / (last - top))

    return rate


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)


def load_schedule(schedule: LRScheduler, state: dict[str, Any]) -> None:
    """Go on from the state in a checkpoint.

    One-cycle schedules were torch's own once, and a checkpoint of that time holds what ours can't load;
    all that it takes from there is the number of steps.
    """
    if isinstance(schedule, LambdaLR) and "lr_lambdas" not in state:
        state = {**schedule.state_dict(), **{name: state[name] for name in ("last_epoch", "_step_count")}}
    schedule.load_state_dict(state)


def end_of_step(schedule: LRScheduler) -> None:
    """Move a schedule on that changes with each step."""
    if isinstance(schedule, LambdaLR):
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
