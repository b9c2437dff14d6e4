"""Model: a formula on a checked table, with a family and priors; ready for every engine."""

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from ilhte_bayes.data.assignment import Assignment, AssignmentKind
from ilhte_bayes.data.open_table import Table, open_table
from ilhte_bayes.data.reduction import Reduced
from ilhte_bayes.data.reduction_file import opened_reduced
from ilhte_bayes.data.responses import Responses
from ilhte_bayes.data.roles import Roles
from ilhte_bayes.errors import DataError, IlhteWarning, ModelError
from ilhte_bayes.families import Family, get_family
from ilhte_bayes.formulas.cuts import (
    Thresholds,
)
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.formulas.grammar import Formula, parse_formula
from ilhte_bayes.formulas.logits import Logits
from ilhte_bayes.formulas.unchosen import unchosen_note
from ilhte_bayes.models.ability import Ability, read_ability
from ilhte_bayes.models.discrimination import Discrimination, read_discrimination
from ilhte_bayes.models.distributions import Prior
from ilhte_bayes.models.family_terms import complete_design
from ilhte_bayes.models.from_table import build_from_table
from ilhte_bayes.models.priors import Priors, change_priors, make_priors
from ilhte_bayes.models.reduced import build_reduced

if TYPE_CHECKING:
    import pymc as pm

    from ilhte_bayes.fits.fit import Fit


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
            parts = build_from_table(
                parsed, chosen, table, roles, reference, levels, roster, assignment
            )
            source = str(table.attrs.get("ilhte", {}).get("dataset", ""))
            if not source and not isinstance(data, pd.DataFrame):
                source = str(data)
        own = tuple(as_list(own_slopes))
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

    if not TYPE_CHECKING:  # type checkers know what a model has

        def __getattr__(self, name: str) -> Any:
            """Say of what only a fit has that the model is not fitted yet."""
            from ilhte_bayes.fits.fit import Fit

            known = not name.startswith("_") and name in {*Fit.__dataclass_fields__, *vars(Fit)}
            raise _NotFitted(name) if known else AttributeError(f"a Model has no {name!r}")

    def __repr__(self) -> str:
        from ilhte_bayes.show.text import describe_model

        return describe_model(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


class _NotFitted(ModelError, AttributeError):
    """A model where a fit is wanted."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"this is a Model, which is not fitted yet and has no {name!r}. Fit it first, "
            "fit = il.laplace(model) or il.sample(model), and give the fit."
        )


def require_model(given: object, verb: str) -> None:
    """Refuse what is no model, in a sentence."""
    if not isinstance(given, Model):
        raise ModelError(
            f"il.{verb} takes a Model, and this is a {type(given).__name__}. Write "
            f"il.{verb}(il.Model(formula, table)), or il.{verb}(il.il_hte(table)); the model of a "
            "fit is fit.model."
        )


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


def as_list(names: Sequence[str] | str) -> list[str]:
    """One name, or several."""
    return [names] if isinstance(names, str) else list(names)
