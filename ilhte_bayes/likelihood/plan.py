"""Plan: how the likelihood of a design falls into persons, cells, means, tables and units.

The linear predictor of an answer is d[cell] + a[slope of cell] * theta, where theta, the integrated
group's level (a person's ability), is normal around mean[m] or free. What differs within a person
(item, item by arm, time) makes *cells*; what is the same in all answers of a person (arm, pretest,
school) makes *means*. Persons who answered the same cells share a *table* of the normaliser
prod(1 + exp(d + a theta)), whatever they answered; the score sum(a y) says the rest. Persons of
the same table, mean and score are one *unit*, counted. So one plan serves tests without
covariates (a few dozen units, however many persons), booklets and missing answers (more tables),
covariates and clusters (more means), and growth data (cells that are rows). Adjacent categories
0 .. S enter alike, with S predictors d for each cell and scores up to S (see `steps`).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ilhte_bayes.data.integer_codes import cross
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.formulas.logits import predictors_of_category
from ilhte_bayes.likelihood.answers import without_gaps
from ilhte_bayes.likelihood.equal_persons import (
    Answers,
    SortedPersons,
    cell_totals,
    first_of_each,
    one_of_each,
    ranks,
    require_sums_alone,
    slopes_of_ones,
    sort_persons,
    table_entries,
)
from ilhte_bayes.likelihood.levels import ByLevel, column_in_use, constant_within, rows_by_level
from ilhte_bayes.likelihood.predictor import Predictor, predictor_at


class Units(NamedTuple):
    """What the compiled loops need; arrays only. Units are sorted by table, then score."""

    table_start: np.ndarray  # (table + 1,) first entry of each table
    entry_cell: np.ndarray  # (entry,)
    entry_count: np.ndarray  # (entry,) times a person of this table answered the cell
    table_class: np.ndarray  # (table,) which distribution of theta
    unit_start: np.ndarray  # (table + 1,) first unit of each table
    unit_mean: np.ndarray  # (unit,)
    unit_count: np.ndarray  # (unit,) persons
    cell_slope: np.ndarray  # (cell,) position in the vector of slopes
    cell_total: np.ndarray  # (cell,) sum of all answers to it; (cell * step,) answers by category


@dataclass(frozen=True, slots=True)
class Plan:
    """One group integrated out; the rest of the design as cells and means."""

    group: Group
    units: Units
    score: np.ndarray  # (unit,) sum of answers
    cells: Predictor  # (cell * step,) places: steps 1 .. S of the first cell, of the second, ...
    means: Predictor
    slopes: np.ndarray  # (slope,) values of the integrated group's column; 1 for an intercept
    classes: tuple[str, ...]  # the group's columns, one for each distribution of theta
    person_unit: np.ndarray  # (level of the group,)
    rows: Design  # scored 0 and 1, or 0 .. S
    row_cell: np.ndarray  # (row,)
    # where slopes differ: (unit + 1,) first entry, (entry,) slope of each cell answered with 1
    answered: tuple[np.ndarray, np.ndarray] | None

    @property
    def n_persons(self) -> int:
        """Levels of the integrated group."""
        return self.group.n_levels

    @property
    def n_counted(self) -> int:
        """Persons: levels of the integrated group, or of a reduced table all they stand for."""
        return self.group.n_counted

    @property
    def n_cells(self) -> int:
        """Number of distinct within-person predictors."""
        return int(self.units.cell_slope.size)

    @property
    def n_steps(self) -> int:
        """Predictors of each cell: S of adjacent categories 0 .. S, 1 of yes and no."""
        return max(1, self.rows.n_categories - 1)

    @property
    def n_means(self) -> int:
        """Number of distinct person means."""
        return self.means.n_places

    @property
    def n_units(self) -> int:
        """Number of distinct persons."""
        return int(self.units.unit_mean.size)

    @property
    def n_tables(self) -> int:
        """Number of distinct sets of cells answered."""
        return int(self.units.table_class.size)


_LARGEST = 0.25  # variance of an answer of 0 or 1; S^2 times that of 0 .. S


def sum_scores(plan: Plan, slopes: np.ndarray) -> np.ndarray:
    """(unit,) slopes summed over the answers that are 1: sufficient for theta."""
    if plan.answered is None:
        return plan.score * slopes[0]
    start, which = plan.answered
    unit = np.repeat(np.arange(plan.n_units), np.diff(start))
    return np.bincount(unit, weights=slopes[which], minlength=plan.n_units)


def most_information(plan: Plan, slopes: np.ndarray | None = None) -> float:
    """Most Fisher information on theta that any person's answers can hold."""
    units = plan.units
    own = plan.slopes if slopes is None else slopes
    each = units.entry_count * own[units.cell_slope[units.entry_cell]] ** 2
    return _LARGEST * plan.n_steps**2 * float(np.add.reduceat(each, units.table_start[:-1]).max())


