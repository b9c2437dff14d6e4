"""Discrimination: how strongly each item reacts to ability (2PL), and what it multiplies.

With a_i the item's discrimination, b_i its easiness and T the treatment,

    loaded     eta = a_i (theta + (beta_1 + zeta_i) T) + b_i
    additive   eta = a_i theta + (beta_1 + zeta_i) T + b_i

Loaded, an effect is on ability (logits of an item with a = 1); additive, on the item's own logits.
Multiplied is what is about persons: their abilities, covariates, clusters. What is the same for
everyone who answers an item is the item's own. Covariates are multiplied as deviations from their
means, so that items of any discrimination are as easy as b_i says for persons who are average.

Scale and sign are fixed by log a_i ~ Normal(0, sd_discrimination): positive, mean of the logs 0.
"""

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ilhte_bayes.data.roles import Roles
from ilhte_bayes.errors import ModelError, NotAvailable, listed
from ilhte_bayes.formulas.contrasts import arm_contrasts, fixed_change, group_change
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.likelihood.equal_persons import require_sums_alone
from ilhte_bayes.likelihood.plan import Plan, make_plan
from ilhte_bayes.likelihood.predictor import Predictor

if TYPE_CHECKING:
    from ilhte_bayes.models.model import Model

Discrimination = Literal["loaded", "additive"]

SENTENCES = {
    "loaded": (
        "one for each item (2PL, loaded): it multiplies ability and the effect on it; coefficients "
        "are logits of an item with discrimination 1, covariates multiplied as deviations from "
        "their means"
    ),
    "additive": (
        "one for each item (2PL, additive): it multiplies ability, not the effect; effects are "
        "logits of the items themselves, covariates those of an item with discrimination 1"
    ),
}


def read_discrimination(value: Any, design: Design, roles: Roles) -> Discrimination | None:
    """Check what the caller asked for, and that items and persons are known.

    Raises
    ------
    ModelError
        If the value is none of those known, or the formula lacks items or persons.
    NotAvailable
        If the table was reduced to sum scores.
    """
    if value is None or value is False:
        return None
    if value is not True and value not in SENTENCES:
        raise ModelError(
            f"discrimination={value!r}; it is 'loaded' (the effect is on ability), 'additive' (on "
            "the items' own logits) or None (all items discriminate alike)."
        )
    if design.reduced:
        require_sums_alone(weighted=True)
    if design.n_cuts or design.n_categories:
        raise NotAvailable(
            "discriminations of ordinal items are not there. Compare the response with a value, "
            "'resp >= 2 ~ ...', with family='bernoulli'; or build the model with "
            "discrimination=None."
        )
    for role in ("item", "person"):
        column = getattr(roles, role)
        with contextlib.suppress(ModelError):
            if column is not None and design.group(column).variables[-1] == column:
                continue
        found = listed([group.name for group in design.groups])
        raise ModelError(
            f"discriminations need one group of {role}s, and the formula has groups {found}, the "
            f"{role} column being {column!r}. Write ... + (1 | id) + (treat | item), and say "
            f"roles={{{role!r}: ...}} if the column has another name."
        )
    return "loaded" if value is True else value


def require_equal_discrimination(model: "Model", name: str) -> None:
    """Refuse a model with discriminations, for an engine `name` that has none."""
    if model.discrimination is not None:
        raise NotAvailable(
            f"il.{name} takes all items to discriminate alike, and this model has a discrimination "
            "for each. il.sample, il.item_effects and il.effect_card know of them; for this, build "
            "the model with discrimination=None."
        )


@dataclass(frozen=True, slots=True)
class Loading:
    """What discriminations multiply."""

    items: Group
    terms: np.ndarray  # (term,) bool
    columns: frozenset[tuple[str, int]]  # of random effects, (group, position)
    centre: np.ndarray  # (term,) mean over answers of multiplied covariates; 0 for all else


def find_loading(model: "Model") -> Loading:
    """Sort terms and columns into those of persons, multiplied, and those of items."""
    design = model.design
    assert model.roles.item is not None
    items = design.group(model.roles.item)
    fixed_moves, random_moves = _moved_by_treatment(model)
    additive = model.discrimination == "additive"
    own = np.array([_same_for_everyone(column, design, items) for column in design.x.T], dtype=bool)
    terms = np.where(fixed_moves, not additive, ~own)
    columns = {
        (group.name, k)
        for group in design.groups
        for k, moves in enumerate(random_moves[group.name])
        if (not additive if moves else not _belongs_to_items(group, k, design, items))
    }
    weight = np.bincount(design.pattern, weights=design.count, minlength=len(design.x))
    means = weight @ design.x / weight.sum()
    return Loading(items, terms, frozenset(columns), np.where(terms & ~fixed_moves, means, 0.0))


