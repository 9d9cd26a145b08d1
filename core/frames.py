"""Messages between a process and its child over a pipe: a header of JSON, and arrays as they lie in memory.

No pickle: neither side could then be made to run what the other sends. A frame is

    8 bytes, the length of the header    the header    the arrays of the header's "arrays", one after another
"""

import json
import struct
from typing import Any, BinaryIO

import numpy as np

MOST_HEADER_BYTES = 50_000_000
MOST_ARRAY_BYTES = 2_000_000_000

Message = tuple[dict[str, Any], dict[str, np.ndarray]]


class Broken(Exception):
    """The other side is gone, or what it sent is no frame."""


def send(stream: BinaryIO, values: dict[str, Any], arrays: dict[str, np.ndarray] | None = None) -> None:
    """Write one message and flush.

    Args:
        values: what JSON can hold; the key "arrays" is taken.
        arrays: numbers of any shape, by name.

    Raises:
        Broken: nobody reads any more.
    """
    whole = {name: np.require(array, requirements="C") for name, array in (arrays or {}).items()}
    about = [[name, array.dtype.str, list(array.shape)] for name, array in whole.items()]
    header = json.dumps({**values, "arrays": about}).encode()
    try:
        stream.write(struct.pack("<Q", len(header)) + header)
        for array in whole.values():
            stream.write(array.tobytes())
        stream.flush()
    except (OSError, ValueError) as error:
        raise Broken("the pipe is closed") from error


def receive(stream: BinaryIO) -> Message:
    """Read one message; waits for it.

    Raises:
        Broken: the pipe ended, or the frame is damaged.
    """
    (length,) = struct.unpack("<Q", _exactly(stream, 8))
    if length > MOST_HEADER_BYTES:
        raise Broken("a header of impossible length")
    try:
        values = json.loads(_exactly(stream, length))
        about = values.pop("arrays")
        arrays = {name: _array(stream, np.dtype(kind), tuple(shape)) for name, kind, shape in about}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Broken("a frame that is none") from error
    return values, arrays


def _array(stream: BinaryIO, kind: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    if kind.hasobject or any(side < 0 for side in shape):
        raise Broken("an array of objects")
    size = kind.itemsize * int(np.prod(shape, dtype=object))
    if size > MOST_ARRAY_BYTES:
        raise Broken("an array of impossible size")
    return np.frombuffer(_exactly(stream, size), kind).reshape(shape)


def _exactly(stream: BinaryIO, length: int) -> bytes:
    try:
        content = stream.read(length)
    except (OSError, ValueError) as error:
        raise Broken("the pipe is closed") from error
    if content is None or len(content) < length:
        raise Broken("the pipe ended")
    return content
