"""Figures made ready for plotly.js: arrays as bytes, nothing that JSON has not."""

import base64
import math
from typing import Any

import numpy as np

_AS_IN_JAVASCRIPT = {"f2": "f4", "i8": "f8", "u8": "f8"}
"""Types of numpy that plotly.js has not; 8-byte integers stay exact up to 2**53."""


def packed(value: Any) -> Any:
    """The same with arrays as bytes, and without what JSON has not: numpy's numbers, NaN, infinity."""
    if isinstance(value, dict):
        return {name: packed(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [packed(part) for part in value]
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _array(array: np.ndarray) -> Any:
    """Numbers as base64 of little-endian bytes, a typed array to plotly.js; anything else as a list."""
    if array.dtype.kind not in "iuf":
        return packed((array.astype(str) if array.dtype.kind == "M" else array).tolist())
    kind = array.dtype.str[1:]
    kind = _AS_IN_JAVASCRIPT.get(kind, kind)
    content = base64.b64encode(array.astype(f"<{kind}", copy=False).tobytes()).decode("ascii")
    return {"dtype": kind, "bdata": content, "shape": ",".join(map(str, array.shape))}
