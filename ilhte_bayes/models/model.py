"""Model: a formula on a checked table, with a family and priors; ready for every engine."""

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from ilhte_bayes.data.assignment import Assignment, AssignmentKind, find_assignment
from ilhte_bayes.data.cautions import (
    arms_without_zero,
    look_alikes,
    odd_roles,
    renamed_levels,
    swapped_terms,
)
from ilhte_bayes.data.checks import check_nesting, check_trial
from ilhte_bayes.data.coding import Coding, code_response, require_order
from ilhte_bayes.data.flow import flow_by_arm
from ilhte_bayes.data.reduction import Reduced, kind_rows
from ilhte_bayes.data.reduction_file import opened_reduced
from ilhte_bayes.data.responses import Responses, read_responses
from ilhte_bayes.data.roles import IRW_ITEM, IRW_PERSON, IRW_TREATMENT, Roles, read_roles
from ilhte_bayes.data.rows import Rows, complete_rows
from ilhte_bayes.data.tables import Table, open_table, require_columns
from ilhte_bayes.errors import DataError, IlhteWarning, ModelError, NotAvailable
from ilhte_bayes.families import Family, get_family
from ilhte_bayes.formulas.cuts import (
    Thresholds,
    terms_of,
    with_group_cuts,
    with_own_slopes,
)
from ilhte_bayes.formulas.design import Design, build_design, group_sizes, needed_columns
from ilhte_bayes.formulas.grammar import Formula, parse_formula
from ilhte_bayes.formulas.logits import Logits, with_correlated_logits
from ilhte_bayes.formulas.unchosen import unchosen_note
from ilhte_bayes.models.ability import Ability, read_ability
from ilhte_bayes.models.discrimination import Discrimination, read_discrimination
from ilhte_bayes.models.distributions import Prior
from ilhte_bayes.models.priors import Priors, change_priors, make_priors
from ilhte_bayes.models.reduced import build_reduced, require_kept

if TYPE_CHECKING:
    import pymc as pm

    from ilhte_bayes.fits.fit import Fit


