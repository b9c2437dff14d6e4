"""Draws from the normal approximation at a mode, lazily: parameters first, then random effects."""

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy.linalg import solve_triangular
from threadpoolctl import threadpool_limits

from ilhte_bayes.engines.marginal import kernels
from ilhte_bayes.engines.marginal.covariance import spread_of_sds
from ilhte_bayes.engines.marginal.integrated import IntegratedEvaluation, IntegratedObjective
from ilhte_bayes.engines.marginal.objective import Evaluation, LaplaceObjective
from ilhte_bayes.models.roots import root_of

if TYPE_CHECKING:
    from ilhte_bayes.fits.fit import Fit

N_DRAWS = 2000
_SEED = 20231019
_LARGEST_GROUP = 20_000  # effects; groups with more are left out of the draws


def draw_approximation(fit: "Fit", n_draws: int = N_DRAWS, seed: int = _SEED) -> xr.DataTree:
    """Draw parameters and random effects.

    psi is normal around its mode, SDs among its coordinates log-normal where they are away from 0
    (see `spread_of_sds`); the random effects follow psi linearly, plus their normal
    scatter given psi. Groups with more than 20,000 effects, and an integrated group, are left out (`attrs["left_out"]`).
    """
    rng = np.random.default_rng(seed)
    model, mode = fit.model, fit.mode
    inside = list(mode.attrs["partial"])
    with threadpool_limits(limits=1, user_api="blas"):
        psi_hat = mode["psi"].to_numpy()
        moved = _normal(rng, mode["psi_cov"].to_numpy(), n_draws)
        target: LaplaceObjective | IntegratedObjective
        if integrated := mode.attrs.get("integrated"):
            target = IntegratedObjective(model.rows, model.family, integrated, inside)
            scatter = _dense_scatter(target, target.evaluate(psi_hat), rng, n_draws)
        else:
            target = LaplaceObjective(model.rows, model.family, inside)
            scatter = _scatter(target, target.evaluate(psi_hat), rng, n_draws)
    variables: dict[str, tuple] = {
        "beta": (("chain", "draw", "term"), (psi_hat + moved)[None, :, target.parts[0]])
    }
    left_out = []
    for k, (group, c, part) in enumerate(
        zip(target.plan.groups, target.coordinates, target.parts[1:], strict=True)
    ):
        name, column, other = group.name, f"{group.name}_column", f"{group.name}_column_"
        drawn = (psi_hat + moved)[:, part]
        se = np.sqrt(np.maximum(np.diag(mode["psi_cov"].to_numpy())[part][c.sds], 0.0))
        drawn[:, c.sds] = spread_of_sds(drawn[:, c.sds], psi_hat[part][c.sds], se)
        natural = np.array([c.natural(psi) for psi in drawn])
        d = len(c.columns)
        variables[f"sd_{name}"] = (("chain", "draw", column), natural[None, :, :d])
        if c.pairs:
            corr = np.broadcast_to(np.eye(d), (n_draws, d, d)).copy()
            for (i, j), value in zip(c.pairs, natural[:, d:].T, strict=True):
                corr[:, i, j] = corr[:, j, i] = value
            variables[f"corr_{name}"] = (("chain", "draw", column, other), corr[None])
        if scatter[k] is None:
            left_out.append(name)
            continue
        effects = mode[f"re_{name}"].to_numpy() + np.einsum(
            "dp,plc->dlc", moved, mode[f"re_{name}_by_psi"].to_numpy()
        )
        effects += scatter[k] @ c.factor(psi_hat[part]).T
        variables[f"re_{name}"] = (("chain", "draw", name, column), effects[None])
    coords = {name: mode.coords[name] for name in mode.coords if str(name).rstrip("_") != "psi"}
    used = {dim for dims, _ in variables.values() for dim in dims}
    posterior = xr.Dataset(variables, coords={k: v for k, v in coords.items() if k in used})
    posterior.attrs = {
        "kind": "approximate sampling distribution"
        if fit.objective == "ml"
        else "normal approximation to the posterior",
        "seed": seed,
        "left_out": left_out,
    }
    return xr.DataTree.from_dict({"posterior": posterior})


def _normal(rng: np.random.Generator, covariance: np.ndarray, n: int) -> np.ndarray:
    return rng.standard_normal((n, len(covariance))) @ root_of(covariance).T


def _scatter(
    target: LaplaceObjective, at: Evaluation, rng: np.random.Generator, n: int
) -> list[np.ndarray | None]:
    """Draws from N(0, inverse(H)), (draw, level, column) for each group; None if too many."""
    plan, factor = target.plan, at.factor
    rows = plan.rows
    kept = [group.n_levels * group.n_columns <= _LARGEST_GROUP for group in plan.groups]
    out: list[np.ndarray | None] = [
        np.empty((n, group.n_levels, group.n_columns)) if keep else None
        for group, keep in zip(plan.groups, kept, strict=True)
    ]
    root = np.tril(factor.root[0]) if target.n_root else None
    local = _local_roots(target, at)
    for k in range(n):
        x = rng.standard_normal(rows.n_effects)
        if root is not None:
            x[rows.root_at :] = solve_triangular(root, x[rows.root_at :], lower=True, trans="T")
        for low, high, piece in local:
            x[low:high] = piece @ x[low:high]
        _whiten_inner(factor.inner, x)
        kernels.back_substitute(
            rows, factor.scaled, target.weight, factor.inner, factor.local_root, x
        )
        for g, group in enumerate(plan.groups):
            block = out[g]
            if block is not None:
                block[k] = x[plan.effect_at[g][:, None] + np.arange(group.n_columns)]
    return out


def _dense_scatter(
    target: IntegratedObjective, at: IntegratedEvaluation, rng: np.random.Generator, n: int
) -> list[np.ndarray | None]:
    """As `_scatter`, with persons integrated out: they have no draws."""
    standard = rng.standard_normal((target.n_effects, n))
    v = solve_triangular(np.tril(at.root[0]), standard, lower=True, trans="T").T
    out: list[np.ndarray | None] = [
        v[:, where[:, None] + np.arange(group.n_columns)]
        for group, where in zip(target.others, target.plan.effect_at, strict=True)
    ]
    return [*out, None]


def _whiten_inner(inner: np.ndarray, x: np.ndarray) -> None:
    """X <- inverse(factor') x for each inner level, in place."""
    n, d, _ = inner.shape
    own = x[: n * d].reshape(n, d)
    own[:] = np.linalg.solve(np.swapaxes(np.tril(inner), 1, 2), own[..., None])[..., 0]


def _local_roots(target: LaplaceObjective, at: Evaluation) -> list[tuple[int, int, np.ndarray]]:
    """For each front: where its local effects lie, and a root of their conditional covariance."""
    front = target.plan.rows.front_local
    out, piece = [], 0
    for low, high in pairwise(front):
        width = int(high - low)
        if width:
            block = at.factor.local_inverse[piece : piece + width**2].reshape(width, width)
            out.append((int(low), int(high), np.linalg.cholesky(block)))
            piece += width**2
    return out
