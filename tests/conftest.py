"""Where tests find data: bundled sets through the package, the others in the shared folder."""

import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
sys.path.insert(0, str(ROOT / "tests" / "reference"))  # for the map of names

MISSING = {"keep_default_na": False, "na_values": ["", "NA", "NaN"]}


def read_set(name: str) -> pd.DataFrame:
    """A bundled set, or one that may only be read from the project's shared folder."""
    from ilhte_bayes.data.datasets import REGISTRY, load_dataset

    if name in REGISTRY:
        return load_dataset(name)
    for ending in (".csv.gz", ".csv"):
        path = SHARED / "data" / f"{name}{ending}"
        if path.is_file():
            return pd.read_csv(path, **MISSING)
    pytest.skip(f"{name} may not be bundled; it is read from the shared folder, which is absent")


@pytest.fixture(scope="session")
def table():
    """Read a set once in a session."""
    cache: dict[str, pd.DataFrame] = {}

    def read(name: str) -> pd.DataFrame:
        if name not in cache:
            cache[name] = read_set(name)
        return cache[name]

    return read
