"""How many moderators were looked at: a family of tests, named with its size."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.intervals import p_value
from ilhte_bayes.formulas.term_variables import factors_of
from ilhte_bayes.models.model import Model


def moderated_terms(model: Model) -> dict[str, list[str]]:
    """Interactions of treatment, by moderator: {"pre": ["treat:pre"], "sex": [...]}.

    Empty where the treatment is not known, or nothing interacts with it.
    """
    treatment, design = model.roles.treatment, model.design
    found: dict[str, list[str]] = {}
    for term in design.terms[design.n_cuts :]:
        factors = factors_of(term, model.responses.patterns.columns)
        others = [":".join(factor) for factor in factors if treatment not in factor]
        if others and len(others) < len(factors):
            moderator = ":".join(others)
            found.setdefault(moderator, []).append(term)
    return found


def moderator_notes(fit: Fit, p: pd.Series) -> list[str]:
    """What to know of p-values of moderators: how many there are, and Holm's correction.

    Parameters
    ----------
    fit : Fit
    p : pandas.Series
        P-value of each term.
    """
    found = moderated_terms(fit.model)
    terms = [term for own in found.values() for term in own]
    if not terms:
        return []
    if len(terms) == 1:
        return [
            f"Moderators of {fit.model.roles.treatment}: a family of one, {terms[0]}. Others that "
            "were looked at in other models belong to the family too."
        ]
    corrected = holm(p[terms].to_numpy())
    each = ", ".join(f"{t} {p_value(q)}" for t, q in zip(terms, corrected, strict=True))
    return [
        f"Moderators of {fit.model.roles.treatment}: each interaction is one of a family of "
        f"{len(terms)} ({len(found)} moderator{'s' if len(found) > 1 else ''}); p by Holm: {each}."
    ]


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """P-values corrected for their number: P(any false rejection) is at most the level.

    References
    ----------
    Holm (1979), Scand. J. Stat. 6(2), 65-70.
    """
    values = np.asarray(p, dtype=float)
    order = np.argsort(values)
    steps = values[order] * np.arange(values.size, 0, -1)
    out = np.empty(values.size)
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return out
