"""The nearest training images in a network's features."""

import dataclasses

import numpy as np
import pytest
import torch

from core import neighbours
from core.checkpoints import to_bytes
from core.classify import open_card, open_run, open_weights
from core.datasets import source
from core.datasets.split import split_indices
from core.errors import UserError
from core.models import MODELS
from core.neighbours import features_of, open_neighbours
from core.paths import data_dir
from core.worker import work


@pytest.fixture
def member(store, finished_run):
    return open_run(store, finished_run.id).members[0]


def opened(member) -> neighbours.Neighbours:
    """With all features."""
    found = open_neighbours(member)
    found.go_on()
    return found


def cached() -> list:
    return sorted((data_dir() / ".cache").glob("features-*.npz"))


def test_training_image_is_its_own_nearest(member):
    data = source("shapes").load()
    train, _ = split_indices(len(data.train), member.recipe.validation_share, member.seed)
    found = opened(member)
    assert found.exact and np.array_equal(found.rows, train) and "learned from" in found.note
    chosen = train[::700]
    nearest = found.nearest(data.train.images[chosen], k=4)
    assert nearest.indices.shape == nearest.labels.shape == nearest.similarities.shape == (len(chosen), 4)
    assert nearest.similarities[:, 0] == pytest.approx(1, abs=2e-3)
    assert (np.diff(nearest.similarities) <= 0).all() and np.isin(nearest.indices, train).all()
    assert np.array_equal(nearest.labels, data.train.labels[nearest.indices])
    images = found.pictures(nearest.indices)
    assert images.shape == (len(chosen), 4, 3, 32, 32)
    assert (nearest.indices[:, 0] == chosen).mean() > 0.8  # a few may have exactly the same features


@pytest.mark.parametrize("model", MODELS)
def test_features_are_what_the_last_layer_multiplies(store, tiny_recipe, shapes_fingerprint, model):
    recipe = dataclasses.replace(tiny_recipe, model=model, depth=8, precision="fp32")
    run, _ = store.open(recipe, 1, shapes_fingerprint)
    work(run)
    member = open_run(store, run.id).members[0]
    images = source("shapes").load().test.images[:5]
    features, last = features_of(member, images), list(member.model.children())[-1]
    last = last if isinstance(last, torch.nn.Linear) else member.model.fc1
    with torch.no_grad():
        outputs = last(torch.from_numpy(features)).numpy()
    scale = 1 / 9 if model == "fast" else 1
    assert np.allclose(outputs * scale, member.logits(images), atol=1e-4)


def test_features_are_computed_once(member):
    first = opened(member)
    assert len(cached()) == 1
    again = open_neighbours(member)
    assert again.complete and np.array_equal(first.features, again.features)
    path = cached()[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    third = open_neighbours(member)
    assert third.known == 0
    third.go_on()
    assert np.array_equal(first.features, third.features)
    assert np.array_equal(first.features, open_neighbours(member).features)


def test_features_are_computed_in_steps_that_go_on_where_the_last_one_ended(member, monkeypatch):
    whole = opened(member).features
    cached()[0].unlink()
    monkeypatch.setattr(neighbours, "BATCH_SIZE", 40)
    found, steps = open_neighbours(member), 0
    while found.known < 1000:
        before = found.known
        found.go_on(seconds=0)
        steps += 1
        assert before < found.known <= before + 64
    with pytest.raises(ValueError, match="of 4000 images"):
        found.nearest(found.data.train.images[:1])
    assert steps >= 15 and 500 < open_neighbours(member).known < 1000  # each tenth is written down by itself
    found.keep()
    other = open_neighbours(member)
    assert other.known == found.known and not other.complete
    computed = []
    monkeypatch.setattr(
        neighbours,
        "features_of",
        lambda member, images: computed.append(len(images)) or features_of(member, images),
    )
    other.go_on()
    assert sum(computed) == 4000 - found.known
    assert np.allclose(other.features.astype(float), whole.astype(float), atol=2e-3)


def test_old_features_make_room_for_new_ones(member, monkeypatch):
    monkeypatch.setattr(neighbours, "FILES_KEPT", 1)
    opened(member)
    opened(dataclasses.replace(member, sha256="0"))
    assert len(cached()) == 1


def test_folder_that_cannot_be_written_to_costs_time_alone(member, monkeypatch):
    (data_dir()).mkdir(parents=True, exist_ok=True)
    (data_dir() / ".cache").write_text("no folder")
    found = opened(member)
    assert found.complete and len(found.features) == 4000


@pytest.mark.parametrize(("name", "value", "images"), [("MOST_IMAGES", 100, 100), ("MOST_BYTES", 3600, 50)])
def test_so_many_images_are_compared_at_most_evenly_chosen(member, monkeypatch, name, value, images):
    monkeypatch.setattr(neighbours, name, value)
    found = open_neighbours(member)
    assert len(found.rows) == images
    labels = found.data.train.labels[found.rows]
    assert len(np.unique(labels)) == 10


def test_images_that_are_not_here_are_said_to_be_missing(member, tiny_recipe):
    with pytest.raises(UserError, match="not on this machine"):
        open_neighbours(open_card("fast").members[0])
    with pytest.raises(UserError, match="folder of mine"):
        gone = dataclasses.replace(member.recipe, dataset="folder:/nowhere/folder of mine")
        open_neighbours(dataclasses.replace(member, recipe=gone, data_fingerprint="1"))
    content = to_bytes(MODELS["baseline"].build(tiny_recipe, 10).state_dict())
    mine = open_weights(content, "x.pt", tiny_recipe, list("abcdefghij"), [0, 0, 0], [1, 1, 1])
    with pytest.raises(UserError, match="Nobody knows"):
        open_neighbours(mine.members[0])


def test_copy_of_the_data_set_serves_and_is_called_a_copy(member):
    found = open_neighbours(dataclasses.replace(member, data_fingerprint="another copy"))
    assert not found.exact and "copy" in found.note and len(found.rows) == 5000
