import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from core import images
from core.errors import UserError
from core.images import PADDING, ImageRefused, fit, open_image, pad, squash

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def noise(width: int = 40, height: int = 24) -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def smooth(width: int = 40, height: int = 24) -> Image.Image:
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([rows * 5, columns * 5, rows + columns], axis=-1).astype(np.uint8))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_that_claims(width: int, height: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def jpeg_with_scans(n: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    whole = encoded(smooth(), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * (n - whole.count(b"\xff\xda") + 1) + whole[-2:]


# ---- the right pixels


@pytest.mark.parametrize(
    ("format", "options"),
    [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})],
)
def test_lossless_formats_come_back_bit_for_bit(format, options):
    opened = open_image(encoded(noise(), format, **options))
    assert opened.mode == "RGB" and opened.tobytes() == noise().tobytes()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0, "quality": 95}])
def test_jpeg_equals_what_pillow_decodes(options):
    content = encoded(smooth(), "JPEG", **options)
    assert open_image(content).tobytes() == Image.open(io.BytesIO(content)).convert("RGB").tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_picture_is_turned_as_its_exif_says(orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(noise(), exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert open_image(content).tobytes() == expected.tobytes()
    assert open_image(content).size == ((24, 40) if orientation > 4 else (40, 24))


def test_broken_exif_leaves_the_picture_as_it_is():
    content = encoded(smooth(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff nonsense")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow says so too
        assert open_image(content).size == (40, 24)


def test_sixteen_bit_grey_is_scaled_and_not_clipped():
    values = np.array([[0, 255, 256, 128 * 257, 65535]], dtype=np.uint16)
    grey = np.asarray(open_image(encoded(Image.fromarray(values))))[0, :, 0]
    assert grey.tolist() == [0, 0, 1, 128, 255]


def transparent_palette() -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putpixel((1, 0), 1)
    return image


@pytest.mark.parametrize(
    ("image", "options", "expected"),
    [
        (Image.new("RGBA", (1, 1), (*RED, 0)), {}, [WHITE]),
        (Image.new("RGBA", (1, 1), (*RED, 255)), {}, [RED]),
        (Image.new("RGBA", (1, 1), (*RED, 51)), {}, [(255, 204, 204)]),
        (Image.new("LA", (1, 1), (0, 51)), {}, [(204, 204, 204)]),
        (Image.new("L", (1, 1), 7), {"transparency": 7}, [WHITE]),
        (Image.new("L", (1, 1), 7), {"transparency": 8}, [(7, 7, 7)]),
        (Image.new("RGB", (1, 1), RED), {"transparency": RED}, [WHITE]),
        (Image.new("1", (1, 1), 0), {"transparency": 0}, [WHITE]),
        (Image.new("I;16", (1, 1), 700), {"transparency": 700}, [WHITE]),
        (transparent_palette(), {"transparency": 1}, [RED, WHITE]),
        (transparent_palette(), {"transparency": bytes([255, 51])}, [RED, (204, 255, 204)]),
    ],
)
def test_transparency_lies_over_white(image, options, expected):
    opened = open_image(encoded(image, **options))
    assert list(map(tuple, np.asarray(opened).reshape(-1, 3).tolist())) == expected


@pytest.mark.parametrize(
    ("image", "format", "expected"),
    [
        (Image.new("1", (8, 8), 1), "PNG", WHITE),
        (Image.new("L", (8, 8), 90), "PNG", (90, 90, 90)),
        (Image.new("L", (8, 8), 90), "JPEG", (90, 90, 90)),
        (Image.new("RGB", (8, 8), RED).quantize(), "PNG", RED),
        (Image.new("RGB", (8, 8), GREEN).quantize(), "GIF", GREEN),
        (Image.new("RGB", (8, 8), BLUE).quantize(), "BMP", BLUE),
        (Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", RED),
        (Image.new("CMYK", (8, 8), (0, 0, 0, 255)), "JPEG", BLACK),
    ],
)
def test_every_kind_of_colour_becomes_rgb(image, format, expected):
    opened = np.asarray(open_image(encoded(image, format))).astype(int)
    assert np.abs(opened - expected).max() <= 2


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "MPO"])
def test_animation_shows_its_first_frame(format):
    options = {"lossless": True} if format == "WEBP" else {}
    others = [Image.new("RGB", (8, 8), colour) for colour in (GREEN, BLUE)]
    content = encoded(Image.new("RGB", (8, 8), RED), format, save_all=True, append_images=others, **options)
    assert np.abs(np.asarray(open_image(content)).astype(int) - RED).max() <= 2


def test_nothing_but_pixels_is_kept():
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    content = encoded(smooth(), "JPEG", exif=exif, icc_profile=b"secret profile", comment=b"secret comment")
    opened = open_image(content)
    assert b"secret" in content and opened.info == {}
    assert all(b"secret" not in encoded(opened, format) for format in ("PNG", "JPEG", "WEBP"))


# ---- refusals


def limited(monkeypatch, **limits):
    for name, value in limits.items():
        monkeypatch.setattr(images, name, value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no PNG, JPEG"),
        (b"hello", "no PNG, JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no PNG, JPEG"),
        (encoded(smooth(), "TIFF"), "no PNG, JPEG"),
        (encoded(smooth(), "PPM"), "no PNG, JPEG"),
        (encoded(smooth(), "ICO"), "no PNG, JPEG"),
        (encoded(noise())[:-200], "damaged"),
        (encoded(noise(), "JPEG")[:-200], "damaged"),
        (encoded(noise(), "WEBP")[:-200], "damaged"),
        (encoded(noise(), "BMP")[:-200], "damaged"),
        (encoded(noise(), "GIF")[:-200], "damaged"),
        (encoded(noise()).replace(b"IDAT", b"IDAT\0", 1), "damaged"),
        (png_that_claims(13_000, 13_000), "24 million pixels"),
        (png_that_claims(9_500, 9_500), "24 million pixels"),  # Pillow itself would only warn
        (png_that_claims(5_000, 5_000), "24 million pixels"),
        (png_that_claims(16_385, 1), "16,384 pixels a side"),
        (jpeg_with_scans(65), "64 scans"),
        (jpeg_with_scans(1_000), "64 scans"),
        (bytes(20_000_001), "20 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_let_in_is_told_why(content, words):
    with pytest.raises(ImageRefused, match=words) as refusal:
        open_image(content)
    assert isinstance(refusal.value, UserError)
    assert str(refusal.value).endswith(".") and "\n" not in str(refusal.value)


def test_images_at_the_limits_are_let_in(monkeypatch):
    assert open_image(encoded(Image.new("1", (16_384, 1)))).size == (16_384, 1)
    assert open_image(jpeg_with_scans(64)).size == (40, 24)
    content = encoded(noise())
    limited(monkeypatch, MOST_BYTES=len(content), MOST_PIXELS=40 * 24)
    assert open_image(content).size == (40, 24)
    limited(monkeypatch, MOST_PIXELS=40 * 24 - 1)
    with pytest.raises(ImageRefused, match="pixels"):
        open_image(content)


def test_large_image_is_refused_though_nobody_listens_to_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ImageRefused, match="24 million pixels"):
            open_image(png_that_claims(9_500, 9_500))


def test_scans_are_counted_in_the_picture_alone():
    thumbnail = b"\xff\xda" * 100
    content = encoded(smooth(), "JPEG", exif=b"Exif\0\0" + thumbnail) + b"\xff\xda" * 100
    assert open_image(content).size == (40, 24)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_broken_bytes_are_an_image_or_a_refusal_and_nothing_else(format):
    random = np.random.default_rng(7)
    whole = encoded(smooth(), format)
    for _ in range(150):
        content = bytearray(whole[: random.integers(1, len(whole) + 1)])
        for place in random.integers(0, len(content), 3):
            content[place] = random.integers(0, 256)
        try:
            assert open_image(bytes(content)).mode == "RGB"
        except ImageRefused as refusal:
            assert str(refusal).endswith(".")


# ---- fit


@pytest.mark.parametrize("way", [fit, pad, squash])
def test_image_of_the_right_size_passes_unchanged(way):
    fitted = way(noise(32, 32), 32)
    assert fitted.shape == (3, 32, 32) and fitted.dtype == np.uint8
    assert np.array_equal(fitted.transpose(1, 2, 0), np.asarray(noise(32, 32)))


@pytest.mark.parametrize("size", [(64, 32), (32, 64), (65, 32), (32, 65)])
def test_middle_square_is_taken(size):
    image = Image.new("RGB", size, RED)
    image.paste(GREEN, ((size[0] - 32) // 2, (size[1] - 32) // 2, (size[0] + 32) // 2, (size[1] + 32) // 2))
    assert (fit(image, 32) == np.array(GREEN).reshape(3, 1, 1)).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (7, 5), (33, 31), (1000, 600)])
@pytest.mark.parametrize("way", [fit, squash])
def test_any_size_becomes_the_one_asked_for(way, size):
    fitted = way(Image.new("RGB", size, BLUE), 24)
    assert fitted.shape == (3, 24, 24) and (fitted == np.array(BLUE).reshape(3, 1, 1)).all()


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [((64, 32), (8, 24), (0, 32)), ((10, 40), (0, 32), (12, 20)), ((900, 1), (15, 16), (0, 32))],
)
def test_padded_image_lies_whole_in_the_middle_of_grey(size, rows, columns):
    expected = np.full((3, 32, 32), PADDING[0], np.uint8)
    expected[:, slice(*rows), slice(*columns)] = np.array(BLUE).reshape(3, 1, 1)
    assert np.array_equal(pad(Image.new("RGB", size, BLUE), 32), expected)


def test_squashed_image_loses_neither_end():
    image = Image.new("RGB", (96, 32), RED)
    image.paste(GREEN, (48, 0, 96, 32))
    squashed = squash(image, 32)
    assert (squashed[:, :, :12] == np.array(RED).reshape(3, 1, 1)).all()
    assert (squashed[:, :, 20:] == np.array(GREEN).reshape(3, 1, 1)).all()


def test_scaling_down_averages_instead_of_picking_pixels():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit(Image.fromarray(stripes), 32).astype(int) - 127).max() <= 8
