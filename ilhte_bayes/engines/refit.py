"""Refit: another model by the engine, and with the settings, of a fit; engines by their names."""

from typing import Any, Literal

import numpy as np

from ilhte_bayes.engines.laplace import laplace
from ilhte_bayes.engines.nuts import FIRST_TARGET, sample
from ilhte_bayes.engines.quadrature import quadrature
from ilhte_bayes.fits.fit import Engine, Fit
from ilhte_bayes.models.model import Model


def fit_by(engine: Engine, model: Model, **sampling: Any) -> Fit:
    """By the engine of this name: maximum likelihood, or NUTS with these options of `il.sample`."""
    if engine == "nuts":
        return sample(model, **sampling)
    return quadrature(model) if engine == "quadrature" else laplace(model)


def refit(fit: Fit, model: Model, **changes: Any) -> Fit:
    """A model by the engine, objective and settings of another fit.

    Parameters
    ----------
    fit : Fit
    model : Model
        With the group that the fit integrated out, if it did.
    **changes
        Of a fit by NUTS: options of `il.sample` in place of its own; no progress bar by default.
    """
    if fit.sampled:
        settings = sampling_settings(fit)
        if settings.get("target_accept") == FIRST_TARGET:
            del settings["target_accept"]  # free to take smaller steps where this model needs them
        return sample(model, **{"progress": False} | settings | changes)
    objective: Literal["ml", "map"] = "ml" if fit.objective == "ml" else "map"
    if fit.engine == "laplace":
        return laplace(model, objective=objective)
    return quadrature(model, objective=objective, integrate=str(fit.mode.attrs["integrated"]))


def sampling_settings(fit: Fit) -> dict[str, Any]:
    """Options of `il.sample` that make draws like these; of draws of others, those that are known."""
    posterior = fit.tree["posterior"]
    found = posterior.attrs
    options = {
        "draws": posterior.sizes["draw"],
        "tune": found.get("tune"),
        "chains": posterior.sizes["chain"],
        "seed": found.get("seed"),
        "target_accept": found.get("target_accept"),
        "integrate": "none" if found.get("integrated") == "" else found.get("integrated"),
        "sampler": "numpyro" if "numpyro" in found else None,
    }
    return {
        name: value.item() if isinstance(value, np.generic) else value  # of a fit that was loaded
        for name, value in options.items()
        if value is not None
    }
