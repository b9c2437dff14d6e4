"""The same model on another table."""

import warnings

import pandas as pd

from ilhte_bayes.data.integer_codes import encode, used
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IlhteWarning)
        other = Model(
            model.formula.text,
            table,
            model.family.name,
            roles=model.roles,
            reference=model.responses.references,
            levels=answer_order(model, table[model.formula.response.column]),
            assignment=model.assignment.kind if model.assignment else None,
            discrimination=model.discrimination,
            ability=model.ability,
            thresholds=model.thresholds,
            own_slopes=model.own_slopes,
            logits=model.logits,
        )
    there = {entry.parameter for entry in other.priors}
    return other.with_priors({e.parameter: e.prior for e in model.priors if e.parameter in there})


def answer_order(model: Model, answers: pd.Series) -> list[str] | None:
    """`levels` that score these answers as the model's were; None where numbers say it themselves."""
    if model.formula.response.comparison is not None:
        return None
    column = encode(answers)
    if column.kind == "number" and not model.family.nominal:
        return None
    found, known = used(column).texts, model.responses.response_coding.levels
    return [*(text for text in known if text in found), *(t for t in found if t not in known)]


def moving_columns(fit: Fit) -> list[str]:
    """Columns of the item group whose SD lets effects of treatment differ between items."""
    name = require_group(fit, "item")
    random = [changes_by_item(fit, name, c).random for c in treatment_contrasts(fit)]
    columns = fit.model.design.group(name).columns
    return [c for k, c in enumerate(columns) if any(change[:, k].any() for change in random)]
