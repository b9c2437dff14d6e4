"""Coordinates of one group's covariance: a free vector <-> relative factor, SDs, correlations.

A group's effects are u = L v with v standard normal; L is lower triangular and block-diagonal.
Each block of correlated columns has its own coordinates:

- *Cholesky*: the entries of L themselves, unbounded. L and -L describe the same covariance, so an
  SD of 0 or a correlation of 1 is an ordinary smooth point of the likelihood, not an edge.
- *partial*: signed SDs and atanh of canonical partial correlations. Used where a prior on the
  correlations keeps them inside (-1, 1).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ilhte_bayes.formulas.design import Group

_AWAY = 2.0  # standard errors from 0 from which the log of an SD is taken for normal
_STEP = 1e-30  # complex-step derivative: exact to rounding, no cancellation


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Free coordinates of one group's covariance."""

    group: str
    columns: tuple[str, ...]
    blocks: tuple[tuple[int, ...], ...]
    partial: bool

    @property
    def size(self) -> int:
        """Length of the free vector."""
        return sum(len(block) * (len(block) + 1) // 2 for block in self.blocks)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs of columns that have a correlation, row > column."""
        return tuple(
            (block[i], block[j])
            for block in self.blocks
            for i in range(len(block))
            for j in range(i)
        )

    @property
    def sds(self) -> np.ndarray:
        """Places of the free vector that are SDs themselves, of columns alone or by partials."""
        places: list[int] = []
        at = 0
        for block in self.blocks:
            d = len(block)
            if d == 1 or self.partial:
                places += range(at, at + d)
            at += d * (d + 1) // 2
        return np.array(places, dtype=int)

    def factor(self, free: np.ndarray) -> np.ndarray:
        """Relative factor L (column, column); also for complex `free`."""
        out = np.zeros((len(self.columns),) * 2, dtype=free.dtype)
        at = 0
        for block in self.blocks:
            d = len(block)
            part = free[at : at + d * (d + 1) // 2]
            if self.partial and d > 1:
                out[np.ix_(block, block)] = _partial_factor(part, d)
            else:
                out[_lower(block)] = part
            at += part.size
        return out

    def natural(self, free: np.ndarray) -> np.ndarray:
        """SDs (column), then correlations (pair); also for complex `free`."""
        factor = self.factor(free)
        sd = np.sqrt(np.sum(factor * factor, axis=1))
        safe = np.where(sd == 0, 1.0, sd)
        corr = [np.sum(factor[i] * factor[j]) / (safe[i] * safe[j]) for i, j in self.pairs]
        return np.concatenate([sd, np.array(corr, dtype=sd.dtype)])

    def from_factor(self, factor: np.ndarray) -> np.ndarray:
        """Free vector of a relative factor."""
        parts = []
        for block in self.blocks:
            part = factor[np.ix_(block, block)]
            d = len(block)
            if self.partial and d > 1:
                parts.append(_partial_free(part))
            else:
                parts.append(part[np.tril_indices(d)])
        return np.concatenate(parts)

    def factor_derivatives(self, free: np.ndarray) -> np.ndarray:
        """DL / d free: (free, column, column)."""
        return complex_step(self.factor, free)

    def natural_derivatives(self, free: np.ndarray) -> np.ndarray:
        """D (SDs, correlations) / d free: (free, quantity)."""
        return complex_step(self.natural, free)


def complex_step(function, at: np.ndarray) -> np.ndarray:
    """Derivatives of an analytic function, one row for each argument."""
    out = []
    for k in range(at.size):
        moved = at.astype(complex)
        moved[k] += 1j * _STEP
        out.append(np.imag(function(moved)) / _STEP)
    return np.array(out)


def spread_of_sds(drawn: np.ndarray, mode: np.ndarray, se: np.ndarray) -> np.ndarray:
    """Draws of SDs, log-normal, from normal ones with this mode and standard errors.

    As tables' intervals, symmetric on the log scale. An SD within 2 standard errors of 0 stays as it
    was drawn, its sign without meaning: a log-normal one would reach many times too far.

    Parameters
    ----------
    drawn : np.ndarray
        (draw, SD)
    mode, se : np.ndarray
        (SD,)
    """
    away = (np.abs(mode) >= _AWAY * se) & (mode != 0.0)
    safe = np.where(away, mode, 1.0)
    return np.where(away, safe * np.exp(np.where(away, drawn - mode, 0.0) / safe), drawn)


def coordinates_for(group: Group, *, keeps_inside: bool) -> Coordinates:
    """Coordinates of a group; `keeps_inside` if its correlations have a prior that is 0 at +-1."""
    return Coordinates(group.name, group.columns, group.blocks, partial=keeps_inside)


@cache
def _lower(block: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Places of a block's lower triangle; kept, because a search asks thousands of times."""
    rows, columns = np.tril_indices(len(block))
    return np.asarray(block)[rows], np.asarray(block)[columns]


def _partial_factor(part: np.ndarray, d: int) -> np.ndarray:
    """diag(sd) times the Cholesky factor of a correlation matrix, from partial correlations."""
    sd, partial = part[:d], np.tanh(part[d:])
    out = np.zeros((d, d), dtype=part.dtype)
    at = 0
    for i in range(d):
        left = 1.0
        for j in range(i):
            out[i, j] = partial[at] * np.sqrt(left)
            left = left - out[i, j] * out[i, j]
            at += 1
        out[i, i] = np.sqrt(left)
    return sd[:, None] * out


def _partial_free(factor: np.ndarray) -> np.ndarray:
    d = len(factor)
    sd = np.sqrt(np.sum(factor**2, axis=1))
    unit = factor / np.where(sd == 0, 1.0, sd)[:, None]
    partial = []
    for i in range(d):
        left = 1.0
        for j in range(i):
            value = unit[i, j] / np.sqrt(max(left, 1e-12))
            partial.append(np.arctanh(np.clip(value, -0.999999, 0.999999)))
            left -= unit[i, j] ** 2
    return np.concatenate([sd, np.array(partial)])
