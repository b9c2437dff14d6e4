"""Likelihood ratio tests of variances, whose null value 0 is the edge of their range."""

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
