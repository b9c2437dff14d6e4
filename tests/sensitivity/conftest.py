"""Small trials whose truth is planted, with answers before and after treatment."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il


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
