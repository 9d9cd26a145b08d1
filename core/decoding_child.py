"""Decodes untrusted images in a process of its own: `python -m core.decoding_child MEMORY_BYTES SECONDS`.

Started by `core.decoding`, which says why. It answers frame by frame on its standard output what it
is asked on its standard input, and ends when that does. Before the first image it gives up what
decoding doesn't take: more memory, more processor time, files, sockets.
"""

import contextlib
import io
import sys
import time
import warnings
from typing import Any

from PIL import Image, MpoImagePlugin  # noqa: F401  what JPEG becomes when it has more than one frame

from core.frames import receive, send
from core.images import FORMATS, ImageRefused, fit, open_image, pad, squash

SHOWN_PX = 512
FITTERS = {"crop": fit, "pad": pad, "squash": squash}

NEEDED_TOO_MUCH_MEMORY = "This image needed too much memory to be decoded."
OUT_OF_MEMORY = 3
"""Exit status of a child that lacked memory even to say so."""


def answer(content: bytes, size: int, fit: str, shown: bool) -> tuple[dict[str, Any], list[bytes]]:
    """Header and parts for one image: what a model sees, then what a person sees, or a refusal."""
    try:
        image = open_image(content)
        parts = [FITTERS[fit](image, size).tobytes()]
        if shown:
            parts.append(_png(image))
    except ImageRefused as refusal:
        lacked_memory = isinstance(refusal.__cause__, MemoryError)
        return {"refused": NEEDED_TOO_MUCH_MEMORY if lacked_memory else str(refusal)}, []
    except MemoryError:
        return {"refused": NEEDED_TOO_MUCH_MEMORY}, []
    return {"refused": None}, parts


def _png(image: Image.Image) -> bytes:
    image.thumbnail((SHOWN_PX, SHOWN_PX), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)  # five times faster than the usual 6, a tenth larger
    return file.getvalue()


def load_decoders() -> None:
    """Decode a film of each kind, since Pillow imports parts of itself only when first needed."""
    Image.preinit()
    exif = Image.Exif()
    exif[0x0112] = 6
    for format in FORMATS:
        for mode in ("RGB", "L", "P", "RGBA"):
            film = [Image.new("RGBA", (8, 8), colour).convert(mode) for colour in ("red", "#0000", "blue")]
            file = io.BytesIO()
            with contextlib.suppress(OSError):  # JPEG knows neither palettes nor transparency
                save_all = format in Image.SAVE_ALL
                film[0].save(file, format, exif=exif, save_all=save_all, append_images=film[1:])
            for content in (file.getvalue(), file.getvalue()[:-20]):
                answer(content, 32, "pad", shown=True)


def limit(memory_bytes: int) -> None:
    """Let this process take no more memory, and open no more file or socket, than it has by now.

    Where a system knows a limit by name only (macOS: memory), or not at all (Windows), it goes without.
    """
    with contextlib.suppress(ImportError):
        import resource

        for name, value in (
            ("RLIMIT_AS", memory_bytes),
            ("RLIMIT_CORE", 0),
            ("RLIMIT_FSIZE", 0),
            ("RLIMIT_NOFILE", 3),
            ("RLIMIT_NPROC", 0),
        ):
            with contextlib.suppress(AttributeError, ValueError, OSError):
                resource.setrlimit(getattr(resource, name), (value, value))


def limit_seconds(seconds: float) -> None:
    """Let the system end this process when it has computed for so long from now on."""
    with contextlib.suppress(ImportError, AttributeError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, hard))


def main(memory_bytes: int, seconds: float) -> int:
    """Answer until nobody asks any more; gives the exit status."""
    warnings.simplefilter("ignore", append=True)  # of damaged metadata; those that are errors stay so
    load_decoders()
    limit(memory_bytes)
    send(sys.stdout.buffer, {"ready": True})
    try:
        while True:
            asked, (content,) = receive(sys.stdin.buffer)
            limit_seconds(seconds)
            header, parts = answer(content, asked["size"], asked["fit"], asked["shown"])
            send(sys.stdout.buffer, header, *parts)
    except (EOFError, OSError):
        return 0
    except MemoryError:
        return OUT_OF_MEMORY


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2])))
