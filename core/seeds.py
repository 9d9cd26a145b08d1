"""One seed, many independent streams: what is drawn for one purpose never shifts another."""

import hashlib
from dataclasses import dataclass
from typing import Any

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


LARGEST_SEED = 2**31 - 1
"""Of those that a person may choose."""

FEWEST_SEEDS = 3
"""Of each recipe, before one may be called better."""

HELD_SEED = 0
"""Where a source of chance starts that a recipe holds fixed: the same for all of its seeds."""


@dataclass(frozen=True)
class Sources:
    """The seed of each source of chance in one run; all the run's own, unless its recipe holds some fixed.

    `augmentation` also draws dropout: what is random about a step besides the images in it.
    """

    weights: int
    order: int
    augmentation: int
    split: int


def sources_of(recipe: Any, seed: int) -> Sources:
    """Which seed each source of chance gets, by the recipe's `vary_...` fields."""
    names = ("weights", "order", "augmentation", "split")
    return Sources(**{name: seed if getattr(recipe, f"vary_{name}") else HELD_SEED for name in names})
