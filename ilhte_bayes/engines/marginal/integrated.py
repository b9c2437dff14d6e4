"""The marginal log-likelihood with one group integrated exactly and the others by Laplace.

F(psi) = log p(y | u, psi) - v'v / 2 - log|H| / 2 at the mode v of the standardised effects of all
other groups, u = L v, where p(y | u, psi) has the persons summed out over a grid. Without other
groups F is the exact log-likelihood. Same unknowns psi, and the same interface for the search, as
`objective.LaplaceObjective`; unlike there, H is dense, since no persons are left in it.

The gradient of the first two terms is exact (the mode is stationary); that of log|H| is taken by
central differences along psi and the way the mode moves with it, which needs no new mode.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, hstack

from ilhte_bayes.engines.marginal.covariance import Coordinates, coordinates_for
from ilhte_bayes.engines.marginal.objective import EXACT
from ilhte_bayes.errors import ModelError
from ilhte_bayes.families.base import Family
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.likelihood.answers import gaps
from ilhte_bayes.likelihood.curvature import Curvature, curvature
from ilhte_bayes.likelihood.grid import Grid, grid_for
from ilhte_bayes.likelihood.plan import Plan, make_plan, most_information
from ilhte_bayes.likelihood.predictor import Predictor

_MAX_NEWTON = 60
_STEP = 1e-3  # of the differences of log|H|, in units of its natural scale
_SMALLEST_SD = 2e-3  # logits; below it theta is a constant for every purpose
_REACH = 7.0  # SDs of theta that the grid spans beyond the outermost means
_FINE = 0.9  # step of the grid, in units of the narrowest person's posterior SD
_LARGEST_DENSE = 8_000  # effects of the other groups


@dataclass(frozen=True, slots=True)
class Layout:
    """What `maximise` and the summaries ask of an elimination plan."""

    groups: tuple[Group, ...]  # the integrated one last
    effect_at: tuple[np.ndarray, ...]  # of each other group, position of each level's first effect
    score: np.ndarray
    count: np.ndarray
    description: str


@dataclass(slots=True)
class IntegratedEvaluation:
    """One evaluation, kept for derivatives and summaries."""

    psi: np.ndarray
    effects: np.ndarray  # standardised, at their mode
    curvature: Curvature  # by natural effects, fixed effects, log SDs of theta
    root: tuple[np.ndarray, bool]  # Cholesky factor of H
    value: float


class IntegratedObjective:
    """Value and gradient; remembers the last mode as a start.

    Parameters
    ----------
    design : Design
    family : Family
    integrated : str
        Group that is summed out.
    keeps_inside : sequence of str
        Groups whose correlations have a prior that is 0 at +-1.
    """

    def __init__(
        self, design: Design, family: Family, integrated: str, keeps_inside: Sequence[str] = ()
    ) -> None:
        self.design, self.family = design, family
        self.persons: Plan = make_plan(design, integrated)
        self.others = tuple(g for g in design.groups if g.name != integrated)
        sizes = np.cumsum([0, *(g.n_levels * g.n_columns for g in self.others)])
        self.n_effects = int(sizes[-1])
        if self.n_effects > _LARGEST_DENSE:
            raise ModelError(
                f"beside {integrated} the model has {self.n_effects:,} random effects; quadrature "
                f"holds them in one dense matrix, of at most {_LARGEST_DENSE:,}. Use il.laplace, or "
                "il.sample."
            )
        effect_at = tuple(
            start + g.n_columns * np.arange(g.n_levels)
            for start, g in zip(sizes[:-1], self.others, strict=True)
        )
        groups = (*self.others, self.persons.group)
        self.plan = Layout(
            groups, effect_at, design.score, design.count,
            f"{integrated} integrated over a grid"
            + "".join(f", {g.name} by Laplace" for g in self.others),
        )  # fmt: skip
        self.coordinates: tuple[Coordinates, ...] = tuple(
            coordinates_for(group, keeps_inside=group.name in keeps_inside) for group in groups
        )
        self.n_fixed = len(design.terms)
        lengths = [self.n_fixed, *(c.size for c in self.coordinates)]
        ends = np.cumsum(lengths)
        self.parts = tuple(slice(int(e - s), int(e)) for e, s in zip(ends, lengths, strict=True))
        self.n_psi = int(ends[-1])
        self.effects = np.zeros(self.n_effects)
        self.n_evaluations = 0
        self.tolerance = EXACT
        self.by_cell = self._features(self.persons.cells)
        self.by_mean = self._features(self.persons.means)
        between = gaps(design)
        self.by_gap, self.gap_count = self._features(between.predictor), between.count
        self.information = most_information(self.persons)

    def _features(self, predictor: Predictor) -> csr_array:
        """(place, unknown) derivative of a predictor by natural effects, then fixed effects."""
        fixed = np.zeros((predictor.n_places, self.n_fixed))
        fixed[:, list(predictor.terms)] = predictor.x
        rows, columns, values = [], [], []
        names = [group.name for group in self.others]
        for column in predictor.columns:
            at = self.plan.effect_at[names.index(column.group)]
            rows.append(np.arange(predictor.n_places))
            columns.append(at[column.level] + column.position)
            values.append(np.ones(predictor.n_places) if column.z is None else column.z)
        shape = (predictor.n_places, self.n_effects)
        if not rows:
            return csr_array(hstack([csr_array(shape), csr_array(fixed)]))
        entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
        random = csr_array(entries, shape=shape)
        random.eliminate_zeros()
        return csr_array(hstack([random, csr_array(fixed)], format="csr"))

    # -- pieces of psi -------------------------------------------------------------------------

    def factors(self, psi: np.ndarray) -> list[np.ndarray]:
        """Relative covariance factor of each group, the integrated one last."""
        return [c.factor(psi[p]) for c, p in zip(self.coordinates, self.parts[1:], strict=True)]

    def fixed(self, psi: np.ndarray) -> np.ndarray:
        """Fixed effects."""
        return psi[self.parts[0]]

    def sd(self, psi: np.ndarray) -> np.ndarray:
        """(class,) SDs of theta, kept off 0."""
        return np.maximum(np.abs(psi[self.parts[-1]]), _SMALLEST_SD)

    def natural(self, effects: np.ndarray, factors: Sequence[np.ndarray]) -> np.ndarray:
        """U = L v for all other groups."""
        out = np.empty(self.n_effects)
        for group, at, factor in zip(self.others, self.plan.effect_at, factors, strict=False):
            own = slice(int(at[0]), int(at[-1]) + group.n_columns)
            out[own] = (effects[own].reshape(-1, group.n_columns) @ factor.T).ravel()
        return out

    def scaled(self, matrix: np.ndarray, factors: Sequence[np.ndarray]) -> np.ndarray:
        """Multiply the columns' unknown effects: matrix @ blockdiag(L)."""
        out = np.empty_like(matrix)
        for group, at, factor in zip(self.others, self.plan.effect_at, factors, strict=False):
            own = slice(int(at[0]), int(at[-1]) + group.n_columns)
            block = matrix[:, own].reshape(len(matrix), -1, group.n_columns)
            out[:, own] = (block @ factor).reshape(len(matrix), -1)
        return out

    # -- the mode ------------------------------------------------------------------------------

    def grid(self, mean: np.ndarray, sd: np.ndarray) -> Grid:
        """Nodes for these means and SDs, fine enough for the narrowest person."""
        return grid_for(mean, sd, self.information, reach=_REACH, finer=_FINE)

    def grid_at(self, psi: np.ndarray, effects: np.ndarray) -> Grid:
        """The nodes used at these parameters and standardised effects."""
        unknown = np.concatenate([self.natural(effects, self.factors(psi)), self.fixed(psi)])
        return self.grid(self.by_mean @ unknown, self.sd(psi))

    def derivatives(
        self, psi: np.ndarray, effects: np.ndarray, grid: Grid | None = None
    ) -> Curvature:
        """Integrated log-likelihood given the other groups' standardised effects."""
        natural = self.natural(effects, self.factors(psi))
        unknown = np.concatenate([natural, self.fixed(psi)])
        d, mean = self.by_cell @ unknown, self.by_mean @ unknown
        sd = self.sd(psi)
        nodes = self.grid(mean, sd) if grid is None else grid
        found = curvature(self.persons, nodes, d, mean, sd, self.by_cell, self.by_mean)
        return found if not self.gap_count.size else self._with_gaps(found, unknown)

    def _with_gaps(self, found: Curvature, unknown: np.ndarray) -> Curvature:
        """Add what answers between two thresholds say of their distance: log(1 - exp(-gap))."""
        gap, n = self.by_gap @ unknown, unknown.size
        if not (gap > 0.0).all():
            return replace(found, value=-np.inf)
        small, left = np.exp(-gap), -np.expm1(-gap)
        weight = self.gap_count * small / left**2
        gradient, hessian = found.gradient.copy(), found.hessian.copy()
        gradient[:n] += self.by_gap.T @ (self.gap_count * small / left)
        weighted = self.by_gap.multiply(weight[:, None])
        hessian[:n, :n] -= (self.by_gap.T @ weighted).toarray()
        return Curvature(found.value + float(self.gap_count @ np.log(left)), gradient, hessian)

    def hessian(self, psi: np.ndarray, found: Curvature) -> np.ndarray:
        """H = I - L' (second derivative by the effects) L."""
        factors, n = self.factors(psi), self.n_effects
        inner = self.scaled(self.scaled(found.hessian[:n, :n], factors).T, factors)
        return np.eye(n) - inner

    def evaluate(self, psi: np.ndarray) -> IntegratedEvaluation:
        """Find the mode of the other groups' effects, and F there."""
        self.n_evaluations += 1
        effects, n = self.effects.copy(), self.n_effects
        found = self.derivatives(psi, effects)
        joint = found.value - 0.5 * float(effects @ effects)
        if not np.isfinite(joint):
            effects[:] = 0.0
            found = self.derivatives(psi, effects)
            joint = found.value
        for _ in range(_MAX_NEWTON):
            root = cho_factor(self.hessian(psi, found), lower=True)
            slope = self.scaled(found.gradient[None, :n], self.factors(psi))[0] - effects
            step = cho_solve(root, slope)
            distance = float(slope @ step)
            if not distance > self.tolerance:
                break
            size = 1.0
            for _ in range(30):
                moved = effects + size * step
                new = self.derivatives(psi, moved)
                new_joint = new.value - 0.5 * float(moved @ moved)
                if new_joint >= joint + 1e-4 * size * distance or distance < 1e-8:
                    break
                size *= 0.5
            effects, found, joint = moved, new, new_joint
        self.effects = effects
        value = joint - float(np.sum(np.log(np.diag(root[0]))))
        return IntegratedEvaluation(psi.copy(), effects, found, root, float(value))

    # -- derivatives ---------------------------------------------------------------------------

    def gradient(self, at: IntegratedEvaluation) -> np.ndarray:
        """Gradient of F at the last evaluation."""
        out = self.direct_gradient(at.psi, at.effects, at.curvature)
        if not self.n_effects:
            return out
        moves = self.mode_derivatives(at)
        for k in range(self.n_psi):
            h = _STEP / max(1.0, float(np.linalg.norm(moves[k])) / np.sqrt(self.n_effects))
            change = np.zeros(self.n_psi)
            change[k] = h
            up, down = (
                self._log_det(at.psi + s * change, at.effects + s * h * moves[k]) for s in (1, -1)
            )
            out[k] -= 0.5 * (up - down) / (2.0 * h)
        return out

    def _log_det(self, psi: np.ndarray, effects: np.ndarray) -> float:
        root = np.linalg.cholesky(self.hessian(psi, self.derivatives(psi, effects)))
        return 2.0 * float(np.sum(np.log(np.diag(root))))

    def direct_gradient(self, psi: np.ndarray, effects: np.ndarray, found: Curvature) -> np.ndarray:
        """Derivative of the integrated log-likelihood by psi with v held."""
        n, p = self.n_effects, self.n_fixed
        out = np.empty(self.n_psi)
        out[self.parts[0]] = found.gradient[n : n + p]
        for k, part in enumerate(self.parts[1:-1]):
            out[part] = self._natural_moves(psi, effects, k) @ found.gradient[:n]
        out[self.parts[-1]] = found.gradient[n + p :] / self._signed_sd(psi)
        return out

    def _signed_sd(self, psi: np.ndarray) -> np.ndarray:
        sd = psi[self.parts[-1]]
        return np.where(np.abs(sd) < _SMALLEST_SD, np.inf, sd)

    def _natural_moves(self, psi: np.ndarray, effects: np.ndarray, k: int) -> np.ndarray:
        """(coordinate of group k, effect) change of u = L v with v held."""
        group, where = self.others[k], self.plan.effect_at[k]
        own = slice(int(where[0]), int(where[-1]) + group.n_columns)
        v = effects[own].reshape(-1, group.n_columns)
        changes = self.coordinates[k].factor_derivatives(psi[self.parts[k + 1]])
        out = np.zeros((len(changes), self.n_effects))
        out[:, own] = np.einsum("lj,pij->pli", v, changes).reshape(len(changes), -1)
        return out

    def mode_derivatives(self, at: IntegratedEvaluation) -> np.ndarray:
        """D (standardised mode) / d psi: (psi, effect)."""
        n, p = self.n_effects, self.n_fixed
        factors, second = self.factors(at.psi), at.curvature.hessian
        right = np.zeros((self.n_psi, n))
        right[self.parts[0]] = self.scaled(second[n : n + p, :n], factors)
        for k, part in enumerate(self.parts[1:-1]):
            right[part] = self.scaled(
                self._natural_moves(at.psi, at.effects, k) @ second[:n, :n], factors
            )
            group, where = self.others[k], self.plan.effect_at[k]
            own = slice(int(where[0]), int(where[-1]) + group.n_columns)
            slope = at.curvature.gradient[own].reshape(-1, group.n_columns)
            changes = self.coordinates[k].factor_derivatives(at.psi[part])
            right[part, own] += np.einsum("li,pij->plj", slope, changes).reshape(len(changes), -1)
        by_sd = second[n + p :, :n] / self._signed_sd(at.psi)[:, None]
        right[self.parts[-1]] = self.scaled(by_sd, factors)
        return np.asarray(cho_solve(at.root, right.T).T)

    def inverse(self, at: IntegratedEvaluation) -> np.ndarray:
        """inverse(H), the covariance of v given psi."""
        return np.asarray(cho_solve(at.root, np.eye(self.n_effects)))
