"""The README says what is there, and what it says works."""

import re

from core.config import KNOBS
from core.datasets import DATASETS
from core.executors import EXECUTORS
from core.layers import totals
from core.models import MODELS
from core.paths import ROOT
from core.presets import PRESETS
from docs.tour import MOST_BYTES
from docs.tour import PICTURES as TOUR_PICTURES
from pages.parts.first_steps import SHAPES_PICTURE

README = (ROOT / "README.md").read_text()


def test_two_commands_do_all_their_set_up():
    begin = "python3 -m venv .venv && . .venv/bin/activate && pip install -r"
    assert f"{begin} requirements.txt && streamlit run dashboard.py\n" in README
    assert f"{begin} requirements-dev.txt && pytest\n" in README


def test_every_table_entry_is_in_the_readme():
    for table in (MODELS, DATASETS, EXECUTORS, PRESETS):
        for name in table:
            assert f"`{name}" in README, name


def test_every_field_of_a_recipe_is_in_the_readme():
    for name in KNOBS:
        assert f"`{name}`" in README, name


def test_arithmetic_of_fast_is_what_is_said_of_it():
    def operations(name: str) -> float:
        recipe = PRESETS[name].recipe
        layers = MODELS[recipe.model].describe(recipe, 10)
        images = 50_000 * (1 - recipe.validation_share) * recipe.epochs
        return images * 2 * (3 * totals(layers)[1] - layers[0].multiply_adds) / 1e15

    fast, baseline, improved = map(operations, ("fast", "report-baseline", "report-improved"))
    assert (
        f"{fast:.2f} · 10¹⁵ operations, the baseline {baseline:.2f} and the improved recipe {improved:.1f}"
        in README
    )
    assert 14.5 < improved / fast < 15.5
    works = [
        totals(MODELS[m].describe(PRESETS[p].recipe, 10))[1]
        for m, p in (("fast", "fast"), ("baseline", "report-baseline"))
    ]
    assert 0.08 < works[0] / works[1] < 0.12  # "a tenth for each image"


def test_every_picture_and_file_that_a_text_links_to_exists():
    for text in ("README.md", *(path.relative_to(ROOT) for path in (ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / text).read_text()):
            assert ((ROOT / text).parent / target).exists(), (text, target)


def test_tour_has_its_five_pictures_and_every_picture_is_small_and_shown():
    pictures = list((ROOT / "docs").glob("*.png"))
    for name in TOUR_PICTURES:
        assert f"](docs/{name}.png)" in README, name
    for path in pictures:
        assert path.stat().st_size < MOST_BYTES, path.name
        assert f"](docs/{path.name})" in README or path == SHAPES_PICTURE, path.name
    assert len(TOUR_PICTURES) == 5


def test_modules_that_the_readme_runs_are_there():
    for module in re.findall(r"python -m ([\w.]+)", README):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_every_package_beyond_the_asked_ones_has_a_reason():
    lines = (ROOT / "requirements.txt").read_text().partition("# Chosen")[2].splitlines()[1:]
    for line in filter(None, lines):
        assert re.fullmatch(r"[\w-]+>=\S+\s+# .{15,}", line), line


def test_changelog_cites_its_issues():
    lines = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("- ")]
    assert lines and all(re.search(r"\(#\d+\)$", line) for line in lines)
