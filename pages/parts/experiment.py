"""One guided experiment: the guess, the button, the curves as they grow, and the answer of one's own runs."""

import numpy as np
import streamlit as st

from core import launch
from core.experiments import Experiment, Result
from core.seed_table import Entry, accuracies
from core.sweep import Sweep, seeds_in_words
from core.verdicts import judge
from pages.parts import cache
from pages.parts.frame import told
from pages.parts.probing import wait_for_probe
from pages.parts.reveal import is_revealed, reveal_panel
from pages.parts.seed_pictures import curves, strip
from pages.parts.sweep_control import sweep_controls
from pages.parts.sweep_form import plan_in_words
from pages.parts.words import escaped, percent

NO_GUESS = "I would rather not guess"
THRESHOLD = 0.01
"""The smallest difference that matters in the sentence on test images, a fraction."""


def experiment_panel(experiment: Experiment, dataset: str, fingerprint: str, found: dict[str, Sweep]) -> None:
    """Draw it whole; curves and answer wait for a guess.

    Args:
        fingerprint: of the images, which are ready.
        found: all sweeps by digest.
    """
    sweeps = _sweeps(experiment, dataset, fingerprint, found)
    st.subheader(experiment.title, anchor=False)
    st.markdown(experiment.question)
    _arms(experiment)
    guess = _guess(experiment, dataset)
    _start_panel(experiment, dataset, fingerprint, guess, sweeps)
    sweep_controls(list(found.values()), [sweep.digest for sweep in sweeps if sweep])
    if guess is None:
        if any(sweeps):
            st.info(
                "Guess first: then the curves and what your runs say are shown.", icon=":material/psychology:"
            )
        return
    shown = [
        Entry(arm.name, sweep, False) for arm, sweep in zip(experiment.arms, sweeps, strict=True) if sweep
    ]
    if not shown:
        return
    _result(experiment, guess, sweeps)
    st.markdown(f"**What to look at.** {experiment.look_at}")
    strip(shown)
    st.caption("Each dot is one seed at its end, on validation images, which are the same for all of them.")
    curves(shown)
    _go_deeper(shown)


def progress_words(
    experiment: Experiment, dataset: str, fingerprint: str | None, found: dict[str, Sweep]
) -> str:
    """How far an experiment is, in a word or two."""
    sweeps = _sweeps(experiment, dataset, fingerprint, found) if fingerprint else []
    done, total = _ended(experiment, sweeps), len(experiment.seeds) * len(experiment.arms)
    if done == total:
        return "done"
    return f"{done} of {total} runs" if any(sweeps) else "not begun"


def _sweeps(
    experiment: Experiment, dataset: str, fingerprint: str, found: dict[str, Sweep]
) -> list[Sweep | None]:
    """That of each arm, None where nothing of it was trained yet."""
    return [found.get(arm.on(dataset).digest(fingerprint)) for arm in experiment.arms]


def _ended(experiment: Experiment, sweeps: list[Sweep | None]) -> int:
    """How many of its runs have ended."""
    rows = [sweep.runs.get(seed) for sweep in sweeps if sweep for seed in experiment.seeds]
    return sum(row is not None and row.state.ended for row in rows)


def _arms(experiment: Experiment) -> None:
    """What is compared, and what is the same."""
    first, several = experiment.arms[0].recipe, len(experiment.arms) > 1
    names = " · ".join(f"**{arm.name}**" for arm in experiment.arms)
    models = " and ".join(dict.fromkeys(arm.recipe.model for arm in experiment.arms))
    seeds = f"seeds {seeds_in_words(list(experiment.seeds))}{' of each' if several else ''}"
    st.markdown(names)
    st.caption(f"{models.capitalize()} × {first.width:g}, {first.epochs} epochs, {seeds}.")


def _guess(experiment: Experiment, dataset: str) -> str | None:
    """What the person thinks will happen, before anything is shown."""
    return st.radio(
        "What do you think will happen?",
        [*experiment.answers, NO_GUESS],
        index=None,
        key=f"experiments.guess.{experiment.name}.{dataset}",
        persist_state="session",
        help="Nobody counts your guesses. Who guesses first sees more in the result.",
    )


