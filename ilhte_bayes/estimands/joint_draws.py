"""Parameters together with the random effects of some groups, draw by draw; and what follows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.estimands.functionals import Link, estimates
from ilhte_bayes.estimands.parameters import ParameterDraws
from ilhte_bayes.estimands.persons import effect_draws
from ilhte_bayes.fits.draw_tables import covariance_draws, flat, summary
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.spread_draws import spread_samples


@dataclass(frozen=True, slots=True)
class JointDraws:
    """Draws of parameters, and of the random effects of groups whose levels are named."""

    beta: np.ndarray  # (draw, term)
    covariance: Mapping[str, np.ndarray]  # group -> (draw, column, column)
    effects: Mapping[str, np.ndarray]  # group -> (draw, level, column)


def joint_draws(fit: Fit, groups: Iterable[str], n: int | None = None) -> JointDraws:
    """Draws of a posterior, or of the normal approximation to a maximised fit.

    Parameters
    ----------
    fit : Fit
    groups : iterable of str
        Whose effects are wanted; persons who were integrated out are drawn exactly.
    n : int, optional
        How many, spread evenly over the chains; all by default.
    """
    posterior = fit.draws["posterior"].to_dataset()
    chosen = spread_samples(posterior, n)
    size = posterior.sizes["chain"] * posterior.sizes["draw"]
    beta = flat(fit.draws, "beta") if "beta" in posterior else np.zeros((size, 0))
    covariance = {g.name: covariance_draws(posterior, g)[chosen] for g in fit.model.design.groups}
    effects = {name: effect_draws(fit, name, n=n) for name in groups}
    return JointDraws(beta[chosen], covariance, effects)


def joint_estimates(
    fit: Fit,
    function: Callable[[JointDraws], np.ndarray],
    links: Sequence[Link],
    groups: Iterable[str],
    n: int | None = None,
) -> pd.DataFrame:
    """As `functionals.estimates`, of functions of parameters and of some groups' random effects.

    Where effects are wanted, a maximised fit's estimates too are means over its draws.
    """
    groups = list(groups)
    if groups:
        return pd.DataFrame(summary(function(joint_draws(fit, groups, n))))

    def without_effects(parameters: ParameterDraws) -> np.ndarray:
        return function(JointDraws(parameters.beta, parameters.covariance, {}))

    return estimates(fit, without_effects, links)
