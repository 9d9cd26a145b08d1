"""The README says what is there, and what it says works."""

import re

from core.config import KNOBS
from core.datasets import DATASETS
from core.executors import EXECUTORS
from core.models import MODELS
from core.paths import ROOT
from core.presets import PRESETS

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


def test_every_picture_and_file_of_the_readme_exists():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_package_beyond_the_asked_ones_has_a_reason():
    lines = (ROOT / "requirements.txt").read_text().partition("# Chosen")[2].splitlines()[1:]
    for line in filter(None, lines):
        assert re.fullmatch(r"[\w-]+>=\S+\s+# .{15,}", line), line


def test_changelog_cites_its_issues():
    lines = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("- ")]
    assert lines and all(re.search(r"\(#\d+\)$", line) for line in lines)
