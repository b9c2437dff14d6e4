"""The models that tell effects of items from effects of persons, all on the same answers.

    M_0  treat + (1 | id) + (1 | item)                one effect for everybody and everything
    M_A  treat + (1 | id) + (treat | item)            effects differ between items
    M_B  treat * covariate + (1 | id) + (1 | item)    effects differ between persons
    M_C  treat * covariate + (1 | id) + (treat | item)  both

Other covariates, clusters and thresholds stay in all of them. `M_A+` is M_A with the covariate, and
without its interaction: items' effects differ and persons' do not.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from formulaic import Formula as FormulaicFormula

from ilhte_bayes.data.open_table import Table, open_table, require_columns
from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.formulas.columns import variables
from ilhte_bayes.formulas.contrasts import Contrast, arm_contrasts
from ilhte_bayes.formulas.design import Group, build_design
from ilhte_bayes.formulas.grammar import Formula, RandomTerm, parse_formula
from ilhte_bayes.models.family_terms import complete_design
from ilhte_bayes.models.il_hte import il_hte
from ilhte_bayes.models.model import Model, with_parts
from ilhte_bayes.models.priors import Priors, make_priors


@dataclass(frozen=True, slots=True)
class ThreeModels:
    """Models of one set of answers, and the names of what they differ in."""

    models: Mapping[str, Model]  # "M_0", "M_A", "M_A+", "M_B", "M_C"
    covariate: str
    interaction: str  # term of M_B and M_C
    item: str  # group of the items
    effect: str  # their column that is the effect's
    contrast: Contrast


def three_models(data: Table | Model, covariate: str | None, **options: Any) -> ThreeModels:
    """Build M_0, M_A, M_B and M_C.

    Parameters
    ----------
    data : pandas.DataFrame, str, path or Model
        A trial in long form; or a model with the covariate among its moderators.
    covariate : str, optional
        Of a model: the moderator that is meant, if it has several.
    **options
        Of `il.il_hte`, for a table.

    Raises
    ------
    ModelError
        If roles are not known, there are more than two arms, the arms are not coded 0 and 1, or the
        covariate has no single interaction with treatment.
    """
    full = data if isinstance(data, Model) else _of_table(data, covariate, options)
    if isinstance(data, Model) and options:
        raise ModelError(
            f"{listed(list(options))}: options of il.il_hte go with a table. Build the model with "
            "them."
        )
    contrast = _two_arms(full)
    name = covariate or _only_moderator(full)
    models = {key: rebuilt(full, _formula_of(full, key, name)) for key in _PARTS}
    interaction = _one_more(models["M_C"], models["M_A+"], name, "interaction with treatment")
    _one_more(models["M_A+"], models["M_A"], name, "term")
    group = models["M_A"].design.group(str(full.roles.item))
    effect = _effect_column(group, models["M_B"].design.group(group.name))
    return ThreeModels(models, name, interaction, group.name, effect, contrast)


# whether a model has effects by item, the covariate, its interaction
_PARTS = {
    "M_0": (False, False, False),
    "M_A": (True, False, False),
    "M_A+": (True, True, False),
    "M_B": (False, True, True),
    "M_C": (True, True, True),
}


def _of_table(data: Table, covariate: str | None, options: dict[str, Any]) -> Model:
    if covariate is None:
        raise ModelError(
            "which covariate may change the effect is not known. Say covariate='pretest', a column "
            "that was measured before treatment."
        )
    require_columns(open_table(data), [covariate], cure="Name yours: covariate='...'.")
    if "effects" in options:
        raise ModelError(
            "effects=...: models with and without effects by item are all fitted. Leave effects out."
        )
    given = options.pop("moderators", ())
    over = [given] if isinstance(given, str) else list(given)
    return il_hte(data, moderators=list(dict.fromkeys([*over, covariate])), **options)


def _two_arms(model: Model) -> Contrast:
    for role in ("treatment", "person", "item"):
        if getattr(model.roles, role) is None:
            raise ModelError(
                f"which column is the {role} is not known. Say roles={{{role!r}: ...}} when "
                "building the model, or give the table and its columns."
            )
    if model.discrimination is not None or model.ability != "normal":
        raise ModelError(
            "identification compares models whose items discriminate alike and whose abilities are "
            "normal. Use model.without_extensions(); il.lookalikes(model) asks about the others."
        )
    if model.design.logit is not None:
        raise ModelError(
            "with family='multinomial' an item has an effect for each category, and no one "
            "easiness. Use ordered answers, family='cumulative' or 'adjacent', or compare them: "
            "'resp >= 2'."
        )
    contrasts = arm_contrasts(model.responses, str(model.roles.treatment))
    first = contrasts[0]
    if len(contrasts) > 1 or first.label.endswith("one unit more"):
        raise ModelError(
            f"{model.roles.treatment!r} has more than two values, and easiness is compared between "
            "two arms. Keep two: table[table[...].isin([...])]."
        )
    if isinstance(first.from_arm, float | int) and (first.from_arm, first.to_arm) != (0, 1):
        raise ModelError(
            f"{model.roles.treatment!r} is coded {first.from_arm:g} and {first.to_arm:g}; easiness "
            "b is that of the arm coded 0. Code the arms 0 and 1."
        )
    return first


def _uses(term: str, model: Model) -> set[str]:
    return set(variables(term, model.responses.patterns.columns.tolist()))


def _terms(fixed: str) -> list[str]:
    """Terms of a fixed part, one by one: "1", "treat", "pre", "treat:pre"."""
    return [_requoted(str(term), fixed) for term in FormulaicFormula(fixed)]


def _requoted(term: str, fixed: str) -> str:
    """A term with the backticks that its columns have in the formula."""
    for name in sorted(set(re.findall(r"`([^`]+)`", fixed)), key=len, reverse=True):
        term = re.sub(rf"(?<!`){re.escape(name)}(?!`)", f"`{name}`", term)
    return term


def _only_moderator(model: Model) -> str:
    treatment, found = str(model.roles.treatment), set()
    for term in _terms(model.formula.fixed):
        if treatment in (used := _uses(term, model)):
            found |= used - {treatment}
    if len(found) != 1:
        have = f"interactions with {listed(sorted(found))}" if found else "no interaction"
        raise ModelError(
            f"the model has {have} of {treatment!r}, and one covariate is asked about. "
            + ("Say covariate='...'." if found else "Build it with moderators=['pretest'].")
        )
    return found.pop()


def _formula_of(model: Model, key: str, covariate: str) -> Formula:
    """The formula with the parts that a model has."""
    by_item, has_main, has_interaction = _PARTS[key]
    treatment = str(model.roles.treatment)
    kept = []
    for term in _terms(model.formula.fixed):
        used = _uses(term, model)
        if covariate not in used or (has_interaction if treatment in used else has_main):
            kept.append(term)
    random = [_random_of(term, model, by_item=by_item) for term in model.formula.random]
    return _formula(model, kept, random)


def one_effect_for_all(model: Model) -> Formula:
    """The model's formula without effects by item."""
    return with_random(
        model, [_random_of(term, model, by_item=False) for term in model.formula.random]
    )


