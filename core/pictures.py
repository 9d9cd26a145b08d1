"""Images of a data set made ready to be looked at: enlarged by whole factors, never smoothed."""

import io

import numpy as np
from PIL import Image

SHOWN_DEVIATIONS = 2.5
"""A normalised value is shown black at minus this many standard deviations, white at plus as many."""


def enlarged(image: np.ndarray, side_px: int) -> Image.Image:
    """An image (3, h, w) uint8 with its pixels as squares, about `side_px` wide."""
    factor = max(1, round(side_px / image.shape[2]))
    return Image.fromarray(image.transpose(1, 2, 0).repeat(factor, 0).repeat(factor, 1))


def enlarged_png(image: np.ndarray, side_px: int) -> bytes:
    """The same as the content of a PNG file."""
    file = io.BytesIO()
    enlarged(image, side_px).save(file, "PNG")
    return file.getvalue()


def mosaic(images: np.ndarray, columns: int, side_px: int, gap_px: int = 4) -> Image.Image:
    """Many images in one picture, row by row, with transparent gaps.

    Args:
        images: (n, 3, h, w) uint8, n at least 1.
        columns: how many in a row; the last row may be shorter.
        side_px: about how wide each is shown.
    """
    tiles = [enlarged(image, side_px) for image in images]
    width, height = tiles[0].size
    rows = -(-len(tiles) // columns)
    size = (columns * (width + gap_px) - gap_px, rows * (height + gap_px) - gap_px)
    whole = Image.new("RGBA", size, (0, 0, 0, 0))
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        whole.paste(tile, (column * (width + gap_px), row * (height + gap_px)))
    return whole


def normalised(images: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """What the network gets: float64 of the same shape, (value / 255 − mean) / std by channel.

    Args:
        images: (..., 3, h, w) uint8.
        mean, std: (3,) on the scale 0 to 1.
    """
    shape = (3, 1, 1)
    return (images / 255 - mean.reshape(shape)) / std.reshape(shape)


def displayable(values: np.ndarray) -> np.ndarray:
    """Normalised values as uint8: 0 in the middle of the grey scale, the ends cut off."""
    unit = (values / SHOWN_DEVIATIONS + 1) / 2
    return (unit.clip(0, 1) * 255).round().astype(np.uint8)
