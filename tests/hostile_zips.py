"""Zips that somebody may upload to do harm or by mistake, and what must happen to each."""

import io
import struct
import warnings
import zipfile
from dataclasses import dataclass

from tests.test_images import encoded, noise

PHOTO = encoded(noise())


@dataclass(frozen=True)
class Zip:
    """A zip; `refused` has words of the refusal, or `names` what is in it."""

    label: str
    content: bytes
    refused: str = ""
    names: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "photos.zip"


def packed(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def encrypted(content: bytes) -> bytes:
    """The flag of encryption set, in the file's own header and in the list."""
    local, central = content.index(b"PK\3\4"), content.index(b"PK\1\2")
    changed = bytearray(content)
    changed[local + 6] |= 1
    changed[central + 8] |= 1
    return bytes(changed)


def claiming(content: bytes, n_bytes: int) -> bytes:
    """A zip of one file that says it is of another size than it is."""
    local, central = content.index(b"PK\3\4"), content.index(b"PK\1\2")
    changed = bytearray(content)
    changed[local + 22 : local + 26] = changed[central + 24 : central + 28] = struct.pack("<I", n_bytes)
    return bytes(changed)


def overlapping(content: bytes, times: int) -> bytes:
    """The list of a zip of one file names the same bytes again and again."""
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    entries = content[start:end] * times
    counts = struct.pack("<HHII", min(times, 65_535), min(times, 65_535), len(entries), start)
    return content[:start] + entries + content[end : end + 8] + counts + b"\0\0"


def archives() -> list[Zip]:
    one = packed(("cat.png", PHOTO))
    zeros = packed(("zeros.png", bytes(201_000_000)))
    many = packed(*((f"{n}.png", b"x") for n in range(1_001)), method=zipfile.ZIP_STORED)
    mac = packed(("a/", b""), ("a/cat.png", PHOTO), ("__MACOSX/a/._cat.png", b"x"), ("a/.DS_Store", b"x"))
    paths = ("../../x.png", "/etc/passwd", "C:\\x.png", "a/../../../b.png", "x" * 5_000)
    return [
        Zip("zip of one image", one, names=("cat.png",)),
        Zip("zip in a zip", packed(("cat.png", PHOTO), ("in.zip", one)), "another zip"),
        Zip("zip in a zip called PNG", packed(("in.png", one)), "another zip"),
        Zip("zip of 1,001 files", many, "1,000 files"),
        Zip("zip that lists a file 400,000 times", overlapping(one, 400_000), "1,000 files"),
        Zip("zip that lists 1 MB 900 times", overlapping(packed(("a.png", bytes(1_000_000))), 900), "200 MB"),
        Zip("zip of 201 MB of zeros", zeros, "200 MB"),
        Zip("zip of 201 MB that says 1 kB", claiming(zeros, 1_000), "damaged"),
        Zip("zip that says 4 GB", claiming(one, 2**32 - 2), "200 MB"),
        Zip("encrypted zip", encrypted(one), "encrypted"),
        Zip("LZMA zip", packed(("cat.png", PHOTO), method=zipfile.ZIP_LZMA), "unusual way"),
        Zip("half a zip", one[: len(one) // 2], "damaged"),
        Zip("zip with a wrong byte", one[:80] + bytes([one[80] ^ 255]) + one[81:], "damaged"),
        Zip("zip's beginning alone", b"PK\3\4", "damaged"),
        Zip("empty zip", packed(), "no file"),
        Zip("zip of folders", packed(("a/", b""), ("__MACOSX/._a", b"x")), "no file"),
        Zip("zip from a Mac", mac, names=("a/cat.png",)),
        Zip("zip of paths", packed(*((path, PHOTO) for path in paths)), names=paths),
        Zip("zip of a name twice", packed(("a.png", PHOTO), ("a.png", b"")), names=("a.png", "a.png")),
        Zip("zip of 1,000 files", overlapping(one, 1_000), names=("cat.png",) * 1_000),
    ]
