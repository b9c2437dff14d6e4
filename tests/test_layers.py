"""The folders keep their order, the map in ARCHITECTURE.md names them all, imports stay light."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "ilhte_bayes"
LAYERS = [
    "errors", "data", "formulas", "families", "likelihood", "models", "fits", "engines",
    "estimands", "checks", "sensitivity", "show", "studies", "cli",
]  # fmt: skip

# Records that forward to a later stage inside a function: tab completion, and how they print.
FORWARDS = {
    "data/centring.py": {"show"},
    "data/reduction.py": {"show"},
    "models/model.py": {"engines", "fits", "show"},
    "fits/fit.py": {"engines", "estimands", "show"},
    "fits/comparison.py": {"estimands", "show"},
    "engines/conditional.py": {"show"},
    "engines/effect_spread.py": {"show"},
    "estimands/items.py": {"show"},
    "estimands/card.py": {"show"},
    "estimands/persons.py": {"show"},
    "estimands/result.py": {"show"},
    "estimands/ladder.py": {"show"},
    "estimands/scores.py": {"show"},
    "checks/loo.py": {"show"},
    "models/analysis_plan.py": {"show"},
    "sensitivity/anchors.py": {"show"},
    "sensitivity/absent_persons.py": {"show"},
    "checks/equal_slopes.py": {"show"},
    "sensitivity/identification.py": {"show"},
    "checks/check.py": {"show"},
    "checks/predictive.py": {"show"},
}


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST):
    """(stage imported, whether inside a function or for type checking only) of our own modules."""
    late = set()
    for node in ast.walk(tree):
        deferred = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        )
        if deferred:
            late |= {id(child) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ilhte_bayes."):
            yield node.module.split(".")[1], id(node) in late


MODULES = [
    p for p in sorted(PACKAGE.rglob("*.py")) if p.name != "__init__.py" or p.parent != PACKAGE
]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_stages_above_it(path):
    own = LAYERS.index(layer_of(path))
    forwards = FORWARDS.get(str(path.relative_to(PACKAGE)), set())
    for stage, late in imports(ast.parse(path.read_text())):
        allowed = LAYERS.index(stage) <= own or (late and stage in forwards)
        assert allowed, f"{path.name} imports from {stage}"


def test_every_folder_is_on_the_map_in_this_order():
    mapped = re.findall(r"^\| `([\w.]+?)/?` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.M)
    stages = [name.removesuffix(".py") for name in mapped if not name.startswith("_")]
    assert [stage for stage in stages if stage in LAYERS] == LAYERS
    here = {p.name.removesuffix(".py") for p in PACKAGE.iterdir() if not p.name.startswith("_")}
    assert here == set(LAYERS)


def test_files_of_the_engine_are_on_the_map():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for path in (PACKAGE / "engines" / "marginal").glob("[a-z]*.py"):
        assert f"`{path.name}`" in text, path.name


def test_folders_and_public_functions_have_different_names():
    import ilhte_bayes as il

    folders = {p.name for p in PACKAGE.rglob("*") if p.is_dir()}
    assert not folders & set(il.__all__)


def test_every_public_name_can_be_loaded():
    import ilhte_bayes as il

    for name in il.__all__:
        assert getattr(il, name) is not None


def test_importing_the_package_loads_nothing_heavy():
    """Import time follows from what is loaded; seconds would depend on the machine."""
    heavy = ["numpy", "pandas", "pymc", "numba", "xarray", "matplotlib", "scipy"]
    code = f"import sys, ilhte_bayes; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_help_of_the_command_line_loads_nothing_heavy():
    heavy = ["numpy", "pandas", "pymc", "numba", "xarray", "matplotlib", "scipy"]
    code = (
        "import sys\nsys.argv = ['ilhte', '--help']\nfrom ilhte_bayes import cli\n"
        f"try: cli.main()\nexcept SystemExit: pass\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith("[]")
