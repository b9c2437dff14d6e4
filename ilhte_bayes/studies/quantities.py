"""Quantities: numbers that a posterior is asked for, as functions of a model and its draws."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import xarray as xr

from ilhte_bayes.formulas.design import Group
from ilhte_bayes.likelihood.answers import gap_log_likelihood, gaps
from ilhte_bayes.likelihood.grid import grid_for
from ilhte_bayes.likelihood.integrable import choose_group
from ilhte_bayes.likelihood.persons import arguments
from ilhte_bayes.likelihood.plan import Plan, make_plan, most_information
from ilhte_bayes.likelihood.unit_summaries import unit_moments
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.priors import correlated
from ilhte_bayes.models.simulated import linear_predictor
from ilhte_bayes.models.unconstrained import pairs_of

# model (with its answers) and draws (chain, draw, ...) -> (chain, draw) array
Quantity = Callable[[Model, xr.Dataset], np.ndarray]

_REACH, _FINE = 9.0, 0.5  # nodes: SDs beyond the outermost means; step, in posterior SDs


def default_quantities(model: Model) -> dict[str, Quantity]:
    """What a calibration looks at.

    Fixed effects, SDs and correlations; effects of the first and last level of each group that is
    not integrated out (with the fixed effect of the same column, if there is one), and their
    difference; `log_effects`, the log-density of the random effects given SDs and correlations;
    and `log_likelihood`. The last two see errors that no single parameter shows: a posterior that
    is the prior, or has not seen some of the answers, has uniform ranks for every parameter
    (Modrák et al. 2023).

    References
    ----------
    Modrák, Moon, Kim, Bürkner, Huurre, Faltejsková, Gelman & Vehtari (2023), Bayesian Analysis:
    the choice of test quantities shapes sensitivity.
    """
    design = model.design
    integrated = integrated_group(model)
    out: dict[str, Quantity] = {
        design.parameter(term): partial(_entry, variable="beta", at=(k,))
        for k, term in enumerate(design.terms)
    }
    for group in design.groups:
        name, columns = group.name, group.columns
        for k, column in enumerate(columns):
            out[f"sd_{name}[{column}]"] = partial(_entry, variable=f"sd_{name}", at=(k,))
        for _, i, j, _ in pairs_of(group):
            label = f"corr_{name}[{columns[j]}, {columns[i]}]"
            out[label] = partial(_entry, variable=f"corr_{name}", at=(i, j))
    for group in design.groups:
        if group.name != integrated:
            out |= _effects_of(group, design.terms)
    if any(group.name != integrated for group in design.groups):
        out["log_effects"] = partial(log_effects, integrated=integrated)
    out["log_likelihood"] = log_likelihood
    return out


def integrated_group(model: Model) -> str | None:
    """Name of the group whose effects are integrated out, as `il.sample` chooses it."""
    return choose_group(model.design, "auto", person=model.roles.person)


def _entry(model: Model, draws: xr.Dataset, *, variable: str, at: tuple[int, ...]) -> np.ndarray:
    values = draws[variable].transpose("chain", "draw", ...).to_numpy()
    for k in reversed(at):
        values = values[..., k]
    return values


def _effects_of(group: Group, terms: tuple[str, ...]) -> dict[str, Quantity]:
    """Effects of the first and last level, column by column, and their difference."""
    out: dict[str, Quantity] = {}
    last = group.n_levels - 1
    for k, column in enumerate(group.columns):
        term = terms.index(column) if column in terms else None
        pick = partial(_level, group=group.name, column=k)
        for level in (0, last):
            out[f"{group.labels[level]}[{column}]"] = partial(pick, level=level, term=term)
        contrast = f"{group.labels[0]} - {group.labels[last]} [{column}]"
        out[contrast] = partial(pick, level=0, term=None, minus=last)
    return out


def _level(
    model: Model,
    draws: xr.Dataset,
    *,
    group: str,
    column: int,
    level: int,
    term: int | None,
    minus: int | None = None,
) -> np.ndarray:
    effects = draws[f"re_{group}"].transpose("chain", "draw", ...).to_numpy()
    value = effects[..., level, column]
    if minus is not None:
        value = value - effects[..., minus, column]
    return value if term is None else value + _entry(model, draws, variable="beta", at=(term,))


def log_effects(model: Model, draws: xr.Dataset, *, integrated: str | None) -> np.ndarray:
    """(chain, draw) log-density of all effects but the integrated ones, given SDs and correlations.

    Up to a constant. Sees a correlation of the wrong sign, which items are too few to show.
    """
    total = np.zeros((draws.sizes["chain"], draws.sizes["draw"]))
    for group in model.design.groups:
        if group.name == integrated:
            continue
        name = group.name
        sd = draws[f"sd_{name}"].transpose("chain", "draw", ...).to_numpy()
        effects = draws[f"re_{name}"].transpose("chain", "draw", ...).to_numpy()
        standard = effects / sd[..., None, :]
        total -= group.n_levels * np.log(sd).sum(axis=-1)
        if correlated(group):
            corr = draws[f"corr_{name}"].transpose("chain", "draw", ...).to_numpy()
            root = np.linalg.cholesky(corr)
            diagonal = np.diagonal(root, axis1=-2, axis2=-1)
            total -= group.n_levels * np.log(diagonal).sum(axis=-1)
            standard = np.linalg.solve(root, np.swapaxes(standard, -1, -2))
        total -= 0.5 * np.sum(standard**2, axis=(-1, -2))
    return total


def log_likelihood(model: Model, draws: xr.Dataset) -> np.ndarray:
    """(chain, draw) log-probability of all answers, persons integrated out where possible.

    Computed apart from the sampler: other nodes for each draw, and another loop.
    """
    integrated = integrated_group(model)
    plan = None if integrated is None else make_plan(model.rows, integrated)
    between = gaps(model.rows)
    stacked = {
        str(name): values.transpose("chain", "draw", ...).to_numpy()
        for name, values in draws.items()
    }
    out = np.empty((draws.sizes["chain"], draws.sizes["draw"]))
    for at in np.ndindex(out.shape):
        draw = {name: values[at] for name, values in stacked.items()}
        if plan is None:
            out[at] = _joint(model, draw)
        else:
            beta, effects = draw.get("beta", np.zeros(0)), _effects(draw)
            out[at] = _integrated(plan, draw) + gap_log_likelihood(between, beta, effects)
    return out


def _joint(model: Model, draw: Mapping[str, np.ndarray]) -> float:
    """Log-likelihood at one draw, given all random effects."""
    rows = model.rows
    return model.family.log_probability(linear_predictor(rows, draw), rows.score, rows.count)


def _effects(draw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name[3:]: values for name, values in draw.items() if name.startswith("re_")}


def _integrated(plan: Plan, draw: Mapping[str, np.ndarray]) -> float:
    """Log-likelihood at one draw, the plan's group integrated out."""
    sd = draw[f"sd_{plan.group.name}"]
    beta = draw.get("beta", np.zeros(0))
    effects = _effects(draw)
    mean = plan.means.value(beta, effects)
    grid = grid_for(mean, sd, most_information(plan), reach=_REACH, finer=_FINE)
    at = arguments(plan, grid, beta, effects, sd)
    each, _, _ = unit_moments(plan, grid, at)
    return float(plan.units.unit_count @ each + plan.units.cell_total @ at.d)