_MOST_ARMS = 8  # with an SD of ability each


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Model:
    """A multilevel model of item responses.

    Parameters
    ----------
    formula : str
        lme4's grammar: `"resp ~ treat + (1 | school/id) + (treat | item)"`. The response may be
        a comparison, `"resp >= 2 ~ ..."`. Fixed parts are formulaic's language (`log(x)`,
        `poly(x, 2)`, `C(x)`); R's `I(x^2)` and `factor(x)` work too.
    data : pandas.DataFrame, str or path, or Reduced
        Long form, one row for each answer; `.csv`, `.csv.gz` and `.parquet` paths are read. Or
        counts that `il.reduce` made of a table larger than memory, whose roles are known.
    family : {"bernoulli", "cumulative", "adjacent", "multinomial"}
        Distribution of the answers: yes or no; ordered categories, with a threshold between
        each two (cumulative logit, proportional odds); ordered categories, each against the one
        below (adjacent-category logit, partial credit model); categories without an order, each
        against the first (baseline-category logit), with coefficients and random effects of its
        own, named "mid: treat".
    priors : mapping, optional
        Changes to the default priors, for example `{"beta[treat]": il.priors.Normal(0, 0.5)}`.
        They matter for MAP and NUTS, not for maximum likelihood.
    roles : mapping, optional
        `{"treatment": ..., "person": ..., "item": ..., "clusters": [...], "occasion": ...,
        "crossover": bool}`. Columns named as in the Item Response Warehouse (`treat`, `id`,
        `item`, `cluster_id`, `wave`) are recognised.
    reference : mapping, optional
        Level that the others are compared with, `{"trt": "placebo"}`; of a multinomial response
        its category.
    levels : sequence, optional
        Order of text answers, lowest first.
    thresholds : {"common", "item"}
        Of ordinal answers: the same for all items; or for each item its own around the common ones
        (rating scales that items use differently). See `formulas.cuts`; where nobody chose a
        middle category of an item, `formulas.unchosen`.
    own_slopes : sequence of str, optional
        Variables or terms whose slope may differ from threshold to threshold (partial proportional
        odds); `il.equal_slopes` tests whether they need to.
    logits : {"independent", "correlated"}
        Of multinomial answers: whether random effects of different categories are independent (as
        PROC GLIMMIX's GROUP=) or correlated. See `formulas.logits`.
    roster : pandas.DataFrame, str or path, optional
        Everyone randomised, one row each, with the person and treatment columns.
    assignment : {"randomised", "observational"}, optional
        Whether results may speak of effects or of differences.
    discrimination : {"loaded", "additive"}, optional
        Let every item react to ability in its own measure (2PL), log a_i ~ N(0, sd). "loaded", or
        True: the effect is on ability, eta = a_i (theta + (beta_1 + zeta_i) T) + b_i. "additive":
        on the items' own logits, eta = a_i theta + (beta_1 + zeta_i) T + b_i, so that beta_1 is on
        another scale than with "loaded". Fitted by `il.sample`. See `models.discrimination`.
    ability : {"normal", "histogram"}
        Shape of the distribution of ability. "histogram" leaves it free, with mean 0 and the SD a
        parameter, shrinking towards the normal; fitted by `il.sample`. See `models.ability`.

    Attributes
    ----------
    design : Design
        Columns, groups and rows as numbers.
    priors : Priors
        Prints as a table.
    notes : tuple of str
        Warnings about the table, each with what to do.
    flow : pandas.DataFrame or None
        Persons by arm: randomised, in the table, in the analysis.

    Raises
    ------
    DataError, FormulaError, ModelError
        With what was found, where, the rule, and what to type next.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> model = il.Model("resp >= 2 ~ treat + (1 | study/id) + (treat | item)", trial)
    >>> model.design.terms
    ('Intercept', 'treat')
    """

    formula: Formula
    family: Family
    responses: Responses
    design: Design
    priors: Priors
    roles: Roles
    assignment: Assignment | None
    flow: pd.DataFrame | None
    notes: tuple[str, ...]
    source: str
    build_seconds: float
    discrimination: Discrimination | None = None
    ability: Ability = "normal"
    thresholds: Thresholds = "common"
    own_slopes: tuple[str, ...] = ()
    logits: Logits = "independent"

    def __init__(
        self,
        formula: str,
        data: Table | Reduced,
        family: str = "bernoulli",
        *,
        priors: Mapping[str, Prior] | None = None,
        roles: Roles | Mapping | None = None,
        reference: Mapping[str, str] | None = None,
        levels: Sequence | None = None,
        roster: Table | None = None,
        assignment: AssignmentKind | None = None,
        discrimination: Discrimination | bool | None = None,
        ability: Ability = "normal",
        thresholds: Thresholds = "common",
        own_slopes: Sequence[str] | str = (),
        logits: Logits = "independent",
    ) -> None:
        chosen, parsed = get_family(family), parse_formula(formula)
        data = opened_reduced(data)
        began = time.perf_counter()
        if isinstance(data, Reduced):
            _refuse_beside_reduced(roles, roster)
            parts = build_reduced(parsed, chosen, data, reference, levels, assignment)
            source = data.source
        else:
            table = open_table(data)
            began = time.perf_counter()
            parts = _build(parsed, chosen, table, roles, reference, levels, roster, assignment)
            source = str(table.attrs.get("ilhte", {}).get("dataset", ""))
            if not source and not isinstance(data, pd.DataFrame):
                source = str(data)
        own = tuple(_as_list(own_slopes))
        parts |= {"thresholds": thresholds, "own_slopes": own, "logits": logits}
        parts["design"] = complete_design(
            parts["design"],
            parts["family"],
            parts["responses"],
            parts["roles"].item,
            thresholds,
            own,
            logits,
        )
        parts["notes"] += tuple(unchosen_note(parts["design"]))
        kind = read_discrimination(discrimination, parts["design"], parts["roles"])
        parts["discrimination"] = kind
        shape = read_ability(ability, parts["design"], parts["roles"], kind)
        parts["ability"] = shape
        parts["priors"] = make_priors(parts["design"], priors, discrimination=kind, ability=shape)
        parts |= {"source": source, "build_seconds": time.perf_counter() - began}
        for name, value in parts.items():
            object.__setattr__(self, name, value)
        for note in parts["notes"]:
            warnings.warn(note, IlhteWarning, stacklevel=2)

    def with_priors(self, changes: Mapping[str, Prior]) -> "Model":
        """Return the same model with other priors (see `model.priors` for the names)."""
        return with_parts(self, priors=change_priors(self.priors, changes))

    def without_extensions(self) -> "Model":
        """Return the same model with items that discriminate alike and normal abilities."""
        return with_parts(self, discrimination=None, ability="normal")

    @cached_property
    def rows(self) -> Design:
        """The design as rows of one linear predictor each, as engines want it.

        For binary answers the design itself; an ordinal answer is split at the thresholds beside
        it (see `formulas.cuts`).
        """
        return self.family.rows(self.design)

    @property
    def noun(self) -> str:
        """What a difference between arms may be called: "effect" or "difference"."""
        return self.assignment.noun if self.assignment else "effect"

    @cached_property
    def pymc(self) -> "pm.Model":
        """The joint model as a `pymc.Model` with named dims, ready for any PyMC tool."""
        from ilhte_bayes.models.builder import build_pymc

        return build_pymc(self)

    def laplace(self, **options: Any) -> "Fit":
        """See `ilhte_bayes.laplace`."""
        from ilhte_bayes.engines.laplace import laplace

        return laplace(self, **options)

    def quadrature(self, **options: Any) -> "Fit":
        """See `ilhte_bayes.quadrature`."""
        from ilhte_bayes.engines.quadrature import quadrature

        return quadrature(self, **options)

    def sample(self, **options: Any) -> "Fit":
        """See `ilhte_bayes.sample`."""
        from ilhte_bayes.engines.nuts import sample

        return sample(self, **options)

    def __repr__(self) -> str:
        from ilhte_bayes.show.text import describe_model

        return describe_model(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


def _refuse_beside_reduced(roles: Roles | Mapping | None, roster: Table | None) -> None:
    for name, given in (("roles", roles), ("roster", roster)):
        if given is not None:
            raise DataError(
                f"{name}= beside a reduced table: its roles were stated to il.reduce, and its "
                f"persons are counted, not named. Leave {name} out."
            )


def with_parts(model: Model, **changes: Any) -> Model:
    """Copy a model with some of its fields replaced, not going through the door again."""
    other = object.__new__(Model)
    for name in Model.__dataclass_fields__:
        object.__setattr__(other, name, changes.pop(name, getattr(model, name)))
    assert not changes, changes
    return other


def complete_design(
    design: Design,
    family: Family,
    responses: Responses,
    item: str | None,
    thresholds: Thresholds,
    own_slopes: Sequence[str],
    logits: Logits,
) -> Design:
    """Add the terms that a family has of its own.

    Thresholds, common or around them by item, own slopes; a column for each category, with random effects of
    different categories independent or correlated.
    """
    if thresholds not in ("common", "item"):
        raise ModelError(
            f"thresholds={thresholds!r}; it is 'common' (the same for all items) or 'item' (each "
            "item its own, around the common ones); on the command line --thresholds item."
        )
    if logits not in ("independent", "correlated"):
        raise ModelError(
            f"logits={logits!r}; it is 'independent' (random effects of different categories are "
            "not correlated) or 'correlated'."
        )
    design = family.complete(design, responses.response_coding.levels)
    design = replace(design, compiled=family.compiled)
    if own_slopes:
        design = with_own_slopes(design, terms_of(design, own_slopes))
    if logits == "correlated":
        if not family.nominal:
            raise ModelError(
                f"logits='correlated' is about family='multinomial', where each category has its "
                f"own random effects; family {family.name!r} has one set of them. Drop it."
            )
        design = with_correlated_logits(design)
    if thresholds == "common":
        return design
    if design.n_cuts < 2:
        raise ModelError(
            "thresholds='item' needs ordinal answers, family='cumulative' (--family cumulative), of "
            "three categories or more: with two, an item's only threshold is its easiness. Use "
            "thresholds='common'."
        )
    if item is None:
        raise ModelError(
            "thresholds='item': which column is the item is not known. Say roles={'item': ...}."
        )
    return with_group_cuts(design, design.group(item).name)


def _build(
    formula: Formula,
    family: Family,
    table: pd.DataFrame,
    roles: Roles | Mapping | None,
    reference: Mapping[str, str] | None,
    levels: Sequence | None,
    roster: Table | None,
    assignment: AssignmentKind | None,
) -> dict[str, Any]:
    """Take a table along the data's way: checked rows, responses, design."""
    needed = needed_columns(formula, table.columns.tolist())
    stored = table.attrs.get("ilhte", {})
    kind = _assignment_kind(assignment, stored)
    read = read_roles(roles, table, set(needed.columns), stored.get("roles"))
    rows, dropped = complete_rows(table, needed, read.item, read.treatment)
    response = formula.response
    if family.ordinal:
        require_order(rows.response, response, levels)
    score, coding = code_response(
        rows.response,
        response,
        levels,
        (reference or {}).get(response.column),
        ordinal=family.ordinal,
        nominal=family.nominal,
    )
    family = family.of(len(coding.levels))
    family.check(len(coding.levels), response.text, coding.found(score))
    notes = [*_check_paths(rows, formula), *check_trial(rows, read, score, needed.groups)]
    notes += odd_roles(rows, read, needed) + look_alikes(rows, needed)
    notes += renamed_levels(rows, needed)
    grouped_by = [name for group in needed.groups for name in group]
    found = find_assignment(rows, read, kind=kind, grouped_by=grouped_by, formula=formula.text)
    flow = _flow(rows, read, roster)
    responses = read_responses(rows, needed, (score, coding), dropped=dropped, reference=reference)
    responses = _with_named_arms(responses, read.treatment, stored.get("arms"))
    del rows, score  # the largest things here; the design has its own
    design = build_design(formula, responses, intercept=not family.ordinal)
    notes += swapped_terms(group_sizes(design), responses.n_obs)
    notes += arms_without_zero(responses.patterns, read.treatment)
    notes += [found.warning] if found and found.warning else []
    return {
        "formula": formula,
        "family": family,
        "responses": responses,
        "design": design,
        "roles": read,
        "assignment": found,
        "flow": flow,
        "notes": tuple(notes),
    }


def _with_named_arms(
    responses: Responses, treatment: str | None, arms: tuple[str, str] | None
) -> Responses:
    """Record what 0 and 1 of a numeric treatment stand for, where a bundled set says so."""
    if arms is None or treatment is None or treatment not in responses.patterns:
        return responses
    if not set(responses.patterns[treatment].unique()) <= {0, 1}:
        return responses
    return replace(responses, codings=(*responses.codings, Coding(treatment, tuple(arms))))


def _assignment_kind(stated: AssignmentKind | None, stored: Mapping) -> AssignmentKind | None:
    if stated not in (None, "randomised", "observational"):
        raise DataError(
            f"assignment={stated!r}; it is 'randomised' (results speak of effects) or "
            "'observational' (of differences)."
        )
    return stated or stored.get("assignment")


def _check_paths(rows: Rows, formula: Formula) -> list[str]:
    """Check the deepest path of every `a/b` term."""
    paths = [term.group for term in formula.random if term.nested]
    deepest = [p for p in paths if not any(len(q) > len(p) and q[: len(p)] == p for q in paths)]
    return [note for path in dict.fromkeys(deepest) if (note := check_nesting(rows, path))]


def _flow(rows: Rows, roles: Roles, roster: Table | None) -> pd.DataFrame | None:
    """Persons by arm, where some rows were dropped or the caller says who was randomised."""
    if roles.person is None or roles.treatment is None:
        if roster is not None:
            raise DataError(
                "a roster says nothing before person and treatment are known. Say "
                "roles={'treatment': ..., 'person': ...}."
            )
        return None
    if roster is None and rows.kept is None:
        return None
    return flow_by_arm(rows, roles, None if roster is None else open_table(roster))


def il_hte(
    data: Table | Reduced,
    *,
    response: str = "resp",
    treatment: str = "treat",
    person: str = "id",
    item: str = "item",
    clusters: Sequence[str] | str = (),
    covariates: Sequence[str] | str = (),
    moderators: Sequence[str] | str = (),
    item_features: Sequence[str] | str = (),
    effects: str = "item",
    ability_sd: str = "common",
    family: str = "bernoulli",
    occasion: str | None = None,
    crossover: bool = False,
    **options: Any,
) -> Model:
    """Write the formula of an item-level effects model and build it.

    Parameters
    ----------
    data : pandas.DataFrame, str or path, or Reduced
        Long form, one row for each answer; or the counts of `il.reduce`, which know their columns.
    response, treatment, person, item : str
        Columns; the defaults are the names of the Item Response Warehouse. The response may be
        a comparison, `"resp >= 2"`.
    clusters : str or sequence of str
        Groups of persons, outermost first: `["school", "teacher"]`.
    covariates : str or sequence of str
        Person or cluster variables that shift everyone's answers alike.
    moderators : str or sequence of str
        Variables over which the treatment effect may differ (`treat * moderator`).
    item_features : str or sequence of str
        Item variables that may explain why effects differ between items (`treat * feature`).
    effects : {"item", "constant"}
        One effect for each item, correlated with its easiness, or the same for all.
    ability_sd : {"common", "by_arm"}
        One SD of ability (within clusters), or one for each arm. A treatment that widens or
        narrows abilities otherwise looks like effects that differ between items.
    family : {"bernoulli", "cumulative", "adjacent"}
        Distribution of the answers: yes or no, or ordered categories. With "adjacent" the effect
        is on each step up: it enters k times for category k.
    occasion : str, optional
        Column that tells repeated answers of a person to an item apart.
    crossover : bool
        Whether persons were meant to be in more than one arm.
    **options
        `priors`, `reference`, `levels`, `thresholds`, `own_slopes`, `roster`, `assignment`,
        `discrimination`, `ability`: see `Model`.

    Returns
    -------
    Model

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> model = il.il_hte(trial, response="resp >= 2", clusters=["study"])
    >>> model.formula.text
    'resp >= 2 ~ treat + (1 | study/id) + (treat | item)'
    """
    if effects not in ("item", "constant"):
        raise DataError(
            f"effects={effects!r}; it is 'item' (one effect for each item) or 'constant'."
        )
    data = opened_reduced(data)
    if isinstance(data, Reduced):
        names = (response, treatment, person, item)
        response, treatment, person, item = _names_of(data, names)
        crossover = _known_to_reduce(occasion, crossover)
        table, _, _ = kind_rows(data)
    else:
        table = open_table(data)
    lists = [_as_list(x) for x in (clusters, covariates, moderators, item_features)]
    groups, shifts, over, features = lists
    named = [treatment, person, item, *groups, *shifts, *over, *features]
    columns = set(table.columns)
    if isinstance(data, Reduced):
        require_kept(named, table.columns.tolist())
    elif response.isidentifier():  # others are expressions, "resp >= 2", which the formula reads
        named.insert(0, response)
    if absent := [name for name in named if name not in columns]:
        word = (
            "response"
            if absent[0] == response
            else _argument_of(absent[0], treatment, person, item)
        )
        require_columns(
            table, named, cure=f"Name yours: {word}='...' (--{word} on the command line)."
        )
    left = _quoted(response) if response in columns else response
    arm, path = _quoted(treatment), [_quoted(name) for name in (*groups, person)]
    persons = f"(1 | {'/'.join(path)})"
    if _by_arm(ability_sd, table[treatment], crossover=crossover):
        around = f"(1 | {'/'.join(path[:-1])}) + " if groups else ""
        persons = f"{around}(0 + C({arm}) || {':'.join(path)})"
    fixed = [arm, *map(_quoted, shifts), *(f"{arm} * {_quoted(x)}" for x in (*over, *features))]
    by_item = arm if effects == "item" else "1"
    formula = f"{left} ~ {' + '.join(fixed)} + {persons} + ({by_item} | {_quoted(item)})"
    if isinstance(data, Reduced):
        return Model(formula, data, family, **options)
    roles = Roles(treatment, person, item, occasion, tuple(groups), crossover)
    if isinstance(data, pd.DataFrame):
        return Model(formula, table, family, roles=roles, **options)
    model = Model(formula, table, family, roles=roles, **options)
    object.__setattr__(model, "source", model.source or str(data))
    return model


def _names_of(reduced: Reduced, given: tuple[str, ...]) -> tuple[str, str, str, str]:
    """Columns of a reduced table; refuses others than these or the defaults."""
    roles = reduced.roles
    own = (reduced.response, str(roles.treatment), str(roles.person), str(roles.item))
    usual = ("resp", IRW_TREATMENT, IRW_PERSON, IRW_ITEM)
    words = ("response", "treatment", "person", "item")
    for word, name, kept, default in zip(words, given, own, usual, strict=True):
        if name not in (kept, default):
            raise DataError(
                f"{word}={name!r}: the table was reduced with {word}={kept!r}. Leave {word} out, "
                "or reduce again."
            )
    return own


def _known_to_reduce(occasion: str | None, crossover: bool) -> bool:
    if occasion is not None or crossover:
        raise NotAvailable(
            "occasion and crossover: a reduced table holds one sum score of each person. Fit the "
            "table itself."
        )
    return False


def _by_arm(ability_sd: str, treatment: pd.Series, *, crossover: bool) -> bool:
    """Whether ability has an SD for each arm; refuses what makes no sense of it."""
    if ability_sd not in ("common", "by_arm"):
        raise DataError(
            f"ability_sd={ability_sd!r}; it is 'common' (one SD of ability) or 'by_arm' (one for "
            "each arm)."
        )
    if ability_sd == "common":
        return False
    if crossover:
        raise DataError(
            "ability_sd='by_arm' with crossover=True: persons who are in both arms have one "
            "ability. Use ability_sd='common'."
        )
    if (n := treatment.nunique()) > _MOST_ARMS:
        raise DataError(
            f"ability_sd='by_arm': column {treatment.name!r} has {n} values, and there would be an "
            f"SD for each; {_MOST_ARMS} is the most. Use ability_sd='common'."
        )
    return True


def _as_list(names: Sequence[str] | str) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _argument_of(name: str, treatment: str, person: str, item: str) -> str:
    given = {treatment: "treatment", person: "person", item: "item"}
    return given.get(name, "covariates")


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"