def with_random(model: Model, random: Sequence[RandomTerm]) -> Formula:
    """The model's formula with other random terms."""
    return _formula(model, [model.formula.fixed], random)


def _formula(model: Model, fixed: Sequence[str], random: Sequence[RandomTerm]) -> Formula:
    response = model.formula.text.split("~")[0].strip()
    return parse_formula(f"{response} ~ {' + '.join([*fixed, *map(_written, random)])}")


def _written(term: RandomTerm) -> str:
    names = [name if name.isidentifier() else f"`{name}`" for name in term.group]
    return f"({term.columns} {'|' if term.correlated else '||'} {':'.join(names)})"


def _random_of(term: RandomTerm, model: Model, *, by_item: bool) -> RandomTerm:
    """The items' term with an effect for each, or without; others as they are."""
    if term.group != (model.roles.item,):
        return term
    treatment = str(model.roles.treatment)
    moves = treatment in _uses(term.columns, model)
    if by_item and not moves:
        quoted = treatment if treatment.isidentifier() else f"`{treatment}`"
        return replace(term, columns=f"{term.columns} + {quoted}", correlated=True)
    return replace(term, columns="1") if moves and not by_item else term


def rebuilt(model: Model, formula: Formula) -> Model:
    """A model of the same answers with another formula, of columns that the first one has."""
    design = build_design(formula, model.responses, intercept=not model.family.ordinal)
    own = tuple(term for term in model.own_slopes if term in design.terms)
    design = complete_design(
        design, model.family, model.responses, model.roles.item, model.thresholds, own, model.logits
    )
    kept = {entry.parameter: entry for entry in model.priors}
    priors = Priors(tuple(kept.get(entry.parameter, entry) for entry in make_priors(design)))
    return with_parts(
        model, formula=formula, design=design, priors=priors, own_slopes=own, build_seconds=0.0
    )


def _one_more(larger: Model, smaller: Model, covariate: str, what: str) -> str:
    more = [term for term in larger.design.terms if term not in smaller.design.terms]
    if len(more) != 1:
        found = listed(more) if more else "none"
        raise ModelError(
            f"the {what} of {covariate!r} is {len(more)} columns ({found}), and one is compared. "
            "Give a number, or a factor of two levels, that the model has as a moderator."
        )
    return more[0]


def _effect_column(group: Group, constant: Group) -> str:
    """Name of the items' column that moves with the arm, beside an intercept."""
    more = [column for column in group.columns if column not in constant.columns]
    if len(more) != 1 or "Intercept" not in group.columns:
        raise ModelError(
            f"items have the columns {listed(list(group.columns))}; asked about are an easiness and "
            "an effect for each. Write (treat | item)."
        )
    return more[0]
