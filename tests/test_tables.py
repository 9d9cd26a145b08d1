"""What is read back is what was written, whatever a recipe is called."""

import csv
import dataclasses
import io
import math
import shutil
import subprocess

import numpy as np
import pytest

from core import stats
from core.tables import Column, render, to_csv, to_latex, to_markdown

SEED_COLUMNS = (
    Column("recipe", "recipe", "text"),
    Column("n", "n (seeds)", "int"),
    Column("mean", "mean test accuracy over n seeds", "accuracy"),
    Column(
        "mean_interval",
        "95% Student's t interval of the mean test accuracy over n seeds, these test images",
        "interval",
    ),
    Column("sd", "standard deviation over n seeds (ddof = 1)", "points"),
    Column("median", "median test accuracy over n seeds", "accuracy"),
    Column("low", "lowest of n seeds", "accuracy"),
    Column("high", "highest of n seeds", "accuracy"),
)

TEXT, N = Column("recipe", "recipe", "text"), Column("n", "n", "int")
MEAN = Column("mean", "mean test accuracy", "accuracy")
INTERVAL = Column("ends", "95% Student's t interval over n seeds", "interval")
SD, SHARE = Column("sd", "sd", "points"), Column("share", "wrong", "share")
COLUMNS = (TEXT, N, MEAN, INTERVAL, SD, SHARE)

ROW = {"recipe": "baseline", "n": 3, "mean": 0.75911, "ends": (0.75, 0.7695), "sd": 0.00341, "share": 0.123}
MISSING = {"recipe": None, "n": None, "mean": None, "ends": None, "sd": math.nan, "share": None}

UGLY = ["a|b_%&#$", "two\nlines", 'comma, "quotes"', "{x}~^\\", "<b>bold</b>", "[1]", "![](http://x)", " x "]
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", " =1"]


def read(text):
    return list(csv.reader(io.StringIO(text)))


# CSV


def test_csv_holds_fractions_with_all_their_digits():
    header, row = read(to_csv([ROW], COLUMNS))
    assert row == ["baseline", "3", "0.75911", "0.75", "0.7695", "0.00341", "0.123"]
    assert header[2] == "mean test accuracy, fraction"
    assert header[3:5] == [
        f"95% Student's t interval over n seeds, fraction, {end}" for end in ("low", "high")
    ]


def test_numbers_of_numpy_are_written_as_numbers():
    row = {**ROW, "n": np.int64(3), "mean": np.float64(0.1), "ends": (np.float64(0.1), np.float32(0.5))}
    assert read(to_csv([row], COLUMNS))[1][1:5] == ["3", "0.1", "0.1", "0.5"]
    assert "| 10.00 | 10.00 to 50.00 |" in to_markdown([row], COLUMNS, "")


def test_what_is_missing_is_an_empty_cell_and_whole_numbers_stay_whole():
    _, full, empty = read(to_csv([ROW, MISSING], COLUMNS))
    assert full[1] == "3" and empty == [""] * 7


@pytest.mark.parametrize("name", UGLY)
def test_ugly_name_comes_back_from_csv_as_it_was(name):
    assert read(to_csv([{**ROW, "recipe": name}], COLUMNS))[1][0] == name


@pytest.mark.parametrize("name", FORMULAS)
def test_formula_in_a_name_is_text_to_a_spreadsheet(name):
    _, row = read(to_csv([{**ROW, "recipe": name}], (TEXT,)))
    assert row == [f"'{name}"]


def test_two_columns_of_one_title_are_both_there():
    twice = (SD, dataclasses.replace(MEAN, title="sd"))
    assert [len(row) for row in read(to_csv([ROW], twice))] == [2, 2]
    assert to_latex([ROW], twice, "").count("sd") == 2


def test_interval_of_nan_is_missing():
    row = {**ROW, "ends": (math.nan, math.nan), "sd": np.float32("nan")}
    assert read(to_csv([row], (INTERVAL, SD)))[1] == ["", "", ""]
    assert to_markdown([row], (INTERVAL, SD), "").endswith("| – | – |\n")


def test_negative_number_is_no_formula():
    assert read(to_csv([{**ROW, "sd": -0.01}], (SD,)))[1] == ["-0.01"]


def test_carriage_return_does_not_break_a_row():
    assert read(to_csv([{**ROW, "recipe": "a\r\nb\rc"}], (TEXT, N)))[1:] == [["a\nb\nc", "3"]]


# Markdown


