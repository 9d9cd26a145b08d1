"""The ablation ladder: from the report's baseline to its improved recipe, one ingredient at a time."""

import numpy as np
import streamlit as st

from core import ladder, seed_figures
from core.config import KNOBS
from core.paths import read_json, write_json
from core.seed_table import Entry, accuracies, summary
from core.sweep import FOLDER, Sweep
from pages.parts import cache
from pages.parts.frame import wrapping_columns
from pages.parts.live_chart import live_chart
from pages.parts.pickers import dataset_names, dataset_title, ready_or_prepare
from pages.parts.recipe_form import value_title
from pages.parts.reveal import is_revealed, reveal_panel
from pages.parts.sweep_form import sweep_form
from pages.parts.words import escaped

CHOICES = {"dataset": "shapes", "width": 0.0625, "epochs": 4}


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
    fingerprint = ready_or_prepare(choices["dataset"], 32)
    if fingerprint is None:
        return
    steps = ladder.steps(choices["dataset"], choices["width"], choices["epochs"])
    sweeps = [found.get(step.recipe.digest(fingerprint)) for step in steps]
    with st.expander("Train the ladder", expanded=not any(sweeps), icon=":material/stairs:"):
        sweep_form([step.recipe for step in steps], "ladder")
    there = [(step, sweep) for step, sweep in zip(steps, sweeps, strict=True) if sweep and sweep.finished]
    if not there:
        _list(steps)
        return
    reveal_panel([sweep for _, sweep in there], "reveal-ladder")
    _picture(there)
    _steps(steps, sweeps)


def _choices() -> dict:
    """Data set, width and epochs; kept beside the runs, so that the ladder is found again."""
    path = cache.store().folder / FOLDER / "ladder-choices.json"
    kept = {**CHOICES, **{k: v for k, v in (read_json(path) or {}).items() if k in CHOICES}}
    names = dataset_names()
    if kept["dataset"] not in names:
        kept["dataset"] = names[0]
    one, two, three = wrapping_columns(3, "ladder")
    widths, epochs = KNOBS["width"].ticks, KNOBS["epochs"].ticks
    chosen = {
        "dataset": one.selectbox(
            "Data set", names, names.index(kept["dataset"]), format_func=dataset_title, key="ladder.dataset"
        ),
        "width": two.select_slider(
            "Width (×)",
            widths,
            kept["width"] if kept["width"] in widths else 0.0625,
            format_func=lambda tick: f"{tick:g}",
            key="ladder.width",
            help=KNOBS["width"].help,
        ),
        "epochs": int(
            three.select_slider(
                "Epochs",
                epochs,
                kept["epochs"] if kept["epochs"] in epochs else 4,
                key="ladder.epochs",
                help="Of every step. The report trains its baseline for 4 and the improved one for 60.",
            )
        ),
    }
    if chosen != kept and cache.store().folder.is_dir():
        path.parent.mkdir(exist_ok=True)
        write_json(path, chosen, durable=False)
    return chosen


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
    entries = [Entry(step.title, sweep, is_revealed(sweep)) for step, sweep in there]
    live_chart(
        seed_figures.ladder(
            [entry.name for entry in entries],
            [accuracies(entry) for entry in entries],
            [summary(entry).mean_interval for entry in entries],
        ),
        "ladder-picture",
        90 + 52 * len(entries),
        "Accuracy after each step of the ladder, seeds as dots",
    )
    kind = "test" if all(entry.revealed for entry in entries) else "validation"
    st.caption(
        f"{kind.capitalize()} accuracy; a dot for each seed, the mean with its 95 % interval over seeds."
    )


def _steps(steps: list[ladder.Step], sweeps: list[Sweep | None]) -> None:
    """Every step with its verdict, as far as its runs and the one's before have finished and are revealed."""
    ready = [sweep is not None and len(sweep.finished) > 1 and is_revealed(sweep) for sweep in sweeps]
    first = ready.index(True) if True in ready else len(ready)
    last = next((place for place in range(first, len(ready)) if not ready[place]), len(ready))
    judged = {}
    if last - first > 1:
        correct = [cache.study(sweep).correct for sweep in sweeps[first:last]]
        judged = dict(zip(range(first + 1, last), ladder.compare_ladder(correct), strict=True))
    lines = [
        "| step | seeds | gain, points | 95 % over seeds | 95 % over images | p (Holm) | |",
        "|---|---|---|---|---|---|---|",
    ]
    for place, (step, sweep) in enumerate(zip(steps, sweeps, strict=True)):
        n = len(sweep.finished) if sweep else 0
        cells = ["", "", "", "", ""]
        if place in judged:
            c = judged[place]
            cells = [
                f"{100 * c.comparison.difference:+.2f}",
                _ends(c.comparison.welch),
                _ends(c.comparison.image_paired),
                "–" if np.isnan(c.holm_p) else f"{c.holm_p:.3f}",
                f"**{c.word}**",
            ]
        lines.append(f"| {escaped(step.title)} {_changes(step)} | {n} | {' | '.join(cells)} |")
    st.markdown("\n".join(lines))
    if not judged:
        st.caption(
            "The gains come when two neighbouring steps have at least two seeds each and are revealed."
        )


def _ends(interval: tuple[float, float] | None) -> str:
    return "–" if interval is None else f"{100 * interval[0]:+.2f} to {100 * interval[1]:+.2f}"
