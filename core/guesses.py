"""Guesses of a test accuracy, made before it is revealed: read from a run's looks, and compared in words."""

import json
import math
from pathlib import Path
from typing import Any


def last_guess(folder: Path, runs: int = 1) -> float | None:
    """The last guess of the test accuracy among the looks of a run, or of the mean of `runs` runs; None without one.

    Args:
        folder: of the run.
    """
    try:
        lines = (folder / "looks.jsonl").read_text(errors="replace").splitlines()
    except OSError:
        return None
    return next((found for line in lines[::-1] if (found := read_guess(line, runs)) is not None), None)


def read_guess(line: str, runs: int = 1) -> float | None:
    """The guess that a line of `looks.jsonl` holds, a fraction in [0, 1]; None where it holds none.

    Args:
        runs: of so many runs together the mean was to be guessed; a line about another number doesn't count.
    """
    try:
        found: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("runs", 1) != runs:
        return None
    guess = found.get("guess")
    valid = isinstance(guess, int | float) and not isinstance(guess, bool) and 0 <= guess <= 1
    return float(guess) if valid and math.isfinite(guess) else None


def guess_in_words(guess: float, accuracy: float, runs: int = 1, by: str = "You guessed") -> str:
    """ "You guessed 65%, it is 67.6%: 2.6 points off."; of several runs it is their mean.

    Args:
        guess, accuracy: fractions; the accuracy is the mean of `runs` runs.
        by: who guessed.
    """
    what = "it is" if runs == 1 else f"the mean of {runs} runs is"
    points = abs(round(100 * accuracy, 1) - round(100 * guess, 1))  # of the figures as they are shown
    off = "exactly right" if points < 0.05 else f"{points:.1f} points off"
    return f"{by} {100 * guess:.4g}%, {what} {accuracy:.1%}: {off}."
