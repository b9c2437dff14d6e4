"""Unchosen: categories that nobody chose of an item, or in an arm, with thresholds of its own.

An ordinal answer keeps the thresholds beside it apart: it is the factor 1 - exp(-gap) of its
probability (see `formulas.cuts`). Where an item has thresholds of its own and nobody chose category
k of it, no answer does so for those around k, and what is likeliest for the others is that they
pass each other: probabilities below 0 and above 1. The same happens in an arm whose slopes differ
by threshold. There the factor counts once, as if one answer lay in the gap. It is a prior on the
category's width, nearly flat where the gap is wide and 0 where it closes: thresholds stay in
order, and of N answers about one is expected in the category.
"""

from dataclasses import dataclass, replace

import numpy as np

from ilhte_bayes.formulas.cuts import GAP, columns_at_cut
from ilhte_bayes.formulas.design import Design

_FEW = 10  # different values of own slopes' predictors: arms and grades, not measurements


@dataclass(frozen=True, slots=True)
class Unchosen:
    """Middle categories without answers, each with a row that has the thresholds around it."""

    row: np.ndarray  # (gap,) position among the design's rows
    category: np.ndarray  # (gap,)
    items: tuple[str, ...]  # labels of levels with thresholds of their own that have such

    @property
    def size(self) -> int:
        """Number of gaps."""
        return int(self.row.size)


def find_unchosen(design: Design) -> Unchosen:
    """Look through items with thresholds of their own, and values of own slopes' predictors."""
    none = np.zeros(0, dtype=np.int64)
    rows, categories, items = [none], [none], np.zeros(0, dtype=object)
    if design.n_ordered < 2:
        return Unchosen(none, none, ())
    for group in design.groups:
        if group.cut_z is not None:
            row, category = _without_answers(design, group.level)
            rows.append(row)
            categories.append(category)
            items = group.labels[np.unique(group.level[row])]
    if design.has_own_slopes:
        assert design.by_cut is not None
        own = design.by_cut.x[:, design.n_cuts :]
        values, code = np.unique(own, axis=0, return_inverse=True)
        if len(values) <= _FEW:
            row, category = _without_answers(design, code.ravel()[design.pattern])
            rows.append(row)
            categories.append(category)
    return Unchosen(np.concatenate(rows), np.concatenate(categories), tuple(map(str, items)))


def _without_answers(design: Design, kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A row of the kind, and the category, of each middle category that no row of the kind has."""
    present, first, code = np.unique(kind, return_index=True, return_inverse=True)
    chosen = np.zeros((present.size, design.n_cuts + 1), dtype=bool)
    chosen[code, design.score] = True
    at, category = np.nonzero(~chosen[:, 1:-1])
    return first[at], category + 1


def with_unchosen(rows: Design, design: Design) -> Design:
    """Add one gap row for each, after all others.

    Parameters
    ----------
    rows : Design
        `cuts.split_answers` of the design.
    design : Design
    """
    found = find_unchosen(design)
    if not found.size:
        return rows
    pattern = design.pattern[found.row]
    x = np.empty((found.size, rows.x.shape[1]))
    z: list[list[np.ndarray]] = [[] for _ in rows.groups]
    for k, (p, category) in enumerate(zip(pattern, found.category, strict=True)):
        (below_x, below_z), (above_x, above_z) = (
            columns_at_cut(design, cut) for cut in (category - 1, category)
        )
        x[k] = below_x[p] - above_x[p]
        for own, low, high in zip(z, below_z, above_z, strict=True):
            own.append(low[p] - high[p])
    n, one = len(rows.x), np.ones(found.size)
    return replace(
        rows,
        x=np.vstack([rows.x, x]),
        pattern=np.append(rows.pattern, n + np.arange(found.size)).astype(rows.pattern.dtype),
        score=np.append(rows.score, GAP * one).astype(rows.score.dtype),
        count=np.append(rows.count, one).astype(rows.count.dtype),
        groups=tuple(
            replace(
                group,
                z=np.vstack([group.z, np.array(own)]),
                level=np.append(group.level, design.groups[g].level[found.row]).astype(
                    group.level.dtype
                ),
            )
            for g, (group, own) in enumerate(zip(rows.groups, z, strict=True))
        ),
    )


def unchosen_note(design: Design) -> list[str]:
    """Say of which items nobody chose a category, and what is made of it."""
    found = find_unchosen(design)
    if not found.size:
        return []
    where = "in some arm or group with slopes of its own at each threshold"
    if found.items:
        shown = ", ".join(found.items[:3]) + (", ..." if len(found.items) > 3 else "")
        where = f"of {len(found.items)} item(s) with thresholds of their own ({shown})"
    return [
        f"{where} nobody chose a middle category: no answer keeps the thresholds around it apart, "
        f"so that the gap between them counts as if one answer lay in it ({found.size} in all). "
        "Use thresholds='common' (without own slopes) to do without, or join the category with a "
        "neighbour."
    ]
