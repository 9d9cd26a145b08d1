"""The training loop that a tutorial writes, as the reference for ours: plain, correct, and common.

fp32, one PIL image after another through torchvision's transforms in a DataLoader, torch's own optimiser,
`.item()` in each step, on the CPU. Same networks, same images, and of the recipe all that costs time in a
tutorial's step: batch size, optimiser, label smoothing, flip, rotation, shift, colours. Left out are the
schedule, cutout, averaged weights and the flip that alternates; ours does them, so where a recipe has them
(the fast one) its ratio is a little lower than among equals.
"""

import time
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from core.config import Recipe
from core.models import MODELS

WORKERS = 2
"""Of the DataLoader, as in PyTorch's own tutorial "Training a classifier"."""

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class PilImages(Dataset):
    """Images as PIL has them, transformed one at a time when asked for."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, recipe: Recipe) -> None:
        self.images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))  # (n, h, w, 3) uint8
        self.labels = labels
        self.transform = transforms.Compose(
            [*augmentation(recipe), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def augmentation(recipe: Recipe) -> list[nn.Module]:
    """The recipe's augmentation in torchvision's words."""
    steps: list[nn.Module] = []
    if recipe.flip:
        steps.append(transforms.RandomHorizontalFlip())
    if recipe.rotation:
        steps.append(transforms.RandomRotation(recipe.rotation))
    if recipe.shift:
        steps.append(transforms.RandomCrop(recipe.image_size, recipe.shift, padding_mode="reflect"))
    jitter = (recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue)
    if any(jitter):
        steps.append(transforms.ColorJitter(*jitter))
    return steps


def loader(images: np.ndarray, labels: np.ndarray, recipe: Recipe, workers: int = WORKERS) -> DataLoader:
    """Shuffled batches, augmented and normalised."""
    return DataLoader(PilImages(images, labels, recipe), recipe.batch_size, shuffle=True, num_workers=workers)


class TutorialLoop:
    """Trains for as long as it is told to, and goes on from there the next time."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, recipe: Recipe) -> None:
        self.recipe = recipe
        self.model = MODELS[recipe.model].build(recipe, 10)
        self.loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        learning = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        rate, decay = recipe.learning_rate, recipe.weight_decay
        if recipe.optimizer == "adam":
            self.optimizer: torch.optim.Optimizer = torch.optim.Adam(learning, lr=rate, weight_decay=decay)
        else:
            self.optimizer = torch.optim.SGD(
                learning, lr=rate, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=decay
            )
        self._batches = self._forever(loader(images, labels, recipe))

    def run(self, seconds: float) -> float:
        """Images a second over at least so many seconds and one step."""
        self.model.train()
        begin, images = time.monotonic(), 0
        running_loss = correct = 0.0
        while not images or time.monotonic() - begin < seconds:
            inputs, labels = next(self._batches)
            self.optimizer.zero_grad()
            outputs = self.model(inputs)
            loss = self.loss(outputs, labels)
            loss.backward()
            self.optimizer.step()
            running_loss += loss.item()
            correct += (outputs.argmax(1) == labels).sum().item()
            images += len(labels)
        return images / (time.monotonic() - begin)

    @staticmethod
    def _forever(batches: DataLoader) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from batches
