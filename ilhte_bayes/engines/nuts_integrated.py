"""NUTS with persons integrated out: items, clusters and a few scalars are sampled, persons not."""

import time
from typing import Any

import numpy as np

from ilhte_bayes.engines.drawn import SMALLEST_START, Drawn, Run
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.likelihood.grid import Grid, GridError, Spread, choose_grid, grid_error
from ilhte_bayes.likelihood.plan import Plan, make_plan
from ilhte_bayes.models.unconstrained import (
    Layout,
    make_layout,
    make_structure,
    to_posterior,
    to_vector,
)

_EDGE = 2.5  # standard errors from the mode at which the grid must still be fine enough
_JITTER = 0.1  # rough posterior SDs by which chains start apart
_ROUNDS = 3  # runs at most; another one only if the grid was too coarse for the draws


def draw_integrated(pilot: Fit, centred: frozenset[str], integrated: str, run: Run) -> Drawn:
    """Draw from the posterior of everything but the integrated group's effects.

    Parameters
    ----------
    pilot : Fit
        Maximised: chains start there, and the grid is chosen for its surroundings.
    centred : set of str
        Columns, "item[treat]", sampled as they are.
    integrated : str
        Group to integrate out.
    run : Run
    """
    began = time.perf_counter()
    import nutpie  # noqa: F401

    from ilhte_bayes.models import posterior  # loads the compiled density, or compiles it

    compiled = time.perf_counter()
    model = pilot.model
    plan = make_plan(model.design, integrated)
    layout = make_layout(model.design, integrated, centred)
    start = to_vector(layout, _start(pilot, layout))
    scale = _scale(pilot, layout, start)
    states = _edges(layout, start, scale)
    grid, _ = choose_grid(
        _spread(layout, plan, states), _evaluator(model, layout, plan, states, scale)
    )
    for _ in range(_ROUNDS):
        buffer = posterior.pack(make_structure(layout, model.priors, plan, grid))
        sampling = time.perf_counter()
        raw = _sample(posterior, buffer, start, _JITTER * scale, run)
        sampled = time.perf_counter() - sampling
        x = raw["posterior"]["x"].transpose("chain", "draw", ...).to_numpy()
        states = _extreme_draws(layout, plan, x)
        evaluate = _evaluator(model, layout, plan, states, x.std(axis=(0, 1)))
        error = grid_error(grid, evaluate)
        if error.small:
            break
        grid, _ = choose_grid(_spread(layout, plan, states), evaluate)
    return Drawn(
        posterior=to_posterior(layout, x),
        sample_stats=raw["sample_stats"].to_dataset(),
        compile_seconds=compiled - began,
        sample_seconds=sampled,
        attrs={
            "integrated": integrated,
            "grid": [grid.first, grid.step, float(grid.size)],
            "grid_error": [error.value, error.gradient],
        },
        problems=_problems(grid, error),
    )


def _problems(grid: Grid, error: GridError) -> tuple[str, ...]:
    if error.small:
        return ()
    return (
        f"the integral over persons is not exact enough with {grid}: {error}. Use "
        "integrate='none'.",
    )


def _sample(
    posterior: Any, buffer: np.ndarray, start: np.ndarray, jitter: np.ndarray, run: Run
) -> Any:
    """Run nutpie on compiled functions of ours.

    Chains start near `start`, not at it: with an SD at the edge of its range the mode has all its
    effects at 0, where the gradient by a correlation is exactly 0, and nutpie refuses to begin.
    """
    import nutpie
    from nutpie.compile_pymc import CompiledPyMCModel

    size = start.size

    def initial_point(seed: Any) -> np.ndarray:
        return start + jitter * np.random.default_rng(seed).normal(size=size)

    compiled = CompiledPyMCModel(
        dims={"x": ("unknown",)},
        compiled_logp_func=posterior.logp_pointer,
        compiled_expand_func=posterior.expand_pointer,
        initial_point_func=initial_point,
        shared_data={},
        shared_var_keys={},
        user_data=buffer,
        n_expanded=size,
        shape_info=(["x"], [slice(0, size)], [(size,)]),
        logp_func=None,
        expand_func=None,
        _n_dim=size,
        _shapes={"x": (size,)},
        _coords={"unknown": np.arange(size)},
    )
    return nutpie.sample(compiled, **run.options())


