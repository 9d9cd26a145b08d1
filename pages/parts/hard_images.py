"""Images over seeds: in how many of n runs each is wrong, and those that all get wrong alike and confidently."""

import numpy as np
import streamlit as st

from core import seed_figures
from core.seed_table import Entry
from core.study import CONFIDENT
from pages.parts import cache
from pages.parts.cards import cards
from pages.parts.live_chart import live_chart


def hard_images(entry: Entry) -> None:
    """For one recipe whose test figures are revealed."""
    found, sweep = cache.study(entry.sweep), entry.sweep
    n = len(found.seeds)
    counts = np.bincount(found.wrong_counts, minlength=n + 1)
    live_chart(
        seed_figures.wrong_in_k(counts),
        "seeds-wrong",
        280,
        f"Images wrong in k of {n} seeds; in all: {counts[n]:,}",
    )
    always, never = int(counts[n]), int(counts[0])
    st.markdown(
        f"Of {len(found.labels):,} test images **{never:,}** are right in every seed and **{always:,}** wrong in every "
        f"seed; on the {len(found.labels) - always - never:,} between it depends on the seed."
    )
    suspects = found.suspects()
    options = {f"Suspects of a wrong label ({len(suspects):,})": suspects}
    options |= {
        f"Wrong in {k} of {n} ({counts[k]:,})": np.flatnonzero(found.wrong_counts == k)
        for k in range(n, 0, -1)
    }
    names = list(options)
    first = next((place for place, name in enumerate(names) if len(options[name])), 0)
    chosen = st.selectbox(
        "Which images",
        names,
        index=first,
        key=f"seeds.hard.{sweep.digest}",
        help=f"Suspects: every seed gives the same wrong answer, with a mean probability of at least {CONFIDENT:.0%}. "
        "Either the label is wrong or the image misleads.",
    )
    _cards(entry, options[chosen])


def _cards(entry: Entry, indices: np.ndarray) -> None:
    if not len(indices):
        st.caption("There is none.")
        return
    found, data = cache.study(entry.sweep), cache.judged_images(entry.sweep)

    def caption(index: int) -> str:
        truth, answers = data.test.labels[index], found.answers[:, index]
        usual = np.bincount(answers[answers != truth]).argmax()
        sure = found.confidence[answers == usual, index].mean()
        return (
            f"labelled {data.classes[truth]}, taken for {data.classes[usual]} by "
            f"{(answers == usual).sum()} of {len(answers)} ({sure:.0%} sure)"
        )

    cards(data.test, indices, caption, "seeds.hard.page")
