"""Quantities made of parameters: estimate, standard error and interval, for every engine."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from scipy import special

from ilhte_bayes.estimands.parameters import ParameterDraws, parameter_draws, parameters_at
from ilhte_bayes.fits.draw_tables import summary
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.intervals import Z

Link = Literal["identity", "log", "loglog", "logit"]
_STEP = 1e-4  # of derivatives, relative: central differences of it err by about 1e-8
# A standard error this large, on a variance's log scale, is that of an SD as large as the SD
# itself: the interval would reach to absurd values, so none is given (as for SDs).
_WIDEST = 2.0


def estimates(
    fit: Fit,
    function: Callable[[ParameterDraws], np.ndarray],
    links: Sequence[Link],
    *,
    near_edge: bool = False,
) -> pd.DataFrame:
    """Estimate, se, lower, upper (95 %) of functions of the parameters.

    Parameters
    ----------
    fit : Fit
    function : callable
        Takes parameters with any number of draws, returns (draw, quantity).
    links : sequence of {"identity", "log", "loglog", "logit"}
        Scale of each quantity on which a maximised fit's estimate is taken for normal (delta
        method); "loglog" is for quantities above 1.
    near_edge : bool
        Whether quantities have an edge that parameters may reach (a variance of 0): no interval is
        given where the data hardly keep them off it.

    Returns
    -------
    pandas.DataFrame
        One row for each quantity. Maximised fits: value at the estimates, delta-method interval;
        missing at an edge. Draws: mean, SD and equal-tailed interval.
    """
    if fit.sampled:
        return pd.DataFrame(summary(function(parameter_draws(fit))))
    mode = fit.mode
    psi, covariance = mode["psi"].to_numpy(), mode["psi_cov"].to_numpy()
    step = _STEP * np.maximum(1.0, np.abs(psi))
    moves = np.diag(step)
    values = function(parameters_at(fit, np.vstack([psi[None], psi + moves, psi - moves])))
    centre, up, down = values[0], values[1 : 1 + psi.size], values[1 + psi.size :]
    free = ~mode["psi_held"].to_numpy().astype(bool)
    with np.errstate(invalid="ignore"):  # a ratio to an SD of 0
        se = _errors((up - down) / (2.0 * step[:, None]), covariance, free)
    lower, upper = np.empty(centre.size), np.empty(centre.size)
    for k, link in enumerate(links):
        there, back = _LINKS[link]
        with np.errstate(divide="ignore", invalid="ignore"):
            middle = there(centre[k])
            slope = (there(up[:, k]) - there(down[:, k])) / (2.0 * step)
        width = _errors(slope[:, None], covariance, free)[0]
        known = np.isfinite(middle) and not (near_edge and width >= _WIDEST)
        width = Z * width if known else np.nan
        lower[k], upper[k] = back(middle - width), back(middle + width)
        se[k] = se[k] if np.isfinite(middle) else np.nan
    return pd.DataFrame({"estimate": centre, "se": se, "lower": lower, "upper": upper})


def _errors(slope: np.ndarray, covariance: np.ndarray, free: np.ndarray) -> np.ndarray:
    """(quantity,) standard errors from derivatives (psi, quantity); held coordinates do not count."""
    slope, covariance = slope[free], covariance[np.ix_(free, free)]
    variance = np.einsum("pk,pq,qk->k", slope, covariance, slope)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


_LINKS: dict[str, tuple[Callable, Callable]] = {
    "identity": (lambda x: x, lambda x: x),
    "log": (np.log, np.exp),
    "loglog": (lambda x: np.log(np.log(x)), lambda x: np.exp(np.exp(x))),
    "logit": (special.logit, special.expit),
}
