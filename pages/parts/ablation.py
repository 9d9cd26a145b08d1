"""The ablation ladder: from the report's baseline to its improved recipe, one ingredient at a time."""

import numpy as np
import streamlit as st

from core import ladder, seed_figures
from core.config import KNOBS
from core.seed_table import Entry, accuracies, judged_on, summary
from core.sweep import Sweep
from pages.parts import cache
from pages.parts.frame import wrapping_columns
from pages.parts.live_chart import live_chart
from pages.parts.pickers import dataset_box, ready_or_prepare
from pages.parts.recipe_form import value_title
from pages.parts.reveal import is_revealed, reveal_panel
from pages.parts.sweep_form import sweep_form
from pages.parts.words import escaped

WIDTH, EPOCHS = 0.0625, 4


def ablation(found: dict[str, Sweep]) -> None:
    """Choose size and length, build the sweep with one click, and read which step gained what.

    Args:
        found: all sweeps by digest.
    """
    st.markdown(
        "Each step adds one ingredient to the step before and is compared with it: over seeds (Welch, with Holm's "
        "correction for so many comparisons) and image by image. All steps have the same number of epochs."
    )
    choices = _choices()
    fingerprint = ready_or_prepare(choices["dataset"], 32, "prepare-ladder")
    if fingerprint is None:
        return
    steps = ladder.steps(choices["dataset"], choices["width"], choices["epochs"])
    sweeps = [found.get(step.recipe.digest(fingerprint)) for step in steps]
    with st.expander("Train the ladder", expanded=not any(sweeps), icon=":material/stairs:"):
        sweep_form([step.recipe for step in steps], "ladder", ladder=True)
    there = [(step, sweep) for step, sweep in zip(steps, sweeps, strict=True) if sweep and sweep.finished]
    if not there:
        _list(steps)
        return
    reveal_panel([sweep for _, sweep in there], "reveal-ladder")
    _picture(there)
    _steps(steps, sweeps)


def _choices() -> dict:
    """Data set, width and epochs of every step."""
    one, two, three = wrapping_columns(3, "ladder")
    with one:
        dataset = dataset_box(
            "Data set", "ladder.dataset", "The images that every step of the ladder learns from."
        )
    return {
        "dataset": dataset,
        "width": two.select_slider(
            "Width (×)",
            KNOBS["width"].ticks,
            WIDTH,
            format_func=lambda tick: f"{tick:g}",
            key="ladder.width",
            persist_state="session",
            help=KNOBS["width"].help,
        ),
        "epochs": int(
            three.select_slider(
                "Epochs",
                KNOBS["epochs"].ticks,
                EPOCHS,
                key="ladder.epochs",
                persist_state="session",
                help="Of every step. The report trains its baseline for 4 and the improved one for 60.",
            )
        ),
    }


def _list(steps: list[ladder.Step]) -> None:
    for number, step in enumerate(steps):
        st.markdown(f"{number}. **{escaped(step.title)}** {_changes(step)}")


def _changes(step: ladder.Step) -> str:
    parts = [
        f"{KNOBS[name].label.lower()} {escaped(value_title(name, before))} → {escaped(value_title(name, after))}"
        for name, (before, after) in step.changed.items()
    ]
    return f"({', '.join(parts)})" if parts else ""


def _picture(there: list[tuple[ladder.Step, Sweep]]) -> None:
    looks = [is_revealed(sweep) for _, sweep in there]
    entries = [Entry(step.title, sweep, all(looks)) for step, sweep in there]
    live_chart(
        seed_figures.ladder(
            [entry.name for entry in entries],
            [accuracies(entry) for entry in entries],
            [summary(entry).mean_interval for entry in entries],
            f"{judged_on(entries)} accuracy",
        ),
        "ladder-picture",
        90 + 52 * len(entries),
        f"{judged_on(entries).capitalize()} accuracy after each step of the ladder, seeds as dots",
    )
    st.caption(
        f"{judged_on(entries).capitalize()} accuracy; a dot for each seed, the mean with its 95% interval over seeds."
    )


def _steps(steps: list[ladder.Step], sweeps: list[Sweep | None]) -> None:
    """Every step with its verdict, where it and the one before are complete and revealed."""
    ready = [sweep is not None and sweep.final and sweep.finished and is_revealed(sweep) for sweep in sweeps]
    correct = [cache.study(sweep).correct if use else None for sweep, use in zip(sweeps, ready, strict=True)]
    judged = [None, *ladder.compare_ladder(correct)]
    lines = [
        "| step | seeds | gain, points | 95% over seeds | 95% over images | p (Holm) | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for step, sweep, found in zip(steps, sweeps, judged, strict=True):
        n = f"{len(sweep.finished)} of {len(sweep.runs)}" if sweep else "0"
        cells = " | ".join(_cells(found)) if found else " | | | | "
        lines.append(f"| {escaped(step.title)} {_changes(step)} | {n} | {cells} |")
    st.markdown("\n".join(lines))
    st.caption(
        f"Each step against the one before. The intervals are those of a single comparison; p counts all {len(steps) - 1} "
        "(Holm). “better” and “worse” need p below 0.05, an interval over images without 0, and 3 seeds of both."
    )
    if not any(judged):
        st.caption(
            "The gains come when all seeds of two neighbouring steps have ended and their test figures are revealed."
        )
    for step, sweep in zip(steps, sweeps, strict=True):
        for remark in sweep.remarks() if sweep else ():
            st.caption(escaped(f"{step.title}: {remark}"))


def _cells(found: ladder.StepComparison) -> list[str]:
    c = found.comparison
    return [
        f"{100 * c.difference:+.2f}",
        _ends(c.welch),
        _ends(c.image_paired),
        "–" if np.isnan(found.holm_p) else f"{found.holm_p:.3f}",
        f"**{found.word}**",
    ]


def _ends(interval: tuple[float, float] | None) -> str:
    return "–" if interval is None else f"{100 * interval[0]:+.2f} to {100 * interval[1]:+.2f}"
