"""A recipe as a short script that trains the same with PyTorch alone, for people who have no Tenfold.

The text is made from templates (`core/templates`), one for the loop and one for each network, in which
only what the recipe uses is left. Split, initial weights and order of the images come from the same random
streams as here (`core.seeds`); augmentation is torchvision's, one image at a time, with the same ranges.
Nothing that people named (folders, classes) goes into the text: it is code.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any

from core.config import KNOBS, Recipe, applying_fields, in_words
from core.errors import UserError
from core.layers import FAST_CHANNELS, blocks_per_stage, scaled
from core.seeds import sources_of
from core.templating import environment

_COVERED = """
    dataset image_size normalisation validation_share model width activation dropout batch_norm hidden
    depth skip epochs learning_rate batch_size optimizer momentum nesterov weight_decay schedule warmup
    plateau_factor plateau_patience label_smoothing averaging early_stop keep flip_test flip
    alternate_flip rotation shift brightness contrast saturation hue cutout vary_weights vary_order
    vary_augmentation vary_split precision compile deterministic log_every
"""

COVERED = frozenset(_COVERED.split())
"""The fields that the templates act on. A field that came later is refused until it is written there, too."""

_NORMALISED_BY = {
    "dataset": "mean and deviation of the training set",
    "half": "0.5 and 0.5, so that values lie between -1 and 1",
    "none": "",
}
_MODULES = {"relu": "nn.ReLU", "gelu": "nn.GELU"}
_TRANSFORMS = ("flip", "rotation", "shift", "brightness", "contrast", "saturation", "hue")


@dataclass(frozen=True)
class Facts:
    """What the script has to know of the data set: number of classes, normalisation of each channel on the
    scale 0 to 1, and the digest that names the recipe on these images."""

    classes: int
    mean: list[float]
    std: list[float]
    digest: str


def plain_script(recipe: Recipe, seed: int, facts: Facts) -> str:
    """The text of `train.py`; it reads `images.npz` beside it (`core.export_images`), or downloads CIFAR-10.

    Raises:
        UserError: the recipe uses a field, or a network, that the script does not cover.
    """
    for name in applying_fields(recipe):
        if name not in COVERED:
            raise UserError(
                f"The plain script does not know the field {name} ({KNOBS[name].label}): "
                "take the recipe as JSON and train it with Tenfold."
            )
    from jinja2 import TemplateNotFound

    templates = environment(keep_trailing_newline=True)
    values = {**_values(recipe, seed, facts), **_network_values(recipe, facts.classes)}
    try:
        network = templates.get_template(f"network_{recipe.model}.py.j2").render(values)
    except TemplateNotFound as error:
        raise UserError(
            f"The plain script does not know the model {recipe.model}: take its weights or its recipe instead."
        ) from error
    text = templates.get_template("plain_script.py.j2").render({**values, "network": network.strip()})
    return re.sub(r"\n{4,}", "\n\n\n", text)


def _values(recipe: Recipe, seed: int, facts: Facts) -> dict[str, Any]:
    """What the loop's template asks for."""
    applying = applying_fields(recipe)
    alternates = recipe.flip and recipe.alternate_flip
    transforms = any(getattr(recipe, name) for name in _TRANSFORMS if not (name == "flip" and alternates))
    cifar10 = recipe.dataset == "cifar10"
    held = [name for name in asdict(sources_of(recipe, seed)) if not getattr(recipe, f"vary_{name}")]
    return {
        "recipe": recipe,
        "words": in_words(recipe),
        "packages": "torch torchvision numpy" if cifar10 or transforms else "torch numpy",
        "cifar10": cifar10,
        "digest": facts.digest,
        "seed": seed,
        "seeds": repr(asdict(sources_of(recipe, seed))).replace("'", '"'),
        "held": " and ".join(name for name in held if f"vary_{name}" in applying),
        "mean": [float(value) for value in facts.mean],
        "std": [float(value) for value in facts.std],
        "normalised_by": _NORMALISED_BY[recipe.normalisation],
        "side": recipe.image_size,
        "classes": facts.classes,
        "transforms": transforms,
        "augments_each": _augmentation(recipe, alternates),
        "alternates": alternates,
        "augmented": bool(_augmentation(recipe, alternates)) or alternates,
        "optimizer": _optimizer(recipe),
        "computed_layer": recipe.model == "fast",
        "judged": "mean" if recipe.averaging else "model",
        "keeps_best": recipe.keep == "best",
        "remembers": recipe.keep == "best" or recipe.early_stop,
    }


def _augmentation(recipe: Recipe, alternates: bool) -> list[str]:
    """torchvision's transforms for one image between 0 and 1, in the order of `core.augment`."""
    jitter = [recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue]
    shift = f'v2.RandomCrop({recipe.image_size}, padding={recipe.shift}, padding_mode="reflect")'
    parts = {
        "v2.RandomHorizontalFlip()": recipe.flip and not alternates,
        f"v2.RandomRotation({recipe.rotation})": recipe.rotation,
        shift: recipe.shift,
        f"v2.ColorJitter({', '.join(map(str, jitter))})": any(jitter),
        "Cutout()": recipe.cutout,
    }
    return [text for text, there in parts.items() if there]


def _optimizer(recipe: Recipe) -> str:
    """As `core.optim.make_optimizer`."""
    common = f"lr={recipe.learning_rate}, weight_decay={recipe.weight_decay}"
    if recipe.optimizer != "sgd":
        name = {"adam": "Adam", "adamw": "AdamW"}[recipe.optimizer]
        learning = "[p for p in model.parameters() if p.requires_grad]"
        learning = learning if recipe.model == "fast" else "model.parameters()"
        return f"torch.optim.{name}({learning}, {common}, fused=True)"
    momentum = f"momentum={recipe.momentum}, fused=True"
    if recipe.nesterov and recipe.momentum > 0:
        momentum += ", nesterov=True"
    if recipe.model == "fast":
        return f"torch.optim.SGD(groups_of(model), {momentum})"
    return f"torch.optim.SGD(model.parameters(), {common}, {momentum})"


def _network_values(recipe: Recipe, classes: int) -> dict[str, Any]:
    """Channels and features as numbers, under the width of the recipe."""

    def wide(*channels: int) -> tuple[int, ...]:
        return tuple(scaled(number, recipe.width) for number in channels)

    outputs, kernels = wide(256, 512, 256, 128), (3, 3, 5, 5)
    side = recipe.image_size
    for number, kernel in enumerate(kernels, start=1):
        side -= kernel - 1
        side //= 2 if number in (2, 4) else 1
    return {
        "activation": _MODULES[recipe.activation],
        "convolutions": list(zip((3, *outputs[:-1]), outputs, kernels, strict=True)),
        "features": outputs[-1] * side**2,
        "hidden": scaled(512, recipe.width),
        "stem": scaled(16, recipe.width),
        "stages": wide(16, 32, 64),
        "blocks": blocks_per_stage(recipe.depth),
        "groups": wide(*FAST_CHANNELS),
    }
