"""Coefficients and random effects as variables of a `pymc.Model`: priors, correlations, centring."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.models.distributions import LKJ
from ilhte_bayes.models.priors import Priors, correlated
from ilhte_bayes.models.unconstrained import pairs_of


def fixed_effects(design: Design, priors: Priors) -> Any:
    """`beta` (term), in logits; of an ordinal response, thresholds first and in order."""
    if not design.terms:
        return pt.zeros(0)
    own = [priors[design.parameter(term)] for term in design.terms]
    n_cuts = design.n_ordered
    if not n_cuts:
        return _vector("beta", own, design.terms, "term")
    cuts = _thresholds(own[:n_cuts])
    slopes = _vector("slopes", own[n_cuts:], design.terms[n_cuts:], "slope") if own[n_cuts:] else []
    return pm.Deterministic("beta", pt.concatenate([cuts, slopes]), dims="term")


def _thresholds(priors: Sequence[Any]) -> Any:
    """Thresholds (cut): each has its prior, on the condition that they are in order."""
    lowest = priors[0].pymc("lowest_threshold")
    if len(priors) == 1:
        return pt.stack([lowest])
    gaps = pm.HalfFlat("gaps", shape=len(priors) - 1)
    cuts = lowest + pt.concatenate([pt.zeros(1), pt.cumsum(gaps)])
    pm.Potential(
        "higher_thresholds", sum(p.log_density(cuts[k + 1]) for k, p in enumerate(priors[1:]))
    )
    return cuts


def of_others(centred: AbstractSet[str], name: str) -> frozenset[str]:
    """Centred columns but those of one group, which is not sampled."""
    return frozenset(c for c in centred if c.split("[")[0] != name)


def carried_terms(design: Design, centred: AbstractSet[str]) -> dict[tuple[str, str], int]:
    """Coefficients that are sampled with a centred column's effects: (group, column) -> term.

    Each by the first group that can: the answers say more about the sum than about either.
    """
    chosen = centred_columns(design, centred)
    out: dict[tuple[str, str], int] = {}
    for group in design.groups:
        for column, yes in zip(group.columns, chosen[group.name], strict=True):
            if yes and column in design.terms and design.terms.index(column) not in out.values():
                out[group.name, column] = design.terms.index(column)
    return out


def _vector(name: str, priors: Sequence[Any], labels: Sequence[str], dim: str) -> Any:
    """A vector with a prior for each element: one distribution if all are of the same kind."""
    if len({type(prior) for prior in priors}) > 1:
        elements = [p.pymc(f"{name}[{label}]") for p, label in zip(priors, labels, strict=True)]
        return pm.Deterministic(name, pt.stack(elements), dims=dim)
    kind = type(priors[0])
    numbers = {f.name: np.array([getattr(p, f.name) for p in priors]) for f in fields(kind)}
    return kind(**numbers).pymc(name, dims=dim)


def centred_columns(design: Design, centred: AbstractSet[str]) -> dict[str, list[bool]]:
    """For each group, which of its columns are sampled as they are."""
    columns = {f"{g.name}[{c}]" for g in design.groups for c in g.columns}
    whole = {design.group(name).name for name in centred - columns - {"discrimination"}}
    return {
        g.name: [g.name in whole or f"{g.name}[{c}]" in centred for c in g.columns]
        for g in design.groups
    }


def group_sds(group: Group, priors: Priors) -> Any:
    """`sd_<group>` (column), in logits."""
    own = [priors[f"sd_{group.name}[{column}]"] for column in group.columns]
    return _vector(f"sd_{group.name}", own, group.columns, f"{group.name}_column")


def random_effects(
    group: Group, priors: Priors, centred: list[bool], shifts: dict[str, Any]
) -> Any:
    """`re_<group>` (level, column), in logits."""
    name, dims = group.name, (group.name, f"{group.name}_column")
    sd = group_sds(group, priors)
    root = _correlation_root(group, priors) if correlated(group) else None
    if all(centred) and root is None and not shifts:
        return pm.Normal(f"re_{name}", 0.0, sd, dims=dims)
    if any(centred):
        effects = _column_by_column(group, sd, root, centred, shifts)
        return pm.Deterministic(f"re_{name}", effects, dims=dims)
    z = pm.Normal(f"z_{name}", 0.0, 1.0, dims=dims)
    standard = z if root is None else z @ root.T
    return pm.Deterministic(f"re_{name}", standard * sd, dims=dims)


def _column_by_column(
    group: Group, sd: Any, root: Any, centred: list[bool], shifts: dict[str, Any]
) -> Any:
    """Effects (level, column), each column normal given the columns before it."""
    name = group.name
    standard: list[Any] = []
    effects: list[Any] = []
    for k, column in enumerate(group.columns):
        mean = 0.0 if root is None else sum((root[k, j] * standard[j] for j in range(k)), 0.0)
        left = 1.0 if root is None else root[k, k]
        if centred[k]:
            kind, extra = ("level", shifts[column]) if column in shifts else ("re", 0.0)
            where = f"{kind}_{name}[{column}]"
            effect = pm.Normal(where, extra + sd[k] * mean, sd[k] * left, dims=name) - extra
            standard.append((effect / sd[k] - mean) / left)
        else:
            standard.append(pm.Normal(f"z_{name}[{column}]", 0.0, 1.0, dims=name))
            effect = sd[k] * (mean + left * standard[k])
        effects.append(effect)
    return pt.stack(effects, axis=1)


def _correlation_root(group: Group, priors: Priors) -> Any:
    """Cholesky factor (column, column) of the correlation matrix `corr_<group>`.

    Row i of a block is filled from the left: partial correlation times what is left of its length.
    """
    name, prior = group.name, priors[f"corr_{group.name}"]
    eta = prior.eta if isinstance(prior, LKJ) else 1.0
    shape = np.array([eta + (d - 2 - j) / 2 for d, _, _, j in pairs_of(group)])
    unit = pm.Beta(f"unit_corr_{name}", shape, shape, dims=f"{name}_pair")
    entries: list[list[Any]] = [[0.0] * group.n_columns for _ in group.columns]
    left: list[Any] = [1.0] * group.n_columns
    for k, (_, row, column, _) in enumerate(pairs_of(group)):
        entries[row][column] = (2.0 * unit[k] - 1.0) * pt.sqrt(left[row])
        left[row] = left[row] * 4.0 * unit[k] * (1.0 - unit[k])  # 1 - r^2
    for k in range(group.n_columns):
        entries[k][k] = pt.sqrt(left[k])
    root = pt.stack([pt.stack(row) for row in entries])
    pm.Deterministic(f"corr_{name}", root @ root.T, dims=(f"{name}_column", f"{name}_column_"))
    return root


def pair_names(group: Group) -> list[str]:
    """Names of the correlations of a group's columns."""
    return [f"{group.columns[j]},{group.columns[i]}" for _, i, j, _ in pairs_of(group)]