def usual_information(plan: Plan) -> float:
    """Average over persons of the most that their answers can say about theta."""
    units = plan.units
    each = units.entry_count * plan.slopes[units.cell_slope[units.entry_cell]] ** 2
    by_table = np.add.reduceat(each, units.table_start[:-1])
    persons = np.add.reduceat(units.unit_count, units.unit_start[:-1])
    return _LARGEST * plan.n_steps**2 * float(persons @ by_table / persons.sum())


def make_plan(
    design: Design,
    integrated: str,
    *,
    fold: bool = False,
    on_cells: frozenset[str] = frozenset(),
    slope_group: str | None = None,
) -> Plan:
    """Sort out what differs within and between the levels of the integrated group.

    Parameters
    ----------
    design : Design
        Rows scored 0 and 1; gaps between thresholds are left out, since theta is not in them.
        Rows of pairs of adjacent categories become one row for each answer, scored 0 .. S.
    integrated : str
        A group with one random effect a level (see `integrable.one_dimensional`). Columns of
        which each level uses one, such as one for each arm, are distributions of theta of their
        own.
    fold : bool
        Put everything into the cells, so that theta has mean 0 for everyone: needed where the
        distribution of theta is free. Cells are then as many as there are distinct predictors.
    on_cells : set of str
        Fixed terms, and columns of random effects ("school[treat]"), that belong to the cells
        even if they do not differ within a person.
    slope_group : str, optional
        Items with slopes (discriminations) of their own: slopes are this group's levels, and
        units keep who answered what.
    """
    split, steps = design, _steps(design)
    design = steps[0]
    group = design.group(integrated)
    persons = rows_by_level(group)
    if slope_group is None and not (group.z.sum(axis=1) == 1).all():
        fold = True  # a mean must not be multiplied by the slope
    inside, between = _divide(steps, group, persons, fold=fold, on_cells=on_cells)
    row_cell, cell_rows = _codes(steps, inside, group)
    row_mean, mean_rows = _codes(steps[:1], between)
    slopes, cell_slope = _slopes(design, group, cell_rows, slope_group)
    weighted = slope_group is not None or slopes.size > 1
    person_class = column_in_use(group)[design.pattern[persons.first]]
    person_mean = row_mean[persons.first]
    answers = Answers(persons.rows, persons.start, row_cell, design.count, design.score)
    totals = cell_totals(answers, cell_rows.size, len(steps))
    if group.multiplicity is not None:
        require_sums_alone(weighted)
        answers = one_of_each(answers, group.multiplicity, cell_rows.size)
    found = sort_persons(
        answers, person_class, person_mean, n_cells=cell_rows.size, weighted=weighted
    )
    return Plan(
        group=group,
        units=_units(
            answers, found, person_class, person_mean, cell_slope, totals, group.multiplicity
        ),
        score=found.score[found.unit_person].astype(float),
        cells=_cells(split, steps, cell_rows, inside),
        means=predictor_at(design, mean_rows, *between),
        slopes=slopes,
        classes=group.columns,
        person_unit=found.unit,
        rows=design,
        row_cell=row_cell,
        answered=slopes_of_ones(answers, cell_slope, found.unit_person) if weighted else None,
    )


def _steps(design: Design) -> list[Design]:
    """One row for each answer, once for each of the predictors that make up its probability."""
    if not design.n_categories:
        return [without_gaps(design)]
    return [predictors_of_category(design, k) for k in range(1, design.n_categories)]


