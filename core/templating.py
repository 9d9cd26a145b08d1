"""The templates of what people take home: `core/templates`, filled in by jinja2."""

import functools
from typing import TYPE_CHECKING, Any

from core.paths import ROOT

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = ROOT / "core" / "templates"


@functools.cache
def environment(**options: Any) -> "Environment":
    """Of all templates; a name that a template asks for and does not get is an error.

    Made when the first is filled in: a tenth of a second that the first view of a page need not take.

    Args:
        options: further ones of jinja2's `Environment`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        **options,
    )
