"""Cuts: an ordinal response in terms of yes and no at each of its thresholds.

With P(Y <= k) = 1 / (1 + exp(eta - kappa_k)), the probability of category k is exactly

    P(Y = k) = P(Y > k - 1) P(Y <= k) (1 - exp(-(kappa_k - kappa_{k-1})))

So the log-likelihood of an ordinal answer is that of two binary answers, "above the threshold
below" and "not above the threshold above", plus a term in the gap between the two thresholds (the
lowest and the highest category have one neighbour, and no gap). Each of the three is a row with
a linear predictor of its own, in which thresholds are ordinary coefficients: everything that
works for binary rows works for ordinal answers too, with the same numbers to rounding.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.formulas.design import ByCut, Design, Group

Thresholds = Literal["common", "item"]

BELOW, ABOVE, GAP = range(3)  # what the score of a row says


def with_cuts(design: Design, categories: Sequence[str]) -> Design:
    """Put the thresholds between these categories before the other terms.

    Parameters
    ----------
    design : Design
        Without an intercept; scores are positions in `categories`.
    categories : sequence of str
        Lowest first.
    """
    n_cuts, n = len(categories) - 1, len(design.x)
    names = tuple(f"{a}|{b}" for a, b in itertools.pairwise(categories))
    x = np.hstack([np.zeros((n, n_cuts)), design.x])
    own = np.zeros(x.shape)
    own[:, :n_cuts] = -1.0
    cut = np.concatenate([np.arange(n_cuts), np.full(len(design.terms), -1)])
    return replace(design, terms=(*names, *design.terms), x=x, by_cut=ByCut(n_cuts, cut, own))


def with_group_cuts(design: Design, name: str) -> Design:
    """Give each level of a group (an item) thresholds of its own, around the common ones.

    Deviations delta_ik from the common thresholds sum to 0 over k for each level, so that the
    level's own location stays what it is. They are written in K - 2 polynomials of the threshold's
    number (spread: further apart or closer together; bend; ...), independent, each with its SD.
    """
    n_cuts = design.n_cuts
    shapes = _polynomials(n_cuts)
    names = [_SHAPES[k] if k < len(_SHAPES) else f"cut^{k + 1}" for k in range(n_cuts - 1)]
    groups = tuple(_with_shapes(g, shapes, names) if g.name == name else g for g in design.groups)
    return replace(design, groups=groups)


_SHAPES = ("spread", "bend")


def _polynomials(n_cuts: int) -> np.ndarray:
    """(cut, shape) orthogonal polynomials of degree 1 .. n_cuts - 1, each of mean square 1."""
    powers = np.vander(np.linspace(-1.0, 1.0, n_cuts), increasing=True)
    q, r = np.linalg.qr(powers)
    return np.asarray(q[:, 1:] * np.sign(np.diag(r))[1:] * np.sqrt(n_cuts))


def _with_shapes(group: Group, shapes: np.ndarray, names: list[str]) -> Group:
    d, more = group.n_columns, shapes.shape[1]
    cut_z = np.zeros((len(shapes), d + more))
    cut_z[:, d:] = -shapes  # a higher threshold makes answers above it rarer
    return replace(
        group,
        columns=(*group.columns, *names),
        blocks=(*group.blocks, *((d + k,) for k in range(more))),
        z=np.hstack([group.z, np.zeros((len(group.z), more))]),
        cut_z=cut_z,
    )


def terms_of(design: Design, names: Sequence[str]) -> list[str]:
    """Slopes of these terms or variables: `trt` stands for all columns that mention it.

    Raises
    ------
    ModelError
        If a name matches no slope, or there are fewer than two thresholds.
    """
    slopes = [t for k, t in enumerate(design.terms) if k >= design.n_cuts]
    if design.n_cuts < 2:
        raise ModelError(
            "slopes of their own at each threshold need ordinal answers of three categories or "
            "more. Say family='cumulative' with such answers, or leave own_slopes out."
        )
    out: dict[str, None] = {}
    for name in names:
        word = re.compile(rf"(?<![\w.]){re.escape(name)}(?![\w.])")
        found = [term for term in slopes if term == name or word.search(term)]
        if not found:
            raise ModelError(
                f"no slope of {name!r} in the formula; its slopes are {listed(slopes, 12)}. Name "
                "one of these."
            )
        out |= dict.fromkeys(found)
    return list(out)


def with_own_slopes(design: Design, terms: Sequence[str]) -> Design:
    """Give terms a slope of its own at each threshold but the first: its difference to the first.

    Adds terms "lep, 1|2": what the slope of lep at threshold 1|2 has more than at the first.
    """
    assert design.by_cut is not None
    by_cut, names, columns, cuts = design.by_cut, [], [], []
    for term in terms:
        column = design.x[:, design.terms.index(term)]
        for k in range(1, by_cut.n_cuts):
            names.append(f"{term}, {design.terms[k]}")
            columns.append(column)
            cuts.append(k)
    more = np.column_stack(columns)
    return replace(
        design,
        terms=(*design.terms, *names),
        x=np.hstack([design.x, np.zeros(more.shape)]),
        by_cut=ByCut(
            by_cut.n_cuts,
            np.concatenate([by_cut.cut, cuts]),
            np.hstack([by_cut.x, more]),
        ),
    )


def split_answers(design: Design) -> Design:
    """Rows of an ordinal design as rows with one linear predictor each.

    Parameters
    ----------
    design : Design
        With thresholds.

    Returns
    -------
    Design
        Same terms and groups. Scores are 1 for "above this threshold", 0 for "not above it" and 2
        for the gap between two thresholds (`GAP`): one row for each different gap, counted, whose
        predictor is the upper threshold minus the lower. Where answers do not enter a gap through
        a group, its z is 0.
    """
    assert design.by_cut is not None
    n_cuts, n = design.n_cuts, len(design.x)
    variants = [columns_at_cut(design, k) for k in range(n_cuts)]
    x = [x for x, _ in variants]
    z = [z for _, z in variants]
    score = design.score.astype(np.int64)
    above, below = np.flatnonzero(score > 0), np.flatnonzero(score < n_cuts)
    pattern = design.pattern.astype(np.int64)
    row = [above, below]
    rows_pattern = [pattern[above] + n * (score[above] - 1), pattern[below] + n * score[below]]
    kind = [np.full(above.size, ABOVE), np.full(below.size, BELOW)]
    count = [design.count[above], design.count[below]]
    between = np.flatnonzero((score > 0) & (score < n_cuts))
    if between.size:
        gap_x = [x[k] - x[k + 1] for k in range(n_cuts - 1)]
        gap_z = [[a - b for a, b in zip(z[k], z[k + 1], strict=True)] for k in range(n_cuts - 1)]
        first, code = _gaps(design, between)
        total = np.bincount(code, weights=design.count[between]).astype(np.int64)
        row.append(between[first])
        rows_pattern.append(pattern[between[first]] + n * (n_cuts + score[between[first]] - 1))
        kind.append(np.full(first.size, GAP))
        count.append(total)
        x, z = x + gap_x, z + gap_z
    rows = np.concatenate(row)
    order = np.argsort(rows, kind="stable")  # rows stay sorted by their levels
    rows = rows[order]
    used, new_pattern = np.unique(np.concatenate(rows_pattern)[order], return_inverse=True)
    groups = tuple(
        replace(
            group,
            z=np.ascontiguousarray(np.vstack([own[k] for own in z])[used]),
            level=group.level[rows],
            cut_z=None,
        )
        for k, group in enumerate(design.groups)
    )
    return replace(
        design,
        x=np.ascontiguousarray(np.vstack(x)[used]),
        pattern=new_pattern.astype(np.int32),
        score=np.concatenate(kind)[order].astype(np.int8),
        count=np.concatenate(count)[order].astype(np.int32),
        groups=groups,
        by_cut=ByCut(n_cuts, np.full(len(design.terms), -1), np.zeros((0, 0))),
    )


def columns_at_cut(design: Design, k: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Columns (pattern, term) and (pattern, column) by group of "above threshold k"."""
    by_cut = design.by_cut
    assert by_cut is not None
    x = design.x + by_cut.x * (by_cut.cut == k)
    return x, [g.z if g.cut_z is None else g.z + g.cut_z[k] for g in design.groups]


