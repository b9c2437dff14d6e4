"""What the package imports is what pyproject.toml declares, and what is optional may be absent."""

import ast
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import ilhte_bayes as il

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMPORTED_AS = {"python-docx": "docx", "pyspark": "pyspark", "great-tables": "great_tables"}
NO_CODE = {
    "h5netcdf": "xarray's engine, by its name",
    "h5py": "what that engine reads with",
}
# extras whose packages are never imported here: the caller brings their objects, or they are tools
BROUGHT = {"dask", "spark", "docs"}


def name_of(requirement: str) -> str:
    found = re.match(r"[\w-]+", requirement)
    assert found
    return IMPORTED_AS.get(found.group(0), found.group(0).replace("-", "_"))


BASE = {name_of(r) for r in PROJECT["dependencies"]}
EXTRAS = {e: {name_of(r) for r in rs} for e, rs in PROJECT["optional-dependencies"].items()}


def imports(path: Path, *, everywhere: bool) -> set[str]:
    """Packages of others that a module imports, inside functions too or when it is loaded."""
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if everywhere else iter(tree.body)
    out = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            out |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            out.add((node.module or "").split(".")[0])
    return out - set(sys.stdlib_module_names) - {"ilhte_bayes"}


MODULES = sorted((ROOT / "ilhte_bayes").rglob("*.py"))


def test_everything_imported_is_declared():
    optional = set().union(*EXTRAS.values())
    for path in MODULES:
        assert not imports(path, everywhere=True) - BASE - optional, path.name


def test_everything_declared_is_used():
    found = set().union(*(imports(path, everywhere=True) for path in MODULES))
    assert not BASE - found - NO_CODE.keys()
    text = "".join(path.read_text() for path in MODULES)
    assert all(f'"{name}"' in text for name in NO_CODE)


def test_what_is_optional_is_imported_by_modules_of_its_own():
    """And these only by functions that catch its absence (below; of JAX in test_nuts_numpyro)."""
    optional = set().union(*EXTRAS.values()) - BASE
    at_load = {p.name: imports(p, everywhere=False) & optional for p in MODULES}
    own = {"draw_plotly.py", "word.py", "operation_jax.py"}
    assert {name for name, found in at_load.items() if found} <= own


@pytest.fixture(scope="module")
def fit() -> il.Fit:
    return il.laplace(il.il_hte(il.load_dataset("ilhte_500x20").query("id <= 60"), response="y"))


def table_file(folder: Path) -> Path:
    path = folder / "trial.csv"
    il.load_dataset("bacteria").to_csv(path, index=False)
    return path


# extra: (modules to hide, what a user calls, error)
CALLS: dict[str, tuple[list[str], Callable[[il.Fit, Path], object], type[Exception]]] = {
    "plotly": (
        ["ilhte_bayes.show.figures.draw_plotly"],
        lambda fit, folder: il.plot.item_effects(fit, backend="plotly"),
        il.errors.NotAvailable,
    ),
    "word": (
        ["ilhte_bayes.show.word"],
        lambda fit, folder: il.save_table(il.item_effects(fit), folder / "items.docx"),
        il.errors.NotAvailable,
    ),
    "duckdb": (
        [],
        lambda fit, folder: il.reduce(table_file(folder)),
        il.errors.DataError,
    ),
    "irw": ([], lambda fit, folder: il.read_irw("gilbert_meta_14"), il.errors.DataError),
}


@pytest.mark.parametrize("extra", CALLS)
def test_without_it_a_sentence_says_what_to_install(fit, tmp_path, monkeypatch, extra):
    loaded, call, error = CALLS[extra]
    for name in loaded:
        monkeypatch.delitem(sys.modules, name, raising=False)
    hidden = [name for name in sys.modules if name.split(".")[0] in EXTRAS[extra]]
    for name in {*hidden, *EXTRAS[extra]}:
        monkeypatch.setitem(sys.modules, name, None)  # an import of it fails
    with pytest.raises(error, match=rf"pip install 'ilhte-bayes\[{extra}\]'"):
        call(fit, tmp_path)


def test_every_extra_is_thought_of():
    """jax comes with the sampler that uses it."""
    assert EXTRAS.keys() - CALLS.keys() - BROUGHT <= {"jax"}
