"""A distribution over trials, of two parameters, from the trials' likelihoods: exact on a grid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator

_CELLS = 1000  # of the quantity
_SIDE = 32  # of each parameter's grid
_ROUNDS = 3  # of the grid's closing in on where the posterior is
_KEPT = 1e-7  # of the largest density: what is below lies outside the grid of the next round
_TAILS = (0.025, 0.975)

Curve = tuple[np.ndarray, np.ndarray]  # values, and twice the log-likelihood lost at each


@dataclass(frozen=True, slots=True)
class Family:
    """Distribution over trials, with location m and spread t."""

    cdf: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # of value, m, t
    signed: bool  # whether the quantity and m may be negative
    span: tuple[float, float] | None = None  # range of the quantity, if it is bounded

    def allowed(self, m: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Where (m, t) may be: the spread of a positive quantity is not larger than its mean."""
        return np.full(m.shape, True) if self.signed else t <= m


@dataclass(frozen=True, slots=True)
class Population:
    """Posterior of a distribution over trials."""

    weight: np.ndarray  # (point,) posterior of (m, t), sums to 1
    cells: np.ndarray  # (point, cell) probability of each cell of the quantity, given (m, t)
    middle: np.ndarray  # (cell,)
    mean: np.ndarray  # (point,) over trials, given (m, t)
    spread: np.ndarray  # (point,) SD over trials

    def moment(self, function: Callable[[np.ndarray], np.ndarray]) -> float:
        """Predictive mean of a function of the quantity."""
        return float(self.weight @ self.cells @ function(self.middle))

    def table(self) -> pd.DataFrame:
        """Mean and SD over trials, and the next trial."""
        rows = {
            "mean of trials": _summary(self.mean, self.weight),
            "SD over trials": _summary(self.spread, self.weight),
            "next trial": _summary(self.middle, self.weight @ self.cells),
        }
        return pd.DataFrame.from_dict(rows, orient="index")


def fit_population(family: Family, curves: Sequence[Curve], *, mean_sd: float) -> Population:
    """Posterior of (m, t) given the trials' likelihoods.

    Parameters
    ----------
    family : Family
    curves : sequence of (values, lost)
        One for each trial.
    mean_sd : float
        SD of m's prior, a normal (half of it where the quantity is positive); t's is half-normal
        with SD 1.
    """
    edges = _edges(family, curves)
    middle = 0.5 * (edges[1:] + edges[:-1])
    likelihood = np.array([np.exp(-0.5 * _lost(curve, middle)) for curve in curves])
    m_range, t_range = _start(family, middle, likelihood)
    for _ in range(_ROUNDS):
        m, t = (
            grid.ravel()
            for grid in np.meshgrid(_points(*m_range), _points(*t_range), indexing="ij")
        )
        cells = np.diff(family.cdf(edges, m[:, None], t[:, None]), axis=1)
        with np.errstate(divide="ignore"):
            log = np.log(cells @ likelihood.T).sum(axis=1)
        log += -0.5 * (m / mean_sd) ** 2 - 0.5 * t**2
        log[~family.allowed(m, t)] = -np.inf
        density = np.exp(log - log.max())
        m_range, t_range = _around(m, density), _around(t, density)
    mean, spread = m, t
    if family.span is not None:  # m and t are those of a transformed quantity
        mean = cells @ middle
        spread = np.sqrt(np.maximum(cells @ middle**2 - mean**2, 0.0))
    return Population(density / density.sum(), cells, middle, mean, spread)


def _lost(curve: Curve, at: np.ndarray) -> np.ndarray:
    """A curve between its points, and straight on beyond them."""
    values, lost = curve
    between = PchipInterpolator(values, lost, extrapolate=False)(np.clip(at, values[0], values[-1]))
    first = (lost[1] - lost[0]) / (values[1] - values[0])
    last = (lost[-1] - lost[-2]) / (values[-1] - values[-2])
    beyond = min(first, 0.0) * np.minimum(at - values[0], 0.0)
    beyond += max(last, 0.0) * np.maximum(at - values[-1], 0.0)
    return np.asarray(between + beyond)


def _edges(family: Family, curves: Sequence[Curve]) -> np.ndarray:
    """Of the cells, wide enough for the next trial's tails."""
    if family.span is not None:
        return np.linspace(*family.span, _CELLS + 1)
    low = min(float(values[0]) for values, _ in curves)
    high = max(float(values[-1]) for values, _ in curves)
    more = (2.0 if family.signed else 5.0) * (high - low)
    if family.signed:
        return np.linspace(low - more, high + more, _CELLS + 1)
    # closer together near 0, where trials without differences are
    return np.linspace(0.0, 1.0, _CELLS + 1) ** 2 * (high + more)


def _start(
    family: Family, middle: np.ndarray, likelihood: np.ndarray
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ranges of m and t that hold all that is possible."""
    best = middle[likelihood.argmax(axis=1)]
    if family.span is not None:  # m and t are those of atanh
        return (-3.0, 3.0), (0.01, 3.0)
    width = max(float(np.ptp(best)), 1e-2)
    low = best.min() - width if family.signed else 1e-3 * max(float(best.max()), width)
    return (float(low), float(best.max() + width)), (1e-3 * width, 2.0 * width)


def _points(low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, _SIDE)


def _around(values: np.ndarray, density: np.ndarray) -> tuple[float, float]:
    """The range where there is any density, and a step more; never beyond what it was."""
    here = values[density > _KEPT]
    step = (values.max() - values.min()) / (_SIDE - 1)
    return (
        float(max(here.min() - step, values.min())),
        float(min(here.max() + step, values.max())),
    )


def _summary(values: np.ndarray, weight: np.ndarray) -> dict[str, float]:
    share = weight / weight.sum()
    mean = float(share @ values)
    order = np.argsort(values)
    reached = np.cumsum(share[order]) - 0.5 * share[order]
    lower, upper = np.interp(_TAILS, reached, values[order])
    sd = float(np.sqrt(max(float(share @ values**2) - mean**2, 0.0)))
    return {"estimate": mean, "se": sd, "lower": float(lower), "upper": float(upper)}