@dataclass(frozen=True, slots=True)
class Parts:
    """Which rows of `split_answers` make up each answer; -1 where an answer has no such part."""

    above: np.ndarray  # (row,) position among the binary rows
    below: np.ndarray  # (row,) position among the binary rows
    gap: np.ndarray  # (row,) position among the gaps


def parts_of(design: Design) -> Parts:
    """Find the parts of every row of an ordinal design."""
    n, score = design.n_rows, design.score.astype(np.int64)
    above, below = np.flatnonzero(score > 0), np.flatnonzero(score < design.n_cuts)
    place = _places(np.concatenate([above, below]))
    out = Parts(*(np.full(n, -1) for _ in range(3)))
    out.above[above], out.below[below] = place[: above.size], place[above.size :]
    between = np.flatnonzero((score > 0) & (score < design.n_cuts))
    if between.size:
        first, code = _gaps(design, between)
        out.gap[between] = _places(between[first])[code]
    return out


def _places(keys: np.ndarray) -> np.ndarray:
    """Position of each key when all are sorted."""
    out = np.empty(keys.size, dtype=np.int64)
    out[np.argsort(keys, kind="stable")] = np.arange(keys.size)
    return out


def _gaps(design: Design, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort out the different gaps of these rows: the first row of each, and each row's gap."""
    by_cut = design.by_cut
    assert by_cut is not None
    keys = [design.score[rows].astype(np.int64) - 1]
    if (by_cut.cut[by_cut.n_cuts :] >= 0).any():
        own = by_cut.x[:, by_cut.n_cuts :]
        keys.append(np.unique(own, axis=0, return_inverse=True)[1].ravel()[design.pattern[rows]])
    keys += [g.level[rows] for g in design.groups if g.cut_z is not None]
    code = np.zeros(rows.size, dtype=np.int64)
    for key in keys:
        code = np.unique(code * (int(key.max()) + 1) + key, return_inverse=True)[1]
    return np.unique(code, return_index=True)[1], code
