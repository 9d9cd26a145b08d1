"""Every field, figure and number is explained where it stands: read in the source of all pages, and on pages with runs."""

import ast
import dataclasses
import json
from collections.abc import Iterator

import pytest

from core.paths import ROOT
from core.presets import PRESETS
from tests.fake_runs import finished
from tests.test_pages import PAGES, fresh_caches, no_probe, visit  # noqa: F401  (fixtures)

HELPED = {
    *("number_input", "slider", "select_slider", "selectbox", "multiselect", "radio", "toggle", "checkbox"),
    *(
        "segmented_control",
        "pills",
        "text_input",
        "text_area",
        "file_uploader",
        "camera_input",
        "color_picker",
    ),
    *("date_input", "time_input", "datetime_input", "audio_input", "chat_input", "feedback", "data_editor"),
    "metric",
}
"""Buttons and menus are no fields: their label says what they do."""

DESCRIBED = {"plotly_chart", "dataframe", "data_editor", "table", "image", "line_chart", "bar_chart"}
DESCRIBED |= {"scatter_chart", "area_chart", "altair_chart", "vega_lite_chart", "graphviz_chart"}

SOURCES = [ROOT / "dashboard.py", *sorted((ROOT / "pages").rglob("*.py"))]


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """(place, method, call) of everything that pages draw."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.func.attr, node


def lacking(methods: set[str], keyword: str) -> list[str]:
    """Calls that neither have the keyword nor take keywords from elsewhere."""
    return [
        f"{place} {method}"
        for place, method, call in calls()
        if method in methods and not {keyword, None} & {one.arg for one in call.keywords}
    ]


def test_no_field_and_no_number_is_drawn_without_help():
    assert lacking(HELPED, "help") == []


def test_no_figure_and_no_table_is_drawn_without_words_for_those_who_cannot_see_it():
    assert lacking(DESCRIBED, "alt") == []


def nodes(block) -> Iterator:
    for child in block.children.values():
        yield child
        if hasattr(child, "children"):
            yield from nodes(child)


def unexplained(app) -> list[str]:
    """What stands on the page now and is not explained."""
    found = []
    for node in [*nodes(app.main), *nodes(app.sidebar)]:
        proto = getattr(node, "proto", None)
        if node.type in {*HELPED, "button_group"} and len(proto.help.split()) < 3:
            found.append(f"{node.type} {proto.label!r} has the help {proto.help!r}")
        if node.type == "bidi_component" and proto.component_name.endswith("chart"):
            (spec,) = json.loads(proto.json)
            # The one that only fetches plotly ahead of the first chart draws nothing.
            found += [] if spec.get("ahead") or spec["alt"] else [f"chart {proto.id}"]
    return found


@pytest.fixture
def runs(store, shapes_fingerprint):
    """Two recipes with three seeds each, predictions included."""
    recipe = dataclasses.replace(PRESETS["quick"].recipe, epochs=2)
    accuracies = {0: (0.7, 0.69), 1: (0.72, 0.7), 2: (0.71, 0.7)}
    return [
        run
        for one in (recipe, dataclasses.replace(recipe, epochs=3))
        for run in finished(store, one, accuracies, shapes_fingerprint, images=1000)
    ]


VIEWS = {
    "dashboard.py": [{}],
    "pages/data.py": [
        {"data.tab": name}
        for name in ("Class counts", "One of each class", "Samples", "Anatomy of an example")
    ],
    "pages/train.py": [{}],
    "pages/runs.py": [
        *(
            {"runs.tab": name}
            for name in ("Recipe", "Results", "Confusion", "Classes", "Calibration", "Passport")
        ),
        {"side.tab": "Curves", "fields": True},
        {"side.tab": "Confusion matrices"},
    ],
    "pages/seeds.py": [
        {"seeds.tab": name, "launch": True}
        for name in (
            "Seed table",
            "Curves",
            "Recipe against recipe",
            "Robust?",
            "Ablation ladder",
            "Lucky seed",
        )
    ],
    "pages/search.py": [{"search.new": True}],
    "pages/experiments.py": [{}],
    "pages/report.py": [{}],
    "pages/settings.py": [{}],
}
"""Views that need no other process; `test_classify_page` opens those of Classify, whose source is read above."""


def test_every_page_has_its_views_here():
    assert {*VIEWS, "pages/classify.py"} == set(PAGES)


def test_what_stands_on_pages_with_runs_is_explained(app, runs):
    app.session_state["revealed"] = [run.id for run in runs]
    app.session_state["revealed.sweeps"] = list({run.spec.digest for run in runs})
    visit(app, "dashboard.py")
    found = {"dashboard.py": unexplained(app)}
    for page, views in VIEWS.items():
        if page != "dashboard.py":
            app.switch_page(page)
        for view in views:
            marked = (
                {"runs.marked": [runs[0].id, runs[3].id], "runs.anew": True} if "side.tab" in view else {}
            )
            for name, value in (view | marked).items():
                app.session_state[name] = value
            app.run()
            assert not app.exception, view
            found[f"{page} {view}"] = unexplained(app)
    assert {place: lacks for place, lacks in found.items() if lacks} == {}


def test_walk_finds_a_field_without_help_and_a_chart_without_words():
    from streamlit.testing.v1 import AppTest

    def script():
        import streamlit as st

        from pages.parts.live_chart import live_chart

        with st.container():
            st.metric("Accuracy", "5%")
            st.segmented_control("Part", ["a", "b"])
        live_chart({"data": [], "layout": {}}, "chart", 100, "")

    found = unexplained(AppTest.from_function(script).run())
    assert [one.split()[0] for one in found] == ["metric", "button_group", "chart"]
