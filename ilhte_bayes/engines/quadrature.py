"""The quadrature engine: persons integrated exactly, all other random effects by Laplace."""

import time
from typing import Literal

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from ilhte_bayes.engines import foreign_arguments
from ilhte_bayes.engines.laplace import (
    compile_loops,
    item_group,
    kept_inside,
    laplace,
    maximum_problems,
)
from ilhte_bayes.engines.marginal.integrated import IntegratedEvaluation, IntegratedObjective
from ilhte_bayes.engines.marginal.log_prior import log_prior
from ilhte_bayes.engines.marginal.maximise import flat_prior, maximise, start_without_persons
from ilhte_bayes.engines.marginal.summarise import LARGEST_JOINT, Levels, mode_and_curvature
from ilhte_bayes.engines.marginal.warm import OFF_THE_EDGE, in_order_of, scale_of
from ilhte_bayes.errors import ModelError, listed, names_arguments
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.likelihood.grid import Grid, GridError
from ilhte_bayes.likelihood.integrable import choose_group, require_integrable
from ilhte_bayes.likelihood.persons import Arguments
from ilhte_bayes.likelihood.plan import sum_scores
from ilhte_bayes.likelihood.unit_summaries import unit_moments
from ilhte_bayes.models.ability import require_plain
from ilhte_bayes.models.model import Model, require_model

_EDGE = 2.5  # standard errors of the SD of theta at which the grid is tried too
_STEP = 1e-4


@names_arguments(foreign_arguments.QUADRATURE)
def quadrature(
    model: Model, *, objective: Literal["ml", "map"] = "ml", integrate: str = "auto"
) -> Fit:
    """Fit a model with persons integrated out exactly and the other effects by Laplace.

    Laplace's approximation errs most where each level has few answers: persons on a short test.
    Here their integral is exact (trapezoid rule, as many nodes as it takes), and only items and
    clusters, which have many answers each, are approximated. Without other groups the likelihood
    is exact, as glmer's with many quadrature points.

    Parameters
    ----------
    model : Model
    objective : {"ml", "map"}
        As for `laplace`.
    integrate : str
        "auto", or the group to integrate out; it must have one random effect a level.

    Returns
    -------
    Fit
        `fit.mode.attrs["laplace_loglik"]` is the Laplace log-likelihood at its own maximum: the
        difference to `fit.loglik` is the Laplace error *of the integrated level*. NaN for a
        reduced table, whose persons have no modes of their own.

    Raises
    ------
    ModelError
        If nothing can be integrated out.

    References
    ----------
    Pinheiro & Chao (2006), J. Comput. Graph. Stat. 15(1), 58-81, on integrating level by level.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    >>> round(il.quadrature(model).loglik, 2)
    -95.9
    """
    require_model(model, "quadrature")
    require_plain(model, "quadrature")
    integrated = _group_to_integrate(model, integrate)
    pilot = None if model.design.reduced else laplace(model, objective=objective)
    compile_seconds = compile_loops() if pilot is None else pilot.compile_seconds
    began = time.perf_counter()
    with threadpool_limits(limits=1, user_api="blas"):
        inside = kept_inside(model, objective)
        target = IntegratedObjective(model.rows, model.family, integrated, inside)
        prior = flat_prior if objective == "ml" else log_prior(target, model.priors)
        begin = start_without_persons(target, prior) if pilot is None else _begin(target, pilot)
        maximum = maximise(target, begin, prior)
        levels = _levels(target, maximum.evaluation, jointly=item_group(model))
        mode = mode_and_curvature(target, maximum, levels)
        grid, error = grid_error_at(target, maximum.psi, maximum.covariance)
    mode.attrs |= {
        "integrated": integrated,
        "laplace_loglik": np.nan if pilot is None else pilot.loglik,
        "grid": grid,
        "grid_error": [error.value, error.gradient],
    }
    problems = maximum_problems(target, maximum, objective)
    if not error.small:
        problems += (f"the integral over {integrated} is not exact enough: {error}.",)
    return Fit(
        model=model,
        engine="quadrature",
        objective=objective,
        tree=xr.DataTree.from_dict({"fit": mode}),
        problems=problems,
        seconds=(model.build_seconds if pilot is None else pilot.seconds)
        + time.perf_counter()
        - began,
        compile_seconds=compile_seconds,
    )


def _group_to_integrate(model: Model, integrate: str) -> str:
    require_integrable(model.design, "il.quadrature")
    names = [group.name for group in model.design.groups]
    found = choose_group(model.design, integrate, person=model.roles.person, many=2)
    if found is None:
        raise ModelError(
            f"no group of the formula ({listed(names)}) can be integrated out: it must be larger "
            "than the others and have one random effect a level, (1 | id). Use il.laplace, or say "
            "integrate='...'."
        )
    return found


