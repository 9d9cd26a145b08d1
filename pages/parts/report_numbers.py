"""The report's four numbers, each with this project's nearest runs beside it and the button that makes them."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import launch, report, stats
from core.config import KNOBS, Recipe
from core.errors import UserError
from core.index import Row
from core.report import Number
from core.sweep import Sweep, seeds_in_words
from pages.parts import cache
from pages.parts.frame import told, wrapping_columns
from pages.parts.pickers import dataset_title
from pages.parts.recipe_form import value_title
from pages.parts.reveal import look
from pages.parts.sweep_form import plan_in_words, run_seconds
from pages.parts.words import escaped

WHERE = "report page"
_IN_WORDS = {0.5: "half as wide", 0.25: "a quarter as wide", 0.125: "an eighth as wide"}


def number_card(number: Number, found: list[Sweep], dataset: str, fingerprint: str | None) -> None:
    """What the report says, what we have, in what it differs, and how to make it."""
    own = report.nearest(number, found, dataset)
    with st.container(border=True, key=f"number-{number.name}"):
        st.markdown(f"##### {number.title}")
        said, ours, apart = wrapping_columns(3, f"number-{number.name}")
        _said(number, said)
        rows = answering_rows(number, own) if own else []
        if own:
            _ours(number, own, rows, ours, apart)
        else:
            ours.metric("Ours", "missing", help="No run of this network has finished yet.")
        st.caption(f"The report: {number.source}")
        if number.open:
            st.caption(number.open)
        if own:
            _likeness(number, own, rows)
        if fingerprint:
            _make(number, dataset, fingerprint)


def answering_rows(number: Number, own: Sweep) -> list[Row]:
    """The finished runs that answer for a number: those with its seeds, else those that there are."""
    wanted = [row for row in own.finished if row.run.spec.seed in number.seeds]
    return (wanted or own.finished)[: len(number.seeds)]


def _said(number: Number, place: DeltaGenerator) -> None:
    if number.sd is None:
        place.metric("The report: test accuracy", _percent(number.accuracy), help="Of one run.")
        return
    implied = report.of_ten_seeds(number)
    place.metric(
        "The report: mean test accuracy",
        f"{100 * number.accuracy:.2f} ± {100 * number.sd:.2f}%",
        help="Mean and standard deviation over ten seeds.",
    )
    place.caption(
        f"95 % intervals, computed here from these two: mean {_span(implied.mean_interval)}% (Student's t), "
        f"deviation {_span(implied.sd_interval)} points (chi-square)."
    )


def _ours(number: Number, own: Sweep, rows: list[Row], ours: DeltaGenerator, apart: DeltaGenerator) -> None:
    """Validation always; test, and how far it is from the report's, once it was revealed."""
    seen = st.session_state.setdefault("revealed", [])
    revealed = all(row.run.id in seen for row in rows)
    on = "test" if revealed else "validation"
    found = stats.summarise(_accuracies(rows, on))
    if found.n > 1:
        value, help = (
            f"{100 * found.mean:.2f} ± {100 * found.sd:.2f}%",
            f"Mean and standard deviation over {found.n} seeds.",
        )
        ours.metric(f"Ours: mean {on} accuracy", value, help=help)
        ours.caption(
            f"95 % intervals: mean {_span(found.mean_interval)}% (Student's t), "
            f"deviation {_span(found.sd_interval)} points (chi-square)."
        )
    else:
        ours.metric(f"Ours: {on} accuracy", _percent(found.mean), help="Of one run.")
        if revealed and (images := _test_images(own)):
            ends = stats.wilson_interval(found.mean, images)
            ours.caption(f"{_span(ends)}% on other images of the same kind (Wilson, {images:,} test images).")
    with apart:
        if revealed:
            points = f"{100 * (found.mean - number.accuracy):+.2f} points"
            help = "Only for the same recipe on the same images does it say how well the report is repeated."
            st.metric("Difference, ours − the report's", points, help=help)
        else:
            _cover(number, rows)


def _cover(number: Number, rows: list[Row]) -> None:
    st.metric("Ours: test accuracy", "covered", help="The report's numbers are about the test set.")
    runs = "1 run" if len(rows) == 1 else f"{len(rows)} runs"
    looks = max(row.looks for row in rows)
    st.button(
        f"Reveal test of {runs}",
        key=f"report-reveal-{number.name}",
        icon=":material/visibility:",
        help="Each run counts how often its test figures were looked at.",
        on_click=look,
        args=(rows, WHERE),
    )
    st.caption(f"Looked at {looks} {'time' if looks == 1 else 'times'} so far.")


def _accuracies(rows: list[Row], on: str) -> list[float]:
    return [getattr(row, f"{on}_accuracy") for row in rows]


def _test_images(own: Sweep) -> int | None:
    """How many test images there are; None where the images are gone or have changed."""
    try:
        return len(cache.judged_images(own).test)
    except (UserError, OSError):
        return None


def _likeness(number: Number, own: Sweep, rows: list[Row]) -> None:
    """Whether this is the same experiment; if not, in what it differs, field by field."""
    fields = report.differing(number, own.recipe)
    seeds = [row.run.spec.seed for row in rows]
    missing = [seed for seed in number.seeds if seed not in seeds]
    said = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds_in_words(seeds)}"
    if fields:
        lines = [f"**Nearest that you have, not the same experiment** ({said}). What differs:"]
        lines += [
            f"- {KNOBS[name].label}: {_value(name, theirs)} in the report, here {_value(name, ours)}"
            for name, (theirs, ours) in fields.items()
        ]
        st.markdown("\n".join(lines))
    else:
        st.markdown(f"**The report's recipe on the same data set** ({said}).")
    if missing:
        which = f"seed {missing[0]}" if len(missing) == 1 else f"seeds {seeds_in_words(missing)}"
        st.caption(f"Missing of it: {which}.")
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
            help=f"Trains in the background on {dataset_title(recipe.dataset)}; runs that exist are reused.",
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
    """With the digits that it has, up to two: the report says 83 %, not 83.00 %."""
    return f"{round(100 * fraction, 2):g}%"


def _span(interval: tuple[float, float]) -> str:
    return f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f}"
