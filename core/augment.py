"""Augmentation on whole batches, on the device that trains; each image gets its own draw.

`draw` decides what happens to each image, with numpy on the CPU, so that the decisions depend on
neither the device nor the size of the chunks they are applied in. `apply` carries them out with
tensor operations that never wait for the device. Ranges and results are those of torchvision's
transforms of one float image at a time; on a batch those give all its images the same draw.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)  # the numbers in `Draws.order`, as in torchvision
CUTOUT_GREY = 0.5

# Images of 32 × 32 pixels that a CPU works on at once: their planes stay in the second-level cache,
# measured 1.2 times faster than 1,024 with one thread and twice with two. 32 cost more in calls.
CPU_BLOCK = 128


@dataclass(frozen=True)
class Strengths:
    """How far each operation may go; False or 0 switches it off.

    Args:
        flip: mirror left to right with probability 0.5.
        rotation_degrees: turn by up to this angle either way; what comes from outside is black.
        shift_px: move by up to this many pixels either way along each axis; the border is reflected.
        brightness, contrast, saturation: the factor lies between 1 − this (at least 0) and 1 + this.
        hue: part of the colour circle, at most 0.5, by which colours turn either way.
        cutout_px: side of a grey square at a random place.

    Raises:
        ValueError: a strength is negative, or hue above 0.5.
    """

    flip: bool = False
    rotation_degrees: float = 0.0
    shift_px: int = 0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    cutout_px: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) >= 0:
                raise ValueError(f"{field.name} must not be negative, but is {getattr(self, field.name)}")
        if self.hue > 0.5:
            raise ValueError(f"hue must be at most 0.5, half the colour circle, but is {self.hue}")

    @property
    def none(self) -> bool:
        """Nothing is on: `apply` gives back what it was given."""
        return not any(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, eq=False)
class Draws:
    """What happens to each of n images.

    Args:
        flip: (n,) bool, mirrored or not.
        angle: (n,) float32, degrees counter-clockwise.
        shift: (n, 2) int64, pixels down and to the right.
        brightness, contrast, saturation: (n,) float32 factors, 1 changes nothing.
        hue: (n,) float32, turns of the colour circle, 0 changes nothing.
        order: (n, 4) int64, the order of the four jitters; BRIGHTNESS, CONTRAST, SATURATION, HUE.
        cutout: (n, 2) int64, row and column of the square's centre.
    """

    flip: Tensor
    angle: Tensor
    shift: Tensor
    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    order: Tensor
    cutout: Tensor

    def __len__(self) -> int:
        return len(self.flip)

    def __getitem__(self, index: slice | np.ndarray | Tensor) -> Self:
        """The draws of some images: a slice, or integer positions (m,)."""
        if not isinstance(index, slice):
            index = torch.as_tensor(index, device=self.flip.device)
        return self._each(lambda values: values[index])

    def to(self, device: torch.device | str) -> Self:
        """The same draws on a device."""
        return self._each(lambda values: values.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(*(change(getattr(self, field.name)) for field in fields(self)))


def draw(strengths: Strengths, n: int, image_size: int, generator: np.random.Generator) -> Draws:
    """Draw for n images, usually a whole epoch's, uniformly within the strengths.

    Every image takes 14 numbers of the generator, whatever is on: recipes with and without a
    jitter flip the same images, and the first m of n draws are those of m images.

    Args:
        image_size: side of the images in pixels.

    Raises:
        ValueError: the shift is as large as the image, which has too few pixels to reflect.
    """
    if strengths.shift_px >= image_size:
        raise ValueError(f"a shift of {strengths.shift_px} px needs images larger than {image_size} px")
    unit = generator.random((n, 14))  # in [0, 1)

    def real(column: int, low: float, high: float) -> Tensor:
        return torch.from_numpy((low + (high - low) * unit[:, column]).astype(np.float32))

    def whole(columns: slice, low: int, count: int) -> Tensor:
        return torch.from_numpy(low + np.floor(count * unit[:, columns]).astype(np.int64))

    return Draws(
        flip=torch.from_numpy((unit[:, 0] < 0.5) & strengths.flip),
        angle=real(1, -strengths.rotation_degrees, strengths.rotation_degrees),
        shift=whole(slice(2, 4), -strengths.shift_px, 2 * strengths.shift_px + 1),
        brightness=real(4, max(0, 1 - strengths.brightness), 1 + strengths.brightness),
        contrast=real(5, max(0, 1 - strengths.contrast), 1 + strengths.contrast),
        saturation=real(6, max(0, 1 - strengths.saturation), 1 + strengths.saturation),
        hue=real(7, -strengths.hue, strengths.hue),
        order=torch.from_numpy(np.argsort(unit[:, 8:12], axis=1)),
        cutout=whole(slice(12, 14), 0, image_size),
    )


@torch.no_grad()
def apply(images: Tensor, draws: Draws, strengths: Strengths) -> Tensor:
    """Flip, rotate, shift, jitter the colours and cut out, as drawn; what is off is skipped.

    Args:
        images: (n, 3, h, w) float32 in [0, 1], not normalised; left as they are.
        draws: those of these n images, on the same device.

    Returns:
        A new tensor of the same shape in [0, 1], or `images` itself if nothing is on. An image's
        result does not depend on the images beside it, to the last bit.

    Raises:
        ValueError: other shapes or types, or draws of another number of images.
    """
    if images.dtype != torch.float32:
        raise ValueError(f"images must be float32 in [0, 1], not {images.dtype}; divide bytes by 255 first")
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images must have the shape (n, 3, h, w), not {tuple(images.shape)}")
    if len(draws) != len(images):
        raise ValueError(f"{len(images)} images need as many draws, not {len(draws)}")
    if strengths.none:
        return images
    if images.device.type != "cpu":
        return _apply(images, draws, strengths)
    result = torch.empty_like(images, memory_format=torch.contiguous_format)
    for start in range(0, len(images), CPU_BLOCK):
        block = slice(start, start + CPU_BLOCK)
        result[block] = _apply(images[block], draws[block], strengths)
    return result


def _apply(images: Tensor, draws: Draws, strengths: Strengths) -> Tensor:
    images = images.contiguous()  # channels first: the jitter works on whole colour planes
    if strengths.flip:
        images = torch.where(draws.flip[:, None, None, None], images.flip(-1), images)
    if strengths.rotation_degrees:
        images = _rotate(images, draws.angle)
    if strengths.shift_px:
        images = _shift(images, draws.shift)
    if strengths.brightness or strengths.contrast or strengths.saturation:
        images = _jitter(images, draws, with_hue=strengths.hue > 0)
    elif strengths.hue:
        images = _turn_hue(images, draws.hue)
    if strengths.cutout_px:
        images = _cut_out(images, draws.cutout, strengths.cutout_px)
    return images


def _rotate(images: Tensor, angle: Tensor) -> Tensor:
    """Turn counter-clockwise by (n,) degrees about the centre: nearest pixel, black outside.

    Term by term as torchvision's `rotate`, so that both choose the same of two almost equally near pixels.
    """
    height, width = images.shape[-2:]
    angle = angle if angle.device.type == "mps" else angle.double()  # as torchvision; mps has no doubles
    cosine, sine = (f(angle.deg2rad()).float()[:, None, None] for f in (torch.cos, torch.sin))
    x = torch.arange(width, device=images.device) - (width - 1) / 2
    y = (torch.arange(height, device=images.device) - (height - 1) / 2)[:, None]
    grid = images.new_empty(len(images), height, width, 2)
    grid[..., 0] = x * (cosine / (0.5 * width)) + y * (-sine / (0.5 * width))
    grid[..., 1] = x * (sine / (0.5 * height)) + y * (cosine / (0.5 * height))
    return F.grid_sample(images, grid, mode="nearest", padding_mode="zeros", align_corners=False)


def _shift(images: Tensor, shift: Tensor) -> Tensor:
    """Move by (n, 2) pixels down and right; the border mirrors without repeating its edge."""
    n, channels, height, width = images.shape

    def reflected(size: int, offset: Tensor) -> Tensor:
        position = (torch.arange(size, device=images.device) - offset[:, None]).abs()
        return size - 1 - (size - 1 - position).abs()  # (n, size)

    rows, columns = reflected(height, shift[:, 0]), reflected(width, shift[:, 1])
    source = (rows[:, :, None] * width + columns[:, None, :]).view(n, 1, -1)  # (n, 1, h * w)
    return images.flatten(2).gather(2, source.expand(n, channels, -1)).view(images.shape)


def _cut_out(images: Tensor, centre: Tensor, side: int) -> Tensor:
    """Grey squares of `side` pixels about (n, 2) centres; what lies beyond the border is not cut.

    Mid-grey: the data set's mean, which the source takes, is not known here.

    Source: DeVries and Taylor, arXiv 1708.04552.
    """

    def covered(size: int, middle: Tensor) -> Tensor:
        offset = torch.arange(size, device=images.device) - (middle[:, None] - side // 2)
        return (offset >= 0) & (offset < side)  # (n, size)

    rows, columns = covered(images.shape[2], centre[:, 0]), covered(images.shape[3], centre[:, 1])
    square = rows[:, :, None] & columns[:, None, :]
    return images.masked_fill(square[:, None], CUTOUT_GREY)


def _jitter(images: Tensor, draws: Draws, with_hue: bool) -> Tensor:
    """Brightness, contrast, saturation and hue in each image's own order.

    The first three are one formula with other numbers, so all images take their first, second
    and third blend together, whichever it is; hue comes before, between or after them.
    """
    places = torch.arange(4, device=images.device)
    hue_place = ((draws.order == HUE) * places).sum(1, keepdim=True)  # (n, 1)
    blends = draws.order.gather(1, places[:3] + (places[:3] >= hue_place))  # (n, 3), the order without hue
    factors = torch.stack((draws.brightness, draws.contrast, draws.saturation), 1).gather(1, blends)
    for place in range(4):
        if with_hue:
            images = _turn_hue_of_some(images, draws.hue, hue_place[:, 0] == place)
        if place < 3:
            images = _blend(images, factors[:, place], blends[:, place])
    return images


def _blend(images: Tensor, factor: Tensor, kind: Tensor) -> Tensor:
    """Mix each image by its (n,) factor with black, its mean grey or its grey version, as (n,) kind says.

    Source: `adjust_brightness`, `adjust_contrast` and `adjust_saturation` of torchvision.
    """
    factor, kind = factor[:, None, None], kind[:, None, None]
    red, green, blue = images.unbind(1)
    grey = (0.2989 * red).add_(green, alpha=0.587).add_(blue, alpha=0.114)  # (n, h, w)
    # Row by row: the sum over one large image would be split among threads and rounded otherwise.
    mean = grey.mean(2, keepdim=True).mean(1, keepdim=True)
    other = (mean * (1 - factor) * (kind == CONTRAST)).addcmul(grey, (1 - factor) * (kind == SATURATION))
    return torch.addcmul(other[:, None], images, factor[:, None]).clamp_(0, 1)


def _turn_hue_of_some(images: Tensor, turns: Tensor, chosen: Tensor) -> Tensor:
    """`_turn_hue` where the (n,) bool is true.

    On the CPU only those are computed. Elsewhere, counting them would wait for the device.
    """
    if images.device.type != "cpu":
        return torch.where(chosen[:, None, None, None], _turn_hue(images, turns), images)
    rows = chosen.nonzero()[:, 0]
    return images.index_copy(0, rows, _turn_hue(images[rows], turns[rows]))


def _turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue by (n,) parts of the circle at constant HSV saturation and value.

    A channel is full within a sixth of the circle from its own hue, empty from a third on and
    linear between. That is HSV → RGB without cases; RGB → HSV is torchvision's.

    Source: Smith, "Color gamut transform pairs", SIGGRAPH 1978; `adjust_hue` of torchvision.
    """
    red, green, blue = images.unbind(1)
    value = images.amax(1)
    chroma = value - images.amin(1)  # (n, h, w)
    sixths = torch.where(green == value, blue - red + 2 * chroma, red - green + 4 * chroma)
    sixths = torch.where(red == value, green - blue, sixths)
    # Grey has no hue: both are 0 there, and any hue gives the same grey back.
    hue = sixths / (6 * chroma).clamp_min_(torch.finfo(chroma.dtype).tiny) + turns[:, None, None]
    own = torch.arange(3, device=images.device)[:, None, None] / 3  # hues of red, green, blue
    away = hue[:, None] - own  # (n, 3, h, w)
    away = away.sub_(away.round()).abs_()  # turns to the channel's own hue, in [0, 1/2]
    missing = away.mul_(6).sub_(1).clamp_(0, 1)
    return torch.addcmul(value[:, None], missing, chroma[:, None], value=-1).clamp_(0, 1)
