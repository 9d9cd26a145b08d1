"""What the tables are made of: descriptions of a model, a data set, an executor.

A table names its implementations as text, "module:name", so that listing what there is loads
nothing heavy; `resolve` loads one when it is used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


def resolve(target: str) -> Any:
    """The object that "package.module:name" names; imports its module."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


@dataclass(frozen=True)
class ModelSpec:
    """A network that can be chosen.

    `target` is its class, called with `classes`, `image_size` and the recipe fields named in
    `fields`. `layers` is a function in `core.layers` that takes the same and needs no torch.
    `training_version` is raised with each change that makes trainings of this network alone give other
    weights, as `core.config.TRAINING_VERSION` is for all.
    """

    name: str
    title: str
    summary: str
    target: str
    layers: str
    fields: tuple[str, ...] = ("width", "activation")
    notes: tuple[str, ...] = ()  # where the report contradicts itself, and what is built instead
    smallest_px: int = 24
    training_version: int = 1

    def arguments(self, recipe: Any, classes: int) -> dict[str, Any]:
        """Keyword arguments of the class and of the layer description for one recipe."""
        own = {name: getattr(recipe, name) for name in self.fields}
        return {"classes": classes, "image_size": recipe.image_size, **own}

    def build(self, recipe: Any, classes: int) -> Any:
        """The torch module, freshly initialised from torch's global generator."""
        return resolve(self.target)(**self.arguments(recipe, classes))

    def loading_code(self, recipe: Any, classes: int, file_name: str) -> str:
        """Python that loads a run's weights into this network, for people to copy."""
        module, _, name = self.target.partition(":")
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.arguments(recipe, classes).items())
        return (
            f"import torch\n"
            f"from {module} import {name}\n\n"
            f"model = {name}({arguments})\n"
            f"model.load_state_dict(torch.load({file_name!r}, weights_only=True))\n"
            f"model.eval()"
        )

    def describe(self, recipe: Any, classes: int) -> list[Any]:
        """The `core.layers.Layer`s of the network, computed without torch."""
        return resolve(self.layers)(**self.arguments(recipe, classes))


@dataclass(frozen=True)
class DatasetSpec:
    """A data set that can be chosen; `target` is a class with the methods of `core.datasets.Source`."""

    name: str
    title: str
    summary: str
    target: str


@dataclass(frozen=True)
class ExecutorSpec:
    """A way to start workers; `target` is a class with the methods of `core.executors.Executor`."""

    name: str
    title: str
    target: str


Progress = Callable[[str, int, int], None]
"""Called with what is being done ("downloading"), how much is done and how much there is (0: unknown)."""
