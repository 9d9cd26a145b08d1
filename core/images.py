"""Untrusted bytes to an RGB image, or a clear refusal; and an image to the square a network takes.

What is let in is decided by the content, never by a name or a type that somebody claims. A large
or a slow file is refused before its pixels are decoded. Colour profiles are not applied.
"""

import io
import re
import warnings

import numpy as np
from PIL import Image, WebPImagePlugin

from core.errors import UserError

MOST_BYTES = 20_000_000
MOST_PIXELS = 24_000_000
LONGEST_SIDE_PX = 16_384
MOST_SCANS = 64
"""Of a progressive JPEG: each scan goes over all pixels again, so a small file can take many seconds."""

PADDING = (128, 128, 128)
"""What `pad` fills up with: the middle of the scale says less to a network than black or white."""

FORMATS = ("PNG", "JPEG", WebPImagePlugin.WebPImageFile.format, "BMP", "GIF")
"""As Pillow calls them; it finds WebP only where that module has been imported by then."""

# Pillow only warns of an image that claims up to twice its own limit; here that is an error.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each value of the EXIF orientation (Exif 2.32, section 4.6.4)."""

_SEGMENT = re.compile(rb"\xff+([\xc0-\xcf\xd8-\xfe])")
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA


class ImageRefused(UserError):
    """An image that is not let in; the message is one sentence that says why."""


def open_image(content: bytes) -> Image.Image:
    """The picture that a person would see in a viewer, as RGB without metadata.

    Turned upright as its EXIF says, transparency laid over white, 16 bits a channel brought down
    to 8, palette, grey and CMYK turned into RGB; of an animation the first frame.

    Raises:
        ImageRefused: too large, of another format, or damaged.
    """
    if len(content) > MOST_BYTES:
        raise ImageRefused(f"This file is larger than {MOST_BYTES // 1_000_000} MB, the most that is read.")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except Exception as error:
        raise ImageRefused(
            "This is no PNG, JPEG, WebP, BMP or GIF image, or its beginning is damaged."
        ) from error
    _check_size(image)
    if image.format in ("JPEG", "MPO") and _scans(content) > MOST_SCANS:
        raise ImageRefused(f"This JPEG draws its picture in more than {MOST_SCANS} scans: save it anew.")
    try:
        image.verify()
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        image.load()
        _check_size(image)  # a frame of a GIF may be larger than its header says
        return _upright(_rgb(image), image)
    except ImageRefused:
        raise
    except Exception as error:  # Pillow raises nearly everything: struct.error, IndexError, SyntaxError, ...
        raise ImageRefused("This image is damaged and can't be decoded.") from error


def fit(image: Image.Image, size: int) -> np.ndarray:
    """The middle square of an RGB image, resized by Lanczos: (3, size, size) uint8.

    An image of exactly this size goes through unchanged, bit for bit; so it does in `pad` and `squash`.
    """
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return _as_array(_resized(image.crop((left, top, left + side, top + side)), size, size))


def pad(image: Image.Image, size: int) -> np.ndarray:
    """The whole RGB image in its proportions, in the middle of a grey square: (3, size, size) uint8."""
    longest = max(image.size)
    width, height = (max(1, round(side * size / longest)) for side in image.size)
    square = Image.new("RGB", (size, size), PADDING)
    square.paste(_resized(image, width, height), ((size - width) // 2, (size - height) // 2))
    return _as_array(square)


def squash(image: Image.Image, size: int) -> np.ndarray:
    """The whole RGB image, its sides pressed to a square: (3, size, size) uint8."""
    return _as_array(_resized(image, size, size))


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _as_array(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def _check_size(image: Image.Image) -> None:
    if max(image.size) > LONGEST_SIDE_PX:
        raise ImageRefused(f"This image is larger than {LONGEST_SIDE_PX:,} pixels a side: scale it down.")
    if image.width * image.height > MOST_PIXELS:
        raise _too_many_pixels()


def _too_many_pixels() -> ImageRefused:
    return ImageRefused(f"This image has more than {MOST_PIXELS // 1_000_000} million pixels: scale it down.")


def _scans(jpeg: bytes) -> int:
    """How often a JPEG goes over its pixels, counted up to its end as libjpeg would.

    Not by counting two bytes in the whole file: they also turn up in thumbnails, in metadata and
    in the film that a telephone hangs behind its photograph.
    """
    scans, position = 0, 2
    while found := _SEGMENT.search(jpeg, position):
        kind, position = found[1][0], found.end()
        length = int.from_bytes(jpeg[position : position + 2], "big")
        if kind in (_START_OF_IMAGE, _END_OF_IMAGE) or length < 2:
            break
        scans += kind == _START_OF_SCAN
        position += length
    return scans


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")  # hidden pixels keep a colour that nobody sees
    ground.alpha_composite(image.convert("RGBA"))
    return ground.convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    """The upper byte, as Pillow does it for 16 bits of colour; for grey it would clip to white."""
    values = np.asarray(image)
    grey = np.clip(values >> 8, 0, 255).astype(np.uint8)
    if isinstance(transparent := image.info.get("transparency"), int):
        grey[values == transparent] = 255
    return Image.fromarray(grey).convert("RGB")


def _upright(rgb: Image.Image, original: Image.Image) -> Image.Image:
    try:
        orientation = original.getexif().get(_ORIENTATION)
    except Exception:  # broken metadata beside a whole picture
        orientation = None
    if orientation in _UPRIGHT:
        rgb = rgb.transpose(_UPRIGHT[orientation])
    rgb.info = {}  # profile, comments and EXIF would otherwise be written along when it is saved
    return rgb
