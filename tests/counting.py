"""How often functions are called that must not be called often."""

from collections import Counter
from types import ModuleType

import pytest


def count_calls(monkeypatch: pytest.MonkeyPatch, *functions: tuple[ModuleType, str]) -> Counter:
    """Calls from now on by the name of the function, as these modules know it."""
    found = Counter()

    def count(module: ModuleType, name: str) -> None:
        original = getattr(module, name)

        def counting(*arguments):
            found[name] += 1
            return original(*arguments)

        monkeypatch.setattr(module, name, counting)

    for module, name in functions:
        count(module, name)
    return found
