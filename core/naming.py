"""Names that tell recipes apart: the usual line in words, and what it leaves out where two are alike."""

from collections import defaultdict

from core.config import KNOBS, Recipe, differences, in_words
from core.datasets import folder_place


def distinct_names(recipes: list[Recipe]) -> list[str]:
    """One name for each recipe, all different: equal recipes (on images that changed since) are counted.

    "baseline × 0.25, SGD 0.003, batch 32, 4 epochs, dropout 0.2" where another one has dropout 0.5.
    """
    names = [in_words(recipe) for recipe in recipes]
    alike: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        alike[name].append(place)
    for places in alike.values():
        fields = {name for place in places[1:] for name in differences(recipes[places[0]], recipes[place])}
        for place in places:
            told = [
                f"{KNOBS[name].label.lower()} {_value(recipes[place], name)}"
                for name in KNOBS
                if name in fields
            ]
            names[place] = ", ".join([names[place], *told])
    return counted(names)


def counted(names: list[str]) -> list[str]:
    """The same, the second and further of equal ones with their number: "a", "b", "a (2)"."""
    seen: dict[str, int] = defaultdict(int)
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _value(recipe: Recipe, name: str) -> str:
    value = getattr(recipe, name)
    if name == "dataset" and (place := folder_place(value)):
        return place.name
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
