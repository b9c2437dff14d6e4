"""A distribution over trials, of two parameters, from the trials' likelihoods: exact on a grid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator

from ilhte_bayes.fits.intervals import TAILS

_CELLS = 1000  # of the quantity, where trials speak of it
_TAIL_CELLS, _REACH = 80, 12.0  # beyond, wider and wider, as far as the priors allow a trial
_SIDE = 32  # of each parameter's grid
_ROUNDS = 12  # of the grid's closing in on where the posterior is, at most
_CLOSE = 0.8  # a round that leaves more of both ranges is the last
_WIDEST = 4.0  # prior SDs: where the grid begins and ends
_SMALLEST = 1e-3  # spread over trials, as good as none
_KEPT = 1e-6  # of the largest density: what is below lies outside the grid of the next round

Curve = tuple[np.ndarray, np.ndarray]  # values, and twice the log-likelihood lost at each


@dataclass(frozen=True, slots=True)
class Family:
    """Distribution over trials, with location m and spread t."""

    cdf: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # of value, m, t
    signed: bool  # whether the quantity and m may be negative
    span: tuple[float, float] | None = None  # range of the quantity, if it is bounded

    def parameters(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m, t) of coordinates: m and log t; where m is positive log m and log t / m, at most 0."""
        return (x, np.exp(y)) if self.signed else (np.exp(x), np.exp(x + y))


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
    high = _WIDEST * mean_sd
    ranges: tuple[tuple[float, float], ...] = (
        ((-high, high), (np.log(_SMALLEST), np.log(_WIDEST)))
        if family.signed
        else ((np.log(1e-4 * high), np.log(high)), (np.log(_SMALLEST), 0.0))
    )
    for _ in range(_ROUNDS):
        x, y = (at.ravel() for at in np.meshgrid(*map(_points, ranges), indexing="ij"))
        m, t = family.parameters(x, y)
        cells = np.diff(family.cdf(edges, m[:, None], t[:, None]), axis=1)
        with np.errstate(divide="ignore"):
            log = np.log(cells @ likelihood.T).sum(axis=1)
        # priors, and the area of a cell of the grid
        log += -0.5 * (m / mean_sd) ** 2 - 0.5 * t**2
        log += np.log(t) + (0.0 if family.signed else x)
        density = np.exp(log - log.max())
        closer = tuple(_around(v, density, r) for v, r in zip((x, y), ranges, strict=True))
        left = [np.ptp(new) / np.ptp(old) for new, old in zip(closer, ranges, strict=True)]
        if min(left) > _CLOSE:
            break
        ranges = closer
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
    more = 0.5 * (high - low)
    tail = np.geomspace(0.02 * more, _REACH + more, _TAIL_CELLS)
    if family.signed:
        core = np.linspace(low - more, high + more, _CELLS + 1)
        return np.concatenate([core[0] - tail[::-1], core, core[-1] + tail])
    # closer together near 0, where trials without differences are
    core = np.linspace(0.0, 1.0, _CELLS + 1) ** 2 * (high + more)
    return np.concatenate([core, core[-1] + tail])


def _points(span: tuple[float, float]) -> np.ndarray:
    """Middles of equal parts: no half weights where a range ends."""
    edges = np.linspace(*span, _SIDE + 1)
    return 0.5 * (edges[1:] + edges[:-1])


def _around(
    values: np.ndarray, density: np.ndarray, span: tuple[float, float]
) -> tuple[float, float]:
    """The range where there is any density, and a part more; never beyond what it was."""
    here, more = values[density > _KEPT], 1.5 * (span[1] - span[0]) / _SIDE
    return max(float(here.min()) - more, span[0]), min(float(here.max()) + more, span[1])


def _summary(values: np.ndarray, weight: np.ndarray) -> dict[str, float]:
    share = weight / weight.sum()
    mean = float(share @ values)
    order = np.argsort(values)
    reached = np.cumsum(share[order]) - 0.5 * share[order]
    lower, upper = np.interp(TAILS, reached, values[order])
    sd = float(np.sqrt(max(float(share @ values**2) - mean**2, 0.0)))
    return {"estimate": mean, "se": sd, "lower": float(lower), "upper": float(upper)}
