"""What identifies a data set by its content, wherever it lies and whatever read it."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from core.datasets import Split


def content_fingerprint(classes: Sequence[str], train: Split, test: Split) -> str:
    """SHA-256, as 64 hexadecimal digits, of all that training can see of a data set.

    Class names go in as one JSON document, each array as its shape and its values in C order and
    little-endian, so that no two different data sets run together into the same bytes and the
    machine's own byte order does not count.
    """
    digest = hashlib.sha256(json.dumps(list(classes)).encode())
    for array, kind in (
        (train.images, "|u1"),
        (train.labels, "<i8"),
        (test.images, "|u1"),
        (test.labels, "<i8"),
    ):
        digest.update(f"\n{kind}{array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array, dtype=kind).data)
    return digest.hexdigest()
