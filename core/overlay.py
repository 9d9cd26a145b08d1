"""A map of why laid over the picture: orange where it speaks for the class, blue where against.

Orange and blue stay apart for everybody, whatever colours they see. The picture below is grey, so that
all colour is the map's; it belongs beside the picture as it is.
"""

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from core.figures import BLUE, VERMILLION
from core.pictures import enlarged

COVER = 0.85
"""How opaque the strongest place is."""

FAINT = 0.6
"""Power of the strength that opacity follows: below 1, single strong pixels leave the others visible."""

_GREY_OF_RGB = np.array([0.299, 0.587, 0.114])
_FOR, _AGAINST = (np.array(ImageColor.getrgb(colour), dtype=float) for colour in (VERMILLION, BLUE))


def overlay(picture: np.ndarray, heat: np.ndarray, side_px: int) -> Image.Image:
    """The picture in grey under its map, pixels as squares, about `side_px` wide.

    Args:
        picture: (3, h, w) uint8.
        heat: (h, w) from −1, against, to 1, for; what lies beyond is cut off, what is no number is 0.

    Raises:
        ValueError: the map has another size than the picture.
    """
    if picture.shape[1:] != heat.shape:
        raise ValueError(f"A map of {heat.shape} does not fit a picture of {picture.shape[1:]}.")
    grey = np.tensordot(_GREY_OF_RGB, picture.astype(float), 1)  # (h, w)
    return enlarged(_blended(np.repeat(grey[None], 3, 0), heat), side_px)


def legend(
    width_px: int = 240, height_px: int = 22, against: str = "against", speaks_for: str = "for"
) -> Image.Image:
    """All colours of a map, over middle grey, from the strongest against to the strongest for, with words."""
    heat = np.broadcast_to(np.linspace(-1, 1, width_px), (height_px, width_px))
    picture = enlarged(_blended(np.full((3, height_px, width_px), 128.0), heat), width_px)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(round(height_px * 0.6))
    for text, place, anchor in ((against, 6, "lm"), (speaks_for, width_px - 6, "rm")):
        draw.text((place, height_px / 2), text, fill="black", font=font, anchor=anchor)
    return picture


def _blended(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """(3, h, w) uint8: the map's colours over the picture (3, h, w), as opaque as the map is strong."""
    strength = np.nan_to_num(heat, nan=0.0, posinf=1, neginf=-1).clip(-1, 1)
    colours = np.where(strength[None] > 0, _FOR[:, None, None], _AGAINST[:, None, None])
    opacity = COVER * np.abs(strength) ** FAINT
    return (picture * (1 - opacity) + colours * opacity).round().astype(np.uint8)
