"""SD of item effects from one estimate an item: restricted maximum likelihood, as in meta-analysis."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize, stats

from ilhte_bayes.fits.intervals import LEVEL


@dataclass(frozen=True, slots=True)
class EffectSpread:
    """SD of the item effects (logits), with a 95 % profile likelihood interval."""

    estimate: float
    lower: float  # 0 where no spread at all agrees with the answers
    upper: float

    def sentence(self, noun: str = "effect") -> str:
        """Say what was found."""
        from ilhte_bayes.show.conditional_words import spread_sentence

        return spread_sentence(self, noun)

    def __str__(self) -> str:
        return self.sentence()


def spread_of_effects(shift: np.ndarray, covariance: np.ndarray) -> EffectSpread:
    """SD of item effects from centred estimates, by restricted maximum likelihood.

    Parameters
    ----------
    shift : np.ndarray
        (item,) estimates, summing to zero.
    covariance : np.ndarray
        (item, item) their sampling covariance, singular along (1, ..., 1).

    Returns
    -------
    EffectSpread
        The interval holds the SDs whose log-likelihood is within 1.92 of the maximum.
    """
    basis = linalg.helmert(shift.size)  # rows: orthonormal contrasts
    variance, vectors = linalg.eigh(basis @ covariance @ basis.T)
    squares = (vectors.T @ basis @ shift) ** 2

    def loss(sd: float) -> float:
        total = sd**2 + variance
        return float((np.log(total) + squares / total).sum()) / 2

    largest = float(np.sqrt(squares.max() + variance.min()))  # beyond it the likelihood only falls
    grid = np.linspace(0, largest, 201)
    at = int(np.argmin([loss(sd) for sd in grid]))
    around = (grid[max(at - 1, 0)], grid[min(at + 1, 200)])
    best = float(optimize.minimize_scalar(loss, bounds=around, options={"xatol": 1e-10}).x)
    best = best if loss(best) < loss(0.0) else 0.0
    edge = loss(best) + stats.chi2.ppf(LEVEL, 1) / 2

    def beyond(sd: float) -> float:
        return loss(sd) - edge

    far = largest
    while beyond(far) < 0:
        far *= 2
    upper = optimize.brentq(beyond, best, far)
    lower = optimize.brentq(beyond, 0.0, best) if beyond(0.0) > 0 else 0.0
    return EffectSpread(best, float(lower), float(upper))
