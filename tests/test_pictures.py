import numpy as np
import pytest
from PIL import Image

from core import figures, pictures
from core.datasets import ImageData, Split, channel_statistics, normalisation

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 3, 4, 4), dtype=np.uint8)


def as_data(images: np.ndarray) -> ImageData:
    split = Split(images, np.zeros(len(images), dtype=np.int64))
    return ImageData(("a", "b"), split, split, "")


def test_enlarged_pixels_are_squares_of_one_colour():
    picture = np.asarray(pictures.enlarged(IMAGES[0], 40))
    assert picture.shape == (40, 40, 3)
    assert np.array_equal(picture[::10, ::10], IMAGES[0].transpose(1, 2, 0))
    assert np.array_equal(picture[9::10, 9::10], IMAGES[0].transpose(1, 2, 0))


def test_mosaic_places_images_row_by_row():
    whole = np.asarray(pictures.mosaic(IMAGES, columns=3, side_px=4, gap_px=1))
    assert whole.shape == (3 * 5 - 1, 3 * 5 - 1, 4)
    assert np.array_equal(whole[5:9, 10:14, :3], IMAGES[5].transpose(1, 2, 0))
    assert whole[12, 12, 3] == 0  # no eighth image


def test_normalised_set_has_mean_0_and_deviation_1():
    values = pictures.normalised(IMAGES, *channel_statistics(IMAGES))
    assert values.mean((0, 2, 3)) == pytest.approx(np.zeros(3), abs=1e-12)
    assert values.std((0, 2, 3)) == pytest.approx(np.ones(3))


def test_channel_statistics_agree_with_numpy():
    mean, std = channel_statistics(IMAGES)
    assert mean == pytest.approx((IMAGES / 255).mean((0, 2, 3)))
    assert std == pytest.approx((IMAGES / 255).std((0, 2, 3)))


def test_normalisation_choices_are_what_they_say():
    data = as_data(IMAGES)
    assert [list(part) for part in normalisation("half", data)] == [[0.5] * 3, [0.5] * 3]
    assert [list(part) for part in normalisation("none", data)] == [[0] * 3, [1] * 3]
    constant = np.full((2, 3, 4, 4), 9, dtype=np.uint8)
    assert np.isfinite(pictures.normalised(constant, *normalisation("dataset", as_data(constant)))).all()


def test_displayed_zero_is_grey_and_the_ends_are_cut():
    assert list(pictures.displayable(np.array([-9.0, -2.5, 0.0, 2.5, 9.0]))) == [0, 0, 128, 255, 255]


def test_class_name_cannot_become_markup_in_a_chart():
    spec = figures.class_histogram(["<b>cat</b>", "a&b"], {"images": np.array([1, 2])})
    assert spec["data"][0]["x"] == ["&lt;b&gt;cat&lt;/b&gt;", "a&amp;b"]


@pytest.mark.parametrize("quantity", ["accuracy", "loss"])
def test_validation_is_solid_and_training_dashed(quantity):
    points = (np.array([1.0]), np.array([0.5]))
    traces = figures.curve(quantity, points, points, points, 4)["data"]
    lines = {trace["name"]: trace["line"] for trace in traces}
    assert lines["training"]["dash"] == "dash" and "dash" not in lines["validation"]
    assert lines["training"]["color"] == lines["validation"]["color"]


def test_overview_shows_the_shapes_as_they_are():
    """`docs/shapes.png`; made by `python -m tests.make_shapes_picture`."""
    from tests.make_shapes_picture import PATH, picture

    with Image.open(PATH) as saved:
        assert np.array_equal(np.asarray(saved), np.asarray(picture()))
