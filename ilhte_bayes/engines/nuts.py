"""The NUTS engine: posterior draws, by nutpie or numpyro, persons integrated out where possible."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import xarray as xr

from ilhte_bayes.engines import foreign_arguments
from ilhte_bayes.engines.diagnostics import (
    LARGEST_RHAT,
    convergence,
    convergence_problems,
    largest_rhat,
)
from ilhte_bayes.engines.drawn import SMALLEST_START, Drawn, Run, Sampler
from ilhte_bayes.engines.first_discriminations import first_discriminations
from ilhte_bayes.engines.integration_cost import worth_integrating
from ilhte_bayes.engines.laplace import compile_loops, laplace
from ilhte_bayes.engines.log_prior_draws import log_prior_draws
from ilhte_bayes.engines.nuts_direct import draw_direct
from ilhte_bayes.engines.nuts_graph import draw_free, draw_loaded
from ilhte_bayes.engines.nuts_integrated import draw_integrated
from ilhte_bayes.engines.nuts_joint import draw_joint
from ilhte_bayes.engines.nuts_numpyro import numpyro_attrs, require_numpyro
from ilhte_bayes.engines.quadrature import quadrature
from ilhte_bayes.errors import ModelError, names_arguments, require_whole
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.likelihood.integrable import choose_group
from ilhte_bayes.models.ability import require_normal_ability
from ilhte_bayes.models.discrimination import make_loaded_plan
from ilhte_bayes.models.model import Model, require_model

# Effects are sampled as they are (centred) where the answers say much more about each level than
# the spread between levels does: conditional variance below this share of the variance.
# With persons integrated out the sampler has fewer ways to go wrong, and centred pays earlier.
_WELL_INFORMED = {"joint": 0.1, "integrated": 0.3}
_ENOUGH_FOR_RHAT = 2000  # draws
# Run again, with twice the warm-up of the run before, until no draw diverges and chains agree: with
# persons integrated out another run takes seconds. After divergences with the next of these, smaller
# steps; where chains only disagree with twice the draws, all of which are kept.
FIRST_TARGET = 0.9
_TARGETS: dict[str, tuple[float, ...]] = {
    "joint": (FIRST_TARGET,),
    "integrated": (FIRST_TARGET, 0.97, 0.99),
    "curved": (FIRST_TARGET,),
}


@names_arguments(foreign_arguments.SAMPLE)
def sample(
    model: Model,
    *,
    integrate: str = "auto",
    draws: int = 1000,
    tune: int = 500,
    chains: int = 4,
    seed: int = 1,
    target_accept: float | None = None,
    progress: bool = True,
    sampler: Sampler = "nutpie",
) -> Fit:
    """Draw from the posterior with NUTS.

    Persons are integrated out exactly where each has one random intercept: the cost of a draw then
    hardly depends on their number. A Laplace fit (MAP) comes first, in a second or so: chains
    start at its mode, and it tells which effects to sample centred.

    Parameters
    ----------
    model : Model
        Its priors matter: `print(model.priors)`.
    integrate : str
        "auto": integrate persons out if possible, unless sampling their effects costs far less
        (classrooms whose students all differ in covariates). "none": sample every random effect, the
        classical joint model. Or the group to integrate out, which must have one random effect
        a level.
    draws, tune, chains : int
        Draws kept and warm-up steps of each chain; more where chains disagree (`target_accept`).
    seed : int
        Of everything random.
    target_accept : float, optional
        Higher means smaller steps, which follow narrow corners. By default 0.9; with persons
        integrated out, if draws diverge, again with 0.97, then 0.99, and a longer warm-up, and
        where chains disagree without divergences again with twice the draws.
    progress : bool
        Whether to show a progress bar.
    sampler : str
        "nutpie", compiled for processors; or "numpyro", the same posterior compiled by JAX, for GPUs
        too (whatever JAX finds): it compiles each model anew, some seconds that count as sampling.

    Returns
    -------
    Fit
        Its `tree` has groups `posterior` (`beta`, `sd_<group>`, `corr_<group>`, `re_<group>`,
        in logits), `sample_stats`, `observed_data`, `constant_data` and `log_prior` (of
        coefficients, SDs and correlations).

    Raises
    ------
    ModelError
        If a number of draws, warm-up steps or chains makes no sense, or numpyro is not installed.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    >>> fit = il.sample(model, draws=100, tune=200, chains=2, progress=False)
    >>> fit.engine, fit.objective
    ('nuts', 'posterior')
    >>> list(fit.coefficients.index)
    ['Intercept', 'trt[T.drug]', 'trt[T.drug+]', 'late']
    """
    require_model(model, "sample")
    _check_numbers(draws, tune, chains, seed)
    _check_sampler(sampler)
    integrated = choose_group(model.design, integrate, person=model.roles.person)
    kind: Literal["joint", "integrated"] = "joint" if integrate == "none" else "integrated"
    curved = model.discrimination is not None or model.ability != "normal"
    targets = _TARGETS["curved" if curved else kind] if target_accept is None else (target_accept,)
    compiling = time.perf_counter()
    compile_loops()  # the pilot's, here so that they count as compiling; nothing the second time
    began = time.perf_counter()
    pilot = _pilot(model)
    plain = model.discrimination is None and model.ability == "normal"
    free = integrate == "auto" and plain and not model.design.reduced
    if integrated and free and not worth_integrating(pilot, integrated):
        integrated = None
    graph = integrate == "none" or sampler == "numpyro" or not model.design.compiled
    piloted = time.perf_counter()
    share = _WELL_INFORMED[kind]
    centred = frozenset(_well_informed(pilot, share))
    first = Run(draws, tune, chains, seed, targets[0], progress, sampler)
    draw = _sampler_for(pilot, centred, integrated, share, graph=graph)
    drawn, run, compile_seconds, sample_seconds = _until_good(draw, first, targets)
    tree = _tree(model, drawn)
    tree["posterior"].attrs |= {
        "sampler": "NUTS (nutpie)",
        "seed": seed,
        "tune": run.tune,
        "target_accept": run.target_accept,
        "sample_seconds": sample_seconds,
        "warmup_seconds": drawn.warmup_share * drawn.sample_seconds,
        "pilot_seconds": piloted - began,
        **drawn.attrs,
        **(numpyro_attrs() if sampler == "numpyro" else {}),
    }
    diagnostics = convergence(tree)
    tree["posterior"].attrs |= diagnostics
    seconds = time.perf_counter() - began - compile_seconds
    return Fit(
        model=model,
        engine="nuts",
        objective="posterior",
        tree=tree,
        problems=drawn.problems
        + convergence_problems(diagnostics, tune=run.tune, target_accept=run.target_accept),
        seconds=model.build_seconds + seconds,
        compile_seconds=began - compiling + compile_seconds,
    )


def _sampler_for(
    pilot: Fit, centred: frozenset[str], integrated: str | None, share: float, *, graph: bool
) -> Callable[[Run], Drawn]:
    """How this model is drawn; `graph`: by PyTensor, where nothing is integrated out."""
    model = pilot.model
    if model.discrimination is not None:
        return lambda run: _draw_with_discriminations(pilot, centred, integrated, run, share)
    if model.ability == "histogram":
        return lambda run: draw_free(pilot, centred, _group_of_shape(model, integrated), run)
    if integrated is not None:
        return lambda run: draw_integrated(pilot, centred, integrated, run)
    return lambda run: (draw_joint if graph else draw_direct)(pilot, centred, run)


def _until_good(
    draw: Callable[[Run], Drawn], first: Run, targets: Sequence[float]
) -> tuple[Drawn, Run, float, float]:
    """Draws, the run that made them, and the seconds of compiling and of sampling in all.

    Where draws diverge the next run takes smaller steps, where chains disagree it is longer.
    """
    compile_seconds = sample_seconds = 0.0
    smaller = longer = 0
    while True:
        kept, warm = first.draws * 2**longer, first.tune * 2 ** (smaller + longer)
        run = replace(first, draws=kept, tune=warm, target_accept=targets[smaller])
        drawn = draw(run)
        compile_seconds += drawn.compile_seconds
        sample_seconds += drawn.sample_seconds
        if smaller + longer == len(targets) - 1 or _good(drawn, run):
            return drawn, run, compile_seconds, sample_seconds
        if drawn.sample_stats["diverging"].any():
            smaller += 1
        else:
            longer += 1


def _good(drawn: Drawn, run: Run) -> bool:
    """Whether no draw diverged and chains agree; of few draws R-hat says too little to ask."""
    if drawn.sample_stats["diverging"].any():
        return False
    enough = run.draws * run.chains >= _ENOUGH_FOR_RHAT and run.chains > 1
    return not enough or largest_rhat(drawn.posterior) <= LARGEST_RHAT


def _pilot(model: Model) -> Fit:
    """MAP, or maximum likelihood where the priors have no mode to start from.

    Of the model with equal discriminations and normal abilities, all that it has. By quadrature
    for a reduced table, whose persons have no modes of their own.
    """
    plain = model.without_extensions()
    engine = quadrature if model.design.reduced else laplace
    try:
        found = engine(plain, objective="map")
    except ModelError:
        found = engine(plain, objective="ml")
    return replace(found, model=model)


def _group_of_shape(model: Model, integrated: str | None) -> str:
    """The group integrated out, which abilities of free shape need."""
    if integrated is None:
        require_normal_ability(model, "sample with integrate='none'")
    assert integrated is not None
    return integrated


def _draw_with_discriminations(
    pilot: Fit, centred: frozenset[str], integrated: str | None, run: Run, share: float
) -> Drawn:
    """Start discriminations where one step from the pilot leads, centred if that says much."""
    design = pilot.model.design
    group = integrated or choose_group(design, "auto", person=pilot.model.roles.person)
    start: dict[str, np.ndarray] = {}
    if group is not None:
        plan = make_loaded_plan(pilot.model, group)
        first = first_discriminations(pilot, plan)
        ability = max(float(pilot.mode[f"sd_{group}"][0]), SMALLEST_START)
        start = {"sd_discrimination": np.array(first.sd)}
        if first.share < share:
            centred = centred | {"discrimination"}
            start |= {"log_loading": first.logs + np.log(ability)}
        else:
            start |= {"z_discrimination": first.logs / first.sd}
    if integrated is None:
        return draw_joint(pilot, centred, run, start)
    return draw_loaded(pilot, centred, plan, run, start)


def _check_numbers(draws: int, tune: int, chains: int, seed: int) -> None:
    require_whole(4, draws=draws)
    require_whole(50, tune=tune)
    require_whole(1, chains=chains)
    require_whole(0, seed=seed)


def _check_sampler(sampler: str) -> None:
    if sampler not in get_args(Sampler):
        raise ModelError(f"sampler={sampler!r}; it is 'nutpie' or 'numpyro'.")
    if sampler == "numpyro":
        require_numpyro()


def _well_informed(pilot: Fit, share: float) -> list[str]:
    """Columns whose levels' answers say far more about them than the spread between levels."""
    out = []
    for group in pilot.model.design.groups:
        sd = pilot.mode[f"sd_{group.name}"].to_numpy()
        given = np.einsum("lii->li", pilot.mode[f"re_{group.name}_cov"].to_numpy()).mean(axis=0)
        for column, spread, left in zip(group.columns, sd, given, strict=True):
            if spread > SMALLEST_START and left < share * spread**2:
                out.append(f"{group.name}[{column}]")
    return out


def _tree(model: Model, drawn: Drawn) -> xr.DataTree:
    """Groups of a fit's tree."""
    design = model.design
    observed = xr.Dataset({"score": ("row", design.score), "count": ("row", design.count)})
    levels = {f"{g.name}_index": ("row", g.level) for g in design.groups}
    constant = xr.Dataset(
        {"pattern_index": ("row", design.pattern), "columns": (("pattern", "term"), design.x)}
        | levels,
        coords={"term": list(design.terms)},
    )
    return xr.DataTree.from_dict(
        {
            "posterior": drawn.posterior,
            "sample_stats": drawn.sample_stats,
            "observed_data": observed,
            "constant_data": constant,
            "log_prior": log_prior_draws(model, drawn.posterior),
        }
    )
