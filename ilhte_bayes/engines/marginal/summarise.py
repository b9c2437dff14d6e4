"""Mode and curvature of a maximum, as one labelled dataset: what every Fit of this kind keeps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ilhte_bayes.engines.marginal.maximise import MarginalObjective, Maximum
from ilhte_bayes.engines.marginal.objective import Evaluation, LaplaceObjective

LARGEST_JOINT = 3000  # effects; the joint covariance of more would take over 70 MB


@dataclass(frozen=True, slots=True)
class Levels:
    """What is known of one group's effects at the maximum, in logits."""

    modes: np.ndarray  # (level, column)
    covariance: np.ndarray  # (level, column, column), given the parameters
    by_psi: np.ndarray  # (psi, level, column) how the modes move with the parameters
    joint: np.ndarray | None = None  # (level, column, level, column)


def mode_and_curvature(
    target: MarginalObjective, maximum: Maximum, levels: Sequence[Levels]
) -> xr.Dataset:
    """Estimates, their covariance, and each group's conditional modes.

    Parameters
    ----------
    target : MarginalObjective
    maximum : Maximum
    levels : sequence of Levels
        One for each of `target.plan.groups`.

    Returns
    -------
    xr.Dataset
        `psi` and `psi_cov` in the objective's coordinates; `beta` (term), `beta_cov`; for each
        group g: `sd_g` (column), `corr_g` (column, column), `natural_cov_g` over SDs and
        correlations, `re_g` (level, column) conditional modes, `re_g_cov` their covariance given
        the parameters (`re_g_joint` between all levels too, for one group), `re_g_by_psi` their
        derivative by the parameters. Logits throughout.
    """
    psi, covariance = maximum.psi, maximum.covariance
    fixed = target.parts[0]
    terms = list(target.design.terms)
    variables: dict[str, tuple] = {
        "psi": (("psi",), psi),
        "psi_cov": (("psi", "psi_"), covariance),
        "psi_held": (("psi",), maximum.held),
        "beta": (("term",), psi[fixed]),
        "beta_cov": (("term", "term_"), covariance[fixed, fixed]),
    }
    coords: dict[str, list] = {"term": terms, "term_": terms}
    for group, c, part, own in zip(
        target.plan.groups, target.coordinates, target.parts[1:], levels, strict=True
    ):
        name = group.name
        column, other, level = f"{name}_column", f"{name}_column_", name
        natural, slopes = c.natural(psi[part]), _finite(c.natural_derivatives(psi[part]))
        sd = natural[: len(c.columns)]
        if own.joint is not None:
            variables[f"re_{name}_joint"] = ((level, column, f"{name}_", other), own.joint)
        coords |= {level: list(group.labels), column: list(c.columns), other: list(c.columns)}
        coords[f"{name}_quantity"] = quantities(c.columns, c.pairs)
        variables |= {
            f"sd_{name}": ((column,), sd),
            f"corr_{name}": ((column, other), _correlation(c.pairs, natural, sd)),
            f"natural_{name}": ((f"{name}_quantity",), natural),
            f"natural_cov_{name}": (
                (f"{name}_quantity", f"{name}_quantity_"),
                slopes.T @ covariance[part, part] @ slopes,
            ),
            f"re_{name}": ((level, column), own.modes),
            f"re_{name}_cov": ((level, column, other), own.covariance),
            f"re_{name}_by_psi": (("psi", level, column), own.by_psi),
        }
    out = xr.Dataset(variables, coords=coords)
    out.attrs = {
        "loglik": maximum.evaluation.value,
        "log_prior": maximum.log_prior,
        "n_parameters": int(psi.size),
        "n_evaluations": target.n_evaluations,
        "gain_left": maximum.gain_left,
        "converged": int(maximum.converged),
        "elimination": target.plan.description,
        "group_order": [group.name for group in target.plan.groups],  # of their parts of psi
        "partial": [c.group for c in target.coordinates if c.partial],
    }
    return out


def laplace_levels(
    target: LaplaceObjective, psi: np.ndarray, *, jointly: str | None
) -> list[Levels]:
    """Effects of every group at the mode of the joint density.

    Of the group `jointly` (items) the covariances between levels are kept too: they cost a solve
    for each effect where the group is not at the root.
    """
    at = target.evaluate(psi)
    _, blocks = target.selected(at)
    by_psi = target.mode_derivatives(at)
    modes = target.natural_effects(psi, at.effects)
    out = []
    for k, (group, factor) in enumerate(zip(target.plan.groups, target.factors(psi), strict=True)):
        whole = group.name == jointly and group.n_levels * group.n_columns <= LARGEST_JOINT
        out.append(
            Levels(
                modes=modes[k],
                covariance=factor @ blocks[k] @ factor.T,
                by_psi=_effects_by_psi(target, psi, at.effects, by_psi, k),
                joint=_joint_covariance(target, at, k, factor) if whole else None,
            )
        )
    return out


def _joint_covariance(
    target: LaplaceObjective, at: Evaluation, k: int, factor: np.ndarray
) -> np.ndarray:
    """(level, column, level, column) covariance of one group's effects given the parameters."""
    group, rows = target.plan.groups[k], target.plan.rows
    where = (target.plan.effect_at[k][:, None] + np.arange(group.n_columns)).ravel()
    if where.min() >= rows.root_at:
        inverse = target.root_inverse(at.factor)[np.ix_(where - rows.root_at, where - rows.root_at)]
    else:
        unit = np.zeros(rows.n_effects)
        inverse = np.empty((where.size, where.size))
        for column, position in enumerate(where):
            unit[position] = 1.0
            inverse[:, column] = target.solve(at.factor, unit)[where]
            unit[position] = 0.0
    n, d = group.n_levels, group.n_columns
    return np.einsum("ai,limj,bj->lamb", factor, inverse.reshape(n, d, n, d), factor, optimize=True)


def quantities(columns: tuple[str, ...], pairs: tuple[tuple[int, int], ...]) -> list[str]:
    """Names of one group's SDs and correlations: `sd[treat]`, `corr[Intercept,treat]`."""
    sd = [f"sd[{column}]" for column in columns]
    return sd + [f"corr[{columns[j]},{columns[i]}]" for i, j in pairs]


def _finite(slopes: np.ndarray) -> np.ndarray:
    """Derivatives by held coordinates, undefined at an SD of 0, do not count."""
    return np.where(np.isfinite(slopes), slopes, 0.0)


def _correlation(
    pairs: tuple[tuple[int, int], ...], natural: np.ndarray, sd: np.ndarray
) -> np.ndarray:
    out = np.eye(sd.size)
    for (i, j), value in zip(pairs, natural[sd.size :], strict=True):
        known = sd[i] > 0 and sd[j] > 0
        out[i, j] = out[j, i] = value if known else np.nan
    return out


def _effects_by_psi(
    target: LaplaceObjective, psi: np.ndarray, effects: np.ndarray, by_psi: np.ndarray, k: int
) -> np.ndarray:
    """D u / d psi for one group: u = L v moves with v and with L."""
    group, c, part = target.plan.groups[k], target.coordinates[k], target.parts[k + 1]
    at = target.plan.effect_at[k][:, None] + np.arange(group.n_columns)
    out = by_psi[:, at] @ c.factor(psi[part]).T
    out[part] += np.einsum("lj,pij->pli", effects[at], c.factor_derivatives(psi[part]))
    return np.asarray(out)
