"""The wheel as somebody gets it: installed into an empty environment, used away from the repository.

Run with `uv run pytest -m slow tests/reliability/test_wheel.py -s`: each Python that uv finds on the
machine gets an environment of its own (downloads of packages go through uv's cache).
"""

import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.12", "3.13")
LIMIT = 3e6  # bytes

USED = """
import tempfile, warnings
from pathlib import Path
import ilhte_bayes as il
print(il.__file__)
fit = il.laplace(il.il_hte(il.load_dataset("ilhte_500x20"), response="y"))
print(il.item_effects(fit), il.effect_card(fit))
folder = Path(tempfile.mkdtemp())
assert il.load(fit.save(folder / "fit.nc")).loglik == fit.loglik
il.report(fit, folder / "page.html")
for ending in ("html", "tex", "md"):
    il.save_table(fit, folder / f"table.{ending}")
il.plot.item_effects(fit).figure.savefig(folder / "effects.png")
for name in il.__all__:
    getattr(il, name)
print(sorted(p.name for p in folder.iterdir()))
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(["uv", "build", "--wheel", "-o", folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module", params=PYTHONS)
def environment(request, wheel, tmp_path_factory) -> Path:
    """The programs of an environment that holds the wheel and what it needs, no more."""
    found = subprocess.run(
        ["uv", "python", "find", "--no-python-downloads", request.param],
        capture_output=True, text=True, cwd="/",
    )  # fmt: skip
    if found.returncode:
        pytest.skip(f"Python {request.param} is not on this machine")
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run(["uv", "venv", "-q", "--python", found.stdout.strip(), folder], check=True)
    install(folder / "bin", wheel)
    return folder / "bin"


def install(programs: Path, *what: str | Path) -> None:
    command = ["uv", "pip", "install", "-q", "--python", programs / "python", *what]
    subprocess.run(command, check=True)


def run(command: list, folder: Path) -> str:
    """Its output; away from the repository, without network where Linux lets us go without."""
    offline = ["unshare", "-rn"] if shutil.which("unshare") else []
    if offline and subprocess.run([*offline, "true"], capture_output=True).returncode:
        offline = []
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    found = subprocess.run(
        [*offline, *command], cwd=folder, env=kept, capture_output=True, text=True
    )
    assert not found.returncode, found.stdout[-2000:] + found.stderr[-4000:]
    return found.stdout


def test_it_is_small_and_holds_what_is_run_and_the_licences(wheel):
    assert wheel.stat().st_size < LIMIT
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {
        "ilhte_bayes",
        f"ilhte_bayes-{wheel.name.split('-')[1]}.dist-info",
    }
    code = {str(p.relative_to(ROOT)) for p in (ROOT / "ilhte_bayes").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == code
    others = {Path(name).suffix for name in names if name.startswith("ilhte_bayes/")} - {".py"}
    assert others == {".gz", ".md", ".txt", ".css", ".html", ".js"}
    licences = [name for name in names if "dist-info/licenses/" in name]
    assert {Path(name).name for name in licences} == {
        "LICENSE",
        "LICENSE-data.md",
        "LICENSE.GPL-2.0.txt",
    }


def test_the_demo_runs(environment, tmp_path):
    said = run([environment / "ilhte", "demo"], tmp_path)
    assert said.rstrip().endswith(str(tmp_path / "ilhte-demo.html"))
    assert (tmp_path / "ilhte-demo.html").stat().st_size > 1e5


def test_a_script_runs_with_every_public_name(environment, tmp_path):
    (tmp_path / "script.py").write_text(USED)
    said = run([environment / "python", "script.py"], tmp_path)
    assert Path(said.split("\n")[0]).is_relative_to(environment.parent)
    assert "page.html" in said


def test_a_notebook_runs(environment, tmp_path):
    """In Jupyter's kernel, which a reader of notebooks has."""
    install(environment, "nbclient", "ipykernel")
    notebook = nbformat.read(ROOT / "notebooks" / "02-partial-pooling.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = re.sub(r"^DRAWS = \d+", "DRAWS = 50", cell.source, flags=re.M)
    nbformat.write(notebook, tmp_path / "notebook.ipynb")
    code = (  # sockets of files: without network there is no loopback either
        "import nbformat, nbclient; from jupyter_client.manager import AsyncKernelManager;"
        "n = nbformat.read('notebook.ipynb', as_version=4);"
        "km = AsyncKernelManager(kernel_name='python3', transport='ipc');"
        "nbclient.NotebookClient(n, km=km, timeout=600).execute();"
        "print(sum(bool(c.get('outputs')) for c in n.cells))"
    )
    assert int(run([environment / "python", "-c", code], tmp_path)) > 3
