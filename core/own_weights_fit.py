"""Whether weights are of a network, told from names and shapes alone; where not, what to choose instead."""

import dataclasses
import re
from collections.abc import Iterator

import torch

from core.config import Recipe
from core.errors import UserError
from core.models import MODELS

Shapes = dict[str, tuple[str, tuple[int, ...]]]
"""From the name of a tensor to its kind of numbers, as safetensors calls it, and its shape."""

_KINDS = {torch.float32: "F32", torch.int64: "I64"}
_ACCEPTED = {"F32": ("F32", "F16", "BF16"), "I64": ("I64",)}
_PLAIN_NAME = re.compile(r"[\w.-]{1,80}", re.ASCII)
_CHOICES = ("model", "width", "depth", "batch_norm", "hidden")
"""Fields of a recipe that decide on names and shapes."""


def shapes_of(recipe: Recipe, classes: int) -> Shapes:
    """Those of the network of a recipe; no memory is taken for them."""
    with torch.device("meta"):
        state = MODELS[recipe.model].build(recipe, classes).state_dict()
    return {name: (_KINDS[value.dtype], tuple(value.shape)) for name, value in state.items()}


def explain_difference(found: Shapes, recipe: Recipe, classes: int) -> str | None:
    """The first layer that is not as in the network of this recipe, and what to do; None where all are."""
    wanted = shapes_of(recipe, classes)
    problem = _first_difference(found, wanted)
    if problem is None:
        return None
    sides = {name: shape for name, (_, shape) in found.items()}
    for other, number in _others(found, recipe):
        if {name: shape for name, (_, shape) in shapes_of(other, number).items()} == sides:
            return f"{problem}: {_advice(recipe, other, classes, number)}."
    return f"{problem}: choose the network that these weights were trained in."


def _first_difference(found: Shapes, wanted: Shapes) -> str | None:
    for name, (kind, shape) in wanted.items():
        if name not in found:
            return f"{name} is missing in this file, this network has it ({_by(shape)})"
        its_kind, its_shape = found[name]
        if its_shape != shape:
            return f"{name} is {_by(its_shape)}, this network has {_by(shape)}"
        if its_kind not in _ACCEPTED[kind]:
            accepted = " or ".join(_ACCEPTED[kind])
            return f"{name} holds numbers of the kind {its_kind}, and must hold {accepted}"
    for name in found:
        if name not in wanted:
            shown = name if _PLAIN_NAME.fullmatch(name) else "a layer with a name that is no plain word"
            return f"{shown} is in this file and not in this network"
    return None


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape[:8])) or "a single number"


def _advice(recipe: Recipe, other: Recipe, classes: int, number: int) -> str:
    """ "choose width 0.25" """
    changed = [name for name in _CHOICES if getattr(recipe, name) != getattr(other, name)]
    words = [f"{name.replace('_', ' ')} {_word(getattr(other, name))}" for name in changed]
    words += [f"{number} classes"] if number != classes else []
    return "choose " + ", ".join(words) if words else "save it as float32 or float16"


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _others(found: Shapes, recipe: Recipe) -> Iterator[tuple[Recipe, int]]:
    """Recipes and numbers of classes whose network could have these shapes, its own model first."""
    last = [shape for name, (_, shape) in found.items() if name.startswith("fc") and len(shape) == 2]
    if not last or not 2 <= last[-1][0] <= 10_000:
        return
    blocks = [int(match[1]) for name in found if (match := re.match(r"blocks\.1-(\d{1,3})\.", name))]
    depth = 6 * max(blocks, default=1) + 2
    for model in sorted(MODELS, key=lambda name: name != recipe.model):
        for norm in (True, False) if "batch_norm" in MODELS[model].fields else (recipe.batch_norm,):
            for hidden in (True, False) if "hidden" in MODELS[model].fields else (recipe.hidden,):
                own_depth = depth if "depth" in MODELS[model].fields else recipe.depth
                values = {"model": model, "batch_norm": norm, "hidden": hidden, "depth": own_depth}
                try:
                    full = dataclasses.replace(recipe, **values, width=1.0)
                    width = _width(found, shapes_of(full, last[-1][0]))
                    yield dataclasses.replace(full, width=width), last[-1][0]
                except UserError:  # no such depth or width can be chosen
                    continue


def _width(found: Shapes, full: Shapes) -> float:
    """By which a network of these shapes multiplies its channels, from the widest convolution of both."""
    both = [
        (shape[0], found[name][1][0])
        for name, (_, shape) in full.items()
        if len(shape) == 4 and name in found and len(found[name][1]) == 4
    ]
    whole, own = max(both, default=(1, 1))
    return own / whole
