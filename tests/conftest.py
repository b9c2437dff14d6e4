"""Where tests find data: bundled sets through the package, the others in the shared folder."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
sys.path.insert(0, str(ROOT / "tests" / "reference"))  # for the map of names
sys.path.insert(0, str(ROOT / "tests" / "studies"))  # for posteriors with planted errors

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


@pytest.fixture(scope="session")
def make_trial():
    """Simulate a small trial in long form; two calls give equal tables."""

    def make(persons: int = 40, items: int = 6) -> pd.DataFrame:
        rng = np.random.default_rng(20240229)
        ids = np.repeat(np.arange(persons), items)
        ability, easiness = rng.normal(size=persons), rng.normal(size=items)
        item = np.tile(np.arange(items), persons)
        treat = ids % 2
        chance = 1 / (1 + np.exp(-(ability[ids] + easiness[item] + 0.5 * treat)))
        return pd.DataFrame(
            {
                "id": ids,
                "item": np.array([f"q{k}" for k in range(1, items + 1)])[item],
                "treat": treat,
                "trt": np.where(treat == 1, "drug", "placebo"),
                "school": ids // 2 % 5,
                "age": np.repeat(rng.integers(20, 60, persons), items),
                "pre": np.repeat(rng.normal(size=persons).round(3), items),
                "rate": rng.integers(0, 4, ids.size),
                "resp": (rng.random(ids.size) < chance).astype(int),
            }
        )

    return make
