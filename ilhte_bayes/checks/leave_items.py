"""Leaving out an item: the density of all answers to it, given the answers to the other items."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial.chebyshev import chebpts1, chebvander
from scipy.special import logsumexp

from ilhte_bayes.checks.adaptive import inverse_root, rule
from ilhte_bayes.checks.answer_gaps import AnswerGaps
from ilhte_bayes.errors import NotAvailable
from ilhte_bayes.estimands.persons import at_draw
from ilhte_bayes.fits.spread_draws import Values
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.likelihood.answer_sets import (
    AnswerSets,
    masses_without,
    predict_derivatives,
    predict_sets,
)
from ilhte_bayes.likelihood.persons import unit_masses
from ilhte_bayes.likelihood.plan import Plan
from ilhte_bayes.likelihood.unit_summaries import moment_grid
from ilhte_bayes.models.roots import root_of

_PLACES = 14  # at which a smooth curve over an item's shift is known
_AT = chebpts1(_PLACES)
_TO_COEFFICIENTS = np.linalg.inv(chebvander(_AT, _PLACES - 1))
_STEPS = 25
_CLOSE = 1e-4  # posterior SDs from the mode: the quadrature does not need more


@dataclass(frozen=True, slots=True)
class _Item:
    """Answers to one item, and how its effects enter each kind of answer."""

    sets: AnswerSets
    z: np.ndarray  # (kind, column)
    apart: bool  # whether each set is of one kind


@dataclass(frozen=True)
class LeaveItems:
    """log p(answers to item i | answers to the others, parameters), its effects integrated out.

    Abilities given the other answers are masses on the grid, with item i's answers divided out;
    the item's effects are integrated over their population, N(0, Sigma), by adaptive
    Gauss-Hermite quadrature.
    """

    design: Design
    plan: Plan
    group: Group
    noun = "item"
    question = "how well are the answers of these persons to a new item predicted?"

    def __post_init__(self) -> None:
        name = self.group.name
        if any(column.group == name for column in self.plan.means.columns):
            raise NotAvailable(
                f"each level of {self.plan.group.name} answered one {name}: no other answers "
                "would be left. Leave out persons: unit='person'."
            )
        within = [
            other.name
            for other in self.design.groups
            if other.name not in (name, self.plan.group.name)
            and self.group.variables[-1] in other.variables
        ]
        if within:
            raise NotAvailable(
                f"leaving out an item would leave out its effects {within} too, which is not there. "
                "Leave out persons or answers: unit='person', unit='response'."
            )
        if self.group.shapes:
            raise NotAvailable(
                "leaving out an item with thresholds of its own is not there: they would have to "
                "be integrated too. Leave out persons or answers (unit='person', "
                "unit='response'), or fit thresholds='common'."
            )
        rule(self.group.n_columns, name)

    @property
    def dim(self) -> str:
        """Name of the dim of the log-likelihood."""
        return self.group.name

    @property
    def labels(self) -> np.ndarray:
        """(item,)"""
        return self.group.labels

    def log_density(self, values: Values, only: int | None = None) -> np.ndarray:
        """(item,); all but one missing where one is asked for."""
        name = self.group.name
        grid, at = at_draw(self.plan, values, moment_grid)
        _, mass = unit_masses(self.plan, grid, at)
        by_slope = np.exp(np.multiply.outer(at.slope, grid.nodes))
        root = root_of(values.covariance[name])
        out = np.full(self.group.n_levels, np.nan)
        for k in range(self.group.n_levels) if only is None else (only,):
            item = self._items[k]
            d = at.d.reshape(-1, self.plan.n_steps)[item.sets.cell]
            left = masses_without(item.sets, mass, d, by_slope)
            out[k] = _integrate(item, left, d, by_slope, root, values.effects[name][k], name)
        return out + self._gaps.by_level(values, self.group.level, self.group.n_levels)

    def kept(self, k: int) -> np.ndarray:
        """(row,) how many answers of each row are left without item k."""
        return np.where(self.group.level == k, 0, self.design.count)

    @cached_property
    def _gaps(self) -> AnswerGaps:
        return AnswerGaps(self.design)

    @cached_property
    def _items(self) -> list[_Item]:
        return [self._item(k) for k in range(self.group.n_levels)]

    def _item(self, k: int) -> _Item:
        """Collect the answers to one item, person by person; equal ones once where possible."""
        plan = self.plan
        design, group = plan.rows, plan.rows.group(self.group.name)
        rows = np.flatnonzero(group.level == k)
        rows = rows[np.argsort(plan.group.level[rows], kind="stable")]
        person = plan.group.level[rows]
        z, kind = np.unique(group.z[design.pattern[rows]], axis=0, return_inverse=True)
        answers = np.stack(
            [plan.row_cell[rows], design.score[rows], design.count[rows], kind.ravel()]
        ).astype(np.int64)
        start = np.flatnonzero(np.r_[True, person[1:] != person[:-1]])
        unit, weight = plan.person_unit[person[start]], np.ones(start.size)
        if start.size == rows.size:  # each person answered once
            keys = np.vstack([unit, answers])
            keys, persons = np.unique(keys, axis=1, return_counts=True)
            unit, answers, weight = keys[0], keys[1:], persons.astype(float)
            start = np.arange(unit.size)
        start = np.r_[start, answers.shape[1]]
        cell, score, times, which = np.ascontiguousarray(answers)
        same = which == np.repeat(which[start[:-1]], np.diff(start))
        slope = plan.units.cell_slope[cell]
        sets = AnswerSets(unit, weight, start, cell, score, times, slope, which)
        return _Item(sets, z, bool(same.all()))


def _integrate(
    item: _Item,
    left: np.ndarray,
    d: np.ndarray,
    by_slope: np.ndarray,
    root: np.ndarray,
    drawn: np.ndarray,
    name: str,
) -> float:
    """Log of the integral of exp(value(L v)) over standard normal v, u = L v the item's effects.

    `d` (answer, step) holds the predictors at the effects `drawn`, from which shifts are counted.
    """
    direction = item.z @ root  # (kind, v)
    origin = item.z @ drawn
    v = np.linalg.lstsq(root, drawn, rcond=1e-8)[0]
    v, precision = _mode(item, left, d, by_slope, direction, origin, v)
    nodes, log_weight = rule(v.size, name)
    spread = inverse_root(precision)
    places = v + nodes @ spread.T
    value = _values(item, left, d, by_slope, places @ direction.T - origin)
    log_prior = -0.5 * np.sum(places**2, axis=1) - 0.5 * v.size * np.log(2.0 * np.pi)
    _, log_size = np.linalg.slogdet(spread)
    return float(logsumexp(log_weight + value + log_prior) + log_size)


def _mode(
    item: _Item,
    left: np.ndarray,
    d: np.ndarray,
    by_slope: np.ndarray,
    direction: np.ndarray,
    origin: np.ndarray,
    v: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Mode of the integrand and the precision there, by Newton's method with halved steps."""

    def at(v: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient, hessian = predict_derivatives(
            item.sets, left, d, by_slope, direction @ v - origin
        )
        slope = direction.T @ gradient - v
        return value - 0.5 * v @ v, slope, np.eye(v.size) - direction.T @ hessian @ direction

    value, slope, precision = at(v)
    for _ in range(_STEPS):
        spread = inverse_root(precision)
        move = spread.T @ slope
        step = spread @ move
        length = min(1.0, 3.0 / max(float(np.linalg.norm(move)), 1e-300))
        for _ in range(_STEPS):
            new = at(v + length * step)
            if new[0] >= value - 1e-9 * abs(value):
                break
            length /= 2.0
        v, (value, slope, precision) = v + length * step, new
        if np.linalg.norm(move) < _CLOSE:
            break
    return v, precision


def _values(
    item: _Item, left: np.ndarray, d: np.ndarray, by_slope: np.ndarray, shift: np.ndarray
) -> np.ndarray:
    """(node,) log-probability of the answers at shifts (node, kind).

    Where each person's answers are of one kind, the sum falls into one smooth curve for each kind,
    computed at 14 Chebyshev places.
    """
    if not item.apart or len(shift) <= _PLACES:
        found = predict_sets(item.sets, left, d, by_slope, shift)
        return np.asarray(found.sum(axis=1))
    middle = 0.5 * (shift.max(axis=0) + shift.min(axis=0))
    half = np.maximum(0.5 * np.ptp(shift, axis=0), 1e-9)
    known = predict_sets(item.sets, left, d, by_slope, middle + np.multiply.outer(_AT, half))
    coefficients = _TO_COEFFICIENTS @ known
    scaled = np.clip((shift - middle) / half, -1.0, 1.0)
    curves = chebvander(scaled, _PLACES - 1)  # (node, kind, coefficient)
    return np.asarray(np.einsum("nkc,ck->n", curves, coefficients))
