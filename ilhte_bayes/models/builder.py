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
        Groups whose effects are sampled as they are, `re_g ~ Normal(0, Sigma_g)`: better where
        each level has many answers. All others are non-centred, `re_g = L_g z_g`.

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
    chosen = {design.group(name).name for name in centred}
    rows, counts = _observations(design)
    with pm.Model(coords=_coords(design)) as built:
        pattern = pm.Data("pattern_index", design.pattern[rows], dims="obs")
        eta = _fixed_effects(design, model.priors)[pattern]
        for group in design.groups:
            effects = _random_effects(group, model.priors, centred=group.name in chosen)
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
    """The fixed part of the linear predictor, (pattern,)."""
    if not design.terms:
        return pt.zeros(len(design.x))
    own = [priors[f"beta[{term}]"] for term in design.terms]
    beta = _vector("beta", own, design.terms, "term")
    return pm.Data("columns", design.x, dims=("pattern", "term")) @ beta


def _vector(name: str, priors: Sequence[Any], labels: Sequence[str], dim: str) -> Any:
    """A vector with a prior for each element: one distribution if all are of the same kind."""
    if len({type(prior) for prior in priors}) > 1:
        elements = [p.pymc(f"{name}[{label}]") for p, label in zip(priors, labels, strict=True)]
        return pm.Deterministic(name, pt.stack(elements), dims=dim)
    kind = type(priors[0])
    numbers = {f.name: np.array([getattr(p, f.name) for p in priors]) for f in fields(kind)}
    return kind(**numbers).pymc(name, dims=dim)


def _random_effects(group: Group, priors: Priors, *, centred: bool) -> Any:
    """`re_<group>` (level, column), in logits."""
    name, dims = group.name, (group.name, f"{group.name}_column")
    own = [priors[f"sd_{name}[{column}]"] for column in group.columns]
    sd = _vector(f"sd_{name}", own, group.columns, f"{name}_column")
    root = _correlation_root(group, priors) if correlated(group) else None
    if centred and root is None:
        return pm.Normal(f"re_{name}", 0.0, sd, dims=dims)
    if centred:
        return pm.MvNormal(f"re_{name}", pt.zeros(len(own)), chol=sd[:, None] * root, dims=dims)
    z = pm.Normal(f"z_{name}", 0.0, 1.0, dims=dims)
    standard = z if root is None else z @ root.T
    return pm.Deterministic(f"re_{name}", standard * sd, dims=dims)


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
