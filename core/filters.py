"""The filters of a network's first layer: stored with a run when it finishes, and turned into small images."""

import hashlib
import io

import numpy as np

from core.events import Finished
from core.store import Run

NAME = "filters.npz"


def to_bytes(weights: np.ndarray) -> bytes:
    """(n, 3, k, k) float32 as the content of the file."""
    content = io.BytesIO()
    np.savez(content, filters=weights)
    return content.getvalue()


def read_filters(run: Run) -> np.ndarray | None:
    """(n, 3, k, k) float32 of a finished run.

    None where there are none that its record vouches for: it is older than these files, or they are gone or
    damaged. They can be had from its weights then (`core.features`).
    """
    end = run.history().end
    if not isinstance(end, Finished) or NAME not in end.sha256:
        return None
    try:
        content = (run.folder / NAME).read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != end.sha256[NAME]:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return arrays["filters"]


def as_images(weights: np.ndarray, alike: bool = False) -> np.ndarray:
    """Filters as (n, 3, k, k) uint8: what a filter adds up for is bright in its colour, what it subtracts is dark.

    Zero is the middle grey. The three channels of a filter share one scale, so that grey filters look
    grey and coloured ones show their colour.

    Args:
        weights: (n, 3, k, k).
        alike: one scale for all filters, so that weak ones look weak; else each its own.
    """
    sizes = np.abs(weights).max(axis=None if alike else (1, 2, 3), keepdims=True)
    unit = np.divide(weights, sizes, out=np.zeros(weights.shape, np.float64), where=sizes > 0)
    return np.rint(127.5 + 127.5 * unit).astype(np.uint8)


def as_grey_images(weights: np.ndarray) -> np.ndarray:
    """(3 n, 3, k, k) uint8: red, green and blue part of each filter one after another, each on its own scale."""
    parts = weights.reshape(-1, 1, *weights.shape[2:])
    return as_images(parts).repeat(3, axis=1)
