import dataclasses

import pytest
import torch
from torch.nn import functional

from core.config import Recipe
from core.gradients import GradientNorms
from core.layers import matrix_sizes, totals
from core.models import MODELS

NAMES = list(MODELS)


WIDTHS = {"baseline": 0.0625, "improved": 0.0625, "residual": 0.5, "fast": 0.25}
"""Narrow enough to be quick, wide enough to learn something."""


def small(name: str, **more) -> Recipe:
    return Recipe(model=name, width=WIDTHS[name], depth=8, dropout=0.0, **more)


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
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert learning and all(parameter.grad.abs().sum() > 0 for parameter in learning)


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
    agree(dataclasses.replace(small(name), width=width))


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("hidden", [True, False])
def test_layer_table_agrees_with_the_improved_network_without_its_additions(batch_norm, hidden):
    agree(small("improved", batch_norm=batch_norm, hidden=hidden))


def agree(recipe):
    """Weights by counting them, shapes and multiply-adds by watching a forward pass."""
    model = MODELS[recipe.model].build(recipe, 10).eval()
    layers = MODELS[recipe.model].describe(recipe, 10)
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
    assert weights == sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert multiply_adds == sum(work)
    assert [layer.shape for layer in layers if layer.kind != "flatten"] == shapes
    looked_at = GradientNorms(model, steps=1)._weights.values()
    assert matrix_sizes(layers) == [weight.numel() for weight in looked_at]


@pytest.mark.parametrize("depth", [8, 20, 56])
@pytest.mark.parametrize("skip", [True, False])
def test_residual_network_is_as_deep_as_it_says(depth, skip):
    recipe = Recipe(model="residual", width=0.25, depth=depth, skip=skip)
    layers = MODELS["residual"].describe(recipe, 10)
    assert sum(layer.multiply_adds > 0 for layer in layers) == depth
    assert sum("adds" in layer.kind for layer in layers) == (depth - 2) // 2 * skip


def test_skip_connections_have_no_weights():
    with_skip, plain = (
        MODELS["residual"].build(Recipe(model="residual", skip=skip), 10).state_dict()
        for skip in (True, False)
    )
    assert {name: value.shape for name, value in with_skip.items()} == {
        name: value.shape for name, value in plain.items()
    }


def test_residual_network_has_the_size_of_its_source():
    """Table 6 of He et al.: 0.27 million weights at 20 layers, 0.85 at 56, 1.7 at 110."""
    for depth, millions in ((20, 0.27), (56, 0.85), (110, 1.7)):
        recipe = Recipe(model="residual", width=1, depth=depth)
        weights, _ = totals(MODELS["residual"].describe(recipe, 10))
        assert weights / 1e6 == pytest.approx(millions, rel=0.03)


def test_block_without_its_convolutions_is_the_identity():
    block = MODELS["residual"].build(Recipe(model="residual", width=1), 10).blocks[0].eval()
    torch.nn.init.zeros_(block.conv2.weight)
    images = torch.rand(2, 16, 8, 8)
    torch.testing.assert_close(block(images), images)


@pytest.mark.parametrize("mean", [0.0, 2.0], ids=["normalised", "not"])
def test_first_layer_of_the_fast_network_whitens(mean):
    """Patches of the images that it was computed from come out uncorrelated and with variance 1."""
    torch.manual_seed(0)
    smooth = functional.interpolate(torch.randn(200, 3, 9, 9), size=32, mode="bilinear")
    images = smooth + 0.3 * torch.randn(200, 3, 32, 32)
    images = (images - images.mean((0, 2, 3), keepdim=True)) / images.std((0, 2, 3), keepdim=True)
    images = images + mean
    model = MODELS["fast"].build(Recipe(model="fast"), 10)
    model.adapt(images)
    out = model.whiten(images).permute(1, 0, 2, 3).flatten(1)
    torch.testing.assert_close(out[:12], -out[12:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.cov(out[:12]), torch.eye(12), rtol=0, atol=0.02)


def test_fast_networks_convolutions_begin_as_identities():
    model = MODELS["fast"].build(Recipe(model="fast", width=1), 10)
    images = torch.rand(2, 24, 8, 8)
    torch.testing.assert_close(model.groups[0].conv1(images)[:, :24], images)


def test_first_layers_bias_stops_learning_after_three_epochs():
    model = MODELS["fast"].build(Recipe(model="fast"), 10)
    learns = []
    for epoch in (1, 3, 4, 10):
        model.begin_epoch(epoch)
        learns.append(model.whiten.bias.requires_grad)
    assert learns == [True, True, False, False]


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


def test_improved_network_without_its_additions_is_the_baseline():
    bare = Recipe(model="improved", width=0.0625, dropout=0.0, batch_norm=False, hidden=False)
    networks = []
    for recipe in (bare, Recipe(width=0.0625)):
        torch.manual_seed(3)
        networks.append(MODELS[recipe.model].build(recipe, 10))
    ours, theirs = (network.state_dict() for network in networks)
    assert list(ours) == list(theirs) and all(torch.equal(ours[name], theirs[name]) for name in ours)
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(*(network(images) for network in networks))


@pytest.mark.parametrize("hidden", [True, False])
def test_dropout_comes_before_the_last_layer(hidden):
    model = MODELS["improved"].build(small("improved", hidden=hidden), 10)
    seen = []
    model.dropout.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    last = model.fc2 if hidden else model.fc1
    last.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    model(torch.rand(2, 3, 32, 32))
    assert seen[0] is seen[1]
