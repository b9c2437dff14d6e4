"""Leaving out a cluster: the density of all its persons' answers, its effects integrated out."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import logsumexp

from ilhte_bayes.checks.adaptive import inverse_root, rule
from ilhte_bayes.checks.answer_gaps import AnswerGaps
from ilhte_bayes.errors import NotAvailable
from ilhte_bayes.fits.spread_draws import Values
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.likelihood.persons import answer_term, arguments
from ilhte_bayes.likelihood.plan import Plan
from ilhte_bayes.likelihood.unit_summaries import moment_grid, unit_moments
from ilhte_bayes.models.roots import root_of

_STEPS = 15
_CLOSE = 1e-3  # posterior SDs from the mode: the quadrature does not need more
_REACH = 6.0  # SDs of a cluster's effect that the grid covers beyond the persons' means


@dataclass(frozen=True)
class LeaveClusters:
    """log p(answers of cluster c | parameters, items): ability and cluster effects integrated out.

    Given the cluster's effects u its persons are independent; log p(answers | u) is concave in u
    and is integrated over u ~ N(0, Sigma) by adaptive Gauss-Hermite quadrature, for all clusters
    at once.
    """

    design: Design
    plan: Plan
    group: Group

    def __post_init__(self) -> None:
        name = self.group.name
        rule(self.group.n_columns, name)
        if any(column.group == name for column in self.plan.cells.columns):
            raise NotAvailable(
                f"the effects of {name} differ within {self.plan.group.name}: leaving out its "
                "levels is not there. Leave out persons or answers: unit='person'."
            )
        inside = [
            other.name
            for other in self.design.groups
            if other.name not in (name, self.plan.group.name) and _nested(other, self.group)
        ]
        if inside:
            raise NotAvailable(
                f"leaving out a {name} would leave out its {inside} too, whose effects would have "
                f"to be integrated within it. Leave out the inner ones, unit={inside[0]!r}, or "
                "persons."
            )

    @property
    def noun(self) -> str:
        """What is left out."""
        return f"cluster ({self.group.name})"

    @property
    def question(self) -> str:
        """Which prediction is judged."""
        return (
            f"how well are all answers in a new {self.group.name}, of persons never seen, "
            "predicted?"
        )

    @property
    def dim(self) -> str:
        """Name of the dim of the log-likelihood."""
        return self.group.name

    @property
    def labels(self) -> np.ndarray:
        """(cluster,)"""
        return self.group.labels

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Cluster of each person mean, and its columns (mean, column)."""
        z = np.zeros((self.plan.n_means, self.group.n_columns))
        level = np.zeros(self.plan.n_means, dtype=np.int64)
        for column in self.plan.means.columns:
            if column.group == self.group.name:
                level = column.level.astype(np.int64)
                z[:, column.position] = 1.0 if column.z is None else column.z
        return level, z

    @cached_property
    def _person_cluster(self) -> np.ndarray:
        out = np.empty(self.plan.n_persons, dtype=np.int64)
        out[self.design.group(self.plan.group.name).level] = self.group.level
        return out

    @cached_property
    def _gaps(self) -> AnswerGaps:
        return AnswerGaps(self.design)

    def log_density(self, values: Values, only: int | None = None) -> np.ndarray:
        """(cluster,)"""
        plan, name, d = self.plan, self.group.name, self.group.n_columns
        level, z = self._places
        covariance, drawn = values.covariance[name], values.effects[name]
        root = root_of(covariance)
        base = plan.means.value(values.beta, values.effects)
        base = base - np.sum(z * drawn[level], axis=1)
        far = _REACH * np.sqrt(np.max(np.einsum("mi,ij,mj->m", z, covariance, z)))
        grid = moment_grid(plan, np.r_[base.min() - far, base.max() + far], values.sd)
        at = arguments(plan, grid, values.beta, values.effects, values.sd)
        by_v = z @ root
        sums = _Sums(plan, level, by_v, self.group.n_levels)

        def evaluate(v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            at.mean[:] = base + np.sum(by_v * v[level], axis=1)
            return sums(at.tau, at.mean, *unit_moments(plan, grid, at))

        v = np.linalg.lstsq(root, drawn.T, rcond=1e-8)[0].T
        for _ in range(_STEPS):
            _, slope, precision = evaluate(v)
            move = np.einsum("cji,cj->ci", inverse_root(precision), slope - v)
            length = np.minimum(1.0, 3.0 / np.maximum(np.linalg.norm(move, axis=1), 1e-300))
            v = v + np.einsum("cij,cj->ci", inverse_root(precision), move * length[:, None])
            if np.linalg.norm(move, axis=1).max() < _CLOSE:
                break
        spread = inverse_root(evaluate(v)[2])
        nodes, log_weight = rule(d, name)
        terms = np.empty((nodes.shape[0], self.group.n_levels))
        for k, node in enumerate(nodes):
            place = v + spread @ node
            terms[k] = log_weight[k] + evaluate(place)[0] - 0.5 * np.sum(place**2, axis=1)
        _, log_size = np.linalg.slogdet(spread)
        own = answer_term(plan, plan.rows.score, plan.rows.count, at.d)
        linear = np.bincount(self._person_cluster, weights=own, minlength=self.group.n_levels)
        linear += self._gaps.by_level(values, self.group.level, self.group.n_levels)
        constant = log_size - 0.5 * d * np.log(2.0 * np.pi)
        return np.asarray(logsumexp(terms, axis=0) + constant + linear)

    def kept(self, k: int) -> np.ndarray:
        """(row,) how many answers of each row are left without cluster k."""
        return np.where(self.group.level == k, 0, self.design.count)


@dataclass(frozen=True)
class _Sums:
    """Sum what units say, by cluster: value, gradient and precision in v."""

    plan: Plan
    level: np.ndarray
    by_v: np.ndarray  # (mean, v) derivative of the mean
    n: int

    def __call__(
        self,
        tau: np.ndarray,
        mean: np.ndarray,
        loglik: np.ndarray,
        theta: np.ndarray,
        variance: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        units = self.plan.units
        own = tau[units.table_class].repeat(np.diff(units.unit_start))
        at, count = units.unit_mean, units.unit_count
        cluster, along = self.level[at], self.by_v[at]
        slope = count * own * (theta - mean[at])
        bend = count * own * (1.0 - own * variance)
        d = along.shape[1]
        value = np.bincount(cluster, weights=count * loglik, minlength=self.n)
        gradient = np.empty((self.n, d))
        precision = np.tile(np.eye(d), (self.n, 1, 1))
        for i in range(d):
            gradient[:, i] = np.bincount(cluster, slope * along[:, i], self.n)
            for j in range(d):
                both = bend * along[:, i] * along[:, j]
                precision[:, i, j] += np.bincount(cluster, both, self.n)
        return value, gradient, precision


def _nested(inner: Group, outer: Group) -> bool:
    """Whether each inner level lies within one outer level."""
    pairs = np.unique(inner.level.astype(np.int64) * outer.n_levels + outer.level)
    return bool(pairs.size == inner.n_levels)
