"""Ten kinds of coloured shapes, drawn here: the data set that needs no download.

Every image is one shape at a random place, size and rotation, in random colours, on a graded and
textured ground, among small clutter, under noise. Only the outline tells the class: the rest is
drawn without knowing it. Most images are easy and a few are hard (faint, small, noisy, dark on
light), so that a narrow network learns within seconds and a good one still has something to gain.
The report's baseline at width 0.125, batches of 32, a fifth of the training images for validation;
validation accuracy in per cent (bf16) after epoch 1 and at the end, lowest to highest of the seeds:

    SGD 0.003, 4 epochs (as in the report), 5 seeds     22 to 36     77 to 83
    SGD 0.01, 4 epochs, 10 seeds                        47 to 59     86 to 92
    Adam 0.001, 20 epochs, 1 seed                       71           92, at best 95

The images are the same bit for bit on every machine. Random numbers come from numpy's frozen
legacy stream (`random_sample` and `bytes` only), pixels from float32 operations that IEEE 754
rounds in one way, element by element: + - * / sqrt and comparisons. No sine, no power, no matrix
product and no sum of floats, whose last bit depends on the library and the processor. So the
fingerprint is a constant.
"""

from collections.abc import Callable

import numpy as np

from core.datasets import ImageData, Split
from core.datasets.fingerprint import content_fingerprint
from core.errors import UserError
from core.specs import Progress

IMAGE_SIZE = 32
TRAIN_PER_CLASS = 500
TEST_PER_CLASS = 100
FINGERPRINT = "22ccab3bd8045e13985661d4c4fc3ce85ade8d91eb1546a3109563228d308cf6"
"""Of what `load` returns; a test draws the images and compares."""

_SEED = 2024
_BATCH = 100  # images drawn at a time: few enough to stay in the processor's cache

# How hard it is. Pairs of `_mostly`: the common value first, the rare one last.
_RADIUS_PX = (11.5, 8.0)
_OFF_CENTRE = (0.1, 0.7)  # share of the room that the shape leaves in the image
_OPACITY = (1.0, 0.5)
_NOISE = (3.0, 18.0)  # standard deviation, in 1/255
_DARK_ON_LIGHT = 0.04  # share of the images; the others are light on dark
_CLUTTER = (3, 1)  # pieces below the shape, and on top of it

# Tints: from -1, black, over 0, the colour of the palette, to 1, white.
_GROUND_TINT = (-0.8, -0.4)
_CLUTTER_TINT = (-0.6, -0.3)
_SHAPE_TINT = (0.0, 0.5)

_PALETTE = np.frombuffer(  # a colour circle in twelve steps; three or more apart differ clearly
    bytes.fromhex("e53935 f57c00 ffc107 c0ca33 43a047 009688 00acc1 1e88e5 3f51b5 7e57c2 ab47bc ec407a"),
    dtype=np.uint8,
).reshape(12, 3)

Distance = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(u, v, w) to the signed distance from an outline of about radius 1 around 0, negative inside.

