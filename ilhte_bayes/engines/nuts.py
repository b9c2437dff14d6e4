"""The NUTS engine: posterior draws of the joint model through nutpie."""

import time
from typing import Any

import numpy as np
import xarray as xr

from ilhte_bayes.engines.diagnostics import convergence, convergence_problems
from ilhte_bayes.engines.laplace import laplace
from ilhte_bayes.engines.log_prior_draws import log_prior_draws
from ilhte_bayes.errors import ModelError
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.models.builder import build_pymc, carries_intercept
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.priors import correlated

# Effects are sampled as they are (centred) where the answers say much more about each level than
# the spread between levels does: conditional variance below this share of the variance.
_WELL_INFORMED = 0.1
_SMALLEST_START = 0.05  # logits; a chain started at an SD of 0 would stay there


def sample(
    model: Model,
    *,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 4,
    seed: int = 1,
    target_accept: float = 0.9,
    progress: bool = True,
) -> Fit:
    """Draw from the posterior with NUTS (nutpie), all random effects sampled.

    A Laplace fit (MAP) comes first, in a second or so: chains start at its mode, and it tells
    which groups to sample centred.

    Parameters
    ----------
    model : Model
        Its priors matter: `print(model.priors)`.
    draws, tune, chains : int
        Draws kept and warm-up steps of each chain.
    seed : int
        Of everything random.
    target_accept : float
        Higher means smaller steps; raise it if draws diverge.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Fit
        Its `tree` has groups `posterior` (`beta`, `sd_<group>`, `corr_<group>`, `re_<group>`,
        in logits), `sample_stats`, `observed_data`, `constant_data` and `log_prior` (of
        coefficients, SDs and correlations).

    Raises
    ------
    ModelError
        If a number of draws, warm-up steps or chains makes no sense.
    """
    import nutpie

    _check_numbers(draws, tune, chains)
    began = time.perf_counter()
    pilot = _pilot(model)
    centred = frozenset(_well_informed(pilot))
    built = build_pymc(model, centred=centred)
    keep = [v for v in ("beta",) if model.design.terms]
    for group in model.design.groups:
        keep += [f"sd_{group.name}", f"re_{group.name}"]
        keep += [f"corr_{group.name}"] if correlated(group) else []
    compiling = time.perf_counter()
    compiled = nutpie.compile_pymc_model(
        built,
        initial_points=_start(pilot, centred),
        jitter_rvs=set(),
        var_names=keep,
    )
    sampling = time.perf_counter()
    raw = nutpie.sample(
        compiled,
        draws=draws,
        tune=tune,
        chains=chains,
        seed=seed,
        target_accept=target_accept,
        save_warmup=False,
        progress_bar=progress,
    )
    done = time.perf_counter()
    tree = _tree(model, raw, keep)
    tree["posterior"].attrs |= {
        "sampler": "NUTS (nutpie)",
        "seed": seed,
        "tune": tune,
        "target_accept": target_accept,
        "centred": sorted(centred),
        "sample_seconds": done - sampling,
        "pilot_seconds": compiling - began,
    }
    diagnostics = convergence(tree)
    tree["posterior"].attrs |= diagnostics
    return Fit(
        model=model,
        engine="nuts",
        objective="posterior",
        tree=tree,
        problems=convergence_problems(diagnostics, tune=tune, target_accept=target_accept),
        seconds=model.build_seconds + (time.perf_counter() - began) - (sampling - compiling),
        compile_seconds=pilot.compile_seconds + sampling - compiling,
    )


def _pilot(model: Model) -> Fit:
    """MAP, or maximum likelihood where the priors have no mode to start from."""
    try:
        return laplace(model, objective="map")
    except ModelError:
        return laplace(model, objective="ml")


def _check_numbers(draws: int, tune: int, chains: int) -> None:
    for name, value, least in (("draws", draws, 4), ("tune", tune, 50), ("chains", chains, 1)):
        if not isinstance(value, int) or value < least:
            raise ModelError(f"{name}={value!r}: it is a whole number of at least {least}.")


def _well_informed(pilot: Fit) -> list[str]:
    """Columns whose levels' answers say far more about them than the spread between levels."""
    out = []
    for group in pilot.model.design.groups:
        sd = pilot.mode[f"sd_{group.name}"].to_numpy()
        given = np.einsum("lii->li", pilot.mode[f"re_{group.name}_cov"].to_numpy()).mean(axis=0)
        for column, spread, left in zip(group.columns, sd, given, strict=True):
            if spread > _SMALLEST_START and left < _WELL_INFORMED * spread**2:
                out.append(f"{group.name}[{column}]")
    return out


def _start(pilot: Fit, centred: frozenset[str]) -> dict[str, np.ndarray]:
    """Values of the free variables at the mode of the Laplace fit."""
    mode, design = pilot.mode, pilot.model.design
    carrier = carries_intercept(design, centred)
    start: dict[str, np.ndarray] = {"beta": mode["beta"].to_numpy()} if design.terms else {}
    for group in design.groups:
        name = group.name
        sd = np.maximum(mode[f"sd_{name}"].to_numpy(), _SMALLEST_START)
        effects = mode[f"re_{name}"].to_numpy()
        corr = np.nan_to_num(mode[f"corr_{name}"].to_numpy())
        np.fill_diagonal(corr, 1.0)
        corr = 0.95 * corr + 0.05 * np.eye(len(corr))  # off the edge
        root = np.linalg.cholesky(corr)
        start[f"sd_{name}"] = sd
        if correlated(group):
            start[f"unit_corr_{name}"] = _unit_partials(group, root)
        standard = np.linalg.solve(root, (effects / sd).T).T
        chosen = [f"{name}[{column}]" in centred for column in group.columns]
        if not any(chosen):
            start[f"z_{name}"] = standard
        elif all(chosen) and not correlated(group) and name != carrier:
            start[f"re_{name}"] = effects
        else:
            for k, column in enumerate(group.columns):
                kind, value = ("re", effects[:, k]) if chosen[k] else ("z", standard[:, k])
                if kind == "re" and column == "Intercept" and name == carrier:
                    kind, value = "level", value + float(mode["beta"].sel(term="Intercept"))
                start[f"{kind}_{name}[{column}]"] = value
    return start


def _unit_partials(group: Group, root: np.ndarray) -> np.ndarray:
    """Canonical partial correlations as (1 + r) / 2, in the builder's order."""
    out = []
    for block in group.blocks:
        for i in range(len(block)):
            left = 1.0
            for j in range(i):
                entry = root[block[i], block[j]]
                out.append((1.0 + entry / np.sqrt(left)) / 2.0)
                left -= entry**2
    return np.clip(np.array(out), 0.01, 0.99)


def _tree(model: Model, raw: Any, keep: list[str]) -> xr.DataTree:
    """Groups of a fit's tree from nutpie's."""
    design = model.design
    posterior = raw["posterior"].to_dataset()[keep]
    observed = xr.Dataset({"score": ("row", design.score), "count": ("row", design.count)})
    levels = {f"{g.name}_index": ("row", g.level) for g in design.groups}
    constant = xr.Dataset(
        {"pattern_index": ("row", design.pattern), "columns": (("pattern", "term"), design.x)}
        | levels,
        coords={"term": list(design.terms)},
    )
    return xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": raw["sample_stats"].to_dataset(),
            "observed_data": observed,
            "constant_data": constant,
            "log_prior": log_prior_draws(model, posterior),
        }
    )
