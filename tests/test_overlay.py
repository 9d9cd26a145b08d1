import numpy as np
import pytest

from core.overlay import COVER, legend, overlay

PICTURE = np.random.default_rng(0).integers(0, 256, (3, 4, 6), dtype=np.uint8)


def pixels(heat: np.ndarray, picture: np.ndarray = PICTURE) -> np.ndarray:
    return np.asarray(overlay(picture, heat, 60)).astype(int)


def test_without_heat_it_is_the_picture_in_grey_enlarged():
    found = pixels(np.zeros((4, 6)))
    assert found.shape == (40, 60, 3)
    grey = np.round([0.299, 0.587, 0.114] @ PICTURE.reshape(3, -1)).reshape(4, 6)
    for channel in range(3):
        assert np.array_equal(found[::10, ::10, channel], grey)
        assert np.array_equal(found[9::10, 9::10, channel], grey)


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_for_is_orange_and_against_is_blue_on_any_picture(shade):
    heat = np.zeros((4, 6))
    heat[0, 0], heat[3, 5] = 1, -1
    found = pixels(heat, np.full((3, 4, 6), shade, dtype=np.uint8))
    (red, _, blue), (cold_red, _, cold_blue) = found[0, 0], found[-1, -1]
    assert red - blue > 120 and cold_blue - cold_red > 100
    assert (found[15, 25] == shade).all()


def test_stronger_is_more_opaque():
    heat = np.tile(np.linspace(0, 1, 6), (4, 1))
    blue = pixels(heat, np.full((3, 4, 6), 255, dtype=np.uint8))[0, ::10, 2]
    assert (np.diff(blue) < 0).all() and blue[0] == 255
    assert blue[-1] == pytest.approx(255 * (1 - COVER) + 0x1D * COVER, abs=1)


def test_what_is_no_number_leaves_the_picture():
    heat = np.full((4, 6), np.nan)
    heat[0, 0] = 7
    found, wanted = pixels(heat), pixels(np.zeros((4, 6)))
    assert np.array_equal(found[10:], wanted[10:])
    assert np.array_equal(found[:10, :10], pixels(np.ones((4, 6)))[:10, :10])


def test_map_of_another_size_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        overlay(PICTURE, np.zeros((6, 4)), 60)


def test_legend_goes_from_against_to_for_and_says_so():
    strip = np.asarray(legend(200, 20)).astype(int)
    assert strip.shape == (20, 200, 3)
    warm = strip[0, :, 0] - strip[0, :, 2]
    assert (np.diff(warm) >= 0).all() and warm[0] < -80 and warm[-1] > 120
    assert not np.array_equal(strip, np.asarray(legend(200, 20, "", "")))
