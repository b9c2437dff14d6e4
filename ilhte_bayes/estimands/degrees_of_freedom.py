"""Denominator degrees of freedom of fixed effects: containment, as PROC GLIMMIX counts them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ilhte_bayes.estimands.levels import levels_above
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.models.model import Model

# Below it, a treatment given to whole clusters has t with these few: with 38 degrees of freedom
# (40 clusters less two columns) the interval is only 3 % longer than the normal one.
FEW_CLUSTERS = 40
_LEFT_OVER = 1e-9  # of a column's sum of squares: less is rounding


@dataclass(frozen=True, slots=True)
class Ranks:
    """What each effect adds to the rank of all columns, [X Z], in order."""

    fixed: int
    random: Mapping[tuple[str, str], int]  # (group, column) -> columns it adds
    residual: int  # answers less all of these


def containment(design: Design) -> tuple[dict[str, int], Ranks]:
    """Degrees of freedom of each term.

    A term has those of the random effects that contain it: its slope, or for the intercept (and
    thresholds) the units' own intercepts. They are what these columns add to the rank of [X Z]; the
    smallest counts where several groups have them. A term without a random effect of its own has
    the residual degrees of freedom, the answers less the rank of [X Z].

    Returns
    -------
    dict, Ranks
        Term -> degrees of freedom, at least 1; and the ranks they come from.

    Notes
    -----
    Of `(1 | school)` with 140 schools and nothing that is constant within schools but the
    intercept: 139. Of `(lep | school)` the slope has one less than the schools in which lep varies.
    Columns that are constant within units, such as the sex of children in a growth model, take one
    each from the intercept.

    References
    ----------
    SAS/STAT 15.1 User's Guide, the GLIMMIX procedure, DDFM=CONTAIN.
    """
    ranks = rank_contributions(design)
    out = {}
    for k, term in enumerate(design.terms):
        column = "Intercept" if k < design.n_cuts else term
        found = [own for (_, name), own in ranks.random.items() if name == column]
        out[term] = max(1, min(found, default=ranks.residual))
    return out, ranks


def rank_contributions(design: Design) -> Ranks:
    """Count, level by level, the columns that are no combination of those before them.

    Exact where groups nest, or cross and are connected. What a slope of one group has in common
    with intercepts of another (treatment slopes of items, intercepts of items in treated schools)
    is counted twice: residual degrees of freedom are then a little low.
    """
    above = levels_above(design)
    random: dict[tuple[str, str], int] = {}
    for name, outer in above.items():
        group = design.group(name)
        added, spanned = _by_logit(design, group)
        for k, column in enumerate(group.columns):
            already = sum(random.get((over, column), 0) for over in outer) + int(spanned[k])
            random[name, column] = max(int(added[k]) - already, 0)
    fixed = len(design.terms)
    return Ranks(fixed, random, max(design.n_obs - fixed - sum(random.values()), 1))


class FewClusters(NamedTuple):
    """Degrees of freedom of a treatment that few units were given as a whole."""

    df: int  # units less the columns that are constant within them; 0 where none are left
    unit: str
    n_units: int
    n_columns: int
    constant: np.ndarray  # (term,)

    @property
    def words(self) -> str:
        """How the degrees of freedom come about."""
        return (
            f"{self.n_units} levels of {self.unit} less {self.n_columns} columns that are constant "
            f"within them (fewer than {FEW_CLUSTERS} clusters)"
        )

    @property
    def confounded(self) -> str:
        """A sentence where no degrees of freedom are left; else empty."""
        if self.df > 0:
            return ""
        return (
            f"Treatment and {self.unit} cannot be told apart: {self.n_units} levels of {self.unit} "
            f"less {self.n_columns} columns that are constant within them leave 0 degrees of "
            f"freedom, so how much levels of {self.unit} differ without treatment is not known "
            "from this table."
        )


def few_clusters(model: Model) -> FewClusters | None:
    """The units that were treated as a whole, where they are few and the model has a term for them."""
    assigned, design = model.assignment, model.design
    if assigned is None or assigned.unit is None or assigned.n_units >= FEW_CLUSTERS:
        return None
    inside = [group for group in design.groups if group.variables[-1] == assigned.unit]
    if not inside:
        return None
    constant = constant_within(design, inside[0])
    n_columns = n_constant(design, constant)
    df = max(assigned.n_units - n_columns, 0)
    return FewClusters(df, assigned.unit, assigned.n_units, n_columns, constant)


def n_constant(design: Design, constant: np.ndarray) -> int:
    """Columns that are constant within units, in one logit; thresholds together are one."""
    logits = 1 if design.logit is None else np.unique(design.logit).size
    return int(constant.sum()) // logits + int(design.n_cuts > 0)


def constant_within(design: Design, group: Group) -> np.ndarray:
    """(term,) whether a fixed column is constant within every level of a group, and not 0."""
    x = design.x[design.pattern]
    first = np.empty((group.n_levels, x.shape[1]))
    first[group.level[::-1]] = x[::-1]
    same = (np.abs(x - first[group.level]) <= 1e-12 * np.abs(x).max()).all(axis=0)
    return np.asarray(same & np.any(x != 0, axis=0))


def spanned_by_slopes(design: Design, group: Group) -> np.ndarray:
    """(term,) whether a column is one of the group's random slopes times something of its units.

    Such as treat x feature beside (treat | item): its coefficient rests on as many effects as there
    are items.
    """
    out = np.zeros(design.x.shape[1], dtype=bool)
    for c, name in enumerate(group.columns):
        slope = group.z[design.pattern, c]
        moving = slope != 0.0
        if name == "Intercept" or not moving.any():
            continue
        level, x = group.level[moving], design.x[design.pattern]
        own = x[moving] / slope[moving, None]
        first = np.zeros((group.n_levels, own.shape[1]))
        first[level[::-1]] = own[::-1]
        same = (np.abs(own - first[level]) <= 1e-9 * np.abs(own).max()).all(axis=0)
        out |= same & ~np.any(x[~moving] != 0.0, axis=0) & np.any(x != 0.0, axis=0)
    return out


def _fixed_columns(design: Design) -> np.ndarray:
    """(pattern, column) fixed columns; thresholds together span a constant.

    Slopes of single thresholds (columns of 0) lie in no unit's span.
    """
    x = design.x[:, np.any(design.x != 0, axis=0)]
    return np.column_stack([np.ones(len(x)), x]) if design.n_cuts else x


def _by_logit(design: Design, group: Group) -> tuple[np.ndarray, np.ndarray]:
    """As `_by_level`; of unordered categories each logit has columns of its own, counted apart."""
    if design.logit is None or group.logit is None:
        return _by_level(group, _fixed_columns(design), design.pattern)
    added, spanned = np.zeros(group.n_columns, dtype=int), np.zeros(group.n_columns, dtype=int)
    for m in np.unique(group.logit):
        at = np.flatnonzero(group.logit == m)
        own = replace(group, columns=tuple(group.columns[k] for k in at), z=group.z[:, at])
        added[at], spanned[at] = _by_level(own, design.x[:, design.logit == m], design.pattern)
    return added, spanned


def _by_level(group: Group, x: np.ndarray, pattern: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each random column: levels in which it is new, and fixed columns it completes.

    A fixed column is completed where it is a combination of the group's columns so far in every
    level: the group's columns then have it in their span, and not without this one.
    """
    d = group.n_columns
    z = group.z if group.cut_z is None else group.z[:, : d - _n_shapes(group)]
    columns = np.hstack([z, x])
    gram = _gram(columns, z.shape[1], pattern, group)
    before = np.einsum("lcc->lc", gram).copy()
    added, spanned = np.zeros(d, dtype=int), np.zeros(d, dtype=int)
    was_inside = np.zeros(x.shape[1], dtype=bool)
    for k in range(z.shape[1]):
        pivot = gram[:, k, k]
        new = pivot > _LEFT_OVER * before[:, k]
        added[k] = int(new.sum())
        row = gram[:, k, :] * (new / np.where(new, pivot, 1.0))[:, None]
        gram -= gram[:, :, k, None] * row[:, None, :]
        left = np.einsum("lcc->lc", gram)[:, z.shape[1] :]
        inside = (left <= _LEFT_OVER * before[:, z.shape[1] :]).all(axis=0)
        spanned[k] = int((inside & ~was_inside).sum())
        was_inside = inside
    return added, spanned


def _n_shapes(group: Group) -> int:
    """Columns that are thresholds of its own: they move no answer's location."""
    assert group.cut_z is not None
    return int((group.cut_z != 0).any(axis=0).sum())


def _gram(columns: np.ndarray, d: int, pattern: np.ndarray, group: Group) -> np.ndarray:
    """(level, column, column) cross products; between fixed columns the squares only."""
    m = columns.shape[1]
    out = np.zeros((group.n_levels, m, m))
    for i in range(m):
        for j in range(min(i, d)):
            value = (columns[:, i] * columns[:, j])[pattern]
            out[:, i, j] = out[:, j, i] = np.bincount(group.level, value, group.n_levels)
        square = (columns[:, i] ** 2)[pattern]
        out[:, i, i] = np.bincount(group.level, square, group.n_levels)
    return out
