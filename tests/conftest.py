"""Where tests find data, and what they make: small trials, fits whose draws are known."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
sys.path.insert(0, str(ROOT / "tests" / "reference"))  # for the map of names
sys.path.insert(0, str(ROOT / "tests" / "studies"))  # for posteriors with planted errors

MISSING = {"keep_default_na": False, "na_values": ["", "NA", "NaN"]}


def read_set(name: str) -> pd.DataFrame:
    """A bundled set, or one that may only be read from the project's shared folder."""
    from ilhte_bayes.data.bundled import REGISTRY
    from ilhte_bayes.data.datasets import load_dataset

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


def made_table(seed, *, persons, items, arms=2, effect=0.5, spread=0.4):
    """Answers of persons in arms 0, 1, ... to items; effects differ by item."""
    rng = np.random.default_rng(seed)
    arm = np.arange(persons) % arms
    ability, easiness = rng.normal(0, 1, persons), rng.normal(0, 1, items)
    effects = np.vstack([np.zeros(items), rng.normal(effect, spread, (arms - 1, items))])
    logit = ability[:, None] + easiness + effects[arm]
    score = (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(int)
    person, item = (grid.ravel() for grid in np.indices(score.shape))
    return pd.DataFrame(
        {"resp": score.ravel(), "id": person, "item": item + 1, "treat": arm[person]}
    )


def drawn_fit(model, beta, sd, corr=None, re=None):
    """A fit of draws that somebody else made: one chain, arrays with the draw first.

    `sd` (and `corr`, `re`) hold an array for each group; `re` is zero where it is left out.
    """
    n = len(beta)
    variables = {"beta": (("chain", "draw", "term"), np.asarray(beta)[None])}
    coords = {"term": list(model.design.terms)}
    for group in model.design.groups:
        name, column = group.name, f"{group.name}_column"
        coords |= {name: list(group.labels), column: list(group.columns)}
        variables[f"sd_{name}"] = (("chain", "draw", column), np.asarray(sd[name])[None])
        effects = (re or {}).get(name, np.zeros((n, group.n_levels, group.n_columns)))
        variables[f"re_{name}"] = (("chain", "draw", name, column), effects[None])
        if name in (corr or {}):
            dims = ("chain", "draw", column, f"{column}_")
            variables[f"corr_{name}"] = (dims, np.asarray(corr[name])[None])
    from ilhte_bayes.fits.fit import Fit

    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(variables, coords=coords)})
    return Fit(model, "nuts", "posterior", tree, (), 0.0, 0.0)


@pytest.fixture(scope="session")
def trial_table():
    return made_table


@pytest.fixture(scope="session")
def fit_of_draws():
    return drawn_fit


@pytest.fixture
def ilhte(monkeypatch, capsys):
    """Run the command line in this process: (status, standard output, standard error)."""

    from ilhte_bayes import cli

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ilhte", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run


@pytest.fixture(scope="session")
def published():
    """The vignette's 70 trials and their items; read where they are, never copied."""
    path = SHARED / "reference" / "irw_il_hte_summary_70.csv"
    if not path.is_file():
        pytest.skip("the published table is in the project's shared folder, which is absent")
    return pd.read_csv(path), pd.read_csv(SHARED / "reference" / "irw_il_hte_items.csv.gz")
