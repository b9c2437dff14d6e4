"""NUTS on the joint model: every random effect is sampled, compiled by PyMC for each model."""

import time
from typing import Any

import numpy as np

from ilhte_bayes.engines.drawn import SMALLEST_START, Drawn, Run, warmup_share
from ilhte_bayes.engines.nuts_numpyro import draw_numpyro
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.models.builder import build_pymc
from ilhte_bayes.models.builder_effects import carried_terms, of_others
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.priors import correlated

_JITTER = 0.1  # prior SDs of standardised effects


def draw_joint(
    pilot: Fit, centred: frozenset[str], run: Run, start: dict[str, np.ndarray] | None = None
) -> Drawn:
    """Draw from the posterior of all parameters and random effects.

    Parameters
    ----------
    pilot : Fit
        Maximised: chains start there.
    centred : set of str
        Columns, "item[treat]", sampled as they are.
    run : Run
    start : mapping, optional
        Where variables start that the pilot does not have.
    """
    model = pilot.model
    compiling = time.perf_counter()
    built = build_pymc(model, centred=centred)
    keep = kept_names(model)
    points = start_values(pilot, centred, seed=run.seed) | (start or {})
    raw: Any
    if run.sampler == "numpyro":
        sampling = time.perf_counter()
        raw = draw_numpyro(built, points, keep, run)
    else:
        import nutpie

        compiled = nutpie.compile_pymc_model(
            built, initial_points=points, jitter_rvs=set(), var_names=keep
        )
        sampling = time.perf_counter()
        raw = nutpie.sample(compiled, **run.options())
    return Drawn(
        posterior=raw["posterior"].to_dataset()[keep],
        sample_stats=raw["sample_stats"].to_dataset(),
        compile_seconds=sampling - compiling,
        sample_seconds=time.perf_counter() - sampling,
        warmup_share=warmup_share(raw),
        attrs={"integrated": "", "centred": sorted(centred)},
    )


def kept_names(model: Model, without: str | None = None) -> list[str]:
    """Variables of the schema; of a group integrated out the SDs alone."""
    keep = [v for v in ("beta",) if model.design.terms]
    for group in model.design.groups:
        keep += [f"sd_{group.name}"]
        keep += [f"re_{group.name}"] if group.name != without else []
        keep += [f"corr_{group.name}"] if correlated(group) else []
    return keep + (["discrimination", "sd_discrimination"] if model.discrimination else [])


def start_values(
    pilot: Fit, centred: frozenset[str], without: str | None = None, seed: int = 1
) -> dict[str, np.ndarray]:
    """Values of the free variables near the mode of the Laplace fit.

    At an SD of 0 all effects are 0, and so is the gradient by a correlation: nutpie would refuse
    to begin there.
    """
    rng = np.random.default_rng(seed)
    mode, design = pilot.mode, pilot.model.design
    centred = centred if without is None else of_others(centred, without)
    carried = carried_terms(design, centred)
    start = _fixed_start(mode["beta"].to_numpy(), design.n_ordered)
    for group in design.groups:
        name = group.name
        sd = np.maximum(mode[f"sd_{name}"].to_numpy(), SMALLEST_START)
        effects = mode[f"re_{name}"].to_numpy()
        if name == without:
            start[f"sd_{name}"] = sd
            continue
        corr = np.nan_to_num(mode[f"corr_{name}"].to_numpy())
        np.fill_diagonal(corr, 1.0)
        corr = 0.95 * corr + 0.05 * np.eye(len(corr))  # off the edge
        root = np.linalg.cholesky(corr)
        start[f"sd_{name}"] = sd
        if correlated(group):
            start[f"unit_corr_{name}"] = _unit_partials(group, root)
        standard = np.linalg.solve(root, (effects / sd).T).T
        standard += _JITTER * rng.normal(size=standard.shape)
        chosen = [f"{name}[{column}]" in centred for column in group.columns]
        if not any(chosen):
            start[f"z_{name}"] = standard
        elif all(chosen) and not correlated(group) and name not in {g for g, _ in carried}:
            start[f"re_{name}"] = effects
        else:
            for k, column in enumerate(group.columns):
                kind, value = ("re", effects[:, k]) if chosen[k] else ("z", standard[:, k])
                if (name, column) in carried:
                    kind, value = "level", value + float(mode["beta"].sel(term=column))
                start[f"{kind}_{name}[{column}]"] = value
    return start


def _fixed_start(beta: np.ndarray, n_cuts: int) -> dict[str, np.ndarray]:
    """Start of coefficients; of thresholds the lowest, and the gaps."""
    if not n_cuts:
        return {"beta": beta} if beta.size else {}
    start = {"lowest_threshold": beta[0], "slopes": beta[n_cuts:]}
    start |= {"gaps": np.diff(beta[:n_cuts])} if n_cuts > 1 else {}
    return {name: value for name, value in start.items() if np.size(value)}


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