def cells(line):
    """The cells of a Markdown row: a pipe divides unless a backslash stands before it."""
    return [cell.strip() for cell in line.replace("\\\\", "\0").replace("\\|", "\1").strip("| ").split(" | ")]


@pytest.mark.parametrize("name", [*UGLY, *FORMULAS])
def test_ugly_name_stays_in_its_cell_of_markdown(name):
    caption, blank, header, rule, row = to_markdown([{**ROW, "recipe": name}], COLUMNS, "runs").splitlines()
    assert (caption, blank) == ("runs", "")
    assert len(cells(header)) == len(cells(rule)) == len(cells(row)) == len(COLUMNS)
    assert "".join(row.split("|")[-3:-1]).split() == ["0.34", "12.30"]


def test_markdown_shows_percent_points_and_a_dash():
    *_, full, empty = to_markdown([ROW, MISSING], COLUMNS, "").splitlines()
    assert full == "| baseline | 3 | 75.91 | 75.00 to 76.95 | 0.34 | 12.30 |"
    assert cells(empty) == ["–"] * 6


def test_signs_that_markdown_reads_are_escaped():
    row = to_markdown([{"recipe": "a|b_%&"}, {"recipe": "<i>*[x]`"}], (TEXT,), "").splitlines()[-2:]
    assert row == ["| a\\|b\\_%\\& |", "| \\<i\\>\\*\\[x\\]\\` |"]


# LaTeX


def test_latex_is_a_captioned_table_with_the_lines_of_booktabs():
    text = to_latex([ROW, MISSING], COLUMNS, "10 % of _all_")
    assert r"\caption{10 \% of \_all\_}" in text and r"\begin{tabular}{lrrrrr}" in text
    for part in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(part) == 1
    assert r"baseline & 3 & 75.91 & 75.00 to 76.95 & 0.34 & 12.30 \\" in text
    assert r"-- & -- & -- & -- & -- & -- \\" in text
    assert r"95\% Student's t interval over n seeds, \%" in text


def test_latex_escapes_names_once():
    text = to_latex([{"recipe": "a|b_%&#$ {x}~^\\ <y>"}], (TEXT,), "")
    expected = (
        r"a\textbar{}b\_\%\&\#\$ \{x\}\textasciitilde{}\textasciicircum{}\textbackslash{} "
        r"\textless{}y\textgreater{} \\"
    )
    assert expected in text


def test_bracket_at_the_start_of_a_row_is_no_option_of_the_line_break():
    assert "{[}1]" in to_latex([{"recipe": "[1]"}], (TEXT,), "")


def test_negative_numbers_have_a_minus_and_not_a_hyphen():
    text = to_latex([{**ROW, "recipe": "-x", "sd": -0.0034, "ends": (-0.01, 0.02)}], (TEXT, SD, INTERVAL), "")
    assert r"-x & $-0.34$ & $-1.00$ to 2.00 \\" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_of_ugly_names_compiles(tmp_path):
    rows = [{**ROW, "recipe": name} for name in [*UGLY, *FORMULAS]]
    document = (
        r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs}\begin{document}"
        f"{to_latex(rows, COLUMNS, UGLY[0])}"
        r"\end{document}"
    )
    (tmp_path / "a.tex").write_text(document)
    subprocess.run(["pdflatex", "-halt-on-error", "a.tex"], cwd=tmp_path, check=True, timeout=60)


# All of them


@pytest.mark.parametrize("format", ["csv", "latex", "markdown"])
def test_summary_of_seeds_fills_the_standard_columns(format):
    summary = stats.summarise(np.array([0.74, 0.75, 0.77]))
    row = {"recipe": "baseline", **dataclasses.asdict(summary)}
    text = render([row], SEED_COLUMNS, "Seeds", format)
    assert "Student's t interval" in text and "over n seeds" in text and "these test images" in text
    low = summary.mean_interval.low
    assert (str(round(low, 9)) if format == "csv" else f"{100 * low:.2f} to") in text


@pytest.mark.parametrize("format", ["csv", "latex", "markdown"])
def test_table_without_rows_still_has_its_header(format):
    assert "mean test accuracy" in render([], COLUMNS, "none", format)


def test_unknown_format_and_missing_key_are_refused():
    with pytest.raises(ValueError, match="csv, latex or markdown"):
        render([], COLUMNS, "", "html")
    with pytest.raises(KeyError):
        render([{}], COLUMNS, "", "csv")
