"""Every notebook runs from top to bottom, with fewer draws by its one visible constant."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    assert any(cell.get("outputs") for cell in notebook.cells), "stored without outputs"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            few = 10 if "simulated trials" in cell.source else 50  # a trial is fitted, a draw made
            cell.source = re.sub(r"^DRAWS = \d+", f"DRAWS = {few}", cell.source, flags=re.M)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    for cell in notebook.cells:
        drawn = any("image/png" in out.get("data", {}) for out in cell.get("outputs", []))
        assert drawn or not re.search(r"^il\.plot\..*;$", cell.source, flags=re.M), cell.source


def test_what_is_stored_is_for_readers():
    """Every figure is there, and nothing that only the machine it was made on has to say."""
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            texts = str(cell.get("outputs", []))
            assert "site-packages" not in texts and "'stderr'" not in texts, path.name
            if re.search(r"^il\.plot\..*;$", cell.source, flags=re.M):
                assert "image/png" in texts, f"{path.name}: {cell.source}"


def test_each_ends_with_things_to_try():
    for path in NOTEBOOKS:
        last = nbformat.read(path, as_version=4).cells[-1].source
        assert "Things to try" in last, path.name
