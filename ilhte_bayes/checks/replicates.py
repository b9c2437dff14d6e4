"""Replicated answers: what the fitted model would have the same questions answered by."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from ilhte_bayes.errors import ModelError, require_whole
from ilhte_bayes.estimands.persons import effect_draws
from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.fits.spread_draws import spread_positions
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.models.ability import require_plain
from ilhte_bayes.models.priors import correlated
from ilhte_bayes.models.reduced import require_persons
from ilhte_bayes.models.roots import root_of
from ilhte_bayes.models.simulated import linear_predictor, questions, thresholds

Who = Literal["same", "new"]


@dataclass(frozen=True, slots=True)
class Replicates:
    """Observed answers, and answers that the model gives to the same questions.

    A question is one person's to one item: a row of the design, whatever was answered.
    """

    row: np.ndarray  # (question,) its first row in the design
    total: np.ndarray  # (question,) how many answers it has; 1 where nothing is repeated
    observed: np.ndarray  # (question, category) signed int, how often each category was given
    replicated: np.ndarray  # (draw, question, category - 1) signed int, those above the lowest
    chains: int
    persons: Who

    @property
    def n_draws(self) -> int:
        """Number of replicated tables."""
        return len(self.replicated)

    def tables(self) -> Iterator[np.ndarray]:
        """Categories given (question, category) of every replicated table, one at a time."""
        for upper in self.replicated:
            yield np.column_stack([self.total - upper.sum(axis=1), upper])


def replicate(fit: Fit, *, persons: Who = "same", draws: int = 200, seed: int = 1) -> Replicates:
    """Draw answers to the same questions from a fit.

    Parameters
    ----------
    fit : Fit
        By any engine; of a maximised fit, parameters are drawn from the normal approximation.
    persons : {"same", "new"}
        Abilities of the persons who answered, from their posterior; or of as many new persons,
        from their population. Everything else (items, clusters, arms, covariates) stays.
    draws : int
        About how many tables, spread evenly over the chains.
    seed : int

    Returns
    -------
    Replicates
    """
    require_plain(fit.model, "posterior_predictive")
    require_persons(fit.model, "a predictive check")
    _check(persons, draws)
    rng = np.random.default_rng(seed)
    design = fit.model.design
    first, total = questions(design)
    observed = _observed(fit, first)
    chosen, chains = _parameters(fit, persons, draws, rng)
    kind = np.min_scalar_type(-1 - int(total.max()))  # signed, as small as counts allow
    n = len(next(iter(chosen.values())))
    out = np.empty((n, first.size, observed.shape[1] - 1), dtype=kind)
    for k in range(n):
        out[k] = _answers(fit, {name: v[k] for name, v in chosen.items()}, first, total, rng)[:, 1:]
    return Replicates(first, total, observed, out, chains, persons)


def _check(persons: str, draws: int) -> None:
    if persons not in ("same", "new"):
        raise ModelError(
            f"persons={persons!r}; it is 'same' (those who answered, with their abilities) or "
            "'new' (others, from the same population)."
        )
    require_whole(draws=draws)


def _answers(
    fit: Fit,
    parameters: dict[str, np.ndarray],
    first: np.ndarray,
    total: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """(question, category) one table of answers."""
    design = fit.model.design
    eta = linear_predictor(design, parameters)[first]
    return fit.model.family.draw(eta, thresholds(design, parameters, first), total, rng)


def _observed(fit: Fit, first: np.ndarray) -> np.ndarray:
    """(question, category) how often each category was given."""
    design = fit.model.design
    question = np.searchsorted(first, np.arange(design.n_rows), side="right") - 1
    most = int(np.bincount(question, weights=design.count).max())
    shape = (first.size, fit.model.responses.n_categories)
    out = np.zeros(shape, dtype=np.min_scalar_type(-1 - most))
    np.add.at(out, (question, design.score), design.count)
    return out


def _parameters(
    fit: Fit, persons: Who, draws: int, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], int]:
    """Draws of coefficients and of all random effects, by name; how many chains they are of."""
    design = fit.model.design
    posterior = fit.draws["posterior"].to_dataset()
    at = posterior.isel(draw=spread_positions(posterior, draws))
    n = at.sizes["chain"] * at.sizes["draw"]
    out = {"beta": flat(at, "beta") if "beta" in at else np.zeros((n, 0))}
    fresh = _new_group(fit) if persons == "new" else None
    for group in design.groups:
        if group.name == fresh:
            out[f"re_{group.name}"] = _from_population(at, group, rng)
        else:
            seed = int(rng.integers(2**31))
            out[f"re_{group.name}"] = effect_draws(fit, group.name, seed=seed, n=draws)
    return out, at.sizes["chain"]


def _new_group(fit: Fit) -> str:
    try:
        return require_group(fit, "person")
    except ModelError as problem:
        raise ModelError(
            f"persons='new' draws persons from their population: {problem} Or take persons='same'."
        ) from None


def _from_population(at: xr.Dataset, group: Group, rng: np.random.Generator) -> np.ndarray:
    """(draw, level, column) effects of new levels, given the SDs and correlations of each draw."""
    sd = flat(at, f"sd_{group.name}")
    noise = rng.standard_normal((len(sd), group.n_levels, group.n_columns))
    if correlated(group):
        noise = noise @ root_of(flat(at, f"corr_{group.name}")).mT
    return np.asarray(noise * sd[:, None, :])
