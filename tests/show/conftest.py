"""Fits of every kind that a figure or a page may meet, each made once in a session."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import ilhte_bayes as il
from ilhte_bayes.engines.diagnostics import convergence
from ilhte_bayes.fits.fit import Fit


def made_table(seed, *, persons, items, arms=("0", "1"), effect=0.4, spread=0.3):
    """Answers of persons in arms to items, effects differing by item."""
    rng = np.random.default_rng(seed)
    arm = np.arange(persons) % len(arms)
    ability, easiness = rng.normal(0, 1, persons), rng.normal(0, 1, items)
    effects = np.vstack([np.zeros(items), *rng.normal(effect, spread, (len(arms) - 1, items))])
    logit = ability[:, None] + easiness + effects[arm]
    score = (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(int)
    person, item = (grid.ravel() for grid in np.indices(score.shape))
    return pd.DataFrame(
        {
            "resp": score.ravel(),
            "id": person,
            "item": [f"q{k + 1}" for k in item],
            "treat": np.array(arms)[arm][person],
        }
    )


def as_sampled(fit):
    """A fit of draws, made of the 2,000 of a normal approximation: 4 chains of 500."""
    one = fit.draws["posterior"].to_dataset().isel(chain=0).drop_vars("draw", errors="ignore")
    parts = [one.isel(draw=slice(500 * k, 500 * k + 500)) for k in range(4)]
    posterior = xr.concat(parts, dim="chain")
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((4, 500), dtype=bool))})
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
    tree["posterior"].attrs = {"seed": 7, "tune": 500, "target_accept": 0.9} | convergence(tree)
    return Fit(fit.model, "nuts", "posterior", tree, (), 1.0, 1.0)


def _caffeine(**options):
    return il.il_hte(
        il.load_dataset("caffeine"), response="resp >= 2", clusters=["study"], **options
    )


def _ordinal():
    """Ten adjectives rated 0 to 3, each with thresholds of its own."""
    table = il.load_dataset("caffeine")
    return il.il_hte(table, clusters=["study"], family="cumulative", thresholds="item")


def _three_arms():
    table = made_table(5, persons=240, items=9, arms=("control", "tablets", "tutoring"))
    return il.Model(
        "resp ~ treat + (1 | id) + (treat | item)",
        table,
        roles={"treatment": "treat", "person": "id", "item": "item"},
        assignment="randomised",
    )


def _zero():
    """Equal effects, and independent of easiness: their SD is estimated at 0."""
    table = made_table(2, persons=120, items=6, spread=0.0).astype({"treat": int})
    return il.Model("resp ~ treat + (1 | id) + (treat || item)", table)


MAKERS = {
    "caffeine_ml": lambda: il.laplace(_caffeine()),
    "caffeine_map": lambda: il.laplace(_caffeine(), objective="map"),
    "verbagg": lambda: il.laplace(
        il.Model("y ~ treat + (1 | id) + (treat | item)", il.load_dataset("verbagg")),
        objective="map",
    ),
    "large": lambda: il.laplace(
        il.il_hte(il.load_dataset("ilhte_5000x40"), response="y"), objective="map"
    ),
    "three_arms": lambda: il.laplace(_three_arms(), objective="map"),
    "constant": lambda: il.laplace(_caffeine(effects="constant"), objective="map"),
    "zero": lambda: il.laplace(_zero()),
    "ordinal": lambda: il.laplace(_ordinal(), objective="map"),
}


@pytest.fixture(scope="session")
def fit_of():
    """Fit by name."""
    made: dict[str, Fit] = {}

    def get(name: str) -> Fit:
        if name not in made:
            made[name] = as_sampled(get("caffeine_map")) if name == "draws" else MAKERS[name]()
        return made[name]

    return get


@pytest.fixture(scope="session")
def logistic_table():
    return made_table