u points right and v up, (n, 1, 32, 32); w, (n, 1, 1, 1) between 0 and 1, bends the proportions:
thin or thick ring, slim or fat cross. "Distance" is meant near the outline, where it makes a
smooth edge; elsewhere only its sign counts.
"""


class Shapes:
    """The source "shapes"; see `core.datasets.Source`.

    Raises:
        UserError: an image size other than 32.
    """

    def __init__(self, place: str, image_size: int) -> None:
        if image_size != IMAGE_SIZE:
            raise UserError(
                f"shapes is drawn at 32 × 32 px, not at {image_size} × {image_size}: "
                "set the image size to 32, or take a folder of images."
            )

    def ready_fingerprint(self) -> str:
        return FINGERPRINT

    def prepare(self, progress: Progress) -> None:
        """Nothing: drawing all images takes less than a second."""

    def load(self) -> ImageData:
        random = np.random.RandomState(_SEED)
        drawn = [draw(kind, TRAIN_PER_CLASS + TEST_PER_CLASS, random) for kind in KINDS]
        train = _shuffled([images[:TRAIN_PER_CLASS] for images in drawn], random)
        test = _shuffled([images[TRAIN_PER_CLASS:] for images in drawn], random)
        classes = tuple(KINDS)
        return ImageData(classes, train, test, content_fingerprint(classes, train, test))


def _shuffled(by_class: list[np.ndarray], random: np.random.RandomState) -> Split:
    labels = np.repeat(np.arange(len(by_class), dtype=np.int64), len(by_class[0]))
    order = np.argsort(random.random_sample(len(labels)), kind="stable")
    return Split(np.concatenate(by_class)[order], labels[order])


def draw(kind: str, n: int, random: np.random.RandomState) -> np.ndarray:
    """n images of one class, a key of `KINDS`: (n, 3, 32, 32) uint8."""
    sizes = [min(_BATCH, n - start) for start in range(0, n, _BATCH)]
    return np.concatenate([_draw_batch(KINDS[kind], size, random) for size in sizes])


def _draw_batch(outline: Distance, n: int, random: np.random.RandomState) -> np.ndarray:
    below, above = _CLUTTER
    sign = np.where(_uniform(n, random) < _DARK_ON_LIGHT, np.float32(-1), np.float32(1))
    hue = _one_of(12, n, random)
    images = _ground(_colours(hue, sign * _uniform(n, random, *_GROUND_TINT)), random)
    for _ in range(below):
        _add_clutter(images, sign, random)
    colours = _colours(hue + 3 + _one_of(7, n, random), sign * _uniform(n, random, *_SHAPE_TINT))
    _paint(images, _shape(outline, n, random), colours, _mostly(n, random, *_OPACITY))
    for _ in range(above):
        _add_clutter(images, sign, random)
    images += _light(n, random)
    images += _noise(n, random) * _mostly(n, random, *_NOISE)
    return np.clip(images, 0, 255).astype(np.uint8)


# ---- random numbers


def _uniform(n: int, random: np.random.RandomState, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """One number for each image, (n, 1, 1, 1) float32."""
    return (low + (high - low) * random.random_sample((n, 1, 1, 1))).astype(np.float32)


def _mostly(n: int, random: np.random.RandomState, common: float, rare: float) -> np.ndarray:
    """Like `_uniform`, but one image in eight only lies in the half towards the rare end..."""
    share = random.random_sample((n, 1, 1, 1))
    return (common + (rare - common) * (share * share * share)).astype(np.float32)


def _one_of(choices: int, n: int, random: np.random.RandomState) -> np.ndarray:
    """(n,) whole numbers from 0 to choices - 1."""
    return (random.random_sample(n) * choices).astype(np.int64)


def _noise(n: int, random: np.random.RandomState) -> np.ndarray:
    """Nearly normal with deviation 1, (n, 3, 32, 32): sums of four random bytes, whose deviation is 147.8."""
    size = n * 3 * IMAGE_SIZE * IMAGE_SIZE
    draws = np.frombuffer(random.bytes(4 * size), dtype=np.uint8).reshape(4, n, 3, IMAGE_SIZE, IMAGE_SIZE)
    total = draws[0].astype(np.int16) + draws[1] + draws[2] + draws[3]
    return (total - 510).astype(np.float32) / np.float32(147.8)


# ---- colours: (n, 3, 1, 1) or (n, 3, 32, 32) float32, on the scale 0 to 255


def _colours(hue: np.ndarray, tint: np.ndarray) -> np.ndarray:
    """Steps (n,) on the palette, and how much lighter or darker (n, 1, 1, 1), to colours."""
    colours = _PALETTE[hue % len(_PALETTE)][:, :, None, None]
    goal = np.where(tint > 0, np.float32(255), np.float32(0))
    return colours + (goal - colours) * np.abs(tint)


def _ground(colours: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """A colour for each image that runs gently into another one, in any direction."""
    n = len(colours)
    change = np.concatenate([_uniform(n, random, -30, 30) for _ in "rgb"], axis=1)
    middle = np.zeros((n, 1, 1, 1), dtype=np.float32)
    across, _ = _turned(middle, middle, random)
    return colours + change * (across / 16)


def _light(n: int, random: np.random.RandomState) -> np.ndarray:
    """Soft lighter and darker patches: 5 × 5 random values for each image, interpolated to its pixels."""
    values = (random.random_sample((n, 1, 5, 5)) * 30 - 15).astype(np.float32)
    step = np.arange(8, dtype=np.float32) / 8
    for _ in range(2):  # columns, then rows
        left, right = values[..., :-1, None], values[..., 1:, None]
        values = (left + (right - left) * step).reshape(n, 1, -1, IMAGE_SIZE).swapaxes(2, 3)
    return values


def _paint(images: np.ndarray, distance: np.ndarray, colours: np.ndarray, opacity: np.ndarray) -> None:
    """Blend colours in, in place, where the distance (in pixels) is negative; the edge is one pixel wide."""
    images += (colours - images) * (np.clip(0.5 - distance, 0, 1) * opacity)


def _add_clutter(images: np.ndarray, sign: np.ndarray, random: np.random.RandomState) -> None:
    """One piece for each image, from a dot to a bar of 7 px, the same for all classes."""
    n = len(images)
    u, v = _turned(_uniform(n, random, -16, 16), _uniform(n, random, -16, 16), random)
    distance = _box(u, v, _uniform(n, random, 0.6, 3.5), _uniform(n, random, 0.5, 1.2))
    colours = _colours(_one_of(12, n, random), sign * _uniform(n, random, *_CLUTTER_TINT))
    _paint(images, distance, colours, np.ones_like(sign))


# ---- places: coordinates and distances, (n, 1, 32, 32) float32


def _shape(outline: Distance, n: int, random: np.random.RandomState) -> np.ndarray:
    """Distances in pixels from an outline that is placed, turned, sized and slightly stretched."""
    radius = _mostly(n, random, *_RADIUS_PX)
    room = (IMAGE_SIZE / 2 - radius * 0.9) * _mostly(n, random, *_OFF_CENTRE)
    u, v = _turned(room * _uniform(n, random, -1, 1), room * _uniform(n, random, -1, 1), random)
    stretch = _uniform(n, random, 0.93, 1.07)
    return outline(u / radius * stretch, v / radius / stretch, _uniform(n, random)) * radius


def _turned(x: np.ndarray, y: np.ndarray, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Every pixel as seen from (x, y), in pixels from the middle, turned by any angle.

    Cosine and sine are (1 - t²) / (1 + t²) and 2t / (1 + t²) with t up to the tangent of 22.5°;
    half of them are mirrored at the diagonal and half at the centre. That is nearly uniform over
    the circle, and arithmetic only.
    """
    n = len(x)
    t = _uniform(n, random, -0.41421356, 0.41421356)
    cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    mirrored, opposite = _uniform(n, random) < 0.5, _uniform(n, random) < 0.5
    cos, sin = np.where(mirrored, sin, cos), np.where(mirrored, cos, sin)
    cos, sin = np.where(opposite, -cos, cos), np.where(opposite, -sin, sin)
    pixels = np.arange(IMAGE_SIZE, dtype=np.float32) - (IMAGE_SIZE - 1) / 2
    right, up = pixels[None, :] - x, -pixels[:, None] - y  # (n, 1, 1, 32), (n, 1, 32, 1)
    return cos * right + sin * up, cos * up - sin * right


