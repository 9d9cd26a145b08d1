"""The comparison that a page shows, or a recipe over its seeds, as one HTML file to take home."""

import streamlit as st

from core.html_report import render
from core.report_of_sweeps import Verdict, sweeps_report
from core.seed_table import Entry
from core.stats import Comparison
from core.verdicts import Judgement
from pages.parts import cache


def comparison_report(
    one: Entry, other: Entry, threshold: float, found: Comparison | None = None, said: Judgement | None = None
) -> None:
    """The button; the file is put together when it is pressed.

    Args:
        found, said: of recipes whose test figures are revealed; without, the report is about validation.
    """
    verdict = Verdict(found, said, threshold) if found and said else None
    _button(
        "Download this comparison as one HTML file",
        [one, other],
        verdict,
        f"{one.sweep.digest[:8]}-against-{other.sweep.digest[:8]}",
    )


def sweep_report(entry: Entry) -> None:
    """The button for one recipe."""
    _button("Download this recipe over its seeds as one HTML file", [entry], None, entry.sweep.digest[:8])


def _button(label: str, entries: list[Entry], verdict: Verdict | None, name: str) -> None:
    revealed = entries[0].revealed
    st.download_button(
        label,
        lambda: render(sweeps_report(entries, cache.study, verdict)),
        file_name=f"tenfold-{name}{'' if revealed else '-validation-only'}.html",
        mime="text/html",
        key=f"seeds.report.{len(entries)}",
        icon=":material/description:",
        on_click="ignore",
        help="The sentence, its intervals, every seed, curves, recipes and passports in one file of about 5 MB that "
        "opens without network, figures alive."
        + ("" if revealed else " Test figures are covered, and not in it."),
    )
