"""NUTS with persons integrated out: items, clusters and a few scalars are sampled, persons not."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ilhte_bayes.engines.drawn import SMALLEST_START, Drawn, Run, warmup_share
from ilhte_bayes.engines.on_grid import EDGE, extreme_draws, sample_on_grid
from ilhte_bayes.engines.whitening import unwhiten, whitening_root
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.likelihood.grid import Evaluate, Grid, GridError, Spread, grid_error
from ilhte_bayes.likelihood.plan import Plan, make_plan, most_information, usual_information
from ilhte_bayes.models.priors import Priors
from ilhte_bayes.models.structure import Structure, pack
from ilhte_bayes.models.unconstrained import (
    Layout,
    make_layout,
    make_structure,
    to_posterior,
    to_vector,
)

_SMALL = 6.0  # SDs so many times smaller than the largest plausible one get finer nodes when met
_APART = 0.05  # logits between thresholds where chains start
_PARAMETERS = ("beta", "sd_", "corr_", "re_")
_JITTER = 0.1  # posterior SDs by which chains start apart; at the mode itself a gradient may be 0


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

    from ilhte_bayes.models import posterior  # noqa: F401 - loads the density, or compiles it

    compiled = time.perf_counter()
    model = pilot.model
    plan = make_plan(model.rows, integrated)
    layout = make_layout(model.design, integrated, centred)
    start = to_vector(layout, start_near_mode(pilot, layout))
    scale = rough_scale(pilot, layout, start)
    own = layout, plan, model.rows, model.priors, start, scale, run
    target = Compiled(*own)
    if run.sampler == "numpyro":
        from ilhte_bayes.engines.nuts_integrated_jax import OnJax

        target = OnJax(*own, pilot, centred)
    sampling = time.perf_counter()
    found = sample_on_grid(target, _edges(layout, plan, start, scale), scale)
    return Drawn(
        posterior=to_posterior(layout, found.x),
        sample_stats=found.raw["sample_stats"].to_dataset(),
        compile_seconds=compiled - began,
        sample_seconds=time.perf_counter() - sampling,
        warmup_share=warmup_share(found.raw),
        attrs=found.attrs(integrated) | {"centred": sorted(centred)},
        problems=found.problems(),
    )


def doubling_error(fit: Fit, *, draws: int = 200) -> GridError:
    """What doubling the nodes changes for the draws of a fit that ask most of the grid.

    Parameters
    ----------
    fit : Fit
        Sampled with a group integrated out, abilities normal and items discriminating alike.
    draws : int
        From which the posterior SDs are taken that gradients are measured in.
    """
    posterior = fit.tree["posterior"].to_dataset()
    model, first = fit.model, posterior.attrs["grid"]
    plan = make_plan(model.rows, str(posterior.attrs["integrated"]))
    layout = make_layout(model.design, str(posterior.attrs["integrated"]), frozenset())
    n_draws = posterior.sizes["chain"] * posterior.sizes["draw"]
    spread = np.linspace(0, n_draws - 1, draws).astype(int)
    scale = vectors(layout, posterior, spread).std(axis=0)
    states = vectors(layout, posterior, extreme_draws(plan, posterior))
    grid = Grid(float(first[0]), float(first[1]), int(first[2]))
    return grid_error(grid, _evaluator(layout, model.priors, plan, model.rows, states, scale))


def vectors(layout: Layout, posterior: xr.Dataset, chosen: np.ndarray) -> np.ndarray:
    """(state, unknown): draws by name, those of the numbers chosen, as unknowns."""
    flat = posterior.stack(state=("chain", "draw")).transpose("state", ...)
    names = [name for name in flat.data_vars if str(name).startswith(_PARAMETERS)]
    arrays = {str(name): flat[name].to_numpy()[chosen] for name in names}
    return np.array(
        [to_vector(layout, {n: a[k] for n, a in arrays.items()}) for k in range(chosen.size)]
    )


@dataclass(frozen=True, slots=True)
class Compiled:
    """The density of `models.posterior`, compiled once for all models."""

    layout: Layout
    plan: Plan
    rows: Design
    priors: Priors
    start: np.ndarray
    scale: np.ndarray
    run: Run

    def sample(self, grid: Grid) -> tuple[Any, np.ndarray]:
        structure = make_structure(self.layout, self.priors, self.plan, grid, self.rows)
        return sample_whitened(structure, self.layout, self.start, self.scale, self.run)

    def extremes(self, x: np.ndarray) -> np.ndarray:
        chosen = extreme_draws(self.plan, to_posterior(self.layout, x))
        return np.asarray(x.reshape(-1, x.shape[-1])[chosen])

    def spread(self, states: np.ndarray) -> Spread:
        return _spread(self.layout, self.plan, states)

    def evaluator(self, states: np.ndarray, scale: np.ndarray) -> Evaluate:
        return _evaluator(self.layout, self.priors, self.plan, self.rows, states, scale)


def sample_whitened(
    structure: Structure, layout: Layout, start: np.ndarray, scale: np.ndarray, run: Run
) -> tuple[Any, np.ndarray]:
    """The sampler's own tree, and its draws as unknowns (chain, draw, unknown).

    Parameters
    ----------
    structure : Structure
    layout : Layout
    start, scale : (unknown,) arrays
        Where chains start, and rough posterior SDs.
    run : Run
    """
    root = whitening_root(structure, layout, start, scale)
    structure = structure._replace(origin=start, root=root.ravel())
    raw = _sample(pack(structure), layout.size, run)
    y = raw["posterior"]["y"].transpose("chain", "draw", ...).to_numpy()
    return raw, start + unwhiten(root, y)


def _sample(buffer: np.ndarray, size: int, run: Run) -> Any:
    """Run nutpie on compiled functions of ours.

    Chains start near the mode, not at it: with an SD at the edge of its range the mode has all its
    effects at 0, where the gradient by a correlation is exactly 0, and nutpie refuses to begin.
    """
    import nutpie
    from nutpie.compile_pymc import CompiledPyMCModel

    from ilhte_bayes.models import posterior

    compiled = CompiledPyMCModel(
        dims={"y": ("unknown",)},
        compiled_logp_func=posterior.logp_pointer,
        compiled_expand_func=posterior.expand_pointer,
        initial_point_func=lambda seed: np.random.default_rng(seed).normal(0.0, _JITTER, size),
        shared_data={},
        shared_var_keys={},
        user_data=buffer,
        n_expanded=size,
        shape_info=(["y"], [slice(0, size)], [(size,)]),
        logp_func=None,
        expand_func=None,
        _n_dim=size,
        _shapes={"y": (size,)},
        _coords={"unknown": np.arange(size)},
    )
    return nutpie.sample(compiled, **run.options())


def start_near_mode(pilot: Fit, layout: Layout) -> dict[str, np.ndarray]:
    """Parameters at the mode, a little inside the edges of their range."""
    mode = pilot.mode
    out = {"beta": _in_order(mode["beta"].to_numpy(), layout.design.n_ordered)}
    for group in layout.design.groups:
        name = group.name
        corr = np.nan_to_num(mode[f"corr_{name}"].to_numpy())
        np.fill_diagonal(corr, 1.0)
        out[f"corr_{name}"] = 0.95 * corr + 0.05 * np.eye(len(corr))
        out[f"sd_{name}"] = np.maximum(mode[f"sd_{name}"].to_numpy(), SMALLEST_START)
        out[f"re_{name}"] = mode[f"re_{name}"].to_numpy()
    return out


def _in_order(beta: np.ndarray, n_ordered: int) -> np.ndarray:
    """Coefficients with thresholds a little apart.

    Around a category that nobody chose (in answers simulated, or left after others were taken out)
    the likelihood has them pass each other; only their prior and their order keep them apart.
    """
    out = beta.copy()
    for k in range(1, n_ordered):
        out[k] = max(out[k], out[k - 1] + _APART)
    return out


def rough_scale(pilot: Fit, layout: Layout, start: np.ndarray) -> np.ndarray:
    """Rough posterior SD of each unknown."""
    mode = pilot.mode
    out = np.ones(layout.size)
    n_fixed = len(layout.design.terms)
    covariance = mode["beta_cov"].to_numpy()
    out[:n_fixed] = np.sqrt(np.diag(covariance))
    for k in range(1, layout.design.n_ordered):  # of log gaps
        two = covariance[k - 1 : k + 1, k - 1 : k + 1]
        out[k] = np.sqrt(two[0, 0] + two[1, 1] - 2.0 * two[0, 1]) / np.exp(start[k])
    for g, group in enumerate(layout.design.groups):
        d = group.n_columns
        at = slice(layout.sd_at[g], layout.sd_at[g] + d)
        natural = np.sqrt(np.diag(mode[f"natural_cov_{group.name}"].to_numpy()))[:d]
        out[at] = np.clip(natural / np.exp(start[at]), 0.01, 1.0)
    return out


def _edges(layout: Layout, plan: Plan, start: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(state, unknown): the mode, and ability SDs towards both ends of what is plausible.

    An SD estimated at 0 has no standard error: its variance has one of sqrt(2 / persons) over the
    information that a person's answers hold.
    """
    g = [group.name for group in layout.design.groups].index(layout.integrated)
    at = slice(layout.sd_at[g], layout.sd_at[g] + layout.design.groups[g].n_columns)
    out = np.tile(start, (3, 1))
    sd = np.exp(start[at])
    information = usual_information(plan)
    from_nothing = np.sqrt(EDGE * np.sqrt(2.0 / plan.n_counted) / information)
    highest = np.maximum(sd * (1.0 + EDGE * scale[at]), from_nothing)
    lowest = np.maximum(sd * (1.0 - EDGE * scale[at]), highest / _SMALL)
    out[1, at], out[2, at] = np.log(lowest), np.log(highest)
    return out