def _length(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.sqrt(u * u + v * v)


def _box(u: np.ndarray, v: np.ndarray, half_u: float | np.ndarray, half_v: float | np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u) - half_u, np.abs(v) - half_v)


# ---- the ten outlines, each a `Distance`


def circle(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    return _length(u, v) - 0.85


def ring(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    half = 0.14 + 0.1 * w
    return np.abs(_length(u, v) - (0.95 - half)) - half


def crescent(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    bite = _length(u - (0.4 + 0.2 * w), v) - 0.8
    return np.maximum(_length(u, v) - 1, -bite)


def triangle(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u) * 0.8660254 + v * 0.5, -v) - 0.5


def square(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    return _box(u, v, 0.75, 0.75)


def hourglass(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    waist = (np.abs(u) - np.abs(v) * (0.6 + 0.25 * w)) * 0.8 - 0.08
    return np.maximum(np.abs(v) - 0.9, waist)


def star(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Five lines make a pentagram; a point belongs to it if it is beyond one of them at most."""
    out, up, side, down = u * 0.95105652, v * 0.30901699, u * 0.58778525, v * -0.80901699
    farthest, second = np.maximum(v, up + out), np.minimum(v, up + out)
    for line in (up - out, down + side, down - side):
        second = np.maximum(second, np.minimum(farthest, line))
        farthest = np.maximum(farthest, line)
    return second - 0.35


def cross(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    arm = 0.2 + 0.12 * w
    return np.minimum(_box(u, v, 0.95, arm), _box(u, v, arm, 0.95))


def heart(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    """A square on its corner, with a disc on each of its two upper sides."""
    a, b = (v + u * 1.1) * 0.70710678 + 0.25, (v - u * 1.1) * 0.70710678 + 0.25
    lobes = np.minimum(_length(a - 0.62, b), _length(a, b - 0.62))
    return np.minimum(_box(a, b, 0.54, 0.54), lobes - 0.52)


def arrow(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    head = np.maximum((np.abs(u) + v) * 0.70710678 - 0.7, 0.1 - v)
    shaft = _box(u, v + 0.45, 0.14 + 0.08 * w, 0.6)
    return np.minimum(head, shaft)


KINDS: dict[str, Distance] = {
    outline.__name__: outline
    for outline in (circle, ring, crescent, triangle, square, hourglass, star, cross, heart, arrow)
}
