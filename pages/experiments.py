"""Guided experiments: guess first, train with one click, and read what one's own runs say."""

import streamlit as st

from core.experiments import EXPERIMENTS, Experiment
from core.machine import gpus
from core.sweep import Sweep
from pages.parts import cache
from pages.parts.experiment import experiment_panel, progress_words
from pages.parts.frame import frame, sentences, wrapping_columns
from pages.parts.pickers import dataset_box, dataset_names, fingerprint, ready_or_prepare

IMAGE_SIZE = 32
BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}


def main() -> None:
    frame(
        "Experiments",
        "A question, your guess, a few trainings with one click, and what your own runs answer. On shapes each takes "
        "a few minutes without a GPU.",
    )
    with sentences():
        found = {sweep.digest: sweep for sweep in cache.sweeps()}
        menu, view = wrapping_columns([1, 2], "experiments", gap="large")
        with menu:
            experiment, dataset = _choose(found)
        with view:
            if ready := ready_or_prepare(dataset, IMAGE_SIZE):
                experiment_panel(experiment, dataset, ready, found)


def _choose(found: dict[str, Sweep]) -> tuple[Experiment, str]:
    """Which experiment, on which images; the address names the experiment."""
    dataset = st.session_state.get("experiments.dataset", "shapes")
    ready = fingerprint(dataset, IMAGE_SIZE) if dataset in dataset_names() else None
    _take_address()
    name = st.radio(
        "Experiment",
        list(BY_NAME),
        format_func=lambda name: BY_NAME[name].title,
        captions=[progress_words(one, dataset, ready, found) for one in EXPERIMENTS],
        key="experiments.name",
        persist_state="session",
        help="Each can be done by itself, in any order; what was trained before is reused.",
    )
    st.session_state["experiments.query"] = st.query_params["experiment"] = name
    dataset = dataset_box(
        "Images",
        "experiments.dataset",
        "Made for shapes. On CIFAR-10 there is ten times as much to train: with a GPU, or with patience.",
    )
    if dataset == "cifar10" and not gpus():
        st.caption(
            ":material/hourglass: There is no GPU here, so on CIFAR-10 each experiment takes ten times as long as on "
            "shapes: ten minutes to an hour. What it will be stands beside its button; it goes on if you leave."
        )
    return BY_NAME[name], dataset


def _take_address() -> None:
    """A link counts when it is opened or changed, not against a click on this page."""
    asked = st.query_params.get("experiment")
    if asked != st.session_state.get("experiments.query") and asked in BY_NAME:
        st.session_state["experiments.name"] = asked


main()
