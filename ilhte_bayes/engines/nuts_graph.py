"""NUTS with persons integrated out of a `pymc.Model`: for models compiled one by one.

Discriminations make parameters of what `models.posterior` takes for data. Such models are
compiled by PyTensor, the integral being one operation in their graph; some seconds each.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from threadpoolctl import threadpool_limits

from ilhte_bayes.engines.drawn import Drawn, Run, warmup_share
from ilhte_bayes.engines.nuts_joint import kept_names, start_values
from ilhte_bayes.engines.nuts_numpyro import draw_numpyro
from ilhte_bayes.engines.on_grid import EDGE, extreme_draws, sample_on_grid
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.likelihood.grid import Evaluate, Grid, Spread
from ilhte_bayes.likelihood.plan import Plan, most_information
from ilhte_bayes.models.ability import make_free_plan, standard_grid
from ilhte_bayes.models.builder import build_pymc
from ilhte_bayes.models.discrimination import LoadedPlan


def draw_loaded(
    pilot: Fit,
    centred: frozenset[str],
    loaded: LoadedPlan,
    run: Run,
    start: dict[str, np.ndarray],
) -> Drawn:
    """Draw from the posterior of a model with discriminations, persons integrated out.

    Parameters
    ----------
    pilot : Fit
        Of the model without discriminations, maximised: chains start there.
    centred : set of str
        Columns, "item[treat]", sampled as they are, and "discrimination".
    loaded : LoadedPlan
    run : Run
    start : mapping
        Where the discriminations' own variables start.
    """
    model, group = pilot.model, loaded.group
    compiling = time.perf_counter()
    built = build_pymc(model, centred=centred, plan=loaded, grid=Grid(-6.0, 0.3, 41))
    start = start_values(pilot, centred, without=group.name) | start
    keep = kept_names(model, without=group.name)
    target = _Graph(built, _compile(built, start, keep), start, loaded.plan, keep, run)
    sampling = time.perf_counter()
    # BLAS threads cost more than they give on products of this size.
    with threadpool_limits(limits=1, user_api="blas"):
        states, scale = _edges(pilot, target)
        found = sample_on_grid(target, states, scale)
    return Drawn(
        posterior=found.raw["posterior"].to_dataset()[keep],
        sample_stats=found.raw["sample_stats"]
        .to_dataset()
        .drop_vars("unconstrained_draw", errors="ignore"),
        compile_seconds=sampling - compiling,
        sample_seconds=time.perf_counter() - sampling,
        warmup_share=warmup_share(found.raw),
        attrs=found.attrs(group.name) | {"centred": sorted(centred)},
        problems=found.problems(),
    )


def draw_free(pilot: Fit, centred: frozenset[str], integrated: str, run: Run) -> Drawn:
    """Draw from the posterior of a model whose abilities have a free shape.

    Parameters
    ----------
    pilot : Fit
        With normal abilities, maximised: chains start there, and it tells how fine a grid must be.
    centred : set of str
        Columns, "item[treat]", sampled as they are.
    integrated : str
        Group to integrate out.
    run : Run
    """
    model = pilot.model
    compiling = time.perf_counter()
    plan = make_free_plan(model, integrated)
    sd = float(pilot.mode[f"sd_{integrated}"][0])
    error = float(np.sqrt(pilot.mode[f"natural_cov_{integrated}"][0, 0]))
    grid = standard_grid(most_information(plan, plan.slopes), sd + 2 * EDGE * error)
    built = build_pymc(model, centred=centred, plan=plan, grid=grid)
    start = start_values(pilot, centred, without=integrated) | {"sd_ability_shape": np.array(0.2)}
    keep = kept_names(model, without=integrated)
    keep += ["ability_weights", "ability_nodes", "sd_ability_shape"]
    raw: Any
    if run.sampler == "numpyro":
        sampling = time.perf_counter()
        raw = draw_numpyro(built, start, keep, run)
    else:
        import nutpie

        code = _compile(built, start, keep)
        sampling = time.perf_counter()
        with threadpool_limits(limits=1, user_api="blas"):
            raw = nutpie.sample(code, **run.options())
    return Drawn(
        posterior=raw["posterior"].to_dataset()[keep],
        sample_stats=raw["sample_stats"].to_dataset(),
        compile_seconds=sampling - compiling,
        sample_seconds=time.perf_counter() - sampling,
        warmup_share=warmup_share(raw),
        attrs={
            "integrated": integrated,
            "grid_in_sds": [grid.first, grid.step, float(grid.size)],
            "ability": "histogram",
            "centred": sorted(centred),
        },
    )


def _compile(built: pm.Model, start: dict[str, np.ndarray], keep: list[str]) -> Any:
    import nutpie

    return nutpie.compile_pymc_model(
        built, initial_points=start, jitter_rvs=set(), var_names=keep, freeze_model=False
    )


@dataclass(frozen=True, slots=True)
class _Graph:
    """A compiled `pymc.Model`; its unknowns are those of nutpie, in its order."""

    built: pm.Model
    code: Any  # nutpie's CompiledPyMCModel
    start_points: dict[str, np.ndarray]
    plan: Plan
    keep: list[str]
    run: Run

    def start(self) -> np.ndarray:
        """(unknown,) where chains start."""
        return np.asarray(self.code.initial_point_func(self.run.seed))

    def place(self, name: str) -> slice:
        """Where a free variable's unknowns are."""
        names, slices, _ = self.code.shape_info
        return next(s for n, s in zip(names, slices, strict=True) if n in (name, f"{name}_log__"))

    def named(self, state: np.ndarray) -> dict[str, np.ndarray]:
        """Values of the model's variables in one state."""
        flat = np.asarray(self.code.expand_func(state)[0])
        return {
            name: flat[where].reshape(shape)
            for name, where, shape in zip(*self.code.shape_info, strict=True)
        }

    def sample(self, grid: Grid) -> tuple[Any, np.ndarray]:
        if self.run.sampler == "numpyro":
            return self._sample_numpyro(grid)
        import nutpie

        code = self.code.with_data(**_grid_data(self.plan, grid))
        raw: Any = nutpie.sample(code, store_unconstrained=True, **self.run.options())
        x = raw["sample_stats"]["unconstrained_draw"].transpose("chain", "draw", ...)
        return raw, x.to_numpy()

    def _sample_numpyro(self, grid: Grid) -> tuple[Any, np.ndarray]:
        self._put(grid)
        raw = draw_numpyro(self.built, self.start_points, self.keep, self.run)
        posterior = raw["posterior"]
        parts = [posterior[str(value.name)].to_numpy() for value in self.built.value_vars]
        return raw, np.concatenate([x.reshape(*x.shape[:2], -1) for x in parts], axis=-1)

    def _put(self, grid: Grid) -> None:
        for name, value in _grid_data(self.plan, grid).items():
            self.built[name].set_value(value)

    def extremes(self, x: np.ndarray) -> np.ndarray:
        flat = x.reshape(-1, x.shape[-1])
        return np.asarray(flat[extreme_draws(self.plan, self._posterior(x))])

    def _posterior(self, x: np.ndarray) -> xr.Dataset:
        """What `extreme_draws` looks at."""
        wanted = {"beta", "discrimination", f"sd_{self.plan.group.name}"} & set(self.keep)
        draws = [self.named(state) for state in x.reshape(-1, x.shape[-1])]
        return xr.Dataset(
            {
                name: (
                    ("chain", "draw", f"of_{name}"),
                    np.array([d[name].ravel() for d in draws]).reshape(*x.shape[:2], -1),
                )
                for name in wanted
            }
        )

    def spread(self, states: np.ndarray) -> Spread:
        name = self.plan.group.name
        found = [self.named(state) for state in states]
        means = [
            self.plan.means.value(
                at.get("beta", np.zeros(0)), {k[3:]: v for k, v in at.items() if k[:3] == "re_"}
            )
            for at in found
        ]
        sds = [at[f"sd_{name}"] for at in found]
        information = [most_information(self.plan, at["discrimination"]) for at in found]
        return Spread(
            float(np.min(means)), float(np.max(means)), float(np.min(sds)), float(np.max(sds)),
            max(information),
        )  # fmt: skip

    def evaluator(self, states: np.ndarray, scale: np.ndarray) -> Evaluate:
        def evaluate(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
            self._put(grid)
            values, gradients = zip(*(self.code.logp_func(x) for x in states), strict=True)
            return np.array(values), np.array(gradients) * scale

        return evaluate


def _grid_data(plan: Plan, grid: Grid) -> dict[str, np.ndarray]:
    return {
        "grid_first": np.asarray(grid.first),
        "grid_step": np.asarray(grid.step),
        "log_step": np.full((len(plan.classes), grid.size), np.log(grid.step)),
    }


def _edges(pilot: Fit, target: _Graph) -> tuple[np.ndarray, np.ndarray]:
    """The mode, ability SDs towards both ends, larger discriminations; rough posterior SDs."""
    start = target.start()
    name = target.plan.group.name
    at = target.place(f"sd_{name}")
    natural = np.sqrt(np.diag(pilot.mode[f"natural_cov_{name}"].to_numpy()))
    width = np.clip(natural[: at.stop - at.start] / np.exp(start[at]), 0.01, 1.0)
    states = np.tile(start, (4, 1))
    states[1, at] -= EDGE * width
    states[2, at] += EDGE * width
    states[3, target.place("sd_discrimination")] += 0.3
    scale = np.full(start.size, 0.1)
    scale[at] = width
    return states, scale
