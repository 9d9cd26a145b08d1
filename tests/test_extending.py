"""The examples of docs/extending.md, put into a copy of the project and used."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.paths import ROOT

BLOCKS = re.findall(r"```python\n# (.*?)\n(.*?)```", (ROOT / "docs/extending.md").read_text(), re.DOTALL)

CHECK = """
import doctest
import core.stats
from core.config import Recipe
from core.models import MODELS
from streamlit.testing.v1 import AppTest

module = MODELS["pebble"].build(Recipe(model="pebble"), 10)
told = sum(layer.weights for layer in MODELS["pebble"].describe(Recipe(model="pebble"), 10))
assert told == sum(weights.numel() for weights in module.parameters()), told
found = doctest.DocTestFinder().find(core.stats.spread, "spread")
runner = doctest.DocTestRunner()
assert [runner.run(one) for one in found if one.examples] and not runner.failures
app = AppTest.from_file("dashboard.py", default_timeout=60).run()
app.switch_page("pages/oldest.py").run()
assert not app.exception and app.markdown, app.exception
assert any("pebble" in element.value.lower() for element in app.markdown), [e.value for e in app.markdown]
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A copy of the project with every block of the page in its place."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("core", "pages", ".streamlit"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.pt"))
    for name in ("dashboard.py", "docs/shapes.png"):
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    for place, code in BLOCKS:
        if found := re.fullmatch(r"in (\S+), after \"(.*)\"", place):
            path, line = copy / found[1], found[2] + "\n"
            text = path.read_text()
            assert text.count(line) == 1, place
            path.write_text(text.replace(line, line + code))
        elif found := re.fullmatch(r"at the end of (\S+)", place):
            with (copy / found[1]).open("a") as file:
                file.write("\n\n" + code)
        else:
            (copy / place).write_text(code)
    return copy


def test_page_has_an_example_of_each_kind():
    places = " ".join(place for place, _ in BLOCKS)
    assert all(part in places for part in ("core/models/", "core/datasets/", "pages/", "core/stats.py"))


def test_examples_work_in_a_copy_of_the_project(extended, tmp_path):
    environment = {
        **os.environ,
        "TENFOLD_RUNS": str(tmp_path / "runs"),
        "TENFOLD_DATA": str(tmp_path / "data"),
        "TENFOLD_EXECUTOR": "inline",
    }

    def python(*arguments: str) -> str:
        command = [sys.executable, "-W", "ignore", *arguments]
        done = subprocess.run(
            command, cwd=extended, env=environment, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    settings = [
        "model=pebble",
        "epochs=3",
        "width=0.0625",
        "batch_size=20",
        "learning_rate=0.03",
        "log_every=5",
    ]
    train = [
        "train",
        "--preset",
        "quick",
        "--dataset",
        "stripes",
        "--seed",
        "1",
        "--json",
        "--set",
        *settings,
    ]
    result = json.loads(python("-m", "core", *train))
    assert result["state"] == "finished" and result["validation_accuracy"] > 0.8
    python("-c", CHECK)
