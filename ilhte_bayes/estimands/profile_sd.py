"""How large may an SD be? The upper bound of its profile likelihood, also when it is estimated at 0."""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2
from threadpoolctl import threadpool_limits

from ilhte_bayes.engines.marginal.warm import (
    HeldSD,
    Highest,
    highest,
    in_order_of,
    objective_like,
    point,
    scale_of,
)
from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.fits.fit import Fit

# 2.71: chi2_1 at 90 %, which is the mixture 1/2 chi2_0 + 1/2 chi2_1 at 95 %
CRITICAL = float(chi2.isf(0.10, 1))
_START = 0.2  # logits, the first bound tried
_LARGEST = 50.0  # logits; beyond it there is no bound
_PRECISE = 1e-4  # logits
_NEXT_TO_0 = 1e-3  # logits: as good as 0, and a search has a direction


class Profile:
    """Likelihood of one group's SD, at its maximum over all other parameters.

    Parameters
    ----------
    fit : Fit
        By maximum likelihood.
    group, column : str
        Which SD.
    """

    def __init__(self, fit: Fit, group: str, column: str) -> None:
        if fit.objective != "ml":
            found = "a posterior" if fit.sampled else "MAP"
            raise ModelError(
                f"a profile likelihood belongs to maximum likelihood; this fit is {found}. Use "
                "il.laplace(fit.model), or draws: il.sample(fit.model)."
            )
        self.fit, self.target = fit, objective_like(fit, fit.model)
        names = [c.group for c in self.target.coordinates]
        self.k = names.index(fit.model.design.group(group).name)
        self.column = self.target.coordinates[self.k].columns.index(column)
        self.scale = scale_of(self.target, fit.mode)
        self.psi = fit.mode["psi"].to_numpy()[in_order_of(self.target, fit.mode)].copy()
        off = point(self.target, fit.mode)
        part = self.target.parts[self.k + 1]
        if self._sd(self.psi) < _NEXT_TO_0:
            self.psi[part] = off[part]

    def _sd(self, psi: np.ndarray) -> float:
        c = self.target.coordinates[self.k]
        return float(c.natural(psi[self.target.parts[self.k + 1]])[self.column])

    def at(self, sd: float) -> Highest:
        """Maximum with the SD held; the next one starts from here."""
        found = highest(self.target, self.psi, self.scale, HeldSD(self.k, self.column, sd))
        self.psi = found.psi
        return found

    def drop(self, sd: float) -> float:
        """Twice the log-likelihood that holding the SD costs."""
        return 2.0 * (self.fit.loglik - self.at(sd).value)


def sd_upper_bound(fit: Fit, group: str, column: str = "Intercept") -> float:
    """One-sided 95 % upper bound of an SD, in logits; infinite where the likelihood has none.

    The largest SD s that a one-sided likelihood ratio test at 5 % does not reject: twice the
    log-likelihood lost by holding the SD at s, all else at its maximum, is 2.71. At an estimate of
    0 the loss is counted from 0, which makes the bound larger than it need be, never smaller.

    Parameters
    ----------
    fit : Fit
        By maximum likelihood (`il.laplace`, `il.quadrature`).
    group, column : str
        Names of the group and of its random column.

    Raises
    ------
    ModelError
        If the fit is not by maximum likelihood, or has no such random column.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> fit = il.laplace(il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria")))
    >>> bool(il.sd_upper_bound(fit, "ID") > fit.sd("ID")["Intercept"])
    True
    """
    columns = fit.model.design.group(group).columns
    if column not in columns:
        raise ModelError(
            f"{column!r} is no random column of {group}; it has {listed(list(columns))}. Name one."
        )
    with threadpool_limits(limits=1, user_api="blas"):
        profile = Profile(fit, group, column)
        low = float(fit.sd(group)[column])
        high = max(2.0 * low, _START)
        while profile.drop(high) < CRITICAL:
            low, high = high, 2.0 * high
            if high > _LARGEST:
                return float("inf")
        if low == 0.0:
            low = _NEXT_TO_0
        return float(brentq(lambda sd: profile.drop(sd) - CRITICAL, low, high, xtol=_PRECISE))
