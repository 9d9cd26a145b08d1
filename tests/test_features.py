"""First filters and feature maps are those of the network; bounded, whatever the network."""

import numpy as np
import pytest
import torch

from core import filters
from core.config import Recipe
from core.features import CHANNELS, LAYERS, feature_maps, first_filters
from core.models import MODELS

RECIPES = [
    Recipe(width=0.0625),
    Recipe(model="improved", width=0.0625),
    Recipe(model="residual", width=0.25, depth=56),
    Recipe(model="fast", width=0.25),
]


def network(recipe):
    torch.manual_seed(0)
    return MODELS[recipe.model].build(recipe, 10).eval()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.model)
def test_maps_go_from_the_first_layer_to_the_last_and_are_few_and_small(recipe):
    model, image = network(recipe), torch.randn(1, 3, 32, 32)
    found = feature_maps(model, image)
    assert 4 <= len(found) <= LAYERS
    assert all(one.maps.dtype == np.uint8 and len(one.maps) <= CHANNELS for one in found)
    assert found[0].kind == "convolution" and found[0].count == len(first_filters(model))
    assert not any(module._forward_hooks for module in model.modules())


def test_maps_are_what_the_layer_puts_out():
    model, image = network(RECIPES[0]), torch.randn(1, 3, 32, 32)
    first = feature_maps(model, image)[0]
    with torch.no_grad():
        output = model.features.conv1(image)[0].numpy()
    strength = np.abs(output).mean(axis=(1, 2))
    assert first.channels.tolist() == np.argsort(-strength)[:CHANNELS].tolist()
    back = first.low + first.maps / 255 * (first.high - first.low)
    assert back == pytest.approx(output[first.channels], abs=(first.high - first.low) / 255)


def test_large_maps_are_averaged_down():
    found = feature_maps(network(RECIPES[2]), torch.randn(1, 3, 96, 96))
    assert found[0].shape == (96, 96) and found[0].maps.shape[1:] == (64, 64)


def test_filters_are_written_with_a_run_and_read_back(finished_run):
    found = filters.read_filters(finished_run)
    weights = torch.load(finished_run.folder / "weights.pt", weights_only=True)
    assert np.array_equal(found, weights["features.conv1.weight"].numpy())


def test_damaged_or_missing_filters_count_as_none(finished_run):
    path = finished_run.folder / filters.NAME
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    assert filters.read_filters(finished_run) is None
    path.unlink()
    assert filters.read_filters(finished_run) is None


def test_filter_is_grey_where_it_is_zero_and_ends_at_its_strongest_weight():
    weights = np.zeros((2, 3, 2, 2), np.float32)
    weights[0, 0, 0, 0], weights[0, 1, 0, 0], weights[1, 2, 1, 1] = 2.0, -2.0, 0.5
    own, alike = filters.as_images(weights), filters.as_images(weights, alike=True)
    assert own[0, 0, 0, 0] == 255 and own[0, 1, 0, 0] == 0 and own[0, 2, 0, 0] == 128
    assert own[1, 2, 1, 1] == 255 and alike[1, 2, 1, 1] == 159
    grey = filters.as_grey_images(weights)
    assert grey.shape == (6, 3, 2, 2) and (grey[0] == grey[0, :1]).all()


def test_dead_filter_is_plain_grey():
    assert (filters.as_images(np.zeros((1, 3, 3, 3))) == 128).all()


def test_child_gives_filters_of_a_run_and_maps_of_an_image(store, finished_run):
    from core.answering import Answerer

    answerer = Answerer(store)
    subject = {"kind": "run", "id": finished_run.id}
    _, found = answerer.answer({"what": "features", "subject": subject}, {})
    assert np.array_equal(found["filters"], filters.read_filters(finished_run)) and len(found) == 1
    image = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    told, found = answerer.answer({"what": "features", "subject": subject}, {"image": image})
    assert len(told["layers"]) == 10 and found["maps.0"].shape == (8, 30, 30)
    assert told["layers"][0]["layer"] == "features.conv1"
