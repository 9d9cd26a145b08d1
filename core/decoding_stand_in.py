"""Decodes images in this very process: stands in for `core.decoding`, which does it in a bounded child."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.images import ImageRefused, fit, open_image


@dataclass(frozen=True)
class Decoded:
    """One file: `seen` is (3, size, size) uint8, what a network gets, or `refused` the reason why not."""

    name: str
    shown: Image.Image | None
    seen: np.ndarray | None
    refused: str | None


class Decoder:
    def decode(
        self, files: list[tuple[str, bytes]], size: int = 32, fit: str = "crop", shown: bool = True
    ) -> list[Decoded]:
        """One answer a file, in their order."""
        return [_decoded(name, content, size) for name, content in files]


def _decoded(name: str, content: bytes, size: int) -> Decoded:
    try:
        image = open_image(content)
    except ImageRefused as refusal:
        return Decoded(name, None, None, str(refusal))
    return Decoded(name, image, fit(image, size), None)
