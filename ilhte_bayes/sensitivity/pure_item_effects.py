"""Would effects that differ between items alone have produced this interaction?

Under M_A with the covariate, items' effects differ and persons' do not. Its (b, zeta) are drawn from
their posterior (by Laplace: its normal approximation), coefficients and SDs with them; persons are
the same, with the same covariates, arms and items to answer, and abilities drawn anew (those of
the table would carry an interaction, if there is one, into the simulated answers). M_B, which lets
persons differ and items not, is then fitted to each simulated table.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ilhte_bayes.engines.laplace import laplace
from ilhte_bayes.engines.marginal.draw import draw_approximation
from ilhte_bayes.engines.marginal.objective import LaplaceObjective
from ilhte_bayes.engines.marginal.warm import highest, point, scale_of
from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.variance_tests import without_column
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.intervals import TAILS
from ilhte_bayes.fits.progress import steps
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.simulated import simulate_answers, thresholds
from ilhte_bayes.sensitivity.three_models import ThreeModels

_EXTRA = 2  # draws made for each that is needed: some have thresholds out of order


@dataclass(frozen=True, slots=True)
class PureItemEffects:
    """Interactions that M_B finds where items' effects differ and persons' do not.

    Attributes
    ----------
    observed : float
        M_B's interaction in the table, by maximum likelihood (Laplace), as in the simulated ones.
    simulated : np.ndarray
        (replicate,) the same in simulated tables.
    """

    observed: float
    simulated: np.ndarray

    @property
    def p(self) -> float:
        """Two-sided p-value: twice the smaller share of replicates on one side, observed counted."""
        n = self.simulated.size
        below = 1 + int((self.simulated <= self.observed).sum())
        above = 1 + int((self.simulated >= self.observed).sum())
        return min(1.0, 2.0 * min(below, above) / (n + 1))

    @property
    def mean(self) -> float:
        """Average over replicates: the interaction to be expected of items alone."""
        return float(self.simulated.mean())

    @property
    def range(self) -> tuple[float, float]:
        """Where 95 % of the replicates lie."""
        lower, upper = np.quantile(self.simulated, TAILS)
        return float(lower), float(upper)


def simulate_pure_item_effects(
    built: ThreeModels, null: Fit, constant: Fit | None = None, *, n: int, seed: int
) -> PureItemEffects:
    """Fit M_B to tables in which only items differ.

    Parameters
    ----------
    built : ThreeModels
    null : Fit
        Of `built.models["M_A+"]`, by any engine.
    constant : Fit, optional
        Of M_B by Laplace, if there is one already.
    n, seed : int
        How many tables, and of everything random.
    """
    if n < 1:
        raise ModelError(f"n={n}: it is at least 1, and a p-value takes 200 or more. Write n=200.")
    rng = np.random.default_rng(seed)
    first = constant if constant is not None else laplace(built.models["M_B"])
    refit = warm_refits(first)
    term = built.models["M_B"].design.terms.index(built.interaction)
    whole = built.models["M_C"]
    found: list[float] = []
    draws = _draws(null, n, seed)
    for truth in steps(draws, n, "tables in which only items differ"):
        parameters = _within(whole, truth, built)
        if not _orderly(whole, parameters):
            continue
        answers = simulate_answers(whole, parameters, rng).model
        found.append(float(refit(constant_effects(answers, built))[term]))
        if len(found) == n:
            break
    if len(found) < n:
        raise ModelError(
            f"{len(found)} of {n} draws of the thresholds were in order: too little is known of "
            "them to simulate answers. Use engine='nuts', whose draws always are."
        )
    at = float(first.coefficients.loc[built.interaction, "estimate"])
    return PureItemEffects(at, np.array(found))


def constant_effects(model: Model, built: ThreeModels) -> Model:
    """M_B of the answers of an M_C: its items without effects of their own."""
    at = model.design.group(built.item).columns.index(built.effect)
    return without_column(model, built.item, at)[0]


def warm_refits(fit: Fit) -> Callable[[Model], np.ndarray]:
    """Coefficients by maximum likelihood (Laplace) of models alike, searched from one fit's."""
    target = LaplaceObjective(fit.model.rows, fit.model.family)
    psi, scale = point(target, fit.mode), scale_of(target, fit.mode)
    n_fixed = target.parts[0].stop

    def refit(model: Model) -> np.ndarray:
        return highest(LaplaceObjective(model.rows, model.family), psi, scale).psi[:n_fixed]

    return refit


def _draws(fit: Fit, n: int, seed: int) -> list[xr.Dataset]:
    """Parameters and effects of the items, one draw after another."""
    if fit.sampled:
        posterior = fit.tree["posterior"].to_dataset()
        total = posterior.sizes["chain"] * posterior.sizes["draw"]
        at = np.random.default_rng(seed).choice(total, size=n * _EXTRA, replace=n * _EXTRA > total)
        chain, draw = np.divmod(at, posterior.sizes["draw"])
        places = zip(chain, draw, strict=True)
        return [posterior.isel(chain=int(c), draw=int(d)) for c, d in places]
    tree = draw_approximation(fit, n * _EXTRA, seed)
    posterior = tree["posterior"].to_dataset()
    return [posterior.isel(chain=0, draw=k) for k in range(n * _EXTRA)]


def _within(whole: Model, truth: xr.Dataset, built: ThreeModels) -> dict[str, np.ndarray]:
    """A draw of M_A+ as parameters of M_C: no interaction; persons and clusters left open."""
    design, null = whole.design, built.models["M_A+"].design
    beta = np.zeros(len(design.terms))
    at = {term: k for k, term in enumerate(null.terms)}
    for k, term in enumerate(design.terms):
        if term != built.interaction:
            beta[k] = float(truth["beta"][at[term]])
    out = {"beta": beta}
    for group in design.groups:
        for name in (f"sd_{group.name}", f"corr_{group.name}"):
            if name in truth:
                out[name] = np.nan_to_num(truth[name].to_numpy())
    out[f"re_{built.item}"] = truth[f"re_{built.item}"].to_numpy()
    return out


def _orderly(model: Model, parameters: dict[str, np.ndarray]) -> bool:
    """Whether thresholds are in order everywhere."""
    if model.design.n_ordered < 2:
        return True
    zero = {
        f"re_{group.name}": np.zeros((group.n_levels, group.n_columns))
        for group in model.design.groups
    }
    found = thresholds(model.design, zero | parameters, np.arange(model.design.n_rows))
    return bool((np.diff(found) > 0).all())
