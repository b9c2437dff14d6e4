"""Fits whose draws are known numbers, and trials with faults planted."""

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit

import ilhte_bayes as il
from ilhte_bayes.models.prior_draws import draw_from_prior


def known_fit(model, values, *, draws=400, without=()):
    """A fit of `draws` equal draws; what `values` leaves out is drawn once from the priors."""
    one = draw_from_prior(model, np.random.default_rng(1))
    one = one.assign({name: one[name].copy(data=np.asarray(v)) for name, v in values.items()})
    one = one.drop_vars(list(without))
    posterior = one.expand_dims(chain=1, draw=draws)
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((1, draws), dtype=bool))})
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
    return il.Fit(model, "nuts", "posterior", tree, (), 0.0, 0.0)


def trial(seed, *, persons=300, items=10, guessing=0.0, pair=0.0, top=1):
    """Answers of persons in two arms; the first half of the items guessed, the first two a pair."""
    rng = np.random.default_rng(seed)
    arm = np.arange(persons) % 2
    easiness, effect = np.linspace(-1.5, 1.0, items), rng.normal(0.3, 0.3, items)
    logit = rng.normal(size=(persons, 1)) + easiness + effect * arm[:, None]
    logit[:, :2] += pair * rng.normal(size=(persons, 1))
    u = rng.logistic(size=logit.shape)
    resp = sum((logit + u > cut).astype(int) for cut in np.linspace(0, 1.5, top))
    lucky = (np.arange(items) < items // 2) & (rng.random(logit.shape) < guessing)
    resp = np.where(lucky, 1, resp)
    person, item = np.indices(resp.shape)
    return pd.DataFrame(
        {
            "resp": resp.ravel(),
            "id": person.ravel(),
            "item": [f"q{k}" for k in item.ravel()],
            "treat": arm[person.ravel()],
        }
    )


def integral(logit, sd):
    """Mean of 1 / (1 + exp(-logit - theta)) over theta ~ N(0, sd^2)."""
    x, w = np.polynomial.hermite_e.hermegauss(60)
    return (expit(np.asarray(logit)[..., None] + sd * x) * w).sum(axis=-1) / w.sum()
