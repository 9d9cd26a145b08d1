"""Predict before you reveal: a guess of the test accuracy first, if the dashboard asks for one, then the figure.

Guesses go into the looks of the runs (`Run.look`). "You" is who guessed in this session; after a refresh the
last guess that the looks hold is told instead.
"""

from collections.abc import Callable

import streamlit as st

from core.errors import UserError
from core.guesses import guess_in_words, last_guess
from core.settings import read_settings
from core.store import Run
from pages.parts import cache
from pages.parts.frame import told

Guesses = dict[str, float]
"""What was guessed, by run or by sweep: fractions."""


def reveal_button(
    label: str, key: str, help: str, asked: dict[str, str], reveal: Callable[[Guesses], None]
) -> None:
    """A button that reveals; with the question for a guess before it where the dashboard asks for guesses.

    Args:
        asked: what is to be guessed: id -> what it is called ("test accuracy").
        reveal: called in a callback with the guesses, none where the person would rather not guess.
    """
    if not read_settings(cache.store().folder)[0].guess_test:
        st.button(label, key=key, icon=":material/visibility:", help=help, on_click=reveal, args=({},))
        return
    with st.form(f"{key}.form", width="stretch"):
        for name, title in asked.items():
            st.number_input(
                f"Your guess: {title} (%)",
                0.0,
                100.0,
                None,
                step=1.0,
                format="%g",
                key=f"{key}.guess.{name}",
                placeholder="for example 65",
                help="How many of 100 test images it gets right, as you think. It is written down with the look; who "
                "guesses first learns more from the figure.",
            )
        with st.container(horizontal=True):
            st.form_submit_button(
                "Guess and reveal",
                key=key,
                icon=":material/psychology:",
                help=help,
                on_click=_guess_and_reveal,
                args=(key, list(asked), reveal),
            )
            st.form_submit_button(
                "Reveal without a guess",
                key=f"{key}.no-guess",
                icon=":material/visibility:",
                type="tertiary",
                help=help,
                on_click=reveal,
                args=({},),
            )


def _guess_and_reveal(key: str, names: list[str], reveal: Callable[[Guesses], None]) -> None:
    given = {name: st.session_state.get(f"{key}.guess.{name}") for name in names}
    guesses = {name: value / 100 for name, value in given.items() if value is not None}
    with told():
        if not guesses:
            raise UserError("Type your guess first, a number from 0 to 100, or reveal without a guess.")
        reveal(guesses)


def remember_guess(name: str, guess: float | None) -> None:
    """For this session; `Run.look` has it written down."""
    if guess is not None:
        st.session_state.setdefault("revealed.guesses", {})[name] = guess


def tell_guess(name: str, accuracies: list[float], run: Run, title: str = "") -> None:
    """How far the guess was off, if there was one.

    Args:
        name: as in `asked`.
        accuracies: on test, of the one run or of each of a sweep; their mean was guessed.
        run: whose looks are asked where nobody guessed in this session.
        title: whose guess it is, where several stand together; Markdown.
    """
    if not accuracies:
        return
    guess, by = st.session_state.get("revealed.guesses", {}).get(name), "You guessed"
    if guess is None:
        guess, by = last_guess(run.folder, len(accuracies)), "Guessed at an earlier look:"
    if guess is not None:
        mean = sum(accuracies) / len(accuracies)
        words = guess_in_words(guess, mean, len(accuracies), by)
        st.caption(f"{title}: {words}" if title else words)
