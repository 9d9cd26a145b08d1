"""The random split of the training images into training and validation, as the report does it."""

import numpy as np

from core.seeds import generator


def split_indices(n: int, validation_share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of n training images train and which validate: a random split, not stratified.

    Args:
        n: number of images in the training set.
        validation_share: fraction set aside for validation, in (0, 1).
        seed: of the run; the same seed gives the same split.

    Returns:
        Indices of the training and of the validation images, both sorted, int64; neither is
        empty as long as n is at least 2.
    """
    held_out = min(max(1, round(n * validation_share)), n - 1)
    order = generator(seed, "split").permutation(n)
    return np.sort(order[held_out:]), np.sort(order[:held_out])
