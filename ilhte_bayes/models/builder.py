"""Builder: design, priors and family as a `pymc.Model`.

In the joint model every random effect is sampled: slower than integrating persons out, and open
to every PyMC and ArviZ tool.
"""

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from ilhte_bayes.errors import ModelError
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.likelihood.answers import gaps, unchosen_gaps
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.plan import Plan
from ilhte_bayes.models.ability import require_normal_ability
from ilhte_bayes.models.builder_effects import (
    carried_terms,
    centred_columns,
    fixed_effects,
    group_sds,
    of_others,
    pair_names,
    random_effects,
)
from ilhte_bayes.models.builder_integrated import (
    observe_free,
    observe_gaps,
    observe_integrated,
    observe_loaded,
)
from ilhte_bayes.models.discrimination import LoadedPlan, Loading, find_loading
from ilhte_bayes.models.priors import correlated

if TYPE_CHECKING:
    from ilhte_bayes.models.model import Model

# Equal answers are counted together in a table of more than 20,000 answers that says everything
# more than five times over; below that, one element for each answer costs little.
_LARGE_TABLE = 20_000
_REPEATED = 5


def build_pymc(
    model: "Model",
    *,
    centred: AbstractSet[str] = frozenset(),
    plan: Plan | LoadedPlan | None = None,
    grid: Grid | None = None,
) -> pm.Model:
    """Write a model as a `pymc.Model` with named dims.

    eta[obs] = columns[pattern] @ beta + sum over groups columns_g[pattern] @ re_g[level], where
    a model with discriminations multiplies what `models.discrimination` says.

    Parameters
    ----------
    model : Model
    centred : set of str
        Effects that are sampled as they are, by column ("item[Intercept]") or by group ("item"):
        better where each level has many answers. All others are non-centred: standard normal
        `z_g`, scaled. Within a level, each column is normal given the columns before it. A centred
        column with the name of a coefficient is sampled with it added, `level_g[column]`, since
        the answers say more about the sum than about either. "discrimination" samples log
        discriminations likewise, with the log of ability's SD added: `log_loading`.
    plan, grid : Plan (LoadedPlan with discriminations, everything in the cells with abilities of
        free shape, the grid then being in SDs of ability) and Grid, optional
        Integrate the plan's group out over the grid: it has an SD, but no effects to sample, and
        the answers enter as the potential `answers` (see `ilhte_bayes.likelihood`).

    Returns
    -------
    pm.Model
        In logits: `beta` (term); for each group g `sd_g` (g_column), `corr_g` (g_column,
        g_column_) if it has correlations, `re_g` (g, g_column), and `z_g` (g, g_column) if
        non-centred; `sd_discrimination` and `discrimination` (item) if it has them. `score` (obs) is observed, one element for each answer. In a table of more
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
    if plan is None:
        require_normal_ability(model, "sample with integrate='none', and model.pymc")
    else:
        centred = of_others(centred, plan.group.name)
    chosen = centred_columns(design, centred)
    carried = carried_terms(design, centred)
    with pm.Model(coords=_coords(design)) as built:
        beta = fixed_effects(design, model.priors)
        effects: dict[str, Any] = {}
        for group in design.groups:
            if plan is not None and group.name == plan.group.name:
                continue
            shifts = {c: beta[t] for (name, c), t in carried.items() if name == group.name}
            effects[group.name] = random_effects(group, model.priors, chosen[group.name], shifts)
        if plan is not None:
            group_sds(plan.group, model.priors)
        discrimination = None
        if model.discrimination is not None:
            discrimination = _discriminations(model, "discrimination" in centred)
        if plan is None or grid is None:
            _observe_answers(model, beta, effects, discrimination)
            unchosen = unchosen_gaps(model.rows, design)
            if unchosen.count.size:
                observe_gaps(unchosen, beta, effects)
        elif isinstance(plan, LoadedPlan):
            sd = built[f"sd_{plan.group.name}"]
            observe_loaded(plan, grid, beta, effects, sd, discrimination)
        elif model.ability == "histogram":
            sd = built[f"sd_{plan.group.name}"]
            built.add_coord("ability_node", np.arange(grid.size))
            spread = model.priors["sd_ability_shape"].pymc("sd_ability_shape")  # type: ignore[union-attr]
            observe_free(plan, grid, beta, effects, sd, spread)
        else:
            observe_integrated(plan, grid, beta, effects, built[f"sd_{plan.group.name}"])
        if plan is not None and grid is not None and design.n_ordered:
            observe_gaps(gaps(model.rows), beta, effects)
    return built


def _discriminations(model: "Model", centred: bool) -> Any:
    """`discrimination` (item): log-normal around 1."""
    dim = find_loading(model).items.name
    sd: Any = model.priors["sd_discrimination"].pymc("sd_discrimination")  # type: ignore[union-attr]
    if centred:
        assert model.roles.person is not None
        person = model.design.group(model.roles.person).name
        middle = pt.log(pm.modelcontext(None)[f"sd_{person}"][0])
        logs = pm.Normal("log_loading", middle, sd, dims=dim) - middle
    else:
        logs = sd * pm.Normal("z_discrimination", 0.0, 1.0, dims=dim)
    return pm.Deterministic("discrimination", pt.exp(logs), dims=dim)


def _observe_answers(
    model: "Model", beta: Any, effects: dict[str, Any], discrimination: Any
) -> None:
    """Add the observed `score`, given all effects."""
    design = model.design
    rows, counts = _observations(design)
    loading = None if discrimination is None else find_loading(model)
    pattern = pm.Data("pattern_index", design.pattern[rows], dims="obs")
    if design.logit is not None:
        model.family.observe(_predictors(design, rows, pattern, beta, effects), counts, None)
        return
    own, multiplied = _fixed_parts(design, beta, loading)
    eta, loaded = own[pattern], multiplied[pattern]
    for group in design.groups:
        level = pm.Data(f"{group.name}_index", group.level[rows], dims="obs")
        dims = ("pattern", f"{group.name}_column")
        columns = pm.Data(f"columns_{group.name}", group.z, dims=dims)
        for k, name in enumerate(group.columns):
            effect = effects[group.name][level, k]
            effect = effect if name == "Intercept" else columns[pattern, k] * effect
            if loading is not None and (group.name, k) in loading.columns:
                loaded += effect
            else:
                eta += effect
    if loading is not None:
        eta += discrimination[loading.items.level[rows]] * loaded
    model.family.observe(eta, counts, _cuts_at(design, pattern, rows, beta, effects))


def _predictors(
    design: Design, rows: np.ndarray, pattern: Any, beta: Any, effects: dict[str, Any]
) -> Any:
    """(obs, category - 1) predictor of each category but the first."""
    columns = pm.Data("columns", design.x, dims=("pattern", "term"))
    z = {
        group.name: pm.Data(
            f"columns_{group.name}", group.z, dims=("pattern", f"{group.name}_column")
        )
        for group in design.groups
    }
    out = []
    for m in range(design.n_categories - 1):
        eta = pt.zeros(rows.size)
        if design.terms:
            eta += (columns @ (beta * (design.logit == m)))[pattern]
        for group in design.groups:
            assert group.logit is not None
            for k in np.flatnonzero(group.logit == m):
                eta += z[group.name][pattern, k] * effects[group.name][group.level[rows], k]
        out.append(eta)
    return pt.stack(out, axis=1)


def _cuts_at(
    design: Design, pattern: Any, rows: np.ndarray, beta: Any, effects: dict[str, Any]
) -> Any:
    """Thresholds of an ordinal response: (cut,), or (obs, cut) where they differ."""
    if design.by_cut is None:
        return None
    n_cuts, by_cut = design.n_cuts, design.by_cut
    cuts = beta[:n_cuts]
    slopes = np.flatnonzero(by_cut.cut[n_cuts:] >= 0) + n_cuts
    shaped = [group for group in design.groups if group.cut_z is not None]
    if not slopes.size and not shaped:
        return cuts
    cuts = pt.tile(cuts[None, :], (rows.size, 1))
    for t in slopes:
        at = np.eye(n_cuts)[by_cut.cut[t]]
        cuts -= (pt.as_tensor(by_cut.x[:, t])[pattern] * beta[t])[:, None] * at
    for group in shaped:
        assert group.cut_z is not None
        cuts -= effects[group.name][group.level[rows]] @ group.cut_z.T
    return cuts


def _fixed_parts(design: Design, beta: Any, loading: Loading | None) -> tuple[Any, Any]:
    """(pattern,) fixed part, and the part of it that discriminations multiply."""
    none = pt.zeros(len(design.x))
    if not design.terms:
        return none, none
    columns = pm.Data("columns", design.x, dims=("pattern", "term"))
    if loading is None:
        return columns @ beta, none
    at_means = loading.centre @ beta
    multiplied = columns @ (beta * loading.terms) - at_means
    return columns @ (beta * ~loading.terms) + at_means, multiplied


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
    if design.n_ordered:
        coords["slope"] = design.terms[design.n_cuts :]
    taken = {"term", "obs", "pattern", "pattern_index", "columns", "beta", "score"}
    taken |= {"slope", "slopes", "gaps", "lowest_threshold", "category", "ability_slopes"}
    taken |= {"discrimination", "ability_node", "ability_nodes", "ability_weights"}
    for group in design.groups:
        name = group.name
        new: dict[str, Any] = {name: group.labels, f"{name}_column": group.columns}
        if correlated(group):
            new |= {f"{name}_column_": group.columns, f"{name}_pair": pair_names(group)}
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