def _start_panel(
    experiment: Experiment,
    dataset: str,
    fingerprint: str,
    guess: str | None,
    sweeps: list[Sweep | None],
) -> None:
    if _ended(experiment, sweeps) == len(experiment.seeds) * len(experiment.arms):
        return
    recipes = [arm.on(dataset) for arm in experiment.arms]
    words, unknown = plan_in_words(recipes, list(experiment.seeds))
    nothing_left = "nothing is left to train" in words
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Train them" if not any(sweeps) else "Train what is missing",
            type="primary",
            key=f"experiments.start.{experiment.name}",
            icon=":material/science:",
            disabled=guess is None or nothing_left,
            help="Guess first. They train in the background, and go on if you leave this page.",
            on_click=_start,
            args=(experiment, dataset),
        )
        st.caption(words)
    if unknown:
        wait_for_probe(unknown, fingerprint)


def _start(experiment: Experiment, dataset: str) -> None:
    with told():
        recipes = [arm.on(dataset) for arm in experiment.arms]
        launch.start_sweep(cache.store(), recipes, list(experiment.seeds), cache.rows())


def _result(experiment: Experiment, guess: str, sweeps: list[Sweep | None]) -> None:
    """The answer of the runs, once all have ended: who judges while they come in judges too early."""
    total = len(experiment.seeds) * len(experiment.arms)
    done = _ended(experiment, sweeps)
    if done < total:
        st.caption(f"{done} of {total} runs have ended; the answer comes when all have.")
        return
    results = [_of(experiment, sweep) for sweep in sweeps]
    answer = experiment.answer(results)
    said = experiment.answers[answer]
    guessed = "" if guess == NO_GUESS else f"You guessed: {guess}. "
    box, icon = (
        (st.success, ":material/check_circle:") if guess == said else (st.info, ":material/lightbulb:")
    )
    box(f"{guessed}**Your runs say: {said}.**  \n{experiment.because[answer]}", icon=icon)
    st.markdown(_figures(experiment, results))


def _of(experiment: Experiment, sweep: Sweep) -> Result:
    """Of its own seeds alone, whatever else was trained of the recipe."""
    rows = [sweep.runs.get(seed) for seed in experiment.seeds]
    values = [row.validation_accuracy for row in rows if row and row in sweep.finished]
    return Result(np.array(values, dtype=float), len(rows) - len(values))


def _figures(experiment: Experiment, results: list[Result]) -> str:
    lines = []
    for arm, one in zip(experiment.arms, results, strict=True):
        lost = (
            f"; {one.lost} without a figure, since the loss became infinite or the run failed"
            if one.lost
            else ""
        )
        if not len(one.accuracies):
            lines.append(f"- **{arm.name}**: no run finished{lost}")
            continue
        low, high = one.accuracies.min(), one.accuracies.max()
        lines.append(
            f"- **{arm.name}**: {percent(float(one.accuracies.mean()))} on average over {len(one.accuracies)} seeds, "
            f"{percent(low)} to {percent(high)}{lost}"
        )
    return "\n".join(lines)


def _go_deeper(shown: list[Entry]) -> None:
    """Test images for the last word, and the same runs on the Seeds page."""
    sweeps = [entry.sweep for entry in shown]
    if len(shown) == 2 and all(sweep.finished and sweep.final for sweep in sweeps):
        reveal_panel(sweeps, "experiments.reveal")
        if all(is_revealed(sweep) for sweep in sweeps):
            found = cache.compare(*sweeps, THRESHOLD)
            names = (shown[0].name, shown[1].name)
            st.markdown(
                f"**On the test images.** {escaped(judge(*sweeps, found, THRESHOLD, names).sentence)}"
            )
            on_test = [Entry(entry.name, entry.sweep, True) for entry in shown]
            means = ", ".join(f"{entry.name} {percent(float(accuracies(entry).mean()))}" for entry in on_test)
            st.caption(escaped(f"Mean test accuracy: {means}."))
    st.page_link(
        "pages/seeds.py",
        label="The same runs on the Seeds page",
        icon=":material/casino:",
        query_params={"recipes": ",".join(sweep.digest for sweep in sweeps)},
    )
