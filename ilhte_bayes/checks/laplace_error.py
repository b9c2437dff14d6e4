"""Laplace's error: does approximating the persons' integrals change the numbers here?"""

import numpy as np
import pandas as pd

from ilhte_bayes.engines.quadrature import quadrature
from ilhte_bayes.errors import ModelError, NotAvailable
from ilhte_bayes.fits.fit import Fit

FEW_ANSWERS = 4  # a unit, below which Laplace is not to be trusted without looking
_MOST_ANSWERS = 200_000  # of tables that are fitted again


def laplace_error(fit: Fit) -> pd.DataFrame | None:
    """Estimates by Laplace beside those with persons integrated out exactly.

    Parameters
    ----------
    fit : Fit
        By `il.laplace`.

    Returns
    -------
    pandas.DataFrame or None
        Index: parameter; `laplace`, `quadrature`, and `in_se`, their difference in standard errors.
        None where nothing can be integrated out exactly, or answers are more than 200,000.

    Raises
    ------
    ModelError
        If the fit is not by Laplace.
    """
    if fit.engine != "laplace":
        raise ModelError(
            f"this fit is by {fit.engine}, which does not approximate persons. Fit il.laplace(model)."
        )
    if fit.n_obs > _MOST_ANSWERS:
        return None
    try:
        exact = quadrature(fit.model, objective="map" if fit.objective == "map" else "ml")
    except (ModelError, NotAvailable):
        return None
    parts = []
    for one, other in (
        (fit.coefficients, exact.coefficients),
        (fit.variance_components, exact.variance_components),
    ):
        other = other.reindex(one.index)
        names = [" ".join(map(str, at)) if isinstance(at, tuple) else str(at) for at in one.index]
        difference = one["estimate"].to_numpy() - other["estimate"].to_numpy()
        parts.append(
            pd.DataFrame(
                {
                    "laplace": one["estimate"].to_numpy(),
                    "quadrature": other["estimate"].to_numpy(),
                    "in_se": difference / other["se"].to_numpy(),
                },
                index=pd.Index(names, name="parameter"),
            )
        )
    return pd.concat(parts)


def answers_by_unit(fit: Fit) -> tuple[str, float]:
    """Largest group of the formula, and the median number of answers of its levels."""
    design = fit.model.design
    group = max(design.groups, key=lambda each: each.n_levels)
    counts = np.bincount(group.level, weights=design.count, minlength=group.n_levels)
    return group.name, float(np.median(counts[counts > 0]))
