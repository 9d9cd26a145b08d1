"""Choosing a data set, and getting it ready where that takes a while."""

import streamlit as st

from core import preparation
from core.datasets import DATASETS, source
from core.datasets.offered import offered
from core.wording import dataset_title as dataset_title  # pages know it from here
from pages.parts.frame import sentences
from pages.parts.pace import ticking
from pages.parts.words import escaped

POLL_SECONDS = 1.0


@st.cache_data(ttl=5, show_spinner=False)
def dataset_names() -> list[str]:
    """What may be chosen: the built-in sets, and folders that this machine offers; looked up every few seconds."""
    built_in = [name for name in DATASETS if name != "folder"]
    return built_in + [f"folder:{path}" for path in offered()]


def dataset_box(label: str, key: str, help: str) -> str:
    """The box for choosing one of `dataset_names`; what is chosen stays for the session."""
    return st.selectbox(
        label, dataset_names(), format_func=dataset_title, key=key, persist_state="session", help=help
    )


def fingerprint(dataset: str, image_size: int) -> str | None:
    """The data set's fingerprint once it is ready, else None; looked up anew every half minute."""
    found = _fingerprint(dataset, image_size)
    if found is None:
        _fingerprint.clear(dataset, image_size)
    return found


@st.cache_data(ttl=30, max_entries=100, show_spinner=False)
def _fingerprint(dataset: str, image_size: int) -> str | None:
    return source(dataset, image_size).ready_fingerprint()


def ready_or_prepare(dataset: str, image_size: int, key: str = "prepare") -> str | None:
    """The fingerprint of a data set that is ready; else draw what gets it ready, and give None.

    Args:
        key: another for each place of a page.
    """
    with sentences():
        if found := fingerprint(dataset, image_size):
            return found
        _prepare_panel(dataset, image_size, key)
    return None


def _prepare_panel(dataset: str, image_size: int, key: str) -> None:
    status = preparation.status(dataset, image_size)
    if status and not status.error:
        ticking(_watch, POLL_SECONDS)(dataset, image_size)
        return
    if status:
        st.error(escaped(status.error), icon=":material/error:")
    kind = dataset.partition(":")[0]
    st.info(f"{DATASETS[kind].summary} It has to be made ready once.", icon=":material/download:")
    label = "Try again" if status else {"cifar10": "Download CIFAR-10"}.get(kind, "Read the images")
    if st.button(label, type="primary", key=key):
        preparation.begin(dataset, image_size)
        st.rerun()


def _watch(dataset: str, image_size: int) -> None:
    """A progress bar that moves by itself, until the images are ready or it went wrong."""
    status = preparation.status(dataset, image_size)
    if status is None or status.error:
        _fingerprint.clear(dataset, image_size)
        st.rerun()
    share = min(1.0, status.done / status.total) if status.total else 0.0
    amount = f"{share:.0%}" if status.total else f"{status.done:,}"
    st.progress(share, f"{status.stage.capitalize()}: {amount}")
