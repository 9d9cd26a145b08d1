"""The report's four numbers, each with this project's nearest runs beside it and the button that makes them."""

from functools import partial

import streamlit as st

from core import launch, report, stats
from core.config import KNOBS, Recipe
from core.errors import UserError
from core.index import Row
from core.report import Number
from core.stats import Summary
from core.sweep import Sweep, seeds_in_words
from pages.parts import cache
from pages.parts.frame import told
from pages.parts.guess import Guesses, remember_guess, reveal_button, tell_guess
from pages.parts.pickers import dataset_title
from pages.parts.recipe_form import value_title
from pages.parts.reveal import are_shown, look
from pages.parts.sweep_form import plan_in_words, run_seconds
from pages.parts.words import escaped, runs_in_words

WHERE = "report page"
_IN_WORDS = {0.5: "half as wide", 0.25: "a quarter as wide", 0.125: "an eighth as wide"}


def nearest(number: Number, dataset: str) -> Sweep | None:
    """The sweep that stands beside a number, looked for again only when a run has changed."""
    return cache.of_sweeps(_nearest, number, dataset)


def _nearest(found: list[Sweep], number: Number, dataset: str) -> Sweep | None:
    return report.nearest(number, found, dataset)


def number_card(number: Number, dataset: str, fingerprint: str | None) -> None:
    """What the report says, what we have, in what it differs, and how to make it."""
    own = nearest(number, dataset)
    with st.container(border=True, key=f"number-{number.name}"):
        st.markdown(f"##### {number.title}")
        rows = report.answering(number, own) if own else []
        with st.container(horizontal=True, gap="large"):
            _said(number)
            if rows:
                _ours(number, own, rows)
            else:
                st.metric("Ours", "missing", help="No run of this network has finished yet.", width="content")
        _uncertainty(number, own, rows)
        if rows:
            _reveal_button(number, rows)
        st.caption(f"The report: {number.source}")
        if number.open:
            st.caption(number.open)
        if own:
            _likeness(number, own, rows)
        if fingerprint:
            _make(number, dataset, fingerprint)


def _said(number: Number) -> None:
    if number.sd is None:
        st.metric("The report: test accuracy", _percent(number.accuracy), help="Of one run.", width="content")
        return
    st.metric(
        "The report: mean test accuracy",
        f"{100 * number.accuracy:.2f} ± {100 * number.sd:.2f}%",
        help="Mean and standard deviation over ten seeds.",
        width="content",
    )


def _ours(number: Number, own: Sweep, rows: list[Row]) -> None:
    """Validation always; once it was revealed test, and how far a like experiment is from the report's."""
    revealed = _revealed(rows)
    on = "test" if revealed else "validation"
    found = stats.summarise(_accuracies(rows, on))
    if found.n > 1:
        value = f"{100 * found.mean:.2f} ± {100 * found.sd:.2f}%"
        help = f"Mean and standard deviation over {found.n} seeds."
        st.metric(f"Ours: mean {on} accuracy", value, help=help, width="content")
    else:
        st.metric(f"Ours: {on} accuracy", f"{found.mean:.2%}", help="Of one run.", width="content")
    if revealed and not report.is_near(number, own.recipe):
        return
    if revealed:
        points = f"{100 * (found.mean - number.accuracy):+.2f} points"
        help = "Only for the same recipe on the same images does it say how well the report is repeated."
        st.metric("Ours − the report's", points, help=help, width="content")
    else:
        help = "The report's numbers are about the test set; validation is for choosing."
        st.metric("Ours: test accuracy", "covered", help=help, width="content")


def _uncertainty(number: Number, own: Sweep | None, rows: list[Row]) -> None:
    """The intervals of what stands above: over seeds where there are several, else over images."""
    if number.sd is not None:
        implied = report.of_ten_seeds(number)
        st.caption(f"{_over_seeds(implied, 'The report')}, computed here from its mean and deviation.")
    if not rows:
        return
    on = "test" if _revealed(rows) else "validation"
    found = stats.summarise(_accuracies(rows, on))
    if found.n > 1:
        st.caption(f"{_over_seeds(found, 'Ours')}, n = {found.n}.")
    elif images := _judged_images(own, rows[0], on):
        ends = stats.wilson_interval(found.mean, images)
        st.caption(
            f"Ours: {_span(ends)}% on other images of the same kind (95%, Wilson, {images:,} {on} images); another "
            "seed may change it as well."
        )


def _over_seeds(found: Summary, whose: str) -> str:
    return (
        f"{whose}, 95% intervals: mean {_span(found.mean_interval)}% (Student's t), deviation "
        f"{_span(found.sd_interval)} points (chi-square)"
    )


def _revealed(rows: list[Row]) -> bool:
    return are_shown([row.run for row in rows], WHERE)


