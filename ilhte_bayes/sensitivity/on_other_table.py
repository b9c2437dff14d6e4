"""The same model on another table."""

import warnings

import pandas as pd

from ilhte_bayes.engines.laplace import laplace
from ilhte_bayes.errors import IlhteWarning
from ilhte_bayes.estimands.items import changes_by_item, treatment_contrasts
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.models.model import Model


def as_fit(found: Fit | Model) -> Fit:
    """A fit; of a model, its fit by Laplace, MAP (which keeps SDs off 0 and has all intervals)."""
    return laplace(found, objective="map") if isinstance(found, Model) else found


def model_on(model: Model, table: pd.DataFrame) -> Model:
    """The model's formula, family, coding and priors on another table, without its warnings.

    Priors stay those of `model`, so that what changes is the answers alone.
    """
    column, term = table[model.formula.response.column], model.formula.response
    words = not pd.api.types.is_numeric_dtype(column) and not isinstance(
        column.dtype, pd.CategoricalDtype
    )
    levels = model.responses.response_coding.levels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IlhteWarning)
        other = Model(
            model.formula.text,
            table,
            model.family.name,
            roles=model.roles,
            reference=_references(model),
            levels=levels if words and term.comparison is None else None,
            assignment=model.assignment.kind if model.assignment else None,
            discrimination=model.discrimination,
            ability=model.ability,
            thresholds=model.thresholds,
            own_slopes=model.own_slopes,
            logits=model.logits,
        )
    there = {entry.parameter for entry in other.priors}
    return other.with_priors({e.parameter: e.prior for e in model.priors if e.parameter in there})


def _references(model: Model) -> dict[str, str]:
    """The level that each factor's others are compared with."""
    patterns = model.responses.patterns
    return {
        coding.column: coding.levels[0]
        for coding in model.responses.codings
        if coding.column in patterns
        and isinstance(patterns[coding.column].dtype, pd.CategoricalDtype)
    }


def moving_columns(fit: Fit) -> list[str]:
    """Columns of the item group whose SD lets effects of treatment differ between items."""
    name = require_group(fit, "item")
    random = [changes_by_item(fit, name, c).random for c in treatment_contrasts(fit)]
    columns = fit.model.design.group(name).columns
    return [c for k, c in enumerate(columns) if any(change[:, k].any() for change in random)]
