"""Builder: design, priors and family as a `pymc.Model` in which every random effect is sampled.

The joint model: slower than integrating persons out, and open to every PyMC and ArviZ tool.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from ilhte_bayes.errors import ModelError
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.models.priors import LKJ, Priors, correlated

if TYPE_CHECKING:
    from ilhte_bayes.models.model import Model

# Equal answers are counted together in a table of more than 20,000 answers that says everything
# more than five times over; below that, one element for each answer costs little.
_LARGE_TABLE = 20_000
_REPEATED = 5


def build_pymc(model: "Model", *, centred: AbstractSet[str] = frozenset()) -> pm.Model:
    """Write a model as a `pymc.Model` with named dims.

    eta[obs] = columns[pattern] @ beta + sum over groups columns_g[pattern] @ re_g[level]

    Parameters
    ----------
    model : Model
    centred : set of str
        Effects that are sampled as they are, by column ("item[Intercept]") or by group ("item"):
        better where each level has many answers. All others are non-centred: standard normal
        `z_g`, scaled. Within a level, each column is normal given the columns before it. The
        first centred `Intercept` is sampled with the model's intercept added, since the answers
        say more about the sum than about either.

    Returns
    -------
    pm.Model
        In logits: `beta` (term); for each group g `sd_g` (g_column), `corr_g` (g_column,
        g_column_) if it has correlations, `re_g` (g, g_column), and `z_g` (g, g_column) if
        non-centred. `score` (obs) is observed, one element for each answer. In a table of more
        than 20,000 answers that says everything more than five times over (no persons, say) it
        counts the ones in each cell of equal predictors instead: the same posterior, far cheaper.

    Raises
    ------
    ModelError
        If `centred` names no group, or a column's name is one that this model needs itself.

    Notes
    -----
    A correlation matrix with an LKJ(eta) prior is sampled by its canonical partial correlations,
    independent of each other; `unit_corr_g` holds them as (1 + r) / 2. For two columns this is the
    correlation itself, with density proportional to (1 - r^2)^(eta - 1).

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009), J. Multivariate Anal. 100(9), section 2.4.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria"))
    >>> [variable.name for variable in build_pymc(model).free_RVs]
    ['beta', 'sd_ID', 'z_ID']
    """
    design = model.design
    chosen = _centred_columns(design, centred)
    rows, counts = _observations(design)
    with pm.Model(coords=_coords(design)) as built:
        pattern = pm.Data("pattern_index", design.pattern[rows], dims="obs")
        fixed, intercept = _fixed_effects(design, model.priors)
        eta = fixed[pattern]
        carrier = carries_intercept(design, centred)
        for group in design.groups:
            shift = intercept if group.name == carrier else None
            effects = _random_effects(group, model.priors, chosen[group.name], shift)
            level = pm.Data(f"{group.name}_index", group.level[rows], dims="obs")
            dims = ("pattern", f"{group.name}_column")
            columns = pm.Data(f"columns_{group.name}", group.z, dims=dims)
            for k, name in enumerate(group.columns):
                effect = effects[level, k]
                eta += effect if name == "Intercept" else columns[pattern, k] * effect
        model.family.observe(eta, counts)
    return built


def _observations(design: Design) -> tuple[np.ndarray, np.ndarray]:
    """(obs,) a row that each observation stands for; (obs, category) how often each was given."""
    category = np.eye(int(design.score.max()) + 1, dtype=np.int64)[design.score]
    if design.n_obs <= max(_LARGE_TABLE, _REPEATED * design.n_rows):
        rows = np.repeat(np.arange(design.n_rows), design.count)
        return rows, category[rows]
    predictors = np.column_stack([design.pattern, *(group.level for group in design.groups)])
    _, rows, cell = np.unique(predictors, axis=0, return_index=True, return_inverse=True)
    counts = np.zeros((rows.size, category.shape[1]), dtype=np.int64)
    np.add.at(counts, cell, category * design.count[:, None])
    return rows, counts


def _coords(design: Design) -> dict[str, Any]:
    """Labels of every named dim; refuses a group that is called like something of the model's."""
    coords: dict[str, Any] = {"term": design.terms}
    taken = {"term", "obs", "pattern", "pattern_index", "columns", "beta", "score"}
    for group in design.groups:
        name = group.name
        new: dict[str, Any] = {name: group.labels, f"{name}_column": group.columns}
        if correlated(group):
            new |= {f"{name}_column_": group.columns, f"{name}_pair": _pair_names(group)}
        prefixes = ("sd", "corr", "unit_corr", "re", "z", "columns")
        names = [*new, f"{name}_index", *(f"{prefix}_{name}" for prefix in prefixes)]
        if clash := taken.intersection(names):
            raise ModelError(
                f"the grouping column {name!r} needs the name {min(clash)!r}, which the PyMC model "
                "uses for something else. Rename the column in the table and in the formula."
            )
        taken.update(names)
        coords |= new
    return coords


