"""What a run trains with, opened anew: its images on the device, split by its seed, and its network."""

from collections.abc import Callable
from dataclasses import dataclass

from core.datasets import ImageData, source
from core.device import Compute, choose_compute, passport, prepare_process
from core.errors import UserError
from core.store import Run
from core.train import Learner, TrainingData, make_learner, prepare_data


@dataclass(frozen=True)
class Training:
    """A run's images as they were loaded and as its training sees them, and on what it computes."""

    run: Run
    compute: Compute
    images: ImageData
    data: TrainingData

    def new_learner(self) -> Learner:
        """The network with this seed's initial weights, and its optimiser."""
        recipe, seed = self.run.spec.recipe, self.run.spec.seed
        classes, number = len(self.images.classes), len(self.data.train_labels)
        return make_learner(recipe, classes, seed, self.compute, number)

    def passport(self) -> dict[str, object]:
        """What its result depends on beside recipe and seed, here and now."""
        return passport(self.compute, self.images.fingerprint)


Load = Callable[[str, int], ImageData]
"""From the name of a data set and a size to its images."""


def load_images(dataset: str, image_size: int) -> ImageData:
    """The images that a recipe names, as they are now."""
    return source(dataset, image_size).load()


def open_training(run: Run, remedy: str, load: Load = load_images) -> Training:
    """Prepare this process for a run, and load and split its images.

    Args:
        remedy: what a person is told after "The images have changed since this run was asked for: ".
        load: another one where images are in memory already.

    Raises:
        UserError: they have, or the device is not here.
    """
    recipe = run.spec.recipe
    prepare_process(recipe)
    compute = choose_compute(recipe)
    images = load(recipe.dataset, recipe.image_size)
    if images.fingerprint != run.spec.data_fingerprint:
        raise UserError(f"The images have changed since this run was asked for: {remedy}")
    return Training(run, compute, images, prepare_data(images, recipe, run.spec.seed, compute))
