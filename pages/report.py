"""The course report beside this project's own runs: its six figures, its four numbers, and what is missing."""

import streamlit as st

from core import pictures, report
from core.datasets import ImageData, normalisation
from core.datasets.offered import offered
from core.report import CONTRADICTIONS, FIGURES, NUMBERS
from pages.parts import cache
from pages.parts.colours import recipe_colour
from pages.parts.faces import as_the_network_sees, histogram, one_of_each
from pages.parts.frame import frame, sentences, wrapping_columns
from pages.parts.live import curves
from pages.parts.pickers import dataset_box, dataset_title, fingerprint, ready_or_prepare
from pages.parts.probing import wait_for_probe
from pages.parts.report_numbers import nearest, number_card
from pages.parts.sweep_control import sweep_controls
from pages.parts.sweep_form import run_seconds
from pages.parts.words import escaped

IMAGE_SIZE = 32
CARD_PX = 96


def main() -> None:
    frame(
        "Report",
        "Tenfold brings a course report (January 2024) on CIFAR-10 to life: its six figures and four numbers, "
        "with your own runs beside them and the button that makes each.",
    )
    with sentences():
        dataset = _choose()
        ready = ready_or_prepare(dataset, IMAGE_SIZE)
        found = cache.sweeps()
        _summary(dataset, ready)
        sweep_controls(found, [])
        st.header("Four numbers", anchor=False)
        for number in NUMBERS:
            number_card(number, dataset, ready)
        if ready and run_seconds(report.recipe_of(NUMBERS[0], dataset), ready) is None:
            wait_for_probe(report.recipe_of(NUMBERS[0], dataset), ready)
        st.header("Six figures", anchor=False)
        if ready:
            _data_figures(cache.images(dataset, IMAGE_SIZE, ready))
        else:
            st.info("Figures 1 to 4 are drawn as soon as the images are ready.", icon=":material/image:")
        _curve_figures(dataset)
        _contradictions()


def _choose() -> str:
    """CIFAR-10 where it is ready, else a folder that was registered, else the shapes: said plainly."""
    if "report.dataset" not in st.session_state:
        folders = [f"folder:{path}" for path in offered()]
        first = report.DATASET if fingerprint(report.DATASET, IMAGE_SIZE) else next(iter(folders), "shapes")
        st.session_state["report.dataset"] = first
    chosen = dataset_box(
        "Your images",
        "report.dataset",
        "The report's images are CIFAR-10. What is trained and drawn on this page uses the images that you "
        "choose here; on any others than CIFAR-10 it is another experiment.",
    )
    if chosen == "shapes":
        st.warning(
            "Shapes are drawings, not the photographs of CIFAR-10: the figures show how things look, the numbers "
            "can't be compared with the report's.",
            icon=":material/category:",
        )
    elif chosen != report.DATASET:
        st.warning(
            f"{escaped(dataset_title(chosen))} is not CIFAR-10 as it was published, even where it holds the same "
            "photographs re-encoded: what is trained on it stands near the report's numbers, not in their place.",
            icon=":material/folder:",
        )
    return chosen


def _summary(dataset: str, ready: str | None) -> None:
    """What there is of the ten, in four lines."""
    exact, near, others, missing = [], [], [], []
    for number in NUMBERS:
        own = nearest(number, dataset)
        if own is None:
            missing.append(number.title)
        elif not report.is_near(number, own.recipe):
            others.append(number.title)
        elif report.differing(number, own.recipe):
            near.append(number.title)
        elif len(report.answering(number, own)) < len(number.seeds):
            near.append(f"{number.title} (fewer seeds)")
        else:
            exact.append(number.title)
    drawn = ["figures 1 to 4"] if ready == _cifar() and ready else []
    lines = [
        ("The report's own experiment", [*drawn, *exact]),
        ("Near it", ([] if drawn or not ready else ["figures 1 to 4, of other images"]) + near),
        ("Another experiment with the same network", others),
        ("Missing", ([] if ready else ["figures 1 to 4"]) + missing),
    ]
    st.markdown(
        "\n".join(f"- **{title}:** {', '.join(words) if words else 'nothing'}" for title, words in lines)
    )


def _cifar() -> str | None:
    return fingerprint(report.DATASET, IMAGE_SIZE)


def _data_figures(data: ImageData) -> None:
    parts = [(FIGURES[0], data.train.labels), (FIGURES[1], data.test.labels)]
    for column, (figure, labels) in zip(wrapping_columns(2, "report-counts"), parts, strict=True):
        with column:
            _heading(figure)
            histogram(data.classes, labels, figure.title, f"report-figure-{figure.number}")
    for column, figure in zip(wrapping_columns(2, "report-faces"), FIGURES[2:4], strict=True):
        with column:
            _heading(figure)
            if figure.number == 3:
                one_of_each(data, 0, card_px=CARD_PX)
                continue
            change = as_the_network_sees(*normalisation("dataset", data))
            one_of_each(data, 0, change, CARD_PX)
            st.caption(
                f"From −{pictures.SHOWN_DEVIATIONS} deviations (black) to {pictures.SHOWN_DEVIATIONS} (white); which "
                "image of each class the report shows is not said: here the first."
            )
    st.page_link("pages/data.py", label="Look closer on the Data page", icon=":material/image:")


def _heading(figure: report.Figure) -> None:
    st.markdown(f"**Figure {figure.number}: {figure.title}**", help=figure.source)


def _curve_figures(dataset: str) -> None:
    """Figures 5 and 6 from the run that stands beside the baseline's number."""
    st.markdown(
        "**Figures 5 and 6: loss and accuracy by epoch, training and validation**", help=FIGURES[4].source
    )
    own = nearest(NUMBERS[0], dataset)
    if own is None:
        st.info(
            "Missing: they are the curves of the baseline, and no run of this network has finished yet. The button at "
            "“Baseline” above makes them.",
            icon=":material/show_chart:",
        )
        return
    run = report.answering(NUMBERS[0], own)[0].run
    curves(cache.history(run.id), "report-curves", recipe_colour(run.spec.digest))
    same = not report.differing(NUMBERS[0], own.recipe)
    st.caption(
        f"{'The report’s recipe' if same else 'The nearest run that you have, see “Baseline” above'}, seed "
        f"{run.spec.seed}. Which of the two figures the report shows first is not said. The thin line has training "
        "steps, of which the report logs every 300th."
    )
    st.page_link(
        "pages/runs.py", label="Open this run", icon=":material/list_alt:", query_params={"run": run.id}
    )


def _contradictions() -> None:
    st.header("Where the report contradicts itself", anchor=False)
    rows = ["| the report says | why it can't be | what is built |", "| --- | --- | --- |"]
    rows += [f"| {one.says} | {one.why or 'it is only not said'} | {one.built} |" for one in CONTRADICTIONS]
    st.markdown("\n".join(rows))


main()
