"""Leaving out a person, or one answer of a person: log predictive densities given parameters."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ilhte_bayes.checks.answer_gaps import AnswerGaps
from ilhte_bayes.estimands.persons import at_draw
from ilhte_bayes.fits.spread_draws import Values
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.persons import Arguments, answer_term
from ilhte_bayes.likelihood.plan import Plan
from ilhte_bayes.likelihood.unit_summaries import log_mean_exp_theta, moment_grid, unit_moments


@dataclass(frozen=True)
class LeavePersons:
    """log p(answers of person j | parameters, items, clusters), ability integrated out."""

    design: Design
    plan: Plan
    noun = "person"
    question = (
        "how well are all answers of a new person to these items (in the clusters there are) "
        "predicted?"
    )

    @property
    def dim(self) -> str:
        """Name of the dim of the log-likelihood."""
        return self.plan.group.name

    @property
    def labels(self) -> np.ndarray:
        """(person,)"""
        return self.plan.group.labels

    def log_density(self, values: Values, only: int | None = None) -> np.ndarray:
        """(person,)"""
        plan = self.plan
        grid, at = at_draw(plan, values, moment_grid)
        loglik, _, _ = unit_moments(plan, grid, at)
        own = answer_term(plan, plan.rows.score, plan.rows.count, at.d)
        own += self._gaps.by_level(values, self._person, plan.n_persons)
        return np.asarray(loglik[plan.person_unit] + own)

    def kept(self, k: int) -> np.ndarray:
        """(row,) how many answers of each row are left without person k."""
        return np.where(self._person == k, 0, self.design.count)

    @property
    def _person(self) -> np.ndarray:
        return self.design.group(self.plan.group.name).level

    @cached_property
    def _gaps(self) -> AnswerGaps:
        return AnswerGaps(self.design)


@dataclass(frozen=True)
class LeaveResponses:
    """log p(answer | the person's other answers, parameters): answers of a person hang together.

    p(y) / p(y without i) = 1 / E[1 / p(y_i | theta)] over the posterior of theta given all of y.
    An ordinal answer is above one threshold, a, and not above the next, b; but for the gap,
    1 / p = (1 + exp(-a)) (1 + exp(b)) = 1 + exp(-a) + exp(b) + exp(b - a), b - a free of theta.
    Of adjacent categories 1 / p is the sum over k of exp(d_k - d_y + (k - y) a theta).
    """

    design: Design
    plan: Plan
    noun = "response"
    dim = "response"
    question = (
        "how well is one answer predicted from the person's other answers and from everybody "
        "else's answers to the item?"
    )

    @property
    def labels(self) -> np.ndarray:
        """(answer,)"""
        return np.arange(self._row_of_answer.size)

    @cached_property
    def _row_of_answer(self) -> np.ndarray:
        return np.repeat(np.arange(self.design.n_rows), self.design.count)

    @cached_property
    def _by_unit(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the rows of each unit's persons begin, and rows sorted by unit."""
        unit = self.plan.person_unit[self.plan.group.level]
        order = np.argsort(unit, kind="stable")
        return np.searchsorted(unit[order], np.arange(self.plan.n_units + 1)), order

    def log_density(self, values: Values, only: int | None = None) -> np.ndarray:
        """(answer,)"""
        plan = self.plan
        grid, at = at_draw(plan, values, moment_grid)
        slope = plan.units.cell_slope[plan.row_cell]
        if self.design.n_categories:
            inverse = self._of_categories(grid, at, slope)
            return -inverse[self._row_of_answer]
        sign = 1 - 2 * plan.rows.score.astype(np.int64)  # 1 / p = 1 + exp(sign * (d + a theta))
        lifted = log_mean_exp_theta(plan, grid, at, self._by_unit, slope, sign)
        own = sign * at.d[plan.row_cell]
        inverse = np.logaddexp(0.0, own + lifted)
        if self.design.n_cuts:
            inverse = self._joined(own, lifted) - self._gaps(values)
        return -inverse[self._row_of_answer]

    def _of_categories(self, grid: Grid, at: Arguments, slope: np.ndarray) -> np.ndarray:
        """(row,) log E[1 / p] of adjacent categories."""
        plan = self.plan
        d = np.column_stack([np.zeros(plan.n_cells), at.d.reshape(-1, plan.n_steps)])
        own, score = d[plan.row_cell], plan.rows.score.astype(np.int64)
        answered = own[np.arange(score.size), score]
        out = np.full(score.size, -np.inf)
        for k in range(plan.n_steps + 1):
            lifted = log_mean_exp_theta(plan, grid, at, self._by_unit, slope, k - score)
            out = np.logaddexp(out, own[:, k] - answered + lifted)
        return out

    def _joined(self, own: np.ndarray, lifted: np.ndarray) -> np.ndarray:
        """(row,) log E[1 / p] of answers from their parts above and below."""
        parts = [self._gaps.parts.above, self._gaps.parts.below]
        each = [np.where(at >= 0, (own + lifted)[at], -np.inf) for at in parts]
        both = np.where(np.minimum(*parts) >= 0, own[parts[0]] + own[parts[1]], -np.inf)
        return np.logaddexp(np.logaddexp(0.0, both), np.logaddexp(*each))

    @cached_property
    def _gaps(self) -> AnswerGaps:
        return AnswerGaps(self.design)

    def kept(self, k: int) -> np.ndarray:
        """(row,) how many answers of each row are left without answer k."""
        count = self.design.count.copy()
        count[self._row_of_answer[k]] -= 1
        return count
