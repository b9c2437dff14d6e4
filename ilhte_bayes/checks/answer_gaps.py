"""Gaps of ordinal answers: what each answer adds to the log-likelihood of its binary parts."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ilhte_bayes.fits.spread_draws import Values
from ilhte_bayes.formulas.cuts import Parts, parts_of, split_answers
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.likelihood.answers import each_gap
from ilhte_bayes.likelihood.predictor import Predictor


@dataclass(frozen=True)
class AnswerGaps:
    """log(1 - exp(-gap)) of every row, the gap being that between the thresholds beside it.

    Ability does not enter. 0 for binary answers, adjacent categories, and the lowest and
    highest category.
    """

    design: Design  # one row for each answer

    def __call__(self, values: Values) -> np.ndarray:
        """(row,) for one answer of each row."""
        out = np.zeros(self.design.n_rows)
        if not self.design.n_ordered:
            return out
        between = np.flatnonzero(self.parts.gap >= 0)
        gap = self._predictor.value(values.beta, values.effects)
        out[between] = np.log(-np.expm1(-gap))[self.parts.gap[between]]
        return out

    def by_level(self, values: Values, level: np.ndarray, n_levels: int) -> np.ndarray:
        """(level,) sum over the answers of each level."""
        return np.bincount(level, weights=self.design.count * self(values), minlength=n_levels)

    @cached_property
    def parts(self) -> Parts:
        """Binary rows and gap of each answer."""
        return parts_of(self.design)

    @cached_property
    def _predictor(self) -> Predictor:
        return each_gap(split_answers(self.design))
