"""Tables of recipes over seeds to take away: CSV for programs, LaTeX and Markdown for papers and notes.

A figure without its n and the kind of its interval is worth little once it has left this program, so
both stand in the header (`core.seed_table.columns`). CSV holds fractions, unrounded; the others percent and points.
Names come from people: in each format they are shown as they are, and do nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

Row = dict[str, Any]
"""Key of a column -> value; None or NaN where there is none. Accuracies and differences as fractions."""

Kind = Literal["text", "int", "accuracy", "points", "interval", "share", "variance"]
"""An interval is a pair of accuracies; points are a deviation or a difference of accuracies."""

Format = Literal["csv", "latex", "markdown"]

_UNITS = {"accuracy": "%", "interval": "%", "share": "%", "points": "points", "variance": "points²"}


@dataclass(frozen=True)
class Column:
    """One column: where its values are, what stands above it (without a unit), and what they are."""

    key: str
    title: str
    kind: Kind


def render(rows: Sequence[Row], columns: Sequence[Column], caption: str, format: Format) -> str:
    """The table as the text of a file.

    Args:
        caption: above the table; CSV has none, since programs would stumble over it.

    Raises:
        ValueError: an unknown format.
        KeyError: a row without the key of a column.
    """
    if format == "csv":
        return to_csv(rows, columns)
    if format == "latex":
        return to_latex(rows, columns, caption)
    if format == "markdown":
        return to_markdown(rows, columns, caption)
    raise ValueError(f"the format must be csv, latex or markdown, not {format!r}")


def to_csv(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """One header row, then a row each; fractions, unrounded; an interval is two columns.

    Text that a spreadsheet would take for a formula gets an apostrophe in front, as a class or a recipe
    may have been named by someone else.
    """
    titles = [title for column in columns for title in _csv_titles(column)]
    cells = [[cell for column in columns for cell in _csv_cells(column, row[column.key])] for row in rows]
    return pd.DataFrame(cells, columns=titles, dtype=object).to_csv(index=False, lineterminator="\n")


def to_latex(rows: Sequence[Row], columns: Sequence[Column], caption: str) -> str:
    """A floating table with booktabs' lines: the document needs \\usepackage{booktabs}."""
    cells = [[_latex_cell(column, row[column.key]) for column in columns] for row in rows]
    frame = pd.DataFrame(cells, columns=[_latex(_title(column)) for column in columns], dtype=object)
    alignment = "".join("l" if column.kind == "text" else "r" for column in columns)
    return "% needs \\usepackage{booktabs}\n" + frame.to_latex(
        index=False, escape=False, caption=_latex(caption), position="htbp", column_format=alignment
    )


def to_markdown(rows: Sequence[Row], columns: Sequence[Column], caption: str) -> str:
    """The caption as a paragraph, and a table as GitHub and most others read it."""
    lines = [
        [_markdown(_title(column)) for column in columns],
        ["---" if column.kind == "text" else "---:" for column in columns],
        *([_markdown(_shown(column, row[column.key])) for column in columns] for row in rows),
    ]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{_markdown(caption)}\n\n{table}\n"


def for_people(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[list[str], list[list[str]]]:
    """The titles with their units, and each row's values as people read them: percent and points."""
    return [_title(column) for column in columns], [
        [_shown(column, row.get(column.key)) for column in columns] for row in rows
    ]


def _csv_titles(column: Column) -> list[str]:
    unit = "squared fraction" if column.kind == "variance" else "fraction"
    title = harmless(f"{column.title}, {unit}" if column.kind in _UNITS else column.title)
    return [f"{title}, low", f"{title}, high"] if column.kind == "interval" else [title]


def _csv_cells(column: Column, value: Any) -> list[Any]:
    if _none(value):
        return [""] * len(_csv_titles(column))
    if column.kind == "interval":
        return [_number(end) for end in value]
    return [harmless(str(value)) if column.kind == "text" else _number(value)]


def _title(column: Column) -> str:
    unit = _UNITS.get(column.kind)
    return f"{column.title}, {unit}" if unit else column.title


def _shown(column: Column, value: Any) -> str:
    """A value for people: hundredths of a percent or of a point, what is missing as a dash."""
    if _none(value):
        return "–"
    if column.kind == "text":
        return str(value)
    if column.kind == "int":
        return str(int(value))
    if column.kind == "interval":
        return f"{100 * value[0]:.2f} to {100 * value[1]:.2f}"
    return f"{10_000 * value:.3f}" if column.kind == "variance" else f"{100 * value:.2f}"


def _none(value: Any) -> bool:
    """A number that is not there; an interval is missing as a whole."""
    if isinstance(value, tuple):
        return any(map(_none, value))
    return value is None or value != value  # only NaN differs from itself


def _number(value: Any) -> Any:
    """numpy's numbers as Python's; to the ninth digit, since single precision has no more to say."""
    value = value.item() if hasattr(value, "item") else value
    return round(value, 9) if isinstance(value, float) else value


_LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "[": "{[}",  # after the \\ of the row before, a bracket would be its option
        "–": "--",
    }
)


def _latex(text: str) -> str:
    return _one_line(text).translate(_LATEX)


def _latex_cell(column: Column, value: Any) -> str:
    """A minus sign is one in mathematics only; in text it is a hyphen."""
    shown = _shown(column, value)
    if column.kind == "text" or _none(value):
        return _latex(shown)
    return " ".join(f"${word}$" if word.startswith("-") else word for word in shown.split())


def _markdown(text: str) -> str:
    """Every sign that could begin something other than text; a name may hold an image's address."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|~$&!" else sign for sign in _one_line(text))


def harmless(text: str) -> str:
    """Text that no spreadsheet computes, with the line ends that CSV can hold."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{lines}" if lines.lstrip().startswith(("=", "+", "-", "@")) else lines


def _one_line(text: str) -> str:
    return " ".join(text.split())
