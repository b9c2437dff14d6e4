"""Slopes by threshold as draws from one distribution: how much do they vary, and shrunken slopes.

The slopes b_k estimated at the thresholds, with their covariance V from the multilevel model, are
the data of a small second model: b_k ~ Normal(mu, tau^2) around one mean for each term, observed
with errors of covariance V. At tau = 0 slopes are equal.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

_NULL_DRAWS = 20_000  # a p-value of .05 to +-.003 (two standard errors)
_STEPS = 60  # of tau on the grid of likelihoods under equal slopes
_ROUNDING = 1e-8  # a likelihood ratio below this is none; tau is then 1 % of its error at most
_FURTHEST = 30.0  # times the largest standard error: no chance difference reaches so far


@dataclass(frozen=True, slots=True)
class ShrunkenSlopes:
    """What the second model says.

    Attributes
    ----------
    sd : float
        tau, SD of slopes between thresholds, in logits (restricted maximum likelihood).
    ratio : float
        Likelihood ratio against equal slopes.
    p : float
        Share of tables with equal slopes whose likelihood ratio is as large.
    slopes : (slope,) array
        Each moved towards the mean of its term.
    """

    sd: float
    ratio: float
    p: float
    slopes: np.ndarray


def shrink(slopes: np.ndarray, covariance: np.ndarray, term: np.ndarray, seed: int = 1):
    """Fit the second model.

    Parameters
    ----------
    slopes : (slope,) array
        Estimates, in logits.
    covariance : (slope, slope) array
        Of their errors.
    term : (slope,) array of int
        Which term each slope belongs to: each has a mean of its own.
    seed : int
        Of the draws under equal slopes.

    Returns
    -------
    ShrunkenSlopes

    Notes
    -----
    Means are taken out by contrasts between the slopes of a term (restricted likelihood). With few
    thresholds the usual mixture of chi-squared 0 and 1 does not hold for tau = 0: the contrasts are
    normal with a known covariance then, so their likelihood ratio is simulated instead.
    """
    means = (term[:, None] == np.unique(term)).astype(float)  # (slope, term)
    contrasts = linalg.null_space(means.T)  # (slope, contrast), orthonormal
    error, axes = np.linalg.eigh(contrasts.T @ covariance @ contrasts)
    error = np.maximum(error, np.finfo(float).eps * error.max())
    ratio_at = _ratios(error)
    squares = (axes.T @ contrasts.T @ slopes) ** 2
    top = _FURTHEST * error.max() + squares.max()
    variance, ratio = _best(ratio_at, squares, top)
    return ShrunkenSlopes(
        sd=float(np.sqrt(variance)),
        ratio=ratio,
        p=_share_as_large(ratio_at, error, ratio, top, seed),
        slopes=_shrunken(slopes, covariance, means, variance),
    )


def _ratios(error: np.ndarray):
    """Likelihood ratio of tau^2 against 0, (draw, tau), of squared contrasts (draw, contrast)."""

    def ratio_at(squares: np.ndarray, variance: np.ndarray) -> np.ndarray:
        total = error + variance[:, None]  # (tau, contrast)
        constant = (squares / error).sum(axis=1)[:, None] - np.log(total / error).sum(axis=1)
        return np.asarray(constant - squares @ (1.0 / total).T)

    return ratio_at


def _best(ratio_at, squares: np.ndarray, top: float) -> tuple[float, float]:
    """tau^2 of the largest likelihood and its ratio: the best of a grid, exact between neighbours.

    At 0 the ratio is 0, which its sums only reach to rounding.
    """
    grid = _grid(top)
    values = ratio_at(squares[None], grid)[0]
    k = int(values.argmax())
    if k == 0 and values[1] < 0:
        return 0.0, 0.0
    found = optimize.minimize_scalar(
        lambda v: -ratio_at(squares[None], np.array([v]))[0, 0],
        bounds=(grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)]),
        method="bounded",
        options={"xatol": 1e-10 * top},
    )
    return (float(found.x), float(-found.fun)) if -found.fun > _ROUNDING else (0.0, 0.0)


def _grid(top: float) -> np.ndarray:
    return np.concatenate([[0.0], top * np.geomspace(1e-5, 1.0, _STEPS)])


def _share_as_large(ratio_at, error: np.ndarray, ratio: float, top: float, seed: int) -> float:
    if ratio <= 0:
        return 1.0
    normal = np.random.default_rng(seed).standard_normal((_NULL_DRAWS, error.size))
    null = ratio_at(normal**2 * error, _grid(top)).max(axis=1)
    return float((1 + (null >= ratio).sum()) / (1 + _NULL_DRAWS))


def _shrunken(
    slopes: np.ndarray, covariance: np.ndarray, means: np.ndarray, variance: float
) -> np.ndarray:
    """Best linear unbiased predictions of the slopes."""
    # a small floor keeps it solvable where the slopes' errors are perfectly correlated
    floor = np.finfo(float).eps * np.trace(covariance) * np.eye(len(slopes))
    total = covariance + variance * np.eye(len(slopes)) + floor
    weighted = np.linalg.solve(total, means)
    mean = means @ np.linalg.solve(means.T @ weighted, weighted.T @ slopes)
    return np.asarray(mean + variance * np.linalg.solve(total, slopes - mean))
