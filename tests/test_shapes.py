"""The drawn data set: the same everywhere, balanced, quick, and told apart by outline alone."""

import time

import numpy as np
import pytest

from core.datasets import DATASETS, ImageData, source
from core.datasets.fingerprint import content_fingerprint
from core.datasets.shapes import FINGERPRINT, KINDS, draw
from core.errors import UserError


@pytest.fixture(scope="module")
def shapes() -> ImageData:
    return source("shapes").load()


def test_images_have_the_pinned_fingerprint_on_this_machine(shapes):
    assert shapes.fingerprint == FINGERPRINT
    assert shapes.fingerprint == content_fingerprint(shapes.classes, shapes.train, shapes.test)


def test_fingerprint_is_known_before_anything_is_drawn():
    assert source("shapes").ready_fingerprint() == FINGERPRINT


def test_images_are_ready_in_under_three_seconds():
    start = time.perf_counter()
    chosen = source("shapes")
    chosen.prepare(lambda what, done, total: None)
    chosen.load()
    assert time.perf_counter() - start < 3


def test_each_class_has_500_training_and_100_test_images(shapes):
    assert len(shapes.classes) == len(set(shapes.classes)) == 10
    assert np.bincount(shapes.train.labels).tolist() == [500] * 10
    assert np.bincount(shapes.test.labels).tolist() == [100] * 10


@pytest.mark.parametrize("name", ["train", "test"])
def test_splits_are_read_only_arrays_in_mixed_order(shapes, name):
    split = getattr(shapes, name)
    assert split.images.shape == (len(split), 3, 32, 32)
    assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int64)
    assert not split.images.flags.writeable
    assert not split.labels.flags.writeable
    assert np.count_nonzero(np.diff(split.labels) == 0) < 0.15 * len(split)  # sorted: nearly all


def test_no_two_images_are_equal(shapes):
    every = [image.tobytes() for split in (shapes.train, shapes.test) for image in split.images]
    assert len(set(every)) == 6000


def test_drawing_again_from_the_same_state_gives_the_same_images():
    first, second = (draw("star", 3, np.random.RandomState(5)) for _ in range(2))
    assert np.array_equal(first, second)


def test_mean_colour_does_not_tell_the_class(shapes):
    """Nearest mean colour of a class; above one in ten because large shapes leave less of the dark ground."""
    colours, others = shapes.train.images.mean(axis=(2, 3)), shapes.test.images.mean(axis=(2, 3))
    centres = np.stack([colours[shapes.train.labels == label].mean(axis=0) for label in range(10)])
    distances = ((others[:, None] - centres) ** 2).sum(axis=-1)  # (1000, 10)
    assert np.mean(distances.argmin(axis=1) == shapes.test.labels) < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_outline_covers_a_fair_part_of_its_circle_and_stays_near_it(kind):
    side = np.linspace(-2, 2, 101, dtype=np.float32)
    u, v = side[None, None, None, :], side[None, None, ::-1, None]
    for bend in (0.0, 0.5, 1.0):
        inside = KINDS[kind](u, v, np.full((1, 1, 1, 1), bend, np.float32)) < 0
        assert 0.2 * np.pi < inside.sum() * 0.04**2 < np.pi
        assert not inside[np.broadcast_to(u * u + v * v > 1.3**2, inside.shape)].any()


def test_another_image_size_is_refused_with_a_remedy():
    with pytest.raises(UserError, match=r"drawn at 32 × 32 px, not at 48 × 48: set the image size to 32"):
        source("shapes", image_size=48)


def test_ten_classes_are_promised_where_data_sets_are_listed():
    assert "Ten kinds" in DATASETS["shapes"].summary


def test_fingerprint_changes_with_names_labels_and_pixels(shapes):
    other = shapes.classes[1:] + shapes.classes[:1]
    assert content_fingerprint(other, shapes.train, shapes.test) != FINGERPRINT
    assert content_fingerprint(shapes.classes, shapes.test, shapes.train) != FINGERPRINT
