"""Files that somebody may upload to do harm or by mistake: `python -m tests.hostile FOLDER` writes them.

Each says what must happen to it: it is refused with certain words, or it opens and shows four
colours in its four quarters, or (of bytes damaged at random) one or the other.
"""

import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.hostile_zips import archives
from tests.test_images import BLUE, GREEN, RED, WHITE, chunk, encoded, jpeg_with_scans, png_that_claims

YELLOW, BLACK = (255, 255, 0), (0, 0, 0)
CORNERS = (RED, GREEN, BLUE, YELLOW)
GREYS = tuple((grey, grey, grey) for grey in (0, 85, 170, 255))
SIZE = (64, 32)

Colours = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Kind:
    """One file and what must happen to it.

    Attributes:
        refused: words of the refusal; "" if it opens; None if either is right.
        colours: upper left, upper right, lower left, lower right of the upright picture; None: not looked at.
        size: width and height of the upright picture, in pixels; None: not looked at.
    """

    label: str
    name: str
    content: bytes
    refused: str | None = ""
    colours: Colours | None = None
    size: tuple[int, int] | None = None


def quarters(colours: Colours = CORNERS, mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture of four colours."""
    width, height = size
    image = Image.new(mode, size)
    for number, colour in enumerate(colours):
        left, top = number % 2 * width // 2, number // 2 * height // 2
        image.paste(colour, (left, top, left + width // 2, top + height // 2))
    return image


def kinds() -> list[Kind]:
    """All of them; about 150."""
    parts = (broken, bombs, other_formats, polyglots, colours, orientations, animations, names, flipped)
    return [kind for part in parts for kind in part()]


def broken() -> Iterator[Kind]:
    yield Kind("zero bytes", "empty.png", b"", "no PNG")
    yield Kind("zeros", "zeros.jpg", bytes(10_000), "no PNG")
    yield Kind("too many bytes", "long.png", encoded(quarters()) + bytes(20_000_001), "20 MB")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8))
    for format in ("PNG", "JPEG"):
        whole = encoded(noise, format)
        for percent in range(10, 100, 10):
            cut = whole[: len(whole) * percent // 100]
            yield Kind(f"{format} cut at {percent} %", f"cut.{format.lower()}", cut, "damaged")
    yield Kind("PNG with a wrong checksum", "crc.png", encoded(noise).replace(b"IDAT", b"IDAU"), "damaged")
    nameless = encoded(quarters(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff nonsense")
    yield Kind("JPEG with broken EXIF", "exif.jpg", nameless, "", CORNERS, SIZE)


def bombs() -> Iterator[Kind]:
    pixels, sides = "million pixels", "pixels a side"
    yield Kind("PNG of 169 million pixels", "bomb.png", png_that_claims(13_000, 13_000), pixels)
    yield Kind("PNG of 25 million pixels", "bomb.png", png_that_claims(5_000, 5_000), pixels)
    yield Kind("PNG of 2 billion pixels a side", "bomb.png", png_that_claims(2**31 - 1, 2**31 - 1), pixels)
    yield Kind("PNG of one long row", "row.png", png_that_claims(20_000, 1), sides)
    jpeg = bytearray(encoded(quarters(), "JPEG"))
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = b"\xff\xff\xff\xff"
    yield Kind("JPEG of 4 billion pixels", "bomb.jpg", bytes(jpeg), pixels)
    yield Kind("JPEG of 1,000 scans", "scans.jpg", jpeg_with_scans(1_000), "64 scans")
    gif = encoded(Image.new("P", (1, 1)), "GIF")
    frame = gif[gif.index(b",") : -1]
    yield Kind("GIF of 100,000 frames", "frames.gif", gif[:-1] + frame * 100_000 + b";", "", size=(1, 1))
    yield Kind("GIF of a large screen", "screen.gif", gif[:6] + b"\xff\xff\xff\xff" + gif[10:], pixels)
    large = gif.replace(frame, frame[:5] + b"\xff\x3f\xff\x3f" + frame[9:])
    yield Kind("GIF frame larger than its screen", "frame.gif", large, pixels)
    bmp = bytearray(encoded(quarters(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 16_000, 16_000)
    yield Kind("BMP of 256 million pixels", "bomb.bmp", bytes(bmp), pixels)
    yield from _chunk_bombs()
    for mode in ("RGBA", "I;16"):
        flat = encoded(Image.new(mode, (6_000, 4_000)), compress_level=1)
        yield Kind(f"{mode} at the limit", "large.png", flat, "", size=(512, 341))


def _chunk_bombs() -> Iterator[Kind]:
    png = encoded(quarters())
    head, rest = png[:33], png[33:]
    zeros = zlib.compress(bytes(60_000_000), 1)
    for kind, before in (
        (b"zTXt", b"word\0\0"),
        (b"iTXt", b"word\0\1\0\0\0"),
        (b"iCCP", b"profile\0\0"),
    ):
        content = head + chunk(kind, before + zeros) + rest
        yield Kind(f"PNG with a {kind.decode()} bomb", "text.png", content, "beginning is damaged")
    text = chunk(b"zTXt", b"word\0\0" + zlib.compress(bytes(1_000_000)))
    yield Kind("PNG with 200 texts of 1 MB", "texts.png", head + text * 200 + rest, "beginning is damaged")
    yield Kind("PNG with 100,000 chunks", "chunks.png", head + chunk(b"tEXt", b"a\0b") * 100_000 + rest, "")
    pixels = chunk(b"IDAT", zeros)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    content = png[:8] + header + pixels + chunk(b"IEND", b"")
    yield Kind("PNG with more pixels than it has room for", "idat.png", content, "", size=(8, 8))


def other_formats() -> Iterator[Kind]:
    image = quarters()
    grey = Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8))
    for label, name, content in (
        ("SVG", "drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("SVG as PNG", "drawing.png", b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a 'a'>]><svg/>"),
        ("HEIC", "phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500)),
        ("AVIF", "photo.avif", b"\0\0\0\x20ftypavif\0\0\0\0avifmif1" + bytes(500)),
        ("PDF", "scan.pdf", b"%PDF-1.7\n1 0 obj <</Type /Catalog>> endobj\n%%EOF"),
        ("PostScript", "run.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file\n"),
        ("HTML", "page.html", b"<html><script>alert(1)</script></html>"),
        ("program", "photo.jpg.exe", b"MZ" + bytes(200)),
        ("float TIFF", "float.tif", encoded(grey, "TIFF")),
        ("TIFF as PNG", "tiff.png", encoded(image, "TIFF")),
        ("PPM", "photo.ppm", encoded(image, "PPM")),
        ("ICO", "icon.ico", encoded(image, "ICO")),
        ("JPEG 2000", "photo.jp2", encoded(image, "JPEG2000")),
        ("zip", "photos.zip", b"PK\3\4" + bytes(100)),
    ):
        yield Kind(label, name, content, "no PNG")
    yield Kind("PNG as JPEG", "photo.jpg", encoded(image), "", CORNERS, SIZE)
    yield Kind("JPEG as PNG", "photo.png", encoded(image, "JPEG"), "", CORNERS, SIZE)
    yield Kind("WebP without a name's end", "photo", encoded(image, "WEBP"), "", CORNERS, SIZE)


def polyglots() -> Iterator[Kind]:
    script = b"<script>alert('polyglot')</script>"
    for format in ("GIF", "PNG", "JPEG", "BMP"):
        content = encoded(quarters(), format) + script
        yield Kind(f"HTML behind {format}", "page.html", content, "", CORNERS, SIZE)
    comment = encoded(quarters(), "JPEG", comment=script)
    yield Kind("HTML in a JPEG comment", "comment.jpg", comment, "", CORNERS, SIZE)
    zipped = encoded(quarters()) + archives()[0].content
    yield Kind("zip behind PNG", "photo.zip", zipped, "", CORNERS, SIZE)


def png(values: np.ndarray, depth: int, colour_type: int, extra: bytes = b"") -> bytes:
    """A PNG of any depth, written by hand: (rows, columns) or (rows, columns, channels) of values."""
    height, width = values.shape[:2]
    if depth == 16:
        rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    else:
        bits = np.unpackbits(values.astype(np.uint8).reshape(height, -1, 1), axis=2)[:, :, 8 - depth :]
        rows = np.packbits(bits.reshape(height, -1), axis=1)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def colours() -> Iterator[Kind]:
    whole = np.asarray(quarters())
    index = np.kron(np.arange(4).reshape(2, 2), np.ones((16, 32), int))
    yield Kind(
        "1-bit grey PNG",
        "1.png",
        png((index == 1) | (index == 2), 1, 0),
        "",
        (BLACK, WHITE, WHITE, BLACK),
        SIZE,
    )
    for depth in (2, 4, 8, 16):
        values = index * (2**depth - 1) // 3
        yield Kind(f"{depth}-bit grey PNG", f"{depth}.png", png(values, depth, 0), "", GREYS, SIZE)
    yield Kind("16-bit RGB PNG", "deep.png", png(whole.astype(int) * 257, 16, 2), "", CORNERS, SIZE)
    palette = chunk(b"PLTE", bytes(sum(CORNERS, ())))
    hidden = (RED, WHITE, (102, 102, 255), YELLOW)
    for depth in (2, 4, 8):
        content = png(index, depth, 3, palette + chunk(b"tRNS", b"\xff\0\x99"))
        yield Kind(f"{depth}-bit palette with transparency", "palette.png", content, "", hidden, SIZE)
    see_through = chunk(b"tRNS", struct.pack(">HHH", *GREEN))
    key = png(whole, 8, 2, see_through)
    yield Kind("RGB PNG with a transparent colour", "key.png", key, "", (RED, WHITE, BLUE, YELLOW), SIZE)
    rgba = quarters(((*RED, 255), (*GREEN, 0), (*BLUE, 153), (*YELLOW, 255)), "RGBA")
    for format, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        content = encoded(rgba, format, **options)
        yield Kind(f"RGBA {format} with a hidden colour", "rgba.png", content, "", hidden, SIZE)
    la = encoded(quarters(((0, 255), (0, 0), (0, 153), (200, 255)), "LA"))
    yield Kind("LA PNG", "la.png", la, "", (BLACK, WHITE, (102,) * 3, (200,) * 3), SIZE)
    yield from _jpeg_colours()
    yield Kind("BMP from the top down", "down.bmp", _upside_bmp(), "", CORNERS, SIZE)


def _jpeg_colours() -> Iterator[Kind]:
    options = {"quality": 95, "subsampling": 0}
    yield Kind("grey JPEG", "grey.jpg", encoded(quarters(GREYS).convert("L"), "JPEG"), "", GREYS, SIZE)
    plain = encoded(quarters(), "JPEG", keep_rgb=True, **options)
    yield Kind("JPEG of plain RGB", "rgb.jpg", plain, "", CORNERS, SIZE)
    inks = ((0, 255, 255, 0), (255, 0, 255, 0), (255, 255, 0, 0), (0, 0, 255, 0))
    yield Kind("CMYK JPEG", "cmyk.jpg", encoded(quarters(inks, "CMYK"), "JPEG", **options), "", CORNERS, SIZE)
    # The same inks as luma, chroma and black; Pillow turns each value over, and so it is turned here first.
    light = [Image.new("RGB", (1, 1), ink[:3]).convert("YCbCr").getpixel((0, 0)) for ink in inks]
    turned = tuple((255 - y, 255 - cb, 255 - cr, 0) for y, cb, cr in light)
    ycck = bytearray(encoded(quarters(turned, "CMYK"), "JPEG", **options))
    ycck[ycck.index(b"Adobe") + 11] = 2
    yield Kind("YCCK JPEG", "ycck.jpg", bytes(ycck), "", CORNERS, SIZE)


def _upside_bmp() -> bytes:
    content = bytearray(encoded(quarters((*CORNERS[2:], *CORNERS[:2])), "BMP"))
    content[22:26] = struct.pack("<i", -SIZE[1])
    return bytes(content)


STORED = {1: "0123", 2: "1032", 3: "3210", 4: "2301", 5: "0213", 6: "1302", 7: "3120", 8: "2031"}
"""Which quarters of the upright picture a file stores first to last, by the table of Exif 2.32."""


def orientations() -> Iterator[Kind]:
    for number, order in STORED.items():
        exif = Image.Exif()
        exif[0x0112] = number
        stored = quarters(
            tuple(CORNERS[int(place)] for place in order), size=SIZE[:: -1 if number > 4 else 1]
        )
        for format in ("JPEG", "PNG", "WEBP"):
            content = encoded(stored, format, exif=exif)
            yield Kind(f"{format} with EXIF {number}", "turned.jpg", content, "", CORNERS, SIZE)
    exif[0x0112] = 9
    yield Kind("JPEG with EXIF 9", "turned.jpg", encoded(quarters(), "JPEG", exif=exif), "", CORNERS, SIZE)


def animations() -> Iterator[Kind]:
    others = [Image.new("RGB", SIZE, colour) for colour in (GREEN, BLUE)]
    for format, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})):
        content = encoded(quarters(), format, save_all=True, append_images=others, **options)
        yield Kind(f"animated {format}", f"film.{format.lower()}", content, "", CORNERS, SIZE)


def names() -> Iterator[Kind]:
    content = encoded(quarters())
    for label, name in (
        ("path parts", "../../../etc/passwd.png"),
        ("a path of Windows", "C:\\Windows\\..\\cat.png"),
        ("markup", "<img src=x onerror=alert(1)>.png"),
        ("Markdown", "[click](javascript:alert(1)) **b** $x$ :red[r].png"),
        ("emoji", "🐸🚀.png"),
        ("a mark that turns text around", "photo\u202egnp.exe"),
        ("5,000 characters", "a" * 5_000 + ".png"),
        ("5,000 marks", "\u202e" * 5_000),
        ("NUL bytes", "cat\0.png\0.exe"),
        ("escape sequences", "\x1b[31mred\x1b[0m\r\n.png"),
        ("bytes that are no text", "cat\udcff.png"),
        ("a quote and a comma", '=cmd("a"),b.png'),
        ("nothing", ""),
    ):
        yield Kind(f"name with {label}", name, content, "", CORNERS, SIZE)


def flipped() -> Iterator[Kind]:
    random = np.random.default_rng(20)
    for format in ("PNG", "JPEG", "WEBP", "BMP", "GIF"):
        for number in range(6):
            content = np.frombuffer(encoded(quarters(), format), np.uint8).copy()
            for place in random.integers(0, len(content), 2**number):
                content[place] ^= 1 << random.integers(0, 8)
            yield Kind(f"{format} with {2**number} flipped bits", "flip.png", content.tobytes(), None)


def main(folder: Path) -> None:
    """Write all of them under names that every system takes."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, kind in enumerate([*kinds(), *archives()]):
        file = f"{number:03}-{''.join(letter if letter.isalnum() else '-' for letter in kind.label)}"
        (folder / f"{file}{Path(kind.name).suffix[:5] if kind.name.isascii() else ''}").write_bytes(
            kind.content
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
