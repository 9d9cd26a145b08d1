import dataclasses

import pytest
import torch
from torch.nn import functional

from core.config import Recipe
from core.layers import totals
from core.models import MODELS

NAMES = list(MODELS)


def small(name: str, **more) -> Recipe:
    return Recipe(model=name, width=0.0625, dropout=0.0, **more)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [24, 32, 48])
def test_model_gives_one_logit_a_class(name, size):
    recipe = small(name, dataset="folder:x", image_size=size)
    assert MODELS[name].build(recipe, 7)(torch.rand(2, 3, size, size)).shape == (2, 7)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_gradients_reach_every_parameter(name, activation):
    model = MODELS[name].build(small(name, activation=activation), 10)
    functional.cross_entropy(model(torch.rand(8, 3, 32, 32)), torch.arange(8)).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_model_fits_one_batch(name):
    torch.manual_seed(0)
    model = MODELS[name].build(small(name), 10)
    images, labels = torch.randn(16, 3, 32, 32), torch.arange(16) % 10
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(150):
        loss = functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [0.03125, 0.125, 1.0])
def test_layer_table_agrees_with_the_module(name, width):
    """Weights by counting them, shapes and multiply-adds by watching a forward pass."""
    recipe = dataclasses.replace(small(name), width=width)
    model = MODELS[name].build(recipe, 10).eval()
    layers = MODELS[name].describe(recipe, 10)
    shapes, work = [], []

    def watch(module, _, output):
        shapes.append(tuple(output.shape[1:]))
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            work.append(module.weight.numel() * output[0, 0].numel())

    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(watch)
    model(torch.zeros(1, 3, 32, 32))
    weights, multiply_adds = totals(layers)
    assert weights == sum(parameter.numel() for parameter in model.parameters())
    assert multiply_adds == sum(work)
    assert [layer.shape for layer in layers if layer.kind != "flatten"] == shapes


def test_baseline_is_the_reports():
    layers = MODELS["baseline"].describe(Recipe(width=1), 10)
    weights, multiply_adds = totals(layers)
    assert round(weights / 1e6, 1) == 5.3 and round(multiply_adds / 1e9, 2) == 1.29
    assert [layer.shape for layer in layers if "conv" in layer.name] == [
        (256, 30, 30),
        (512, 28, 28),
        (256, 10, 10),
        (128, 6, 6),
    ]
    assert (1152,) in [layer.shape for layer in layers]


def test_improved_is_the_reports():
    model = MODELS["improved"].build(Recipe(model="improved", width=1), 10)
    assert (model.fc1.in_features, model.fc1.out_features, model.fc2.out_features) == (1152, 512, 10)
    kinds = [type(module).__name__ for module in model.features]
    assert kinds[:3] == ["Conv2d", "BatchNorm2d", "ReLU"]
    assert kinds.count("BatchNorm2d") == 2 and kinds[-4:-1] == ["Conv2d", "BatchNorm2d", "ReLU"]
