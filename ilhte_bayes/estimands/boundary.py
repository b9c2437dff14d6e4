"""Likelihood ratio tests of variances, whose null value 0 is the edge of their range."""

import numpy as np
from scipy.stats import chi2

# Two fits of one likelihood, both at their maximum, differ by about this: a variance estimated at 0
# gives a statistic of 0, whichever side of it the search stopped.
_ZERO = 1e-4


def likelihood_ratio_p(statistic: float, parameters: int, variances: int) -> float:
    """P-value of a likelihood ratio between nested models.

    Parameters
    ----------
    statistic : float
        Twice the difference of log-likelihoods.
    parameters : int
        How many parameters the larger model has more.
    variances : int
        How many of them are variances, 0 under the null.

    Notes
    -----
    Without variances chi2 with as many degrees of freedom. With one, half the time its estimate is
    0 and the statistic has one degree of freedom less: the 50:50 mixture of chi2_{k-1} and chi2_k
    (chi2_0 is 0; a statistic of 0, to the accuracy of two fits, has p = 1). With more than one the
    same mixture is conservative: true weights of chi2_k are below a half.

    References
    ----------
    Self & Liang (1987), J. Am. Stat. Assoc. 82, 605-610; Stram & Lee (1994), Biometrics 50,
    1171-1177.
    """
    statistic = max(statistic, 0.0)
    upper = float(chi2.sf(statistic, parameters))
    if not variances:
        return upper
    if statistic < _ZERO:
        return 1.0
    lower = float(chi2.sf(statistic, parameters - 1)) if parameters > 1 else 0.0
    return 0.5 * (lower + upper)


def halved_size(parameters: int, level: float = 0.05) -> float:
    """How often half of chi2's p-value is below a level, if the one variance tested is 0.

    With one parameter the mixture is half of chi2_1, and halving is right. With more it halves the
    part of chi2_{k-1} too: at two parameters (a variance and a correlation) 6.6 % instead of 5 %.
    """
    return likelihood_ratio_p(float(chi2.isf(2.0 * level, parameters)), parameters, 1)


def bootstrap_p(statistic: float, simulated: np.ndarray) -> tuple[float, float]:
    """P-value among likelihood ratios of simulated tables, (1 + #{LR* >= LR}) / (1 + B).

    Parameters
    ----------
    statistic : float
    simulated : (B,) array
        Missing where a refit failed; these are left out.

    Returns
    -------
    (float, float)
        P-value, and its Monte Carlo standard error. A statistic that ties with another to the
        accuracy of two fits counts as reached by it, so that an estimate of 0 has p = 1.
    """
    known = simulated[np.isfinite(simulated)]
    p = (1.0 + float(np.sum(known >= statistic - _ZERO))) / (1.0 + known.size)
    return p, float(np.sqrt(p * (1.0 - p) / max(known.size, 1)))