def _moved_by_treatment(model: "Model") -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Which terms, and which columns of each group, change with the arm."""
    design, patterns = model.design, model.responses.patterns
    treatment = model.roles.treatment
    fixed = np.zeros(len(design.terms), dtype=bool)
    random = {group.name: np.zeros(group.n_columns, dtype=bool) for group in design.groups}
    if treatment is None or treatment not in patterns:
        return fixed, random
    answers = design.pattern_of_answers()
    for contrast in arm_contrasts(model.responses, treatment):
        same = (model.formula, patterns, answers, treatment, contrast)
        fixed |= np.any(fixed_change(*same, design.terms) != 0, axis=0)
        for group in design.groups:
            if not group.split:  # whose arms differ in spread alone
                random[group.name] |= np.any(group_change(*same, group) != 0, axis=0)
    return fixed, random


def _same_for_everyone(column: np.ndarray, design: Design, items: Group) -> bool:
    """Whether a column (pattern,) has one value for each item."""
    values = column[design.pattern]
    _, first = np.unique(items.level, return_index=True)
    return bool(np.all(values == values[first][items.level]))


def _belongs_to_items(group: Group, k: int, design: Design, items: Group) -> bool:
    """Whether a random column is about items: their easiness, that of their subscale, by school."""
    if not _same_for_everyone(group.z[:, k], design, items):
        return False
    if items.variables[-1] in group.variables:
        return True
    _, first = np.unique(items.level, return_index=True)
    return bool(np.all(group.level == group.level[first][items.level]))


@dataclass(frozen=True, slots=True)
class LoadedPlan:
    """A plan whose cells have two parts: d = own + a[item] * loaded; means are all multiplied."""

    plan: Plan  # covariates of the means as deviations; slopes are the items' discriminations
    own: Predictor
    loaded: Predictor

    @property
    def group(self) -> Group:
        """The group integrated out."""
        return self.plan.group

    def answered_with_one(self) -> np.ndarray:
        """(unit, item) how often each unit answered each item with 1."""
        assert self.plan.answered is not None
        start, which = self.plan.answered
        out = np.zeros((self.plan.n_units, self.plan.slopes.size))
        np.add.at(out, (np.repeat(np.arange(self.plan.n_units), np.diff(start)), which), 1.0)
        return out


def make_loaded_plan(model: "Model", integrated: str) -> LoadedPlan:
    """Plan of a model with discriminations.

    Raises
    ------
    NotAvailable
        If the persons' column is not 1 everywhere.
    """
    loading, design = find_loading(model), model.design
    group = design.group(integrated)
    if not (group.z.sum(axis=1) == 1).all():
        raise NotAvailable(
            f"discriminations with a random slope of {group.name} ({listed(group.columns)}) are "
            "not integrated. Use integrate='none'."
        )
    unloaded = {t for t, yes in zip(design.terms, loading.terms, strict=True) if not yes}
    unloaded |= {
        f"{g.name}[{column}]"
        for g in design.groups
        for k, column in enumerate(g.columns)
        if (g.name, k) not in loading.columns
    }
    plan = make_plan(
        design, integrated, on_cells=frozenset(unloaded), slope_group=loading.items.name
    )
    own, loaded = _split(plan.cells, loading)
    return LoadedPlan(replace(plan, means=_centred(plan.means, loading.centre)), own, loaded)


def _centred(predictor: Predictor, centre: np.ndarray) -> Predictor:
    return replace(predictor, x=predictor.x - centre[list(predictor.terms)])


def _split(cells: Predictor, loading: Loading) -> tuple[Predictor, Predictor]:
    """Parts of the cells' predictor: not multiplied, with the covariates' means; multiplied."""
    multiplied = np.array([loading.terms[t] for t in cells.terms], dtype=bool)
    shifted = tuple(int(t) for t in np.flatnonzero(loading.centre))
    at_means = np.tile(loading.centre[list(shifted)], (cells.n_places, 1))
    parts = []
    for part in (False, True):
        terms = tuple(t for t, yes in zip(cells.terms, multiplied, strict=True) if yes == part)
        columns = tuple(
            c for c in cells.columns if ((c.group, c.position) in loading.columns) == part
        )
        parts.append(replace(cells, terms=terms, x=cells.x[:, multiplied == part], columns=columns))
    own, loaded = parts
    own = replace(own, terms=(*own.terms, *shifted), x=np.hstack([own.x, at_means]))
    return own, _centred(loaded, loading.centre)
