"""In which order the random effects are eliminated from the joint Hessian: made once for a design.

The Hessian H of the random effects given the data has three kinds of unknowns:

- *inner*: the group with the most effects (persons). Their block of H is block-diagonal.
- *local*: groups that tie only some inner levels together (teachers, schools). Inner and local
  levels that hang together form a *front*; fronts do not touch each other.
- *root*: groups that everything touches (items), kept as one dense matrix.

Inner effects are eliminated level by level, local ones front by front, and what is left is dense.
Which groups are local and which are root is chosen by counting operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ilhte_bayes.errors import ModelError
from ilhte_bayes.formulas.design import Design, Group

# One multiply-add of a scattered update costs about this many of a BLAS one.
_SCATTER_COST = 12.0
_LARGEST_ROOT = 12_000  # a dense matrix of 1.2 GB
_CHUNK_DOUBLES = 65_536  # a working block that stays in the second-level cache


class Rows(NamedTuple):
    """What the compiled loops need to know of the rows; arrays only.

    Random-effect columns are numbered inner first, then the other groups' in order. Random
    effects are one vector: inner (level by level), local (front by front), root.
    """

    pattern: np.ndarray  # (row,) covariate pattern
    start: np.ndarray  # (inner level + 1,) first row of each inner level
    base: np.ndarray  # (other group, row) position in the vector of the row's first effect
    column_group: np.ndarray  # (other column,) which of the other groups
    column_at: np.ndarray  # (other column,) position within that group
    is_local: np.ndarray  # (other group,) bool
    front_level: np.ndarray  # (front + 1,) first inner level of each front
    front_local: (
        np.ndarray
    )  # (front + 1,) position in the vector of each front's first local effect
    root_at: int  # position in the vector of the first root effect
    n_inner: int  # effects per inner level
    n_effects: int  # length of the vector
    widest: int  # columns of the widest border
    chunk: int  # inner levels worked on at a time
    scatter: bool  # whether each inner level touches few of the border's columns


@dataclass(frozen=True, slots=True)
class Elimination:
    """The plan, with the rows in its order."""

    rows: Rows
    score: np.ndarray
    count: np.ndarray
    groups: tuple[Group, ...]  # inner first, then local, then root
    slices: tuple[tuple[int, int], ...]  # of each group's columns among all columns
    effect_at: tuple[np.ndarray, ...]  # for each group: (level,) position of its first effect
    description: str

    @property
    def n_columns(self) -> int:
        """Random-effect columns over all groups."""
        return self.slices[-1][1] if self.slices else 0


def plan_elimination(design: Design) -> Elimination:
    """Choose inner, local and root groups, and put the rows in that order."""
    by_size = sorted(design.groups, key=lambda g: (-g.n_levels * g.n_columns, g.name))
    inner, others = by_size[0], by_size[1:]
    best = min(
        (_candidate(inner, others, n_local) for n_local in range(len(others) + 1)),
        key=lambda candidate: candidate.cost,
    )
    if best.n_root > _LARGEST_ROOT:
        raise ModelError(
            f"{inner.name} and {others[best.n_local].name} are crossed and both large: "
            f"{best.n_root:,} effects would be held in one dense matrix. Drop one of the terms, "
            "or use fewer levels of it."
        )
    return _arrange(design, inner, others, best)


class _Candidate(NamedTuple):
    n_local: int
    cost: float
    scatter: bool
    front: np.ndarray  # (inner level,) front of each level
    local_front: tuple[np.ndarray, ...]  # for each local group: (level,) front
    n_fronts: int
    n_root: int


def _candidate(inner: Group, others: Sequence[Group], n_local: int) -> _Candidate:
    local, root = others[:n_local], others[n_local:]
    front, local_front, n_fronts = _components(inner, local)
    n_root = sum(g.n_levels * g.n_columns for g in root)
    levels = np.bincount(front, minlength=n_fronts).astype(float)
    b = np.zeros(n_fronts)
    for group, where in zip(local, local_front, strict=True):
        b += group.n_columns * np.bincount(where, minlength=n_fronts)
    border = b + n_root
    dense = float(np.sum(levels * inner.n_columns * border**2))
    touched = _touched(inner, others)
    sparse = float(np.sum(inner.n_columns * touched**2)) * _SCATTER_COST
    rest = float(np.sum(b**3 + b**2 * n_root + b * n_root**2)) + float(n_root) ** 3
    return _Candidate(
        n_local=n_local,
        cost=min(dense, sparse) + rest,
        scatter=sparse < dense,
        front=front,
        local_front=local_front,
        n_fronts=n_fronts,
        n_root=n_root,
    )


def _touched(inner: Group, others: Sequence[Group]) -> np.ndarray:
    """(inner level,) number of other effects that appear in the rows of each inner level."""
    touched = np.zeros(inner.n_levels)
    for group in others:
        pairs = _distinct_pairs(inner.level, group.level, group.n_levels)
        touched += group.n_columns * np.bincount(pairs // group.n_levels, minlength=inner.n_levels)
    return touched


def _distinct_pairs(a: np.ndarray, b: np.ndarray, n_b: int) -> np.ndarray:
    """Distinct pairs of levels, as a * n_b + b."""
    pairs = a.astype(np.int64) * n_b + b
    if (pairs[1:] > pairs[:-1]).all():
        return pairs
    import pandas as pd

    return pd.unique(pairs)


def _components(
    inner: Group, local: Sequence[Group]
) -> tuple[np.ndarray, tuple[np.ndarray, ...], int]:
    """Fronts: the connected pieces of the graph between inner and local levels."""
    if not local:
        return np.zeros(inner.n_levels, dtype=np.int64), (), 1
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    offsets = np.cumsum([inner.n_levels, *(g.n_levels for g in local)])
    starts, ends = [], []
    for group, offset in zip(local, offsets[:-1], strict=True):
        pairs = _distinct_pairs(inner.level, group.level, group.n_levels)
        starts.append(pairs // group.n_levels)
        ends.append(pairs % group.n_levels + offset)
    a, b = np.concatenate(starts), np.concatenate(ends)
    size = int(offsets[-1])
    graph = coo_array((np.ones(a.size, dtype=np.int8), (a, b)), shape=(size, size))
    n_fronts, label = connected_components(graph, directed=False)
    first = np.full(n_fronts, size)  # number fronts by their first inner level
    np.minimum.at(first, label[: inner.n_levels], np.arange(inner.n_levels))
    rank = np.empty(n_fronts, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(n_fronts)
    label = rank[label]
    pieces = np.split(label, offsets[:-1])
    return pieces[0], tuple(pieces[1:]), n_fronts


def _arrange(
    design: Design, inner: Group, others: Sequence[Group], best: _Candidate
) -> Elimination:
    """Number effects and sort rows: fronts in order, inner levels in order within each."""
    level_order = np.argsort(best.front, kind="stable")
    new_level = np.empty(inner.n_levels, dtype=np.int64)
    new_level[level_order] = np.arange(inner.n_levels)
    row_level = new_level[inner.level]
    in_order = bool((row_level[1:] >= row_level[:-1]).all())
    order = slice(None) if in_order else np.argsort(row_level, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(row_level, minlength=inner.n_levels))])
    n_inner_effects = inner.n_levels * inner.n_columns
    positions, front_local = _number_local(others[: best.n_local], best, n_inner_effects)
    at = int(front_local[-1])
    root_at = at
    for group in others[best.n_local :]:
        positions.append(at + group.n_columns * np.arange(group.n_levels))
        at += group.n_levels * group.n_columns
    base = np.empty((len(others), inner.level.size), dtype=np.int32)
    for k, group in enumerate(others):
        base[k] = positions[k].astype(np.int32)[group.level[order]]
    front_levels = np.concatenate(
        [[0], np.cumsum(np.bincount(best.front, minlength=best.n_fronts))]
    )
    widths = [inner.n_columns, *(g.n_columns for g in others)]
    ends = np.cumsum(widths)
    border = int(np.diff(front_local).max(initial=0)) + (at - root_at)
    rows = Rows(
        pattern=design.pattern[order],
        start=start.astype(np.int64),
        base=base,
        column_group=np.repeat(np.arange(len(others)), widths[1:]).astype(np.int64),
        column_at=np.concatenate([np.zeros(0), *(np.arange(w) for w in widths[1:])]).astype(
            np.int64
        ),
        is_local=np.arange(len(others)) < best.n_local,
        front_level=front_levels.astype(np.int64),
        front_local=front_local,
        root_at=root_at,
        n_inner=inner.n_columns,
        n_effects=at,
        widest=border,
        chunk=max(4, _CHUNK_DOUBLES // max(1, inner.n_columns * border)),
        scatter=best.scatter,
    )
    return Elimination(
        rows=rows,
        score=design.score[order],
        count=design.count[order],
        groups=(inner, *others),
        slices=tuple((int(e - w), int(e)) for e, w in zip(ends, widths, strict=True)),
        effect_at=(inner.n_columns * new_level, *positions),
        description=_describe(inner, others, best),
    )


def _number_local(
    local: Sequence[Group], best: _Candidate, at: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Positions of local effects, those of one front next to each other."""
    width = np.concatenate(
        [np.zeros(0, dtype=np.int64), *(np.full(g.n_levels, g.n_columns) for g in local)]
    ).astype(np.int64)
    front = np.concatenate([np.zeros(0, dtype=np.int64), *best.local_front]).astype(np.int64)
    order = np.argsort(front, kind="stable")
    position = np.empty(width.size, dtype=np.int64)
    position[order] = at + np.concatenate([[0], np.cumsum(width[order])])[:-1]
    per_front = np.bincount(front, weights=width, minlength=best.n_fronts).astype(np.int64)
    front_local = at + np.concatenate([[0], np.cumsum(per_front)])
    cuts = np.cumsum([g.n_levels for g in local])[:-1].tolist() if local else []
    return (list(np.split(position, cuts)) if local else []), front_local.astype(np.int64)


def _describe(inner: Group, others: Sequence[Group], best: _Candidate) -> str:
    local = ", ".join(g.name for g in others[: best.n_local])
    root = ", ".join(g.name for g in others[best.n_local :])
    text = f"{inner.name} eliminated level by level"
    text += f", {local} in {best.n_fronts} separate pieces" if local else ""
    return text + (f", {root} dense ({best.n_root})" if root else "")