def _spread(layout: Layout, plan: Plan, states: np.ndarray) -> Spread:
    """Range of persons' means and SDs over the states."""
    posterior = to_posterior(layout, states[None])
    sd = posterior[f"sd_{layout.integrated}"].to_numpy()[0]
    coefficients = (
        posterior["beta"].to_numpy()[0] if layout.design.terms else np.zeros((len(states), 0))
    )
    lowest, highest = np.inf, -np.inf
    for k in range(len(states)):
        beta = coefficients[k]
        effects = {
            group.name: posterior[f"re_{group.name}"].to_numpy()[0, k]
            for group in layout.design.groups
            if group.name != layout.integrated
        }
        means = plan.means.value(beta, effects)
        lowest, highest = min(lowest, float(means.min())), max(highest, float(means.max()))
    narrowest = max(float(sd.min()), float(sd.max()) / _SMALL)
    return Spread(lowest, highest, narrowest, float(sd.max()), most_information(plan))


def _evaluator(
    layout: Layout,
    priors: Priors,
    plan: Plan,
    rows: Design,
    states: np.ndarray,
    scale: np.ndarray,
) -> Evaluate:
    """Log-density and scaled gradient in every state, as a function of the grid."""
    from ilhte_bayes.models import posterior

    def evaluate(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
        structure = make_structure(layout, priors, plan, grid, rows)
        words = pack(structure)
        arrays = posterior.unpack(words, words.view(np.float64))
        values, gradients = np.empty(len(states)), np.empty(states.shape)
        for k, state in enumerate(states):
            values[k] = posterior.log_density(arrays, state, gradients[k])
        return values, gradients * scale

    return evaluate
