"""Log-prior of a model in the objective's coordinates, for MAP estimates.

The density is that of the natural quantities (coefficients, SDs, correlations) without a Jacobian,
so that flat priors give maximum likelihood exactly.
"""

import numpy as np

from ilhte_bayes.engines.marginal.covariance import Coordinates, complex_step
from ilhte_bayes.engines.marginal.maximise import LogPrior, MarginalObjective
from ilhte_bayes.models.distributions import LKJ
from ilhte_bayes.models.priors import Priors


def log_prior(objective: MarginalObjective, priors: Priors) -> LogPrior:
    """Return psi -> (log-density, gradient)."""
    betas = [priors[objective.design.parameter(t)] for t in objective.design.terms]
    fixed = objective.parts[0]

    def evaluate(psi: np.ndarray) -> tuple[float, np.ndarray]:
        gradient = np.zeros_like(psi)

        def of_beta(beta: np.ndarray):
            return sum(prior.log_density(b) for prior, b in zip(betas, beta, strict=True))

        value = float(np.real(of_beta(psi[fixed])))
        gradient[fixed] = complex_step(of_beta, psi[fixed])
        for coordinates, part in zip(objective.coordinates, objective.parts[1:], strict=True):

            def of_free(free: np.ndarray, coordinates=coordinates):
                return _group_log_density(coordinates, priors, free)

            value += float(np.real(of_free(psi[part])))
            gradient[part] = complex_step(of_free, psi[part])
        return value, gradient

    return evaluate


def _group_log_density(coordinates: Coordinates, priors: Priors, free: np.ndarray):
    """Log-density of one group's SDs and correlations; complex `free` differentiates it."""
    natural = coordinates.natural(free)
    total = 0.0
    for column, sd in zip(coordinates.columns, natural, strict=False):
        total = total + priors[f"sd_{coordinates.group}[{column}]"].log_density(sd)
    if coordinates.pairs:
        prior = priors[f"corr_{coordinates.group}"]
        if isinstance(prior, LKJ) and prior.eta != 1.0:
            total = total + prior.log_density(_log_det_correlation(coordinates, free))
    return total


def _log_det_correlation(coordinates: Coordinates, free: np.ndarray):
    """Log det of the correlation matrix; its Cholesky diagonal in partial coordinates."""
    total, at = 0.0, 0
    for block in coordinates.blocks:
        d = len(block)
        n = d * (d + 1) // 2
        if d > 1 and coordinates.partial:
            partial = np.tanh(free[at + d : at + n])
            total = total + np.sum(np.log(1.0 - partial * partial))
        at += n
    return total
