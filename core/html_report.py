"""A report as one HTML file that opens anywhere, without network: figures alive, text escaped, nothing fetched.

plotly.js goes in once, from the installed wheel. The page's own policy names the digests of its two scripts
and forbids every other one, and every request: a text that slipped through unescaped could do nothing.
`core.report_of_run` and `core.report_of_sweeps` say what is in one.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.packing import packed
from core.templating import TEMPLATES, environment


@dataclass(frozen=True)
class Chart:
    """A plotly figure as `core.figures` makes them; its labels are escaped already (`core.figures.plain`)."""

    title: str
    figure: dict[str, Any]
    height: int
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class TableRow:
    """`kind`: "" for an ordinary row, "marked" for one that stands out, "under" for a part of the one above."""

    cells: list[str]
    kind: str = ""


@dataclass(frozen=True)
class Table:
    title: str
    header: list[str]
    rows: list[TableRow]
    caption: str = ""


@dataclass(frozen=True)
class KeyFigure:
    title: str
    value: str
    about: str = ""


@dataclass(frozen=True)
class Section:
    """`key` tells its figures from those of other sections."""

    key: str
    title: str
    paragraphs: list[str] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """What a reader gets: where it is from, what may be said, and what that rests on; all of it plain text."""

    title: str
    lines: list[str]
    verdict: str
    remarks: list[str]
    figures: list[KeyFigure]
    sections: list[Section]


def render(report: Report) -> bytes:
    """The report as the content of an HTML file; about 5 MB, nearly all of it plotly.js."""
    from markupsafe import Markup

    figures = {
        f"{place}-{section.key}": {**packed(chart.figure), "height": chart.height}
        for section in report.sections
        for place, chart in enumerate(section.charts)
    }
    # A script element ends at the first "</script", wherever it stands.
    data = json.dumps(figures, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    plotly, script = _plotly(), _script()
    page = (
        environment(autoescape=True)
        .get_template("report.html.j2")
        .render(
            report=report,
            policy=_policy(plotly, script),
            figures=Markup(data),
            plotly=Markup(plotly),
            script=Markup(script),
        )
    )
    return page.encode()


def _policy(*scripts: str) -> str:
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _plotly() -> str:
    """Without an import of plotly, which would take a second."""
    folder = Path(find_spec("plotly").origin).parent
    return (folder / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def _script() -> str:
    return (TEMPLATES / "report.js").read_text(encoding="utf-8")
