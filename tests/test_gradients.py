from itertools import pairwise

import pytest
import torch
from torch import nn

from core.gradients import SAMPLES, GradientNorms


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def give_gradients(model: nn.Module, size: float) -> None:
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, size)


def test_norm_is_the_mean_over_looks_of_each_layer():
    model = network()
    norms = GradientNorms(model, steps=2)
    for size in (1.0, 3.0):
        give_gradients(model, size)
        norms.take()
    assert norms.read() == {"0": pytest.approx(2 * (4 * 3 * 9) ** 0.5), "3": pytest.approx(2 * 8**0.5)}


@pytest.mark.parametrize("steps", [1, 7, 8, 100, 1250])
def test_few_steps_are_looked_at_and_spread_over_the_epoch(steps):
    model = network()
    norms = GradientNorms(model, steps)
    for step in range(steps):
        give_gradients(model, float(step + 1))
        norms.take()
    looks = len(norms._norms)
    assert looks == min(steps, SAMPLES)
    one = 8**0.5  # the norm at step 1; at step n it is n times that
    when = [taken[1].item() / one for taken in norms._norms]
    assert when[0] == pytest.approx(1.0)
    gaps = [later - earlier for earlier, later in pairwise(when)]
    assert all(gap == pytest.approx(gaps[0], rel=1e-4) and gap >= 0.999 for gap in gaps)
    assert when[-1] >= 0.8 * steps


def test_layer_that_does_not_learn_is_left_out():
    model = network()
    model[0].weight.requires_grad_(False)
    assert GradientNorms(model, 1).read() == {}
    norms = GradientNorms(model, 1)
    give_gradients(model, 1.0)
    norms.take()
    assert [*norms.read()] == ["3"]
