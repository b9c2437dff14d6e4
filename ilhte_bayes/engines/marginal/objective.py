"""The Laplace log-likelihood and its exact gradient.

F(psi) = log p(y | u, beta) - v'v / 2 - log|H| / 2 at the mode v of the standardised random
effects, with u = L(psi) v and H = I + A'WA their joint Hessian: what glmer (nAGQ = 1), clmm and
GLIMMIX METHOD=LAPLACE maximise. psi holds the fixed effects, then each group's free covariance
coordinates. The gradient moves the mode along (implicit differentiation) and needs of inverse(H)
only the entries that meet in a row.

References
----------
Kristensen, Nielsen, Berg, Skaug & Bell (2016), J. Stat. Softw. 70(5), section 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotri

from ilhte_bayes.engines.marginal import kernels
from ilhte_bayes.engines.marginal.covariance import Coordinates, coordinates_for
from ilhte_bayes.engines.marginal.elimination import Elimination, plan_elimination
from ilhte_bayes.families.base import Family
from ilhte_bayes.formulas.design import Design

# Newton stops once the mode is this close (squared distance in units of H). The error of the
# log-likelihood is about its square root: enough for a search, and for differencing gradients.
ROUGH, EXACT = 1e-15, 1e-18
_MAX_NEWTON = 60


@dataclass(slots=True)
class Factor:
    """Factorised H at a mode, with everything a solve needs."""

    scaled: np.ndarray  # (pattern, column) rows of A
    inner: np.ndarray
    local_inverse: np.ndarray
    local_root: np.ndarray
    root: tuple[np.ndarray, bool]
    log_det: float


@dataclass(slots=True)
class Evaluation:
    """One evaluation of the objective, kept for derivatives and summaries."""

    psi: np.ndarray
    effects: np.ndarray  # standardised random effects at their mode
    factor: Factor
    value: float


class LaplaceObjective:
    """Value and gradient of the Laplace log-likelihood; remembers the last mode as a start.

    Parameters
    ----------
    design : Design
    family : Family
    keeps_inside : sequence of str
        Groups whose correlations have a prior that is 0 at +-1 (they get partial coordinates).
    """

    def __init__(self, design: Design, family: Family, keeps_inside: Sequence[str] = ()) -> None:
        self.design, self.family = design, family
        self.plan: Elimination = plan_elimination(design)
        self.coordinates: tuple[Coordinates, ...] = tuple(
            coordinates_for(group, keeps_inside=group.name in keeps_inside)
            for group in self.plan.groups
        )
        self.n_fixed = len(design.terms)
        sizes = [self.n_fixed, *(c.size for c in self.coordinates)]
        ends = np.cumsum(sizes)
        self.parts = tuple(slice(int(e - s), int(e)) for e, s in zip(ends, sizes, strict=True))
        self.n_psi = int(ends[-1])
        n = design.n_rows
        # Four numbers a row, and no temporaries: with 1e7 rows each costs 80 MB.
        self.slope, self.weight, self.third = np.empty(n), np.empty(n), np.empty(n)
        self.eta = np.empty(n)  # once the mode is found, free for `selected` and others to use
        rows = self.plan.rows
        self.n_root = rows.n_effects - rows.root_at
        self.z = np.ascontiguousarray(np.hstack([group.z for group in self.plan.groups]))
        self.effects = np.zeros(rows.n_effects)
        self.n_evaluations = 0
        self.tolerance = EXACT

    # -- pieces of psi -------------------------------------------------------------------------

    def fixed(self, psi: np.ndarray) -> np.ndarray:
        """Fixed effects."""
        return psi[self.parts[0]]

    def factors(self, psi: np.ndarray) -> list[np.ndarray]:
        """Relative covariance factor of each group."""
        return [c.factor(psi[p]) for c, p in zip(self.coordinates, self.parts[1:], strict=True)]

    def scaled_columns(self, psi: np.ndarray) -> np.ndarray:
        """Rows of A: L'z for each group, by covariate pattern."""
        factors = self.factors(psi)
        return np.ascontiguousarray(
            np.hstack(
                [group.z @ factor for group, factor in zip(self.plan.groups, factors, strict=True)]
            )
        )

    # -- the mode ------------------------------------------------------------------------------

    def evaluate(self, psi: np.ndarray) -> Evaluation:
        """Find the mode of the random effects and the Laplace log-likelihood there."""
        self.n_evaluations += 1
        fixed = self.design.x @ self.fixed(psi)
        scaled = self.scaled_columns(psi)
        effects = self.effects.copy()
        joint = self._joint(fixed, scaled, effects)
        if not np.isfinite(joint):
            effects[:] = 0.0
            joint = self._joint(fixed, scaled, effects)
        for _ in range(_MAX_NEWTON):
            factor = self._factorise(scaled)
            step, distance = self._newton_step(factor, effects)
            if not distance > self.tolerance:
                break
            joint, effects = self._line_search(fixed, scaled, effects, step, joint, distance)
        value = joint - 0.5 * factor.log_det
        self.effects = effects
        return Evaluation(psi.copy(), effects, factor, float(value))

    def _joint(self, fixed: np.ndarray, scaled: np.ndarray, effects: np.ndarray) -> float:
        kernels.linear_predictor(self.plan.rows, fixed, scaled, effects, self.eta)
        log_p = self.family.derivatives(
            self.eta, self.plan.score, self.plan.count, self.slope, self.weight, self.third
        )
        return log_p - 0.5 * float(effects @ effects)

    def _line_search(
        self,
        fixed: np.ndarray,
        scaled: np.ndarray,
        effects: np.ndarray,
        step: np.ndarray,
        joint: float,
        distance: float,
    ) -> tuple[float, np.ndarray]:
        """Newton step, halved until the joint density rises (it is concave, so it does)."""
        size = 1.0
        for _ in range(30):
            moved = effects + size * step
            new = self._joint(fixed, scaled, moved)
            if new >= joint + 1e-4 * size * distance or distance < 1e-8:
                return new, moved
            size *= 0.5
        return new, moved

    def _factorise(self, scaled: np.ndarray) -> Factor:
        rows = self.plan.rows
        width = np.diff(rows.front_local)
        inner = np.empty((rows.start.size - 1, rows.n_inner, rows.n_inner))
        local_inverse = np.empty(int(np.sum(width**2)))
        local_root = np.empty(int(np.sum(width)) * self.n_root)
        root = np.empty((self.n_root, self.n_root))
        log_det = kernels.factorise(
            rows, scaled, self.weight, inner, local_inverse, local_root, root
        )
        factored = (root, True)
        if self.n_root:
            factored = cho_factor(root, lower=True, overwrite_a=True, check_finite=False)
            log_det += 2.0 * float(np.sum(np.log(np.diag(factored[0]))))
        return Factor(scaled, inner, local_inverse, local_root, factored, log_det)

    def _newton_step(self, factor: Factor, effects: np.ndarray) -> tuple[np.ndarray, float]:
        """Newton step of the mode, and its squared length in units of H."""
        gradient, x = np.empty_like(effects), np.empty_like(effects)
        kernels.newton_right_side(
            self.plan.rows,
            factor.scaled,
            self.slope,
            self.weight,
            effects,
            factor.inner,
            gradient,
            x,
        )
        step = self._finish_solve(factor, x)
        return step, float(gradient @ step)

    def solve(self, factor: Factor, right: np.ndarray) -> np.ndarray:
        """inverse(H) @ right, with the weights of the last evaluation."""
        x = right.copy()
        kernels.eliminate_inner(self.plan.rows, factor.scaled, self.weight, factor.inner, x)
        return self._finish_solve(factor, x)

    def _finish_solve(self, factor: Factor, x: np.ndarray) -> np.ndarray:
        rows = self.plan.rows
        kernels.eliminate_local(rows, factor.local_inverse, factor.local_root, x)
        if self.n_root:
            x[rows.root_at :] = cho_solve(factor.root, x[rows.root_at :], check_finite=False)
        kernels.back_substitute(
            rows, factor.scaled, self.weight, factor.inner, factor.local_root, x
        )
        return x

    # -- derivatives ---------------------------------------------------------------------------

    def gradient(self, at: Evaluation) -> np.ndarray:
        """Exact gradient of the Laplace log-likelihood at the last evaluation."""
        moment, _ = self.selected(at)
        return self._gradient_from(at, moment)

    def selected(self, at: Evaluation) -> tuple[np.ndarray, list[np.ndarray]]:
        """Selected entries of inverse(H); fills `eta` with the rows' a' inverse(H) a.

        Returns
        -------
        moment : np.ndarray
            (column, column) sum over rows of w z_i (inverse(H) a)_j, within groups.
        blocks : list of np.ndarray
            For each group (level, column, column), diagonal blocks of inverse(H).
        """
        rows, factor, k = self.plan.rows, at.factor, self.plan.n_columns
        root_inverse = self.root_inverse(factor)
        moment = np.zeros((k, k))
        inner = np.empty_like(factor.inner)
        local = np.empty_like(factor.local_inverse)
        kernels.selected_inverse(
            rows,
            factor.scaled,
            self.z,
            self.weight,
            factor.inner,
            factor.local_inverse,
            factor.local_root,
            root_inverse,
            self.eta,
            moment,
            inner,
            local,
        )
        return moment, self._diagonal_blocks(inner, local, root_inverse)

    def root_inverse(self, factor: Factor) -> np.ndarray:
        """Block of inverse(H) for the root effects."""
        if not self.n_root:
            return np.empty((0, 0))
        lower, _ = dpotri(factor.root[0], lower=1)
        lower = np.tril(lower)
        return np.ascontiguousarray(lower + np.tril(lower, -1).T)

    def _diagonal_blocks(
        self, inner: np.ndarray, local: np.ndarray, root_inverse: np.ndarray
    ) -> list[np.ndarray]:
        rows = self.plan.rows
        width = np.diff(rows.front_local)
        piece_at = np.concatenate([[0], np.cumsum(width**2)])
        out = [inner[self.plan.effect_at[0] // rows.n_inner]]
        for k, group in enumerate(self.plan.groups[1:]):
            d, at = group.n_columns, self.plan.effect_at[k + 1]
            if rows.is_local[k]:
                front = np.searchsorted(rows.front_local, at, side="right") - 1
                own = at - rows.front_local[front]
                i = own[:, None, None] + np.arange(d)[None, :, None]
                j = own[:, None, None] + np.arange(d)[None, None, :]
                out.append(
                    local[piece_at[front][:, None, None] + i * width[front][:, None, None] + j]
                )
            else:
                own = at - rows.root_at
                i = own[:, None, None] + np.arange(d)[None, :, None]
                j = own[:, None, None] + np.arange(d)[None, None, :]
                out.append(root_inverse[i, j])
        return out

    def _gradient_from(self, at: Evaluation, moment: np.ndarray) -> np.ndarray:
        rows, scaled = self.plan.rows, at.factor.scaled
        right = np.zeros(rows.n_effects)
        self.family.weight_changes(self.weight, self.third, self.eta)
        kernels.add_scaled_rows(rows, scaled, self.eta, right)
        shift = self.solve(at.factor, right)
        by_pattern = np.zeros(len(self.design.x))
        by_factor = np.zeros_like(moment)
        kernels.collect_gradient(
            rows,
            scaled,
            self.z,
            at.effects,
            self.slope,
            self.weight,
            self.eta,
            shift,
            by_pattern,
            by_factor,
        )
        by_factor -= moment
        out = np.empty(self.n_psi)
        out[self.parts[0]] = self.design.x.T @ by_pattern
        for c, part, (a, b) in zip(self.coordinates, self.parts[1:], self.plan.slices, strict=True):
            by_free = c.factor_derivatives(at.psi[part])
            out[part] = np.einsum("kij,ij->k", by_free, by_factor[a:b, a:b])
        return out

    def fixed_information(self, at: Evaluation) -> tuple[np.ndarray, np.ndarray]:
        """Gradient of the joint density in the fixed effects, and their information.

        The information X'WX - X'WA inverse(H) A'WX leaves the covariances as they are.
        """
        rows, x = self.plan.rows, self.design.x
        if not self.n_fixed:
            return np.zeros(0), np.zeros((0, 0))
        n_patterns = len(x)
        slope = np.bincount(rows.pattern, weights=self.slope, minlength=n_patterns)
        weight = np.bincount(rows.pattern, weights=self.weight, minlength=n_patterns)
        coupled = np.zeros((x.shape[1], rows.n_effects))
        for k, column in enumerate(x.T):
            np.take(column, rows.pattern, out=self.eta, mode="clip")  # "raise" would copy
            self.eta *= self.weight
            kernels.add_scaled_rows(rows, at.factor.scaled, self.eta, coupled[k])
        solved = np.array([self.solve(at.factor, right) for right in coupled])
        return x.T @ slope, (x.T * weight) @ x - coupled @ solved.T

    def mode_derivatives(self, at: Evaluation) -> np.ndarray:
        """D (standardised mode) / d psi: (psi, effect)."""
        rows, scaled = self.plan.rows, at.factor.scaled
        out = np.empty((self.n_psi, rows.n_effects))
        for k in range(self.n_psi):
            direction = np.zeros(self.n_psi)
            direction[k] = 1.0
            moved = self._moved_columns(at.psi, direction)
            kernels.linear_predictor(
                rows, self.design.x @ direction[self.parts[0]], moved, at.effects, self.eta
            )
            right = np.zeros(rows.n_effects)
            self.eta *= self.weight
            kernels.add_scaled_rows(rows, scaled, self.eta, right)
            right *= -1.0
            kernels.add_scaled_rows(rows, moved, self.slope, right)
            out[k] = self.solve(at.factor, right)
        return out

    def _moved_columns(self, psi: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """Change of A's rows along a direction of psi."""
        pieces = []
        for group, c, part in zip(self.plan.groups, self.coordinates, self.parts[1:], strict=True):
            change = np.einsum("k,kij->ij", direction[part], c.factor_derivatives(psi[part]))
            pieces.append(group.z @ change)
        return np.ascontiguousarray(np.hstack(pieces))

    def natural_effects(self, psi: np.ndarray, effects: np.ndarray) -> list[np.ndarray]:
        """Random effects in logits, (level, column) for each group, in the design's level order."""
        out = []
        for group, factor, at in zip(
            self.plan.groups, self.factors(psi), self.plan.effect_at, strict=True
        ):
            standard = effects[at[:, None] + np.arange(group.n_columns)]
            out.append(standard @ factor.T)
        return out
