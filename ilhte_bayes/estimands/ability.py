"""One SD of ability, in logits: the unit of a standardised effect, with its kind named."""

from typing import Literal

import numpy as np

from ilhte_bayes.engines.laplace import laplace
from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.estimands.items import changes_by_item, treatment_contrasts
from ilhte_bayes.estimands.parameters import ParameterDraws, parameters_at
from ilhte_bayes.estimands.variance_tests import without_column
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.formulas.design import Group

AbilitySD = Literal["within_arm", "residual", "control", "within_cluster", "irw"]

WORDS: dict[str, str] = {
    "within_arm": "total SD of ability within an arm: persons, their clusters and covariates",
    "residual": "residual SD of persons, given covariates and clusters",
    "control": "total SD of ability in the reference arm",
    "within_cluster": "SD of ability within an arm and a cluster",
    "irw": (
        "SD of persons in the model with no item slopes (M0, maximum likelihood), as the Item "
        "Response Warehouse (IRW) divides; taken as known"
    ),
}


def ability_sd(fit: Fit, draws: ParameterDraws, kind: AbilitySD = "within_arm") -> np.ndarray:
    """Draws of one SD of ability, in logits.

    Parameters
    ----------
    fit : Fit
    draws : ParameterDraws
    kind : {"within_arm", "residual", "control", "within_cluster", "irw"}
        `within_arm`: variance of persons, plus that of clusters, plus Var(X beta) over persons
        within an arm. `control`: the same in the reference arm alone. `within_cluster`: without
        the clusters' variances, Var(X beta) within arm and cluster. `residual`: persons alone.
        `irw`: persons alone, in the model without treatment slopes by item, which is fitted for it
        by maximum likelihood (Laplace, as glmer); the same in all draws.

    Returns
    -------
    np.ndarray
        (draw,)
    """
    if kind not in WORDS:
        raise ModelError(f"sd={kind!r}; it is one of {listed(list(WORDS))}.")
    person = fit.model.design.group(require_group(fit, "person"))
    if kind == "irw":
        return np.full(len(draws.beta), constant_effect_sd(fit, person.name))
    rows = _rows_of(fit, kind)
    variance = _group_variance(fit, draws, person, rows)
    if kind == "residual":
        return np.sqrt(variance)
    if kind != "within_cluster":
        for group in _clusters(fit, person):
            variance = variance + _group_variance(fit, draws, group, rows)
    spread = _covariate_covariance(fit, person, kind, rows)
    variance = variance + np.einsum("dp,pq,dq->d", draws.beta, spread, draws.beta, optimize=True)
    return np.sqrt(variance)


def constant_effect_sd(fit: Fit, person: str) -> float:
    """SD of persons, in logits, in the model with one effect for all items (IRW's M0)."""
    model, name = fit.model.without_extensions(), require_group(fit, "item")
    moving = np.zeros(model.design.group(name).n_columns, dtype=bool)
    for contrast in treatment_contrasts(fit):
        moving |= np.any(changes_by_item(fit, name, contrast).random != 0, axis=0)
    for k in np.flatnonzero(moving)[::-1]:
        model, _ = without_column(model, name, int(k))
    found = laplace(model)
    at = parameters_at(found, found.mode["psi"].to_numpy()[None])
    rows = np.ones(model.design.n_rows, dtype=bool)
    return float(np.sqrt(_group_variance(found, at, model.design.group(person), rows)[0]))


def _rows_of(fit: Fit, kind: AbilitySD) -> np.ndarray:
    """Rows counted: all, or the reference arm's."""
    design = fit.model.design
    if kind != "control":
        return np.ones(design.n_rows, dtype=bool)
    arm = _arm_of_patterns(fit)
    return np.asarray(arm[design.pattern] == arm.min())


def _arm_of_patterns(fit: Fit) -> np.ndarray:
    """(pattern,) arm as a number, the reference lowest; all alike without a treatment."""
    patterns, treatment = fit.model.responses.patterns, fit.model.roles.treatment
    if treatment is None or treatment not in patterns:
        return np.zeros(len(patterns))
    column = patterns[treatment]
    codes = column.cat.codes if hasattr(column, "cat") else column
    return np.asarray(codes.to_numpy(), dtype=float)


def _clusters(fit: Fit, person: Group) -> list[Group]:
    """Groups that persons belong to: their variables are part of the person's path or clusters."""
    item = fit.model.roles.item
    around = set(person.variables) | set(fit.model.roles.clusters)
    return [
        group
        for group in fit.model.design.groups
        if group.name != person.name
        and item not in group.variables
        and (set(group.variables) <= around or _nests(person, group))
    ]


def _nests(inner: Group, outer: Group) -> bool:
    """Whether each inner level lies within one outer level."""
    pairs = np.unique(inner.level.astype(np.int64) * outer.n_levels + outer.level)
    return bool(pairs.size == inner.n_levels)


def _group_variance(fit: Fit, draws: ParameterDraws, group: Group, rows: np.ndarray) -> np.ndarray:
    """(draw,) average over rows of z' Sigma z."""
    design = fit.model.design
    weight = np.bincount(design.pattern[rows], weights=design.count[rows], minlength=len(group.z))
    second = (group.z.T * weight) @ group.z / weight.sum()
    return np.einsum("dij,ij->d", draws.covariance[group.name], second)


def _covariate_covariance(fit: Fit, person: Group, kind: AbilitySD, rows: np.ndarray) -> np.ndarray:
    """(term, term) covariance over persons, within arms, of the persons' average columns."""
    design = fit.model.design
    level, count = person.level[rows], design.count[rows].astype(float)
    pattern = design.pattern[rows]
    answers = np.bincount(level, weights=count, minlength=person.n_levels)
    present = answers > 0
    means = (
        np.stack(
            [
                np.bincount(level, weights=count * column[pattern], minlength=person.n_levels)
                for column in design.x.T
            ],
            axis=1,
        )[present]
        / answers[present, None]
    )
    means = means * _constant_within_person(design.x, level, pattern)
    arm = np.zeros(person.n_levels)
    arm[level] = _arm_of_patterns(fit)[pattern]
    stratum = np.unique(arm, return_inverse=True)[1]
    if kind == "within_cluster":
        for group in _clusters(fit, person):
            own = np.zeros(person.n_levels, dtype=np.int64)
            own[level] = group.level[rows]
            stratum = np.unique(stratum * group.n_levels + own, return_inverse=True)[1]
    persons = np.ones(person.n_levels) if person.multiplicity is None else person.multiplicity
    return _within_covariance(means, stratum[present], persons[present].astype(float))


def _constant_within_person(x: np.ndarray, level: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """(term,) whether a column has one value for each person.

    Item features do not: which items a person happened to be asked is no part of ability.
    """
    used = np.unique(level.astype(np.int64) * len(x) + pattern)
    person, seen = np.divmod(used, len(x))
    first = np.searchsorted(person, person)
    return np.array([np.all(column[seen] == column[seen[first]]) for column in x.T])


def _within_covariance(values: np.ndarray, stratum: np.ndarray, persons: np.ndarray) -> np.ndarray:
    """Pooled covariance within strata; each row stands for so many persons."""
    size = np.bincount(stratum, weights=persons)
    centre = np.stack([np.bincount(stratum, weights=persons * v) for v in values.T], axis=1)
    deviation = values - (centre / np.maximum(size, 1)[:, None])[stratum]
    left = max(float(persons.sum()) - np.count_nonzero(size), 1.0)
    return np.asarray((deviation.T * persons) @ deviation / left)