def _reveal_button(number: Number, rows: list[Row]) -> None:
    """Or, once they are revealed, how far the guess was off, if there was one."""
    name = f"report.{number.name}"
    if _revealed(rows):
        tell_guess(name, _accuracies(rows, "test"), rows[0].run)
        return
    looks, several = max(row.looks for row in rows), len(rows) > 1
    with st.container(horizontal=True, vertical_alignment="center"):
        reveal_button(
            f"Reveal test of {runs_in_words(len(rows))}",
            f"report-reveal-{number.name}",
            "Each run counts how often its test figures were looked at.",
            {name: "test accuracy" + (f", mean of {len(rows)} runs" if several else "")},
            partial(_reveal, name, rows),
        )
        st.caption(f"Looked at {looks} {'time' if looks == 1 else 'times'} so far.")


def _reveal(name: str, rows: list[Row], guesses: Guesses) -> None:
    guess = guesses.get(name)
    if look(rows, WHERE, guess):
        remember_guess(name, guess)


def _accuracies(rows: list[Row], on: str) -> list[float]:
    return [getattr(row, f"{on}_accuracy") for row in rows]


def _judged_images(own: Sweep, row: Row, on: str) -> int | None:
    """How many images a run was judged on; None where that is not known any more."""
    if on == "validation":
        started = cache.history(row.run.id).started
        return started.validation_images if started else None
    try:
        return len(cache.judged_images(own).test)
    except (UserError, OSError):
        return None


def _likeness(number: Number, own: Sweep, rows: list[Row]) -> None:
    """Whether this is the same experiment; if not, in what it differs, field by field."""
    fields = report.differing(number, own.recipe)
    seeds = [row.run.spec.seed for row in rows]
    said = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds_in_words(seeds)}"
    if len(seeds) < len(number.seeds):
        said += f", {len(seeds)} of {len(number.seeds)}"
    elif len(seeds) == 1 and seeds[0] not in number.seeds:
        said += f" in place of {number.seeds[0]}"
    if fields:
        like = "Nearest that you have" if report.is_near(number, own.recipe) else "Another experiment"
        lines = [f"**{like}, not the report's** ({said}). What differs:"]
        lines += [
            f"- {KNOBS[name].label}: {_value(name, theirs)} in the report, here {_value(name, ours)}"
            for name, (theirs, ours) in fields.items()
        ]
        st.markdown("\n".join(lines))
    else:
        st.markdown(f"**The report's recipe on the same data set** ({said}).")
    with st.container(horizontal=True):
        if len(rows) == 1:
            st.page_link(
                "pages/runs.py",
                label="Open the run",
                icon=":material/list_alt:",
                query_params={"run": rows[0].run.id},
            )
        st.page_link(
            "pages/seeds.py",
            label="Its seeds",
            icon=":material/casino:",
            query_params={"recipes": own.digest},
        )


def _value(name: str, value: object) -> str:
    return escaped(value_title(name, value))


def _make(number: Number, dataset: str, fingerprint: str) -> None:
    """Buttons for the report's width and, where that takes hours here, for the widest that takes less than one."""
    whole = report.recipe_of(number, dataset)
    seconds = _seconds(number, whole, fingerprint)
    offers = {"as wide as in the report": whole}
    if seconds is not None and seconds > report.LONG_SECONDS:
        narrower = _narrower(number, dataset, fingerprint)
        offers[_IN_WORDS.get(narrower.width, f"{narrower.width:g} times as wide")] = narrower
    for words, recipe in offers.items():
        _offer(number, words, recipe, fingerprint)


def _offer(number: Number, words: str, recipe: Recipe, fingerprint: str) -> None:
    plan, _ = plan_in_words([recipe], list(number.seeds))
    done = "nothing is left to train" in plan
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Train it {words}",
            key=f"report-make-{number.name}-{recipe.width:g}",
            icon=":material/play_arrow:",
            disabled=done,
            help=f"Trains in the background on {escaped(dataset_title(recipe.dataset))}; runs that exist are reused.",
            on_click=_start,
            args=(number, recipe),
        )
        st.caption(plan)


def _narrower(number: Number, dataset: str, fingerprint: str) -> Recipe:
    """The widest network that takes less than an hour, or the narrowest that is offered."""
    for width in report.WIDTHS:
        recipe = report.recipe_of(number, dataset, width)
        seconds = _seconds(number, recipe, fingerprint)
        if seconds is not None and seconds <= report.LONG_SECONDS:
            break
    return recipe


def _seconds(number: Number, recipe: Recipe, fingerprint: str) -> float | None:
    """Of all its seeds, as if one trained after another; None before this machine was measured."""
    one = run_seconds(recipe, fingerprint)
    return None if one is None else one * len(number.seeds)


def _start(number: Number, recipe: Recipe) -> None:
    with told():
        if len(number.seeds) == 1:
            launch.start(cache.store(), recipe, number.seeds[0])
        else:
            launch.start_sweep(cache.store(), [recipe], list(number.seeds), cache.rows())


def _percent(fraction: float) -> str:
    """With the digits that it has, up to two: the report says 83%, not 83.00%."""
    return f"{round(100 * fraction, 2):g}%"


def _span(interval: tuple[float, float]) -> str:
    return f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f}"
