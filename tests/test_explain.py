"""Maps of why: of networks made by hand, whose reasons are known, and of every network of the table."""

import copy
import io
import threading

import numpy as np
import pytest
import torch
from torch import nn

from core.config import Recipe
from core.datasets import source
from core.errors import UserError
from core.explain import (
    _METHODS,
    attribution,
    completeness,
    explain,
    rank_correlation,
    reinitialised,
    sanity,
)
from core.explanations import METHODS
from core.models import MODELS
from core.pretrained import cards
from core.receptive import watched

MEAN, STD = np.full(3, 0.5), np.full(3, 0.25)
NOISE = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)


def spot(row: int, column: int, side: int = 4) -> np.ndarray:
    """Grey, which normalises to about 0, with a white square."""
    image = np.full((3, 32, 32), 127, dtype=np.uint8)
    image[:, row : row + side, column : column + side] = 255
    return image


class Corner(nn.Module):
    """Class 0 is as likely as the top left corner is bright, class 1 as unlikely; nothing else counts."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)
        self.act = nn.ReLU(inplace)
        self.fc = nn.Linear(32 * 32, 2, bias=False)
        nn.init.constant_(self.conv.weight, 1 / 27)
        nn.init.zeros_(self.conv.bias)
        corner = torch.zeros(32, 32)
        corner[:8, :8] = 1
        self.fc.weight.data = torch.stack((corner.flatten(), -corner.flatten()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.act(self.conv(images)).flatten(1))


class Spot(nn.Module):
    """Class 0 is as likely as there is something bright anywhere; no padding, so maps are smaller."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 1, 9), nn.Conv2d(1, 1, 9)
        self.act = nn.ReLU()
        for conv in (self.conv1, self.conv2):
            nn.init.zeros_(conv.weight)
            conv.weight.data[:, :, 3:6, 3:6] = 1
            nn.init.zeros_(conv.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = self.act(self.conv2(self.conv1(images))).amax((2, 3))
        return torch.cat((bright, -bright), 1)


def trained() -> tuple[nn.Module, np.ndarray, np.ndarray]:
    card = cards()["fast"]
    model = MODELS["fast"].build(card.recipe, 10)
    model.load_state_dict(torch.load(io.BytesIO(card.content()), weights_only=True))
    return model.eval(), np.array(card.mean), np.array(card.std)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("inplace", [False, True])
def test_network_that_looks_at_one_corner_is_found_out(method, inplace):
    image = np.maximum(spot(2, 2), spot(24, 24))
    heat = explain(Corner(inplace), image, MEAN, STD, 0, method)
    if method != "gradcam":  # its map of one channel shows the other spot, too
        assert np.abs(heat[12:]).max() < 0.01 and np.abs(heat[:, 12:]).max() < 0.01
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert heat.max() == 1 and row < 8 and column < 8
    against = explain(Corner(inplace), image, MEAN, STD, 1, method)
    np.testing.assert_allclose(against, -heat, atol=1e-6)


def test_grad_cam_lights_up_in_the_corner_alone_where_channels_know_places():
    class Places(nn.Module):
        """One channel sees the left half, the other the right; the class follows the left one."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)
            self.act = nn.ReLU()
            nn.init.constant_(self.conv.weight, 1)
            nn.init.zeros_(self.conv.bias)
            self.left = nn.Parameter(torch.zeros(2, 32, 32))
            self.left.data[0, :8, :8] = self.left.data[1, 8:, 8:] = 1
            self.place = nn.Conv2d(2, 2, 1, bias=False)
            self.place.weight.data = torch.eye(2)[:, :, None, None]

        def forward(self, images):
            return self.place(self.act(self.conv(images)) * self.left).mean((2, 3))

    heat = explain(Places(), np.maximum(spot(2, 2), spot(24, 24)), MEAN, STD, 0, "gradcam")
    assert heat[2:6, 2:6].min() > 0.99 and np.abs(heat[8:]).max() < 1e-6 and np.abs(heat[:, 8:]).max() < 1e-6


@pytest.mark.parametrize("place", [(8, 8), (8, 20), (18, 12)])
def test_grad_cam_lies_where_the_object_does_without_padding(place):
    """Stretched over the image, the map of 16 × 16 cells would lie up to 7 pixels off."""
    heat = explain(Spot(), spot(*place), MEAN, STD, 0, "gradcam")
    rows, columns = np.nonzero(heat > 0.9)
    assert abs(rows.mean() - (place[0] + 1.5)) < 1 and abs(columns.mean() - (place[1] + 1.5)) < 1


@pytest.mark.parametrize("place", [(4, 4), (4, 22), (20, 10)])
def test_occlusion_costs_most_where_the_object_is(place):
    heat = explain(Spot(), spot(*place), MEAN, STD, 0, "occlusion")
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert abs(row - place[0] - 1.5) < 6 and abs(column - place[1] - 1.5) < 6
    far = np.ones((32, 32), dtype=bool)
    far[max(0, place[0] - 6) : place[0] + 10, max(0, place[1] - 6) : place[1] + 10] = False
    assert np.abs(heat[far]).max() < 0.01


def test_integrated_gradients_of_a_linear_network_are_weight_times_input():
    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3 * 32 * 32, 3)

        def forward(self, images):
            return self.fc(images.flatten(1))

    model = Linear()
    values = attribution(model, NOISE, MEAN, STD, 2, "integrated")
    shown = (NOISE / 255 - 0.5) / 0.25
    wanted = (model.fc.weight[2].detach().numpy().reshape(3, 32, 32) * shown).sum(0)
    np.testing.assert_allclose(values, wanted, atol=1e-5)
    assert completeness(model, NOISE, MEAN, STD, 2).gap < 1e-4


def test_integrated_gradients_of_the_shipped_network_add_up():
    model, mean, std = trained()
    for image in source("shapes").load().test.images[:5]:
        found = completeness(model, image, mean, std, 3)
        assert abs(found.attributed - found.difference) < 0.05
        total = attribution(model, image, mean, std, 3, "integrated").sum()
        assert total == pytest.approx(found.attributed, abs=1e-4)


VARIANTS = [
    *(Recipe(model=name, width=width, depth=8) for name in MODELS for width in (0.03125, 0.25)),
    *(
        Recipe(model="residual", width=0.25, depth=depth, skip=skip)
        for depth, skip in ((20, False), (56, True))
    ),
    Recipe(model="improved", width=0.0625, batch_norm=False, hidden=False),
    Recipe(model="fast", width=0.25, activation="relu"),
    *(
        Recipe(model=name, width=0.0625, dataset="folder:x", image_size=size, depth=8)
        for name, size in (("baseline", 24), ("fast", 24), ("residual", 48))
    ),
]


@pytest.mark.parametrize("recipe", VARIANTS, ids=lambda recipe: f"{recipe.model}-{recipe.width}")
def test_every_network_can_be_explained(recipe):
    torch.manual_seed(0)
    model = MODELS[recipe.model].build(recipe, 10)
    side = recipe.image_size
    image = np.random.default_rng(1).integers(0, 256, (3, side, side), dtype=np.uint8)
    for method in METHODS:
        heat = explain(model, image, MEAN, STD, 7, method)
        assert heat.shape == (side, side) and heat.dtype == np.float32
        assert np.abs(heat).max() == pytest.approx(1)


def test_map_of_a_residual_network_is_the_one_behind_its_last_shortcut():
    for skip in (True, False):
        model = MODELS["residual"].build(Recipe(model="residual", width=0.25, depth=8, skip=skip), 10)
        layer, rows, _ = watched(model.eval(), torch.zeros(1, 3, 32, 32))
        assert layer is model.blocks[-1].act2
        np.testing.assert_array_equal(rows, np.arange(8) * 4)


def test_cells_lie_where_their_receptive_fields_do():
    """Against the rows whose change a cell feels, found by gradients."""
    for name in ("baseline", "fast"):
        model = MODELS[name].build(Recipe(model=name, width=0.0625), 10).double().eval()
        layer, rows, columns = watched(model, torch.zeros(1, 3, 32, 32).double())
        seen = []
        hook = layer.register_forward_hook(lambda *call, seen=seen: seen.append(call[2]))
        images = torch.randn(64, 3, 32, 32, dtype=torch.float64, requires_grad=True)
        model(images)
        hook.remove()
        cells = seen[0].shape[2]
        for cell in range(cells):
            (slope,) = torch.autograd.grad(seen[0][:, :, cell].sum(), images, retain_graph=True)
            felt = slope.abs().sum((0, 1, 3)).nonzero().flatten()
            if felt[0] > 0 and felt[-1] < 31:  # whole, not cut off by the edge
                assert rows[cell] == pytest.approx((felt[0] + felt[-1]).item() / 2, abs=1)
        np.testing.assert_array_equal(rows, columns)


def test_branches_fall_back_to_an_even_spread():
    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 2, 3, stride=2, padding=1), nn.Conv2d(3, 2, 1, stride=2)

        def forward(self, images):
            return (self.one(images) + self.two(images)).mean((2, 3))

    _, rows, _ = watched(Branch(), torch.zeros(1, 3, 32, 32))
    np.testing.assert_allclose(rows, np.arange(16) * 2 + 0.5)


@pytest.mark.parametrize("method", METHODS)
def test_network_is_left_as_it_was(method):
    model = MODELS["fast"].build(Recipe(model="fast", width=0.125), 10).to(memory_format=torch.channels_last)
    before, flags = copy.deepcopy(model.state_dict()), [p.requires_grad for p in model.parameters()]
    with torch.inference_mode():
        first = explain(model.train(), NOISE, MEAN, STD, 1, method)
    assert model.training and all(parameter.grad is None for parameter in model.parameters())
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks and not module._backward_hooks
    np.testing.assert_array_equal(explain(model.eval(), NOISE, MEAN, STD, 1, method), first)
    assert not model.training


def test_bf16_around_it_changes_nothing_and_bf16_weights_are_taken():
    model = MODELS["baseline"].build(Recipe(width=0.0625), 10)
    wanted = explain(model, NOISE, MEAN, STD, 1, "integrated")
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(explain(model, NOISE, MEAN, STD, 1, "integrated"), wanted)
    model.bfloat16()
    assert rank_correlation(explain(model, NOISE, MEAN, STD, 1, "integrated"), wanted) > 0.9
    assert next(model.parameters()).dtype == torch.bfloat16


def test_two_threads_may_ask_the_same_network():
    model, mean, std = trained()
    images = source("shapes").load().test.images[:6]
    wanted = [explain(model, image, mean, std, 0, "gradcam") for image in images]
    found = [None] * 6

    def ask(number: int) -> None:
        for _ in range(3):
            found[number] = explain(model, images[number], mean, std, 0, "gradcam")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("method", ["gradcam", "integrated"])
def test_map_changes_with_random_weights(method):
    model, mean, std = trained()
    images = source("shapes").load().test.images[: 24 if method == "gradcam" else 8]
    found = [sanity(model, image, mean, std, 3, method, seed) for seed, image in enumerate(images)]
    assert abs(np.mean(found)) < 0.3

    nearly = copy.deepcopy(model)
    for parameter in nearly.parameters():
        parameter.data *= 1 + 0.002 * torch.randn_like(parameter)
    same = [
        rank_correlation(*(explain(network, image, mean, std, 3, method) for network in (model, nearly)))
        for image in images[:4]
    ]
    assert np.mean(same) > 0.85


def test_map_that_ignores_the_weights_would_be_found_out(monkeypatch):
    edges = lambda network, shown, target: shown[0].sum(0).detach().numpy()  # noqa: E731
    monkeypatch.setitem(_METHODS, "gradcam", edges)
    model, mean, std = trained()
    assert sanity(model, NOISE, mean, std, 3, "gradcam") == pytest.approx(1)


def test_random_weights_are_drawn_everywhere_and_leave_the_generator_alone():
    model = trained()[0]
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    fresh = reinitialised(model, 5).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    weights = [name for name, value in fresh.items() if value.ndim > 1]
    assert weights and not any(torch.equal(fresh[name], before[name]) for name in weights)
    again, other = (reinitialised(model, seed).state_dict()["fc.weight"] for seed in (5, 6))
    assert torch.equal(again, fresh["fc.weight"]) and not torch.equal(other, again)


def test_rank_correlation_agrees_with_scipy():
    from scipy.stats import spearmanr

    random = np.random.default_rng(0)
    first, second = random.integers(0, 9, 200), random.integers(0, 9, 200)
    assert rank_correlation(first, second + first) == pytest.approx(
        spearmanr(first, second + first).statistic
    )
    assert rank_correlation(first, np.ones(200)) == 0


def test_nothing_to_say_stays_nothing():
    model = Corner()
    nn.init.zeros_(model.fc.weight)
    for method in METHODS:
        assert not explain(model, NOISE, MEAN, STD, 0, method).any()


def test_what_cannot_be_explained_is_said():
    model = MODELS["baseline"].build(Recipe(width=0.03125), 10)
    nn.init.constant_(model.fc1.weight, float("nan"))
    with pytest.raises(UserError, match="not a number"):
        explain(model, NOISE, MEAN, STD, 0, "integrated")
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
    with pytest.raises(UserError, match="no convolution"):
        explain(flat, NOISE, MEAN, STD, 0, "gradcam")


def test_table_of_methods_says_something_of_each():
    assert set(METHODS) == set(_METHODS)
    for method in METHODS.values():
        assert method.title and method.help.endswith(".")


def test_benchmark_measures_and_draws():
    from benchmarks.explanations import measure, picture, shipped
    from core.datasets import Split

    card, model = shipped()
    test = source("shapes").load().test
    figures = measure(card, model, Split(test.images[:2], test.labels[:2]))
    assert figures["images"] == 2 and figures["gap"][0] < 0.2
    for method in METHODS:
        median, high = figures[method]["milliseconds"]
        assert 0 < median <= high and -1 <= figures[method]["sanity"][0] <= 1
    image = np.asarray(picture(card, model, test))
    assert image.ndim == 3 and image.shape[0] > 600
