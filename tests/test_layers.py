"""Imports go down only: reads every import statement, wherever in a file it stands."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from core.paths import ROOT

LAYERS = (
    (
        "values",
        "errors seeds specs knobs config presets events layers paths locks lease images zips machine judge curves coach naming explanations play settings search_space wording recipe_sharing guesses",
    ),
    ("values", "pictures models datasets"),
    # Pure like the values, but they may use scipy, for quantiles and tests. A layer of its own, which no
    # value may import: else whoever reads a recipe would wait half a second for scipy.stats.
    ("statistics", "stats class_report robustness ladder lesson energy"),
    (
        "records",
        "changes history store launches demands cluster estimate index index_file index_records index_rows stamps sweep plan_index sweep_list forecast predictions filters study seed_table tables verdicts report experiments storage repair doctor doctor_runs labels trash run_filter side_by_side search_log search_worth",
    ),
    (
        "learning",
        "allocator augment averaging checkpoints compiling device evaluate explain features gradients optim receptive train",
    ),
    (
        "pictures",
        "classify_figures figures field_figures judge_figures overlay packing seed_figures seed_traces search_figures side_figures",
    ),
    # What is taken home as a file: from records, data sets and pictures, without torch.
    ("exports", "export_tables templating html_report plain_script report_of_run report_of_sweeps"),
    (
        "processes",
        "detached frames decoding decoding_child probe preparation opening proof prover pretrained worker shift runner crew launch executors members answering asking classify classify_command own_weights own_weights_child own_weights_fit neighbours search searches searcher terminal sweep_commands search_command taking export_child export_onnx export_command __main__ doctor doctor_command",
    ),
)
LAYER_OF = {name: layer for layer, names in LAYERS for name in names.split()}

MAY_IMPORT = {
    "values": {"values"},
    "data": {"values", "data"},
    "statistics": {"values", "statistics"},
    "records": {"values", "statistics", "records"},
    "learning": {"values", "data", "learning"},
    "pictures": {"values", "statistics", "pictures"},
    "exports": {"values", "statistics", "data", "records", "pictures", "exports"},
    "processes": {"values", "statistics", "data", "records", "learning", "exports", "processes"},
    "screen": {"values", "statistics", "data", "records", "pictures", "exports", "processes", "screen"},
}
NEVER = {
    "values": {"torch", "torchvision", "streamlit", "plotly", "pandas", "scipy"},
    "statistics": {"torch", "torchvision", "streamlit", "plotly", "pandas"},
    "data": {"torch", "torchvision", "streamlit", "plotly", "pandas"},
    "records": {"torch", "torchvision", "streamlit", "plotly"},
    "learning": {"streamlit", "plotly", "pandas"},
    "pictures": {"torch", "torchvision", "streamlit", "plotly"},
    "exports": {"torch", "torchvision", "streamlit", "plotly"},
    "processes": {"streamlit", "plotly"},
    "screen": {"torch", "torchvision", "subprocess", "multiprocessing"},
}
TORCH_FREE_PROCESSES = {
    "detached",
    "decoding",
    "decoding_child",
    "runner",
    "crew",
    "executors",
    "launch",
    "preparation",
    "proof",
    "search",
    "searches",
    "searcher",
    "taking",
}
SCREEN_NEVER = {
    "core.train",
    "core.worker",
    "core.shift",
    "core.evaluate",
    "core.device",
    "core.probe",
    "core.prover",
    "core.search",
    "core.searcher",
    "core.export_child",
    "core.export_onnx",
    "core.decoding_child",
}

FILES = sorted(
    path.relative_to(ROOT)
    for pattern in ("dashboard.py", "pages/**/*.py", "core/**/*.py")
    for path in ROOT.glob(pattern)
)


def layer_of(path: Path) -> str:
    if path.parts[0] != "core":
        return "screen"
    if path.name != "__init__.py" and path.parts[1] in ("models", "datasets"):
        return {"models": "learning", "datasets": "data"}[path.parts[1]]
    name = path.parts[1].removesuffix(".py")
    return "values" if name == "__init__" else LAYER_OF[name]


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import, those inside functions too."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_file(module: str) -> Path | None:
    for candidate in (
        ROOT / f"{module.replace('.', '/')}.py",
        ROOT / module.replace(".", "/") / "__init__.py",
    ):
        if candidate.exists():
            return candidate.relative_to(ROOT)
    return None


@pytest.mark.parametrize("path", FILES, ids=str)
def test_module_imports_only_what_lies_below_it(path):
    layer = layer_of(path)
    for module in imports(path):
        assert module.partition(".")[0] not in NEVER[layer], f"{path} ({layer}) imports {module}"
        target = own_file(module)
        if target:
            assert layer_of(target) in MAY_IMPORT[layer], f"{path} ({layer}) imports {module}"


@pytest.mark.parametrize("path", [path for path in FILES if path.parts[0] != "core"], ids=str)
def test_page_imports_nothing_that_trains(path):
    found = imports(path)
    assert not found & SCREEN_NEVER
    if path.parent == Path("pages"):
        others = {f"pages.{other.stem}" for other in FILES if other.parent == Path("pages")}
        assert not found & others


@pytest.mark.parametrize("path", FILES, ids=str)
def test_ray_is_imported_only_where_runs_go_to_it(path):
    if path.parent == Path("core/executors") and path.name.startswith("ray_"):
        return
    assert not {module for module in imports(path) if module.partition(".")[0] == "ray"}


def test_local_executor_trains_without_ray(tmp_path):
    """Not even by way of a package that would import it when it is there."""
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "import pages.parts.frame, pages.parts.live, core.executors.ray, core.runner, core.shift, core.worker\n"
        "assert not [name for name in sys.modules if name.startswith('core.executors.ray_')]"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("name", sorted(TORCH_FREE_PROCESSES))
def test_process_module_starts_without_torch(name):
    check = f"import core.{name}, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True)
