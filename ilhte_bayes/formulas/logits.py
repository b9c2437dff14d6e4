"""Logits: an answer of several categories in terms of the differences between them.

With predictors eta_0 .. eta_{K-1} (eta_0 = 0), P(Y = k) = mu_k = exp(eta_k) / sum_l exp(eta_l). The
information of an answer about its predictors is diag(mu) - mu mu', and that is exactly

    sum over pairs k > l of mu_k mu_l (e_k - e_l)(e_k - e_l)'

So an answer is one row for each pair of categories, with eta_k - eta_l as its one linear predictor
and mu_k mu_l as its weight; the gradient y - mu is the sum of (y_k mu_l - mu_k y_l)(e_k - e_l).
Everything that works for rows of one predictor then works for these answers, exactly. The rows of
an answer are neighbours: first those with category 0, from which mu follows, then the others.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from ilhte_bayes.formulas.cuts import columns_at_cut, with_cuts
from ilhte_bayes.formulas.design import ByCut, Design, Group

Logits = Literal["independent", "correlated"]
Columns = tuple[np.ndarray, list[np.ndarray]]  # (pattern, term), and (pattern, column) by group


def pairs_of_categories(n_categories: int) -> list[tuple[int, int]]:
    """Pairs (k, l), k > l, in the order of an answer's rows: those with category 0 first."""
    return [(k, low) for low in range(n_categories) for k in range(low + 1, n_categories)]


def with_steps(design: Design, categories: Sequence[str]) -> Design:
    """Put a threshold for the step between each two categories before the other terms."""
    return replace(with_cuts(design, categories), n_categories=len(categories))


def with_logits(design: Design, categories: Sequence[str]) -> Design:
    """Give every term, fixed and random, one column for each category but the first.

    Terms are named "mid: lep", category first. Random effects of different categories are
    independent (see `with_correlated_logits`).
    """
    others = categories[1:]
    n, terms = len(others), len(design.terms)
    return replace(
        design,
        terms=tuple(f"{c}: {term}" for c in others for term in design.terms),
        x=np.tile(design.x, (1, n)),
        logit=np.repeat(np.arange(n), terms),
        n_categories=len(categories),
        groups=tuple(_with_logits(group, others) for group in design.groups),
    )


def _with_logits(group: Group, categories: Sequence[str]) -> Group:
    d, n = group.n_columns, len(categories)
    return replace(
        group,
        columns=tuple(f"{c}: {column}" for c in categories for column in group.columns),
        blocks=tuple(tuple(d * m + k for k in b) for m in range(n) for b in group.blocks),
        z=np.tile(group.z, (1, n)),
        logit=np.repeat(np.arange(n), d),
    )


def with_correlated_logits(design: Design) -> Design:
    """Let random effects that are alike but for the category be correlated, too."""
    return replace(design, groups=tuple(_correlated(group) for group in design.groups))


def _correlated(group: Group) -> Group:
    assert group.logit is not None
    n = int(group.logit.max()) + 1
    d = group.n_columns // n
    own = [block for block in group.blocks if block[0] < d]  # of the first category
    order = np.array([d * m + k for block in own for m in range(n) for k in block])
    ends = np.cumsum([n * len(block) for block in own])
    return replace(
        group,
        columns=tuple(group.columns[k] for k in order),
        blocks=tuple(
            tuple(range(int(end) - n * len(block), int(end)))
            for block, end in zip(own, ends, strict=True)
        ),
        z=np.ascontiguousarray(group.z[:, order]),
        logit=group.logit[order],
    )


def columns_of_categories(design: Design) -> list[Columns]:
    """Columns of the predictor eta_k of each category but the first, which has none.

    Of ordered categories (a design with thresholds) eta_k is the sum of the predictors at the
    thresholds below k; of others the category has its own.
    """
    if design.logit is not None:
        return [
            (design.x * (design.logit == m), [g.z * (g.logit == m) for g in design.groups])
            for m in range(design.n_categories - 1)
        ]
    out: list[Columns] = []
    for cut in range(design.n_cuts):
        x, z = columns_at_cut(design, cut)
        if out:
            x, z = out[-1][0] + x, [a + b for a, b in zip(out[-1][1], z, strict=True)]
        out.append((x, z))
    return out


def predictors_of_category(rows: Design, k: int) -> Design:
    """One row for each answer, whose predictor is eta_k, from the rows of pairs."""
    size = rows.n_categories * (rows.n_categories - 1) // 2
    at, n = slice(k - 1, None, size), len(rows.x) // size
    own = slice((k - 1) * n, k * n)
    return replace(
        rows,
        x=rows.x[own],
        pattern=rows.pattern[at] - np.int32((k - 1) * n),
        score=rows.score[at],
        count=rows.count[at],
        groups=tuple(replace(g, z=g.z[own], level=g.level[at]) for g in rows.groups),
    )


def split_pairs(design: Design) -> Design:
    """Rows of a design as rows with one linear predictor each, K (K - 1) / 2 for each answer.

    The score of each is the category that was answered.
    """
    columns = columns_of_categories(design)
    nothing = (np.zeros_like(design.x), [np.zeros_like(group.z) for group in design.groups])
    eta = [nothing, *columns]
    pairs = pairs_of_categories(len(eta))
    n, size = len(design.x), len(pairs)
    x = np.vstack([eta[k][0] - eta[low][0] for k, low in pairs])
    groups = tuple(
        replace(
            group,
            z=np.vstack([eta[k][1][g] - eta[low][1][g] for k, low in pairs]),
            level=np.repeat(group.level, size),
            cut_z=None,
            logit=None,
        )
        for g, group in enumerate(design.groups)
    )
    pattern = design.pattern[:, None] + n * np.arange(size)
    by_cut = design.by_cut
    if by_cut is not None:
        none = np.full(len(design.terms), -1)
        by_cut = ByCut(by_cut.n_cuts, none, np.zeros((0, 0)))
    return replace(
        design,
        x=x,
        pattern=pattern.ravel().astype(np.int32),
        score=np.repeat(design.score, size),
        count=np.repeat(design.count, size),
        groups=groups,
        by_cut=by_cut,
        logit=None,
    )
