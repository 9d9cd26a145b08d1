"""What the sliders do to an image, and along which of them a network changes its mind first.

Needs no torch: a page applies it, and whoever holds the network classifies what comes out.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from PIL import Image

GREY = 128


@dataclass(frozen=True)
class Slider:
    """One of the sliders; `grid` are the values that `weak_spot` tries, within `lowest` and `highest`."""

    title: str
    lowest: float
    highest: float
    step: float
    unit: str
    help: str
    grid: tuple[float, ...]


_TURNS = (15.0, 30.0, 45.0, 60.0, 90.0, 135.0, 180.0)

SLIDERS = {
    "rotation": Slider(
        "Rotation", -180, 180, 1, "°", "Anticlockwise.", (*(-turn for turn in _TURNS[::-1]), 0.0, *_TURNS)
    ),
    "brightness": Slider(
        "Brightness",
        0,
        4,
        0.05,
        "×",
        "Every value times this; what gets brighter than white is white.",
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0),
    ),
    "noise": Slider(
        "Noise",
        0,
        1,
        0.01,
        "",
        "Standard deviation of what is added to every value, on the scale 0 to 1.",
        (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0),
    ),
    "blur": Slider(
        "Blur",
        0,
        6,
        0.1,
        "px",
        "Standard deviation of the bell that every pixel is smeared to.",
        (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0),
    ),
}
"""By the field of `Play` that each sets; `flip` is a switch."""


@dataclass(frozen=True)
class Play:
    """What is done to an image, in this order; as it stands here, nothing.

    First where things lie, then the lens, then the light, then the sensor: noise is neither turned nor
    blurred.

    Raises:
        ValueError: a slider outside its bounds, or another border.
    """

    flip: bool = False
    rotation: float = 0.0  # degrees anticlockwise, around the middle
    blur: float = 0.0  # standard deviation in pixels
    brightness: float = 1.0
    noise: float = 0.0  # standard deviation on the scale 0 to 1
    border: str = "reflect"  # what a rotation brings in from outside, or "grey"
    seed: int = 0  # of the noise, which keeps its pattern as it grows

    def __post_init__(self) -> None:
        for name, slider in SLIDERS.items():
            if not slider.lowest <= getattr(self, name) <= slider.highest:
                raise ValueError(
                    f"{slider.title} is from {slider.lowest} to {slider.highest}, not {getattr(self, name)}."
                )
        if self.border not in ("reflect", "grey"):
            raise ValueError(f"A border is reflect or grey, not {self.border!r}.")

    @property
    def changed(self) -> bool:
        """Whether anything is done to the image."""
        idle = Play(border=self.border, seed=self.seed)
        return any(getattr(self, field.name) != getattr(idle, field.name) for field in fields(self))


def apply(play: Play, image: np.ndarray) -> np.ndarray:
    """A new image (3, h, w) uint8; what is not played with stays equal bit by bit."""
    values = image[:, :, ::-1] if play.flip else image
    if play.rotation % 360:
        values = _rotated(values, play.rotation, play.border)
    if play.blur or play.brightness != 1 or play.noise:
        # Rounded once, at the end.
        values = _blurred(values.astype(np.float64), play.blur) * play.brightness
        if play.noise:
            pattern = np.random.default_rng(play.seed).standard_normal(values.shape)
            values = values.clip(0, 255) + 255 * play.noise * pattern
        values = values.clip(0, 255).round().astype(np.uint8)
    return np.array(values, order="C")


@dataclass(frozen=True)
class Along:
    """What a network says along one slider, the others staying where they are.

    values: (n,) places of the slider, ascending, `start` among them; for the flip 0 and 1.
    probability: (n,) of the class that the network sees at the start.
    answers: (n,) the most probable class.
    """

    start: float
    values: np.ndarray
    probability: np.ndarray
    answers: np.ndarray

    @property
    def below(self) -> float | None:
        """The nearest value below the start with another answer, None where there is none."""
        return next((value for value in self._other()[::-1] if value < self.start), None)

    @property
    def above(self) -> float | None:
        """The nearest value above the start with another answer, None where there is none."""
        return next((value for value in self._other() if value > self.start), None)

    def _other(self) -> list[float]:
        own = self.answers[self.values == self.start][0]
        return self.values[self.answers != own].tolist()


def weak_spot(
    classify: Callable[[np.ndarray], np.ndarray], image: np.ndarray, play: Play | None = None
) -> dict[str, Along]:
    """Along every slider, where the answer changes first.

    Args:
        classify: (n, 3, h, w) uint8 -> (n, classes) probabilities; called once, with about 60 images.
        image: (3, h, w) uint8, not yet played with.
        play: where the sliders are now.

    Returns:
        Field of `Play` ("rotation", "flip") -> what happens along it.
    """
    play = play or Play()
    grids = {name: slider.grid for name, slider in SLIDERS.items()} | {"flip": (0.0, 1.0)}
    places = {name: np.unique([*grid, float(getattr(play, name))]) for name, grid in grids.items()}
    plays = [
        replace(play, **{name: bool(value) if name == "flip" else float(value)})
        for name, values in places.items()
        for value in values
    ]
    scores = np.asarray(classify(np.stack([apply(play, image), *(apply(one, image) for one in plays)])))
    own, scores = int(scores[0].argmax()), scores[1:]
    found, begin = {}, 0
    for name, values in places.items():
        part = scores[begin : begin + len(values)]
        found[name] = Along(float(getattr(play, name)), values, part[:, own], part.argmax(1))
        begin += len(values)
    return found


def _rotated(image: np.ndarray, degrees: float, border: str) -> np.ndarray:
    """Bilinear, same size; quarter turns of a square only move its pixels."""
    height, width = image.shape[1:]
    beyond = math.ceil((math.hypot(height, width) - min(height, width)) / 2) + 1
    sides = ((0, 0), (beyond, beyond), (beyond, beyond))
    if border == "reflect":
        wide = np.pad(image, sides, mode="reflect")
    else:
        wide = np.pad(image, sides, constant_values=GREY)
    picture = Image.fromarray(np.ascontiguousarray(wide.transpose(1, 2, 0)))
    turned = np.asarray(picture.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=(GREY,) * 3))
    return turned[beyond : beyond + height, beyond : beyond + width].transpose(2, 0, 1)


def _blurred(values: np.ndarray, deviation: float) -> np.ndarray:
    """A true Gaussian, cut off at four deviations, mirrored at the border; PIL's is made of boxes."""
    if not deviation:
        return values
    reach = math.ceil(4 * deviation)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    weights /= weights.sum()
    for axis in (1, 2):
        sides = [(reach, reach) if side == axis else (0, 0) for side in range(3)]
        wide, count = np.pad(values, sides, mode="symmetric"), values.shape[axis]
        values = sum(
            weight * wide.take(range(place, place + count), axis) for place, weight in enumerate(weights)
        )
    return values