def _start(pilot: Fit, layout: Layout) -> dict[str, np.ndarray]:
    """Parameters at the mode, a little inside the edges of their range."""
    mode = pilot.mode
    out = {"beta": mode["beta"].to_numpy()}
    for group in layout.design.groups:
        name = group.name
        corr = np.nan_to_num(mode[f"corr_{name}"].to_numpy())
        np.fill_diagonal(corr, 1.0)
        out[f"corr_{name}"] = 0.95 * corr + 0.05 * np.eye(len(corr))
        out[f"sd_{name}"] = np.maximum(mode[f"sd_{name}"].to_numpy(), SMALLEST_START)
        out[f"re_{name}"] = mode[f"re_{name}"].to_numpy()
    return out


def _scale(pilot: Fit, layout: Layout, start: np.ndarray) -> np.ndarray:
    """Rough posterior SD of each unknown."""
    mode = pilot.mode
    out = np.ones(layout.size)
    n_fixed = len(layout.design.terms)
    out[:n_fixed] = np.sqrt(np.diag(mode["beta_cov"].to_numpy()))
    for g, group in enumerate(layout.design.groups):
        d = group.n_columns
        at = slice(layout.sd_at[g], layout.sd_at[g] + d)
        natural = np.sqrt(np.diag(mode[f"natural_cov_{group.name}"].to_numpy()))[:d]
        out[at] = np.clip(natural / np.exp(start[at]), 0.01, 1.0)
    return out


def _edges(layout: Layout, start: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(state, unknown): the mode, and ability SDs towards both ends of what is plausible."""
    g = [group.name for group in layout.design.groups].index(layout.integrated)
    at = slice(layout.sd_at[g], layout.sd_at[g] + layout.design.groups[g].n_columns)
    out = np.tile(start, (3, 1))
    out[1, at] -= _EDGE * scale[at]
    out[2, at] += _EDGE * scale[at]
    return out


def _extreme_draws(layout: Layout, plan: Plan, x: np.ndarray) -> np.ndarray:
    """(state, unknown): the draws at 1 % and 99 % of ability SDs and of the persons' mean."""
    flat = x.reshape(-1, x.shape[-1])
    posterior = to_posterior(layout, x)
    quantities = list(posterior[f"sd_{layout.integrated}"].to_numpy().reshape(len(flat), -1).T)
    if plan.means.terms:
        beta = flat[:, list(plan.means.terms)]
        quantities += [beta @ plan.means.x[k] for k in (0, plan.n_means // 2, plan.n_means - 1)]
    chosen = []
    for values in quantities:
        order = np.argsort(values)
        chosen += [order[len(flat) // 100], order[-1 - len(flat) // 100]]
    return flat[np.unique(chosen)]


def _spread(layout: Layout, plan: Plan, states: np.ndarray) -> Spread:
    """Range of persons' means and SDs over the states."""
    posterior = to_posterior(layout, states[None])
    sd = posterior[f"sd_{layout.integrated}"].to_numpy()[0]
    lowest, highest = np.inf, -np.inf
    for k in range(len(states)):
        beta = states[k, : len(layout.design.terms)]
        effects = {
            group.name: posterior[f"re_{group.name}"].to_numpy()[0, k]
            for group in layout.design.groups
            if group.name != layout.integrated
        }
        means = plan.means.value(beta, effects)
        lowest, highest = min(lowest, float(means.min())), max(highest, float(means.max()))
    return Spread(lowest, highest, float(sd.min()), float(sd.max()), most_information(plan))


def most_information(plan: Plan) -> float:
    """Most Fisher information on theta that any person's answers can hold."""
    units = plan.units
    each = units.entry_count * plan.slopes[units.cell_slope[units.entry_cell]] ** 2
    return 0.25 * float(np.add.reduceat(each, units.table_start[:-1]).max())


def _evaluator(
    model: Any, layout: Layout, plan: Plan, states: np.ndarray, scale: np.ndarray
) -> Any:
    """Log-density and scaled gradient in every state, as a function of the grid."""
    from ilhte_bayes.models import posterior

    def evaluate(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
        structure = make_structure(layout, model.priors, plan, grid)
        words = posterior.pack(structure)
        arrays = posterior.unpack(words, words.view(np.float64))
        values, gradients = np.empty(len(states)), np.empty(states.shape)
        for k, state in enumerate(states):
            values[k] = posterior.log_density(arrays, state, gradients[k])
        return values, gradients * scale

    return evaluate
