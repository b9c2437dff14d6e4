"""Answers as persons x items, the observed table first and the replicated ones after it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.checks.replicates import Replicates
from ilhte_bayes.errors import NotAvailable
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.models.model import Model

_MOST_CELLS = 1_000_000_000  # of all tables, 4 GB
_MOST_ITEMS = 5_000  # their pairs are counted
_MOST_BINS = 25  # of sum scores
_MOST_ARMS = 6  # a column of more values is a dose, and persons are not split by it


@dataclass(frozen=True, slots=True)
class AnswerTables:
    """Observed and replicated points, person by item; table 0 is the observed one.

    A person who was in two arms counts once in each.
    """

    points: np.ndarray  # (table, person, item) points given, 0 where nothing was asked
    asked: np.ndarray  # (person, item) how many answers
    arm: np.ndarray  # (person,) position in `arms`
    arms: tuple[str, ...]
    person: np.ndarray  # (person,) label
    items: np.ndarray  # (item,) label
    top: int  # points of the highest answer
    score: np.ndarray  # (table, person) sum of points, above what the items asked give on average
    bin: np.ndarray  # (table, person) int, class of similar scores, over all arms

    @property
    def n_tables(self) -> int:
        """Number of tables, the observed one included."""
        return len(self.points)


def answer_tables(fit: Fit, replicates: Replicates) -> AnswerTables:
    """Lay answers out by person and item.

    Raises
    ------
    NotAvailable
        If answers have no order, so that there are no sums of them; or there are too many.
    ModelError
        If it is not known which column is the person, or the item.
    """
    model = fit.model
    if model.family.nominal:
        raise NotAvailable(
            "checks of sum scores and of associations between items need answers in an order, and "
            "family='multinomial' has none. il.posterior_predictive(fit) has replicated answers for "
            "ArviZ's plots; or compare the response with one answer, 'resp == \"car\" ~ ...'."
        )
    design, row = model.design, replicates.row
    person = design.group(require_group(fit, "person"))
    item = design.group(require_group(fit, "item"))
    arms, of_pattern = arms_of(model)
    arm = of_pattern[design.pattern[row]]
    key = person.level[row].astype(np.int64) * len(arms) + arm
    units, unit = np.unique(key, return_inverse=True)
    shape = (units.size, item.n_levels)
    _check_size(replicates.n_draws + 1, *shape)
    cell = unit * item.n_levels + item.level[row]
    top = replicates.observed.shape[1] - 1
    points = np.zeros((replicates.n_draws + 1, *shape), dtype=np.float32)
    weight = np.arange(1, top + 1)
    _place(points[0], cell, replicates.observed[:, 1:] @ weight)
    for k, upper in enumerate(replicates.replicated):
        _place(points[k + 1], cell, upper @ weight)
    asked = np.zeros(shape, dtype=np.float32)
    _place(asked, cell, replicates.total)
    arm_of = (units % len(arms)).astype(np.int64)
    score = _scores(points, asked)
    return AnswerTables(
        points=points,
        asked=asked,
        arm=arm_of,
        arms=arms,
        person=person.labels[units // len(arms)],
        items=item.labels,
        top=top,
        score=score,
        bin=_bins(score),
    )


def _check_size(n_tables: int, n_persons: int, n_items: int) -> None:
    """Refuse what would not fit into memory."""
    if n_tables * n_persons * n_items > _MOST_CELLS or n_items > _MOST_ITEMS:
        raise NotAvailable(
            f"{n_tables - 1:,} replicated tables of {n_persons:,} persons x {n_items:,} items do not "
            f"fit into memory (at most {_MOST_CELLS:,} cells, {_MOST_ITEMS:,} items). Check a part of "
            "the items or of the persons, or ask for fewer draws: draws=50."
        )


def arms_of(model: Model) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the arms, and the arm of each pattern; one arm "all" where there is no treatment."""
    patterns, treatment = model.responses.patterns, model.roles.treatment
    if treatment is None or treatment not in patterns:
        return ("all",), np.zeros(len(model.design.x), dtype=np.int64)
    column = patterns[treatment]
    if isinstance(column.dtype, pd.CategoricalDtype):
        return tuple(map(str, column.cat.categories)), column.cat.codes.to_numpy(dtype=np.int64)
    values, arm = np.unique(column.to_numpy(), return_inverse=True)
    if values.size > _MOST_ARMS:
        return ("all",), np.zeros(arm.size, dtype=np.int64)
    named = [c.levels for c in model.responses.codings if c.column == treatment]
    if named and len(named[0]) == values.size:
        return tuple(map(str, named[0])), arm
    return tuple(f"{treatment} {value:g}" for value in values), arm


def _place(out: np.ndarray, cell: np.ndarray, values: np.ndarray) -> None:
    """Add up values by cell, in place."""
    out += np.bincount(cell, weights=values, minlength=out.size).reshape(out.shape)


def _scores(points: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """(table, person) sum of points; of persons asked different items, above those items' means."""
    total = points.sum(axis=2)
    if _same_items(asked):
        return np.asarray(total)
    mean = points.sum(axis=(0, 1)) / np.maximum(asked.sum(axis=0) * len(points), 1.0)
    return np.asarray((total - asked @ mean) / score_unit(asked))


def score_unit(asked: np.ndarray) -> np.ndarray:
    """(person,) points that are one of the score: more where more was asked, if not all were alike."""
    n = np.sqrt(
        np.maximum(asked.sum(axis=1), 1.0)
    )  # comparable between persons asked more and fewer
    return np.ones(len(n)) if _same_items(asked) else n


def _same_items(asked: np.ndarray) -> bool:
    return bool((asked == asked[0]).all())


def _bins(score: np.ndarray) -> np.ndarray:
    """Classes of similar scores: each score its own, or classes of about equal size."""
    values = np.unique(score)
    if values.size > _MOST_BINS:
        values = np.unique(np.quantile(score, np.linspace(0, 1, _MOST_BINS + 1)[:-1]))
    found = np.searchsorted(values, score, side="right") - 1
    return np.unique(found, return_inverse=True)[1].reshape(score.shape)  # none is empty
