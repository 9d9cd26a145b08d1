import dataclasses

import pytest
import torch
from torch import nn

from core.config import KNOBS, Recipe
from core.models import MODELS
from core.optim import (
    end_of_epoch,
    end_of_step,
    learning_rate,
    load_schedule,
    make_optimizer,
    make_schedule,
    one_cycle,
    warmup_and_decay,
)

RECIPE = Recipe(learning_rate=0.1)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def rates(recipe: Recipe, steps: int) -> list[float]:
    """The rate of each step."""
    optimizer = make_optimizer(network(), recipe)
    schedule = make_schedule(optimizer, recipe, steps)
    found = []
    for _ in range(steps):
        found.append(learning_rate(optimizer))
        optimizer.step()
        end_of_step(schedule)
    return found


def test_plateau_halves_the_rate_after_patience():
    recipe = dataclasses.replace(RECIPE, schedule="plateau", plateau_factor=0.5, plateau_patience=1)
    optimizer = make_optimizer(network(), recipe)
    schedule = make_schedule(optimizer, recipe, 60)
    found = []
    for loss in (1.0, 0.9, 0.95, 0.95, 0.95, 0.95):
        end_of_step(schedule)
        end_of_epoch(schedule, loss)
        found.append(learning_rate(optimizer))
    assert found == [0.1, 0.1, 0.1, 0.05, 0.05, 0.025]


def test_constant_schedule_stays():
    optimizer = make_optimizer(network(), RECIPE)
    schedule = make_schedule(optimizer, RECIPE, 80)
    optimizer.step()
    for _ in range(8):
        end_of_step(schedule)
        end_of_epoch(schedule, 1.0)
    assert learning_rate(optimizer) == RECIPE.learning_rate


def test_linear_schedule_rises_and_falls_in_straight_lines():
    found = rates(dataclasses.replace(RECIPE, schedule="linear", warmup=0.25), 100)
    assert found == pytest.approx(
        [0.1 * min((step + 1) / 26, (100 - step) / 75) for step in range(100)], rel=1e-6
    )
    assert found.index(max(found)) == 25 and max(found) == pytest.approx(0.1)
    assert all(rate > 0 for rate in found)


@pytest.mark.parametrize("warmup", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_linear_schedule_of_few_steps_stays_between_0_and_1(warmup, steps):
    share = warmup_and_decay(steps, warmup)
    assert all(0 < share(step) <= 1 for step in range(steps))


def torchs_one_cycle(steps: int, warmup: float):
    """torch's own schedule and its optimiser."""
    optimizer = torch.optim.SGD(network().parameters(), lr=0.1)
    more = {"total_steps": steps, "pct_start": warmup, "cycle_momentum": False}
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, **more)


@pytest.mark.parametrize(
    ("steps", "warmup"), [(50, 0.3), (7, 0.0), (13, 0.9), (1, 0.0), (3, 0.25), (100, 0.07)]
)
def test_one_cycle_is_torchs_where_torch_has_one(steps, warmup):
    recipe = dataclasses.replace(RECIPE, schedule="one-cycle", warmup=warmup)
    optimizer, reference = torchs_one_cycle(steps, warmup)
    expected = []
    for _ in range(steps):
        expected.append(learning_rate(optimizer))
        optimizer.step()
        reference.step()
    assert rates(recipe, steps) == expected
    assert steps < 50 or max(expected) == pytest.approx(0.1, rel=1e-2)


def test_one_cycle_has_a_rate_for_every_step_of_every_warm_up():
    """Where the warm-up is exactly one step, torch's divides by zero: 4 steps and 0.25, 10 and 0.1."""
    knob = KNOBS["warmup"]
    warmups = [knob.low + knob.step * tick for tick in range(round((knob.high - knob.low) / knob.step) + 1)]
    for steps in range(1, 101):
        for warmup in [*warmups, 1 / steps if steps > 1 else 0.0]:
            rate = one_cycle(steps, warmup, 0.1)
            found = [rate(step) for step in range(steps)]
            assert all(0 < value <= 0.1 * (1 + 1e-12) for value in found), (steps, warmup)
            assert rate(steps) > 0  # the schedule asks once more, after the last step
    assert rates(dataclasses.replace(RECIPE, schedule="one-cycle", warmup=0.25), 4)[0] == pytest.approx(0.1)


def test_one_cycle_goes_on_from_a_checkpoint_of_torchs():
    recipe = dataclasses.replace(RECIPE, schedule="one-cycle", warmup=0.3)
    theirs, reference = torchs_one_cycle(20, 0.3)
    for _ in range(8):
        theirs.step()
        reference.step()
    ours = make_optimizer(network(), recipe)
    schedule = make_schedule(ours, recipe, 20)
    ours.load_state_dict(theirs.state_dict())
    load_schedule(schedule, reference.state_dict())
    for _ in range(11):
        assert learning_rate(ours) == learning_rate(theirs)
        for optimizer, moved in ((theirs, reference), (ours, schedule)):
            optimizer.step()
            moved.step()


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_fused_optimiser_takes_the_steps_of_the_plain_one(optimizer):
    """Nesterov and weight decay included, over several steps."""
    recipe = Recipe(optimizer=optimizer, learning_rate=0.01, weight_decay=0.1, nesterov=True)
    ours, theirs = network(), network()
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    more = {"momentum": 0.9, "nesterov": True} if optimizer == "sgd" else {}
    reference = kinds[optimizer](theirs.parameters(), lr=0.01, weight_decay=0.1, foreach=False, **more)
    optimizer = make_optimizer(ours, recipe)
    images = torch.randn(8, 3)
    for _ in range(5):
        for model, stepper in ((ours, optimizer), (theirs, reference)):
            stepper.zero_grad()
            model(images).square().sum().backward()
            stepper.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_network_may_ask_for_faster_parameters_under_sgd():
    recipe = Recipe(model="fast", learning_rate=0.1, momentum=0.0, weight_decay=0.064)
    model = MODELS["fast"].build(recipe, 10)
    others, shifts = make_optimizer(model, recipe).param_groups
    assert (others["lr"], shifts["lr"]) == (0.1, pytest.approx(6.4))
    assert shifts["lr"] * shifts["weight_decay"] == pytest.approx(others["lr"] * others["weight_decay"])
    learning = {id(p) for p in model.parameters() if p.requires_grad}
    assert {id(p) for group in (others, shifts) for p in group["params"]} == learning
    adam = make_optimizer(model, dataclasses.replace(recipe, optimizer="adam"))
    assert [group["lr"] for group in adam.param_groups] == [0.1]


def test_schedule_moves_every_group_by_the_same_share():
    recipe = Recipe(model="fast", learning_rate=0.1, schedule="linear", warmup=0.5)
    optimizer = make_optimizer(MODELS["fast"].build(recipe, 10), recipe)
    schedule = make_schedule(optimizer, recipe, 10)
    for _ in range(10):
        one, other = (group["lr"] for group in optimizer.param_groups)
        assert other == pytest.approx(64 * one)
        optimizer.step()
        end_of_step(schedule)