def _begin(target: IntegratedObjective, pilot: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Starting point and scale from a Laplace fit, whose groups come in another order."""
    psi = pilot.mode["psi"].to_numpy()[in_order_of(target, pilot.mode)].copy()
    for c, part in zip(target.coordinates, target.parts[1:], strict=True):
        factor = c.factor(psi[part])
        small = np.abs(np.diag(factor)) < OFF_THE_EDGE
        psi[part] = c.from_factor(factor + np.diag(np.where(small, OFF_THE_EDGE, 0.0)))
    return psi, scale_of(target, pilot.mode)


def _levels(
    target: IntegratedObjective, at: IntegratedEvaluation, *, jointly: str | None
) -> list[Levels]:
    """Effects of every group: modes of the others, posterior means of the integrated one."""
    factors, moves = target.factors(at.psi), target.mode_derivatives(at)
    inverse = target.inverse(at)
    out = []
    for k, (group, where) in enumerate(zip(target.others, target.plan.effect_at, strict=True)):
        n, d = group.n_levels, group.n_columns
        own = slice(int(where[0]), int(where[0]) + n * d)
        block = np.einsum(
            "ai,limj,bj->lamb", factors[k], inverse[own, own].reshape(n, d, n, d), factors[k],
            optimize=True,
        )  # fmt: skip
        by_psi = (moves[:, own].reshape(-1, n, d) @ factors[k].T).reshape(-1, n, d)
        changed = target.coordinates[k].factor_derivatives(at.psi[target.parts[k + 1]])
        v = at.effects[own].reshape(n, d)
        by_psi[target.parts[k + 1]] += np.einsum("lj,pij->pli", v, changed)
        whole = group.name == jointly and n * d <= LARGEST_JOINT
        out.append(
            Levels(
                modes=v @ factors[k].T,
                covariance=np.einsum("lalb->lab", block),
                by_psi=by_psi,
                joint=block if whole else None,
            )
        )
    return [*out, _person_levels(target, at, moves)]


def _person_levels(
    target: IntegratedObjective, at: IntegratedEvaluation, moves: np.ndarray
) -> Levels:
    """Posterior mean and variance of each person's effect at the estimates."""
    mean, variance = _person_moments(target, at.psi, at.effects)
    by_psi = np.empty((target.n_psi, *mean.shape))
    for k in range(target.n_psi):
        change = np.zeros(target.n_psi)
        change[k] = _STEP
        up, _ = _person_moments(target, at.psi + change, at.effects + _STEP * moves[k])
        down, _ = _person_moments(target, at.psi - change, at.effects - _STEP * moves[k])
        by_psi[k] = (up - down) / (2.0 * _STEP)
    d = mean.shape[1]
    return Levels(mean, variance[:, :, None] * np.eye(d), by_psi)


def _person_moments(
    target: IntegratedObjective, psi: np.ndarray, effects: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(level, column) mean and variance of the integrated group's effects given parameters."""
    plan = target.persons
    unknown = np.concatenate([target.natural(effects, target.factors(psi)), target.fixed(psi)])
    mean, sd = target.by_mean @ unknown, target.sd(psi)
    grid = target.grid(mean, sd)
    at = Arguments(
        log_weight=np.zeros((sd.size, grid.size)), tau=1.0 / sd**2, d=target.by_cell @ unknown,
        slope=plan.slopes, score=sum_scores(plan, plan.slopes), mean=mean,
    )  # fmt: skip
    _, theta, variance = unit_moments(plan, grid, at)
    deviation = theta - mean[plan.units.unit_mean]
    table = np.repeat(np.arange(plan.n_tables), np.diff(plan.units.unit_start))
    column = plan.units.table_class[table][plan.person_unit]
    person = np.arange(plan.n_persons)
    out_mean, out_variance = (
        np.zeros((plan.n_persons, sd.size)),
        np.tile(sd**2, (plan.n_persons, 1)),
    )
    out_mean[person, column] = deviation[plan.person_unit]
    out_variance[person, column] = variance[plan.person_unit]
    return out_mean, out_variance


def grid_error_at(
    target: IntegratedObjective, psi: np.ndarray, covariance: np.ndarray
) -> tuple[list[float], GridError]:
    """What doubling the nodes changes, at the estimates and towards both ends of theta's SD.

    The grid (first, step, size) is the largest of those used there.
    """
    scale = np.sqrt(np.diag(covariance))
    value = gradient = 0.0
    largest: Grid | None = None
    sd = target.parts[-1]
    effects = target.effects
    for side in (0.0, -_EDGE, _EDGE):
        there = psi.copy()
        there[sd] = np.maximum(np.abs(psi[sd]) + side * scale[sd], 0.1 * np.abs(psi[sd]))
        grid = target.grid_at(there, effects)
        coarse = target.derivatives(there, effects, grid)
        fine = target.derivatives(there, effects, grid.doubled())
        value = max(value, abs(coarse.value - fine.value))
        change = target.direct_gradient(there, effects, coarse) - target.direct_gradient(
            there, effects, fine
        )
        gradient = max(gradient, float(np.max(np.abs(change * scale), initial=0.0)))
        largest = grid if largest is None or grid.size > largest.size else largest
    assert largest is not None
    return [float(largest.first), float(largest.step), float(largest.size)], GridError(
        float(value), gradient
    )
