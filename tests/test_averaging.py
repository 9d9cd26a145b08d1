import pytest
import torch
from torch import nn

from core.averaging import Average


def test_average_follows_its_formula():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 0.0)
    average, expected = Average(model, 0.5), 0.0
    for step in range(1, 30):
        nn.init.constant_(model.weight, float(step))
        average.update(step)
        keep = min(0.5, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * step
    assert average.model.weight.item() == pytest.approx(expected)


def test_average_takes_in_the_statistics_of_batch_normalisation():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    average = Average(model, 0.9)
    for step in range(1, 200):
        model(torch.randn(4, 3, 8, 8) + 5)
        average.update(step)
    assert average.model[1].num_batches_tracked.item() == 199
    torch.testing.assert_close(average.model[1].running_mean, model[1].running_mean, rtol=0.2, atol=0.1)
    assert not average.model[1].running_mean.equal(model[1].running_mean)


def test_average_stays_with_a_model_that_loads_a_state():
    """A resume loads into the same tensors: the average must go on watching these."""
    model, other = nn.Linear(2, 2), nn.Linear(2, 2)
    average = Average(model, 0.9)
    model.load_state_dict(other.state_dict())
    for step in range(1, 400):
        average.update(step)
    torch.testing.assert_close(average.model.weight, other.weight)
