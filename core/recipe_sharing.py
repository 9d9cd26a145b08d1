"""A recipe to hand on, as a file or in a link, and what comes in as one: believed in nothing.

A folder of images goes by its last name: where it lies is nobody else's business, and no link may name a
folder that the page does not offer (`pages/parts/recipe_form.py` looks for one of that name).
"""

import base64
import binascii
import json
from dataclasses import replace
from typing import Any

from core.config import Recipe
from core.datasets import folder_place
from core.errors import UserError
from core.seeds import LARGEST_SEED

FILE_BYTES = 64_000
LINK_CHARACTERS = 2_000
"""The longest that is read; with every field changed a link has under 1,300."""

MOST_WORDS = 300

_BESIDE = ("tenfold", "seed", "format", "digest", "data_fingerprint", "attempt", "created")
"""What may stand beside a recipe: of our own files, and of a run's run.json."""


def to_json(recipe: Recipe, seed: int) -> str:
    """A file for people and programs: every field by name, those that do nothing here, too."""
    whole = {"tenfold": 1, "seed": seed, "recipe": _portable(recipe).to_dict()}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def from_json(content: bytes) -> tuple[Recipe, int | None]:
    """The recipe of a file, and its seed where it has one; fields that are missing have their defaults.

    Also reads the bare fields of a recipe, and a run's own run.json.

    Raises:
        UserError: too large, no JSON, a field that does not exist, or a value that is not valid.
    """
    if len(content) > FILE_BYTES:
        raise UserError(f"This file is larger than {FILE_BYTES // 1000} kB: it is no recipe.")
    values = _parsed(content, "This file is no JSON, so it holds no recipe.")
    if "recipe" not in values:
        values = {"seed": values.pop("seed", None), "recipe": values}
    unknown = [name for name in values if name not in (*_BESIDE, "recipe")]
    if unknown:
        raise UserError(_short(f"There is a {unknown[0]!r} beside the recipe, which is not known here."))
    if not isinstance(values["recipe"], dict):
        raise UserError("What stands under recipe in this file are no fields with values.")
    return _recipe(values["recipe"]), _seed(values.get("seed"))


def to_query(recipe: Recipe, seed: int) -> str:
    """What stands after `?recipe=` in a link: the fields that are not at their default, and the seed."""
    default = Recipe()
    portable = _portable(recipe).to_dict()
    changed = {name: value for name, value in portable.items() if value != getattr(default, name)}
    text = json.dumps({**changed, "seed": seed}, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def from_query(text: str) -> tuple[Recipe, int | None]:
    """The recipe and the seed of a link.

    Raises:
        UserError: too long, damaged, a field that does not exist, or a value that is not valid.
    """
    if len(text) > LINK_CHARACTERS:
        raise UserError(f"The recipe in this link is longer than {LINK_CHARACTERS:,} characters: it is none.")
    damaged = "The recipe in this link can't be read: it was cut or changed on its way, so copy it anew."
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise UserError(damaged) from error
    values = _parsed(content, damaged)
    seed = values.pop("seed", None)
    return _recipe(values), _seed(seed)


def _parsed(content: bytes, otherwise: str) -> dict[str, Any]:
    try:
        values = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise UserError(otherwise) from error
    if not isinstance(values, dict):
        raise UserError(otherwise)
    return values


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name stands there twice")
    return dict(pairs)


def _recipe(values: dict[str, Any]) -> Recipe:
    try:
        return Recipe.from_dict(values)
    except UserError as error:
        raise UserError(_short(str(error))) from error


def _seed(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= LARGEST_SEED:
        raise UserError(_short(f"seed must be a whole number from 0 to {LARGEST_SEED:,}, not {value!r}."))
    return value


def _portable(recipe: Recipe) -> Recipe:
    place = folder_place(recipe.dataset)
    return recipe if place is None else replace(recipe, dataset=f"folder:{place.name}")


def _short(words: str) -> str:
    """A hostile value may be as long as the file."""
    return words if len(words) <= MOST_WORDS else f"{words[:MOST_WORDS]} …"