def _fixed_effects(design: Design, priors: Priors) -> Any:
    """The fixed part of the linear predictor, (pattern,), and the intercept in it, if any."""
    if not design.terms:
        return pt.zeros(len(design.x)), None
    own = [priors[f"beta[{term}]"] for term in design.terms]
    beta = _vector("beta", own, design.terms, "term")
    intercept = beta[design.terms.index("Intercept")] if "Intercept" in design.terms else None
    return pm.Data("columns", design.x, dims=("pattern", "term")) @ beta, intercept


def carries_intercept(design: Design, centred: AbstractSet[str]) -> str | None:
    """Name of the group whose centred `Intercept` is sampled with the model's intercept added."""
    if "Intercept" not in design.terms:
        return None
    chosen = _centred_columns(design, centred)
    return next(
        (
            group.name
            for group in design.groups
            for column, yes in zip(group.columns, chosen[group.name], strict=True)
            if yes and column == "Intercept"
        ),
        None,
    )


def _vector(name: str, priors: Sequence[Any], labels: Sequence[str], dim: str) -> Any:
    """A vector with a prior for each element: one distribution if all are of the same kind."""
    if len({type(prior) for prior in priors}) > 1:
        elements = [p.pymc(f"{name}[{label}]") for p, label in zip(priors, labels, strict=True)]
        return pm.Deterministic(name, pt.stack(elements), dims=dim)
    kind = type(priors[0])
    numbers = {f.name: np.array([getattr(p, f.name) for p in priors]) for f in fields(kind)}
    return kind(**numbers).pymc(name, dims=dim)


def _centred_columns(design: Design, centred: AbstractSet[str]) -> dict[str, list[bool]]:
    """For each group, which of its columns are sampled as they are."""
    columns = {f"{g.name}[{c}]" for g in design.groups for c in g.columns}
    whole = {design.group(name).name for name in centred - columns}
    return {
        g.name: [g.name in whole or f"{g.name}[{c}]" in centred for c in g.columns]
        for g in design.groups
    }


def _random_effects(group: Group, priors: Priors, centred: list[bool], shift: Any) -> Any:
    """`re_<group>` (level, column), in logits."""
    name, dims = group.name, (group.name, f"{group.name}_column")
    own = [priors[f"sd_{name}[{column}]"] for column in group.columns]
    sd = _vector(f"sd_{name}", own, group.columns, f"{name}_column")
    root = _correlation_root(group, priors) if correlated(group) else None
    if all(centred) and root is None and shift is None:
        return pm.Normal(f"re_{name}", 0.0, sd, dims=dims)
    if any(centred):
        effects = _column_by_column(group, sd, root, centred, shift)
        return pm.Deterministic(f"re_{name}", effects, dims=dims)
    z = pm.Normal(f"z_{name}", 0.0, 1.0, dims=dims)
    standard = z if root is None else z @ root.T
    return pm.Deterministic(f"re_{name}", standard * sd, dims=dims)


def _column_by_column(group: Group, sd: Any, root: Any, centred: list[bool], shift: Any) -> Any:
    """Effects (level, column), each column normal given the columns before it."""
    name = group.name
    standard: list[Any] = []
    effects: list[Any] = []
    for k, column in enumerate(group.columns):
        mean = 0.0 if root is None else sum((root[k, j] * standard[j] for j in range(k)), 0.0)
        left = 1.0 if root is None else root[k, k]
        if centred[k]:
            with_intercept = shift is not None and column == "Intercept"
            kind, extra = ("level", shift) if with_intercept else ("re", 0.0)
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
    shape = np.array([eta + (d - 2 - j) / 2 for d, _, _, j in _pairs(group)])
    unit = pm.Beta(f"unit_corr_{name}", shape, shape, dims=f"{name}_pair")
    entries: list[list[Any]] = [[0.0] * group.n_columns for _ in group.columns]
    left: list[Any] = [1.0] * group.n_columns
    for k, (_, row, column, _) in enumerate(_pairs(group)):
        entries[row][column] = (2.0 * unit[k] - 1.0) * pt.sqrt(left[row])
        left[row] = left[row] * 4.0 * unit[k] * (1.0 - unit[k])  # 1 - r^2
    for k in range(group.n_columns):
        entries[k][k] = pt.sqrt(left[k])
    root = pt.stack([pt.stack(row) for row in entries])
    pm.Deterministic(f"corr_{name}", root @ root.T, dims=(f"{name}_column", f"{name}_column_"))
    return root


def _pairs(group: Group) -> list[tuple[int, int, int, int]]:
    """Correlated columns: size of their block, row, column, and the column's place in the block."""
    return [
        (len(block), block[i], block[j], j)
        for block in group.blocks
        for i in range(len(block))
        for j in range(i)
    ]


def _pair_names(group: Group) -> list[str]:
    return [f"{group.columns[j]},{group.columns[i]}" for _, i, j, _ in _pairs(group)]
