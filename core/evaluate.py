"""What a model says of images that it does not learn from: logits, loss, accuracy, temperature."""

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn
from torch.nn import functional

from core.device import Compute

BATCH_SIZE = 500
"""Images at once; any size gives the same figures up to rounding, this one is fast and fits small memories."""


@torch.inference_mode()
def logits(
    model: nn.Module, images: Tensor, normalise: "Normalise", compute: Compute, both_sides: bool = False
) -> Tensor:
    """(n, classes) float32 for (n, 3, h, w) uint8; leaves the model in evaluation mode.

    Args:
        both_sides: show each image as it is and mirrored, and average the two answers.
    """
    model.eval()
    outputs = []
    for batch in images.split(BATCH_SIZE):
        shown = normalise(scale(batch))
        with compute.autocast():
            answer = model(shown).float()
            if both_sides:
                mirrored = shown.flip(-1).contiguous(memory_format=torch.channels_last)
                answer = (answer + model(mirrored).float()) / 2
        outputs.append(answer)
    return torch.cat(outputs)


def scale(images: Tensor) -> Tensor:
    """uint8 to float32 between 0 and 1."""
    return images.float() / 255


class Normalise:
    """Subtract a mean and divide by a deviation, channel by channel; gives channels_last memory."""

    def __init__(self, mean: np.ndarray, std: np.ndarray, device: torch.device) -> None:
        self.mean, self.std = mean, std
        self._mean = torch.tensor(mean, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(std, dtype=torch.float32, device=device).view(1, 3, 1, 1)

    def __call__(self, images: Tensor) -> Tensor:
        return ((images - self._mean) / self._std).contiguous(memory_format=torch.channels_last)


def loss_and_accuracy(outputs: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean cross-entropy in nats and share of right answers; NaN for no images."""
    if not len(labels):
        return float("nan"), float("nan")
    loss = functional.cross_entropy(outputs, labels)
    return loss.item(), (outputs.argmax(1) == labels).float().mean().item()


def by_class(outputs: Tensor, labels: Tensor) -> tuple[list[float | None], list[float]]:
    """For each class, the share of its images that were recognised, and its share of all answers.

    Args:
        outputs: (n, classes) logits.
        labels: (n,) classes.

    Returns:
        Two lists with an entry a class; the first is None for a class without images.
    """
    classes, answers = outputs.shape[1], outputs.argmax(1)
    # Counted on the CPU: the same on a GPU is not deterministic.
    answers, labels = answers.cpu(), labels.cpu()
    images = torch.bincount(labels, minlength=classes)
    right = torch.bincount(labels[answers == labels], minlength=classes)
    given = torch.bincount(answers, minlength=classes)
    recall = [
        round(hits / number, 6) if number else None
        for hits, number in zip(right.tolist(), images.tolist(), strict=True)
    ]
    return recall, [round(number / max(1, len(labels)), 6) for number in given.tolist()]


def fit_temperature(outputs: np.ndarray, labels: np.ndarray) -> float:
    """The number that logits are divided by for the lowest loss on these images.

    Args:
        outputs: (n, classes) logits of validation images.
        labels: (n,) their classes.

    Returns:
        Between 0.05 and 20; 1 where there are no images or the logits are not finite.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.
    """
    if not len(labels) or not np.isfinite(outputs).all():
        return 1.0
    scores, targets = torch.from_numpy(outputs).double(), torch.from_numpy(labels)

    def loss(log_temperature: float) -> float:
        return functional.cross_entropy(scores / np.exp(log_temperature), targets).item()

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))
