"""One seed, many independent streams: what is drawn for one purpose never shifts another."""

import hashlib

import numpy as np


def derive(seed: int, purpose: str, *indices: int) -> int:
    """A 63-bit seed for one purpose ("split", "weights", "order") and, say, one epoch.

    Hashing rather than adding, so that neighbouring seeds share no stream: the third epoch of
    seed 1 must not be the second epoch of seed 2.
    """
    text = "/".join([str(seed), purpose, *map(str, indices)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """A numpy generator of its own for one purpose; see `derive`."""
    return np.random.Generator(np.random.PCG64(derive(seed, purpose, *indices)))
