"""Small trials whose truth is planted, with answers before and after treatment."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import ilhte_bayes as il
from ilhte_bayes.fits.fit import Fit


def answers(seed, effects, *, persons=160, arms=2):
    """One row for each answer; `effects` are the items' in every arm but the first."""
    rng = np.random.default_rng(seed)
    effects = np.asarray(effects, dtype=float)
    arm, items = np.arange(persons) % arms, effects.size
    logit = rng.normal(0, 1, persons)[:, None] + rng.normal(0, 0.7, items)
    logit = logit + (arm > 0)[:, None] * effects
    score = (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(float)
    person, item = (grid.ravel() for grid in np.indices(score.shape))
    return pd.DataFrame(
        {
            "resp": score.ravel(),
            "id": person,
            "item": [f"q{k + 1}" for k in item],
            "position": item + 1,
            "treat": arm[person],
        }
    )


@pytest.fixture(scope="session")
def make_answers():
    return answers


@pytest.fixture(scope="session")
def after():
    return answers(4, [0.5, 0.9, 0.7, 0.3, 1.1, 0.7])


@pytest.fixture(scope="session")
def fit_after(after):
    return il.laplace(il.il_hte(after), objective="map")


@pytest.fixture(scope="session")
def gaps(after):
    """The same with answers left out, some of them all after a person's last one."""
    rng = np.random.default_rng(9)
    table = after.copy()
    stop = rng.integers(3, 9, 160)[table["id"]]
    table.loc[(table["position"] > stop) | (rng.random(len(table)) < 0.04), "resp"] = np.nan
    table.loc[table["id"].isin([1, 3, 5, 7, 11, 20]), "resp"] = np.nan
    return table


@pytest.fixture(scope="session")
def fit_gaps(gaps):
    return il.laplace(il.il_hte(gaps), objective="map")


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
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(variables, coords=coords)})
    return Fit(model, "nuts", "posterior", tree, (), 0.0, 0.0)


@pytest.fixture(scope="session")
def trial_table():
    return made_table


@pytest.fixture(scope="session")
def fit_of_draws():
    return drawn_fit