def _cells(split: Design, steps: list[Design], rows: np.ndarray, part: "_Part") -> Predictor:
    """Predictors at these rows (cell,) of all steps, those of a cell one after the other."""
    if len(steps) == 1:
        return predictor_at(steps[0], rows, *part)
    n = split.n_categories
    at = rows.astype(np.int64)[:, None] * (n * (n - 1) // 2) + np.arange(len(steps))
    return predictor_at(split, at.ravel(), *part)


def _units(
    answers: Answers,
    found: SortedPersons,
    person_class: np.ndarray,
    person_mean: np.ndarray,
    cell_slope: np.ndarray,
    cell_total: np.ndarray,
    multiplicity: np.ndarray | None,
) -> Units:
    """What the compiled loops need of persons that have been sorted."""
    table_start, entry_cell, entry_count = table_entries(
        answers, found.table_person, cell_slope.size
    )
    unit_table, n_tables = found.table[found.unit_person], found.table_person.size
    return Units(
        table_start=table_start,
        entry_cell=entry_cell,
        entry_count=entry_count,
        table_class=person_class[found.table_person],
        unit_start=np.searchsorted(unit_table, np.arange(n_tables + 1)).astype(np.int64),
        unit_mean=person_mean[found.unit_person].astype(np.int64),
        unit_count=np.bincount(
            found.unit, weights=multiplicity, minlength=found.unit_person.size
        ).astype(float),
        cell_slope=cell_slope,
        cell_total=cell_total,
    )


class _Part(NamedTuple):
    """A part of the linear predictor."""

    terms: tuple[int, ...]  # positions in the design's terms
    columns: list[tuple[str, int]]  # group, and position in its columns


def _divide(
    steps: list[Design],
    group: Group,
    persons: ByLevel,
    *,
    fold: bool,
    on_cells: frozenset[str],
) -> tuple[_Part, _Part]:
    """What differs within a person, and what does not and is k times at step k what it is at 1."""
    design = steps[0]
    inside_terms: list[int] = []
    between_terms: list[int] = []
    for at, term in enumerate(design.terms):
        same = not fold and term not in on_cells
        same = same and _rises([step.x[:, at] for step in steps])
        same = same and constant_within(persons, design.x[:, at], design.pattern)
        (between_terms if same else inside_terms).append(at)
    inside: list[tuple[str, int]] = []
    between: list[tuple[str, int]] = []
    for other in design.groups:
        if other.name == group.name:
            continue
        level_same = not fold and constant_within(persons, other.level)
        for k in range(other.n_columns):
            same = level_same and f"{other.name}[{other.columns[k]}]" not in on_cells
            same = same and _rises([step.group(other.name).z[:, k] for step in steps])
            same = same and constant_within(persons, other.z[:, k], design.pattern)
            (between if same else inside).append((other.name, k))
    return _Part(tuple(inside_terms), inside), _Part(tuple(between_terms), between)


def _rises(columns: list[np.ndarray]) -> bool:
    """Whether a column at step k is k times that at the first, but for rounding."""
    return all(np.allclose(own, k * columns[0], rtol=1e-12) for k, own in enumerate(columns, 1))


def _codes(
    steps: list[Design], part: _Part, integrated: Group | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Code of each row for what the part depends on, and a row for each code."""
    design = steps[0]
    by_pattern = [step.x[:, at] for step in steps for at in part.terms]
    by_pattern += [step.group(name).z[:, k] for step in steps for name, k in part.columns]
    if integrated is not None:
        by_pattern.append(integrated.z.sum(axis=1))
    kind = np.zeros(len(design.x), dtype=np.int64)
    for values in by_pattern:
        if (values == values[0]).all():
            continue
        kind, _, _ = cross(kind, ranks(values))
    code = kind.astype(np.int32)[design.pattern]
    for name in dict.fromkeys(name for name, _ in part.columns):
        code, _, _ = cross(code, design.group(name).level)
    return code.astype(np.int32, copy=False), first_of_each(code)


def _slopes(
    design: Design, group: Group, cell_rows: np.ndarray, slope_group: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Distinct slopes, and which of them each cell has."""
    if slope_group is not None:
        items = design.group(slope_group)
        return np.ones(items.n_levels), items.level[cell_rows].astype(np.int64)
    values, code = np.unique(group.z[design.pattern[cell_rows]].sum(axis=1), return_inverse=True)
    return values, code.astype(np.int64)
