"""Find the maximum of a marginal likelihood, its curvature, and whether it lies on a boundary.

The search runs in units of standard errors: a rough curvature at the start scales the unknowns,
so that one quasi-Newton search serves every design. A finite-difference Hessian of the exact
gradient then gives the standard errors, and Newton steps with it finish the search.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.optimize import minimize

from ilhte_bayes.engines.marginal.covariance import Coordinates
from ilhte_bayes.engines.marginal.objective import EXACT, ROUGH, LaplaceObjective
from ilhte_bayes.families.base import Family
from ilhte_bayes.formulas.design import Design

LogPrior = Callable[[np.ndarray], tuple[float, np.ndarray]]

_GRADIENT_TOLERANCE = 1e-4  # quasi-Newton search ends; in standard errors
_GAIN_TOLERANCE = 1e-9  # Newton steps end: log-likelihood still to be gained
_HESSIAN_STEP = 3e-3  # in standard errors; a central difference errs by about its square
_ZERO_SD = 1e-4  # an SD (logits) below this, at a flat place, is 0
_MAX_RESTARTS = 4
_STEP_OF_START = 0.1  # logits; in units of which the curvature at a rough start is taken


class MarginalObjective(Protocol):
    """What the search and the summaries ask of a marginal log-likelihood."""

    design: Design
    family: Family
    plan: Any  # with `groups` and `description`
    coordinates: tuple[Coordinates, ...]
    parts: tuple[slice, ...]
    n_psi: int
    n_evaluations: int
    effects: np.ndarray
    tolerance: float

    def evaluate(self, psi: np.ndarray) -> Any:
        """Value at psi (`.value`), with the mode of the effects (`.effects`)."""

    def gradient(self, at: Any) -> np.ndarray:
        """Gradient at the last evaluation."""

    def mode_derivatives(self, at: Any) -> np.ndarray:
        """(psi, effect) how the mode moves."""


@dataclass(frozen=True, slots=True)
class Maximum:
    """Where the objective is largest."""

    psi: np.ndarray
    evaluation: Any
    value: float  # Laplace log-likelihood plus log-prior
    log_prior: float
    covariance: np.ndarray  # (psi, psi), zero in held directions
    held: np.ndarray  # (psi,) bool: coordinates at a boundary
    gain_left: float  # log-likelihood that one more Newton step would gain
    converged: bool


def flat_prior(psi: np.ndarray) -> tuple[float, np.ndarray]:
    """Log-prior of maximum likelihood: zero everywhere."""
    return 0.0, np.zeros_like(psi)


def maximise(
    objective: MarginalObjective,
    begin: tuple[np.ndarray, np.ndarray],
    log_prior: LogPrior = flat_prior,
) -> Maximum:
    """Maximise a marginal log-likelihood plus a log-prior.

    Parameters
    ----------
    objective : MarginalObjective
    begin : (psi, scale)
        Starting point, and a square root of a rough inverse curvature there (see `start`).
    log_prior : callable
        psi -> (log-density, gradient).
    """
    search = _Search(objective, log_prior)
    psi, scale = begin
    held = np.zeros(psi.size, dtype=bool)
    for _ in range(_MAX_RESTARTS):
        objective.tolerance = ROUGH
        psi = search.climb(psi, scale, held)
        objective.tolerance = EXACT
        psi, at_zero = _snap_to_boundary(objective, psi)
        held = at_zero
        psi, hessian, gain = search.finish(psi, scale, held)
        psi, at_zero = _snap_to_boundary(objective, psi)
        if (at_zero & ~held).any():  # Newton's last steps led to the edge
            held = at_zero
            psi, hessian, gain = search.finish(psi, scale, held)
        upward = _upward_direction(hessian, held)
        if upward is None:
            break
        psi = psi + 0.3 * scale @ upward  # a saddle: walk off it and climb again
    evaluation = objective.evaluate(psi)
    prior, _ = log_prior(psi)
    free = ~held
    covariance = np.zeros((psi.size, psi.size))
    inverse = _inverse(hessian[np.ix_(free, free)])
    covariance[np.ix_(free, free)] = inverse
    return Maximum(
        psi=psi,
        evaluation=evaluation,
        value=evaluation.value + prior,
        log_prior=prior,
        covariance=covariance,
        held=held,
        gain_left=gain,
        converged=bool(gain < 1e-4 and upward is None and np.isfinite(evaluation.value)),
    )


def start(objective: LaplaceObjective) -> tuple[np.ndarray, np.ndarray]:
    """Starting point, and a square root of a rough inverse curvature there.

    For a Laplace likelihood. A few rounds of: Newton steps for fixed and random effects together, then each covariance
    replaced by the average of what its levels show (an EM step).
    """
    objective.tolerance = ROUGH
    psi = np.zeros(objective.n_psi)
    psi[objective.parts[0]] = objective.family.start(objective.design)
    for group, c, part in _groups(objective):
        size = 1.0 / np.maximum(1.0, np.sqrt(np.mean(group.z**2, axis=0)))
        psi[part] = c.from_factor(np.diag(size))
    for _ in range(3):
        psi, information = _joint_step(objective, psi)
        psi = _em_step(objective, psi)
    root = np.zeros((psi.size, psi.size))
    if objective.n_fixed:
        root[objective.parts[0], objective.parts[0]] = np.linalg.cholesky(_inverse(information))
    for group, c, part in _groups(objective):
        sd = np.maximum(np.sqrt(np.sum(c.factor(psi[part]) ** 2, axis=1)), 0.05)
        width = np.concatenate([_coordinate_scale(c, block, sd) for block in c.blocks])
        root[part, part] = np.diag(width / np.sqrt(2.0 * group.n_levels) * 1.5)
    return psi, root


def start_without_persons(
    objective: MarginalObjective, log_prior: LogPrior = flat_prior
) -> tuple[np.ndarray, np.ndarray]:
    """Starting point and scale as `start`, where persons' modes cannot be had: a reduced table.

    SDs of 1 logit, coefficients 0 but for the intercept; the scale is from the curvature there,
    its sign aside, and of no direction wider than a logit.
    """
    objective.tolerance = ROUGH
    psi = np.zeros(objective.n_psi)
    psi[objective.parts[0]] = objective.family.start(objective.design)
    for group, c, part in _groups(objective):
        size = 1.0 / np.maximum(1.0, np.sqrt(np.mean(group.z**2, axis=0)))
        psi[part] = c.from_factor(np.diag(size))
    objective.evaluate(psi)  # from here on each search starts near its end
    free = np.arange(psi.size)
    hessian = _Search(objective, log_prior)._hessian(psi, _STEP_OF_START * np.eye(psi.size), free)
    values, vectors = np.linalg.eigh(hessian)
    return psi, vectors / np.sqrt(np.maximum(np.abs(values), 1.0))


def _coordinate_scale(c, block: tuple[int, ...], sd: np.ndarray) -> np.ndarray:
    """Size of each free coordinate of one block: its row's SD, or 1 for a partial correlation."""
    d = len(block)
    if c.partial and d > 1:
        return np.concatenate([sd[list(block)], np.full(d * (d - 1) // 2, 1.4)])
    rows, _ = np.tril_indices(d)
    return sd[np.array(block)[rows]]


def _groups(objective: MarginalObjective):
    return zip(objective.plan.groups, objective.coordinates, objective.parts[1:], strict=True)


def _joint_step(objective: LaplaceObjective, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Newton step of the fixed effects with the random effects at their mode; and information."""
    at = objective.evaluate(psi)
    x, fixed = objective.design.x, objective.parts[0]
    if not objective.n_fixed:
        return psi, np.zeros((0, 0))
    gradient, information = objective.fixed_information(at)
    step = np.linalg.lstsq(information, gradient, rcond=None)[0]
    step *= min(1.0, 3.0 / max(np.max(np.abs(x @ step), initial=0.0), 1e-12))
    for _ in range(20):
        moved = psi.copy()
        moved[fixed] += step
        # thresholds must not change places
        if not objective.design.n_ordered or np.isfinite(objective.evaluate(moved).value):
            return moved, information
        step *= 0.5
    return psi, information


def _em_step(objective: LaplaceObjective, psi: np.ndarray) -> np.ndarray:
    at = objective.evaluate(psi)
    _, blocks = objective.selected(at)
    psi = psi.copy()
    factors = objective.factors(psi)
    for k, (group, c, part) in enumerate(_groups(objective)):
        modes = at.effects[objective.plan.effect_at[k][:, None] + np.arange(group.n_columns)]
        inner = (modes.T @ modes + blocks[k].sum(axis=0)) / group.n_levels
        second = factors[k] @ inner @ factors[k].T
        keep = np.zeros_like(second)
        for block in c.blocks:
            keep[np.ix_(block, block)] = second[np.ix_(block, block)]
        ridge = 1e-4 * np.diag(np.maximum(np.diag(keep), 1e-4))
        psi[part] = c.from_factor(np.linalg.cholesky(keep + ridge))
    return psi


class _Search:
    """Climbing and finishing for one objective and prior."""

    def __init__(self, objective: MarginalObjective, log_prior: LogPrior) -> None:
        self.objective, self.log_prior = objective, log_prior

    def value_and_gradient(self, psi: np.ndarray) -> tuple[float, np.ndarray]:
        at = self.objective.evaluate(psi)
        prior, prior_gradient = self.log_prior(psi)
        return at.value + prior, self.objective.gradient(at) + prior_gradient

    def climb(self, psi: np.ndarray, scale: np.ndarray, held: np.ndarray) -> np.ndarray:
        free = ~held

        def negative(x: np.ndarray) -> tuple[float, np.ndarray]:
            there = psi + scale[:, free] @ x
            value, gradient = self.value_and_gradient(there)
            if not np.isfinite(value):
                return 1e300, np.zeros_like(x)
            return -value, -(scale[:, free].T @ gradient)

        found = minimize(
            negative,
            np.zeros(int(free.sum())),
            jac=True,
            method="BFGS",
            options={"gtol": _GRADIENT_TOLERANCE, "maxiter": 200, "norm": np.inf},
        )
        return psi + scale[:, free] @ found.x

    def finish(
        self, psi: np.ndarray, scale: np.ndarray, held: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Newton steps with a finite-difference Hessian; returns minus the Hessian too."""
        free = np.flatnonzero(~held)
        hessian = self._hessian(psi, scale, free)
        for round_number in range(8):
            _, gradient = self.value_and_gradient(psi)
            try:
                step = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
            except np.linalg.LinAlgError:
                return psi, hessian, np.inf
            gain = 0.5 * float(gradient[free] @ step)
            if not 0.0 < gain <= 1.0:
                break
            psi = psi.copy()
            psi[free] += step
            if gain < _GAIN_TOLERANCE:
                break
            if round_number == 3:
                hessian = self._hessian(psi, scale, free)
        return psi, hessian, abs(gain)

    def _hessian(self, psi: np.ndarray, scale: np.ndarray, free: np.ndarray) -> np.ndarray:
        """Minus the Hessian, by central differences along the scaled directions."""
        directions = np.zeros((psi.size, free.size))
        directions[free] = scale[np.ix_(free, free)]
        change = np.empty((psi.size, free.size))
        at = self.objective.evaluate(psi)
        moves = directions.T @ self.objective.mode_derivatives(at)  # each search starts at its end
        for k in range(free.size):
            step, move = _HESSIAN_STEP * directions[:, k], _HESSIAN_STEP * moves[k]
            self.objective.effects = at.effects + move
            _, up = self.value_and_gradient(psi + step)
            self.objective.effects = at.effects - move
            _, down = self.value_and_gradient(psi - step)
            change[:, k] = (up - down) / (2.0 * _HESSIAN_STEP)
        self.objective.effects = at.effects
        out = np.zeros((psi.size, psi.size))
        part = np.linalg.solve(directions[free].T, change[free].T)
        out[np.ix_(free, free)] = -0.5 * (part + part.T)
        return out


def _snap_to_boundary(
    objective: MarginalObjective, psi: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Set SDs and residual SDs that the search left next to 0 to 0 exactly; say which are held."""
    psi = psi.copy()
    held = np.zeros(psi.size, dtype=bool)
    for _, c, part in _groups(objective):
        factor = c.factor(psi[part])
        if c.partial:
            sd = np.sqrt(np.sum(factor**2, axis=1))
            held[part] = _hold_partial(c, sd)
            psi[part] = np.where(held[part], 0.0, psi[part])
            continue
        root, zero = _canonical(factor)
        psi[part] = c.from_factor(root)
        held[part] = c.from_factor(zero.astype(float)).astype(bool)
    return psi, held


def _hold_partial(c, sd: np.ndarray) -> np.ndarray:
    """Coordinates of columns whose SD is 0, their correlations included."""
    out: list[bool] = []
    for block in c.blocks:
        small = sd[list(block)] < _ZERO_SD
        out.extend(small)
        if len(block) > 1:
            out.extend(small[i] or small[j] for i in range(len(block)) for j in range(i))
    return np.array(out, dtype=bool)


def _canonical(factor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cholesky factor with positive diagonal; columns without variance are zero and held."""
    size = np.sqrt(np.sum(factor**2, axis=1))
    covariance = factor @ factor.T
    d = len(factor)
    out, zero = np.zeros((d, d)), np.zeros((d, d), dtype=bool)
    for k in range(d):
        left = covariance[k, k] - np.sum(out[k, :k] ** 2)
        if left <= max(_ZERO_SD**2, (_ZERO_SD * size[k]) ** 2):
            zero[k:, k] = True
            continue
        out[k, k] = np.sqrt(left)
        for j in range(k + 1, d):
            out[j, k] = (covariance[j, k] - np.sum(out[j, :k] * out[k, :k])) / out[k, k]
        if size[k] < _ZERO_SD:
            zero[k, : k + 1] = True
    tiny = size < _ZERO_SD
    out[tiny] = 0.0
    zero[tiny] |= np.tri(d, dtype=bool)[tiny]
    return out, zero


def _upward_direction(hessian: np.ndarray, held: np.ndarray) -> np.ndarray | None:
    """Direction in which the objective curves upward, in psi; None at a maximum."""
    free = np.flatnonzero(~held)
    if free.size == 0:
        return None
    values, vectors = np.linalg.eigh(hessian[np.ix_(free, free)])
    if values[0] > 0:
        return None
    out = np.zeros(held.size)
    out[free] = vectors[:, 0]
    return out


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a symmetric matrix that should be positive definite."""
    if matrix.size == 0:
        return matrix
    values, vectors = np.linalg.eigh(matrix)
    safe = np.maximum(values, 1e-12 * max(values[-1], 1e-300))
    return np.asarray((vectors / safe) @ vectors.T)
