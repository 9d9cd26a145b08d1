import numpy as np
import pytest

from core.play import GREY, SLIDERS, Along, Play, apply, weak_spot

IMAGE = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)


def test_nothing_played_leaves_every_bit():
    found = apply(Play(), IMAGE)
    assert np.array_equal(found, IMAGE) and found.dtype == np.uint8 and not Play().changed
    assert not Play(seed=3, border="grey").changed and Play(noise=0.01).changed
    found[:] = 0
    assert IMAGE.any()  # it was a copy


@pytest.mark.parametrize("border", ["reflect", "grey"])
def test_quarter_turns_and_flips_move_pixels_only(border):
    for degrees, quarters in ((90, 1), (180, 2), (-180, 2), (-90, -1)):
        wanted = np.rot90(IMAGE, quarters, axes=(1, 2))  # anticlockwise, too
        assert np.array_equal(apply(Play(rotation=degrees, border=border), IMAGE), wanted)
    assert np.array_equal(apply(Play(flip=True), IMAGE), IMAGE[:, :, ::-1])
    both = apply(Play(flip=True, rotation=90), IMAGE)
    assert np.array_equal(both, np.rot90(IMAGE[:, :, ::-1], axes=(1, 2)))


def test_small_turn_goes_anticlockwise_around_the_middle():
    image = np.zeros((3, 33, 33), dtype=np.uint8)
    image[:, 15:18, 26:29] = 255  # at three o'clock, 11 pixels from the middle
    found = apply(Play(rotation=30), image)[0].astype(float)
    rows, columns = np.indices(found.shape)
    row, column = (rows * found).sum() / found.sum(), (columns * found).sum() / found.sum()
    assert row == pytest.approx(16 - 11 * np.sin(np.pi / 6), abs=0.3)
    assert column == pytest.approx(16 + 11 * np.cos(np.pi / 6), abs=0.3)


def test_border_is_what_was_chosen():
    white = np.full((3, 20, 30), 255, dtype=np.uint8)
    assert (apply(Play(rotation=40), white) == 255).all()
    grey = apply(Play(rotation=40, border="grey"), white)
    assert (grey[:, 0, 0] == GREY).all() and (grey[:, 10, 15] == 255).all() and grey.shape == white.shape


def test_brightness_multiplies_and_stops_at_white():
    image = np.array([0, 50, 100, 200], dtype=np.uint8)[None, None].repeat(3, 0)
    assert apply(Play(brightness=2), image)[0, 0].tolist() == [0, 100, 200, 255]
    assert apply(Play(brightness=0.5), image)[0, 0].tolist() == [0, 25, 50, 100]
    assert not apply(Play(brightness=0), image).any()


def test_noise_has_its_deviation_and_its_seed():
    grey = np.full((3, 64, 64), 128, dtype=np.uint8)
    found = apply(Play(noise=0.1), grey).astype(float) - 128
    assert found.std() == pytest.approx(25.5, rel=0.03) and abs(found.mean()) < 1
    assert np.array_equal(apply(Play(noise=0.1), grey), apply(Play(noise=0.1), grey))
    assert not np.array_equal(apply(Play(noise=0.1, seed=1), grey), apply(Play(noise=0.1), grey))
    half = apply(Play(noise=0.05), grey).astype(float) - 128
    assert np.abs(half * 2 - found).max() <= 1.5  # the same pattern, weaker


def test_blur_is_a_gaussian():
    image = np.zeros((3, 41, 41), dtype=np.uint8)
    image[:, 18:23, 18:23] = 255
    found = apply(Play(blur=2), image)[1].astype(float)
    assert found.sum() == pytest.approx(25 * 255, rel=0.01)
    rows = np.indices(found.shape)[0]
    variance = (found * (rows - 20) ** 2).sum() / found.sum()
    assert variance == pytest.approx(2 + 4, rel=0.05)  # of the square and of the bell
    for shade in (0, 77, 255):
        flat = np.full((3, 5, 5), shade, dtype=np.uint8)
        assert (apply(Play(blur=6), flat) == shade).all()  # wider than the image


def test_noise_is_neither_blurred_nor_turned():
    grey = np.full((3, 32, 32), 128, dtype=np.uint8)
    alone = apply(Play(noise=0.2), grey)
    assert np.array_equal(apply(Play(noise=0.2, blur=3, rotation=30, flip=True), grey), alone)


@pytest.mark.parametrize(
    "wrong",
    [{"rotation": 181}, {"brightness": -0.1}, {"noise": 1.1}, {"blur": float("nan")}, {"border": "?"}],
)
def test_slider_outside_its_bounds_is_refused(wrong):
    with pytest.raises(ValueError, match="is"):
        Play(**wrong)


def test_every_slider_has_its_neutral_place_on_its_grid():
    for name, slider in SLIDERS.items():
        assert getattr(Play(), name) in slider.grid and len(slider.grid) == 15
        assert list(slider.grid) == sorted(set(slider.grid))
        assert slider.lowest <= slider.grid[0] and slider.grid[-1] <= slider.highest


def test_weak_spot_is_where_the_answer_changes():
    """A classifier that knows nothing but how bright an image is."""
    image, calls = np.full((3, 8, 8), 100, dtype=np.uint8), []

    def classify(images: np.ndarray) -> np.ndarray:
        calls.append(len(images))
        bright = images.mean((1, 2, 3)) / 255
        return np.stack((bright, 1 - bright), axis=1)

    found = weak_spot(classify, image)
    assert len(calls) == 1 and set(found) == {*SLIDERS, "flip"}
    brightness = found["brightness"]
    assert brightness.above == 1.5 and brightness.below is None  # 100 × 1.5 is over 127.5
    at = brightness.values.tolist().index(0.5)
    assert brightness.probability[at] == pytest.approx(1 - 50 / 255)
    for name in ("rotation", "flip", "blur"):
        assert found[name].above is None and found[name].below is None
        assert found[name].probability == pytest.approx(1 - 100 / 255)


def test_weak_spot_starts_where_the_sliders_are():
    image = np.full((3, 8, 8), 100, dtype=np.uint8)

    def classify(images: np.ndarray) -> np.ndarray:
        bright = images.mean((1, 2, 3)) / 255
        return np.stack((bright, 1 - bright), axis=1)

    found = weak_spot(classify, image, Play(brightness=1.9, flip=True))
    brightness = found["brightness"]
    assert brightness.start == 1.9 and 1.9 in brightness.values
    assert (brightness.below, brightness.above) == (1.25, None)
    assert found["flip"].values.tolist() == [0, 1] and found["flip"].start == 1
    assert found["rotation"].probability == pytest.approx(190 / 255)  # still as bright


def test_nearest_change_counts_on_both_sides():
    along = Along(0, np.arange(-3.0, 4), np.zeros(7), np.array([0, 2, 1, 1, 1, 3, 1]))
    assert (along.below, along.above) == (-2, 2)
