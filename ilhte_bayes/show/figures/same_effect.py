"""A sentence in place of a figure that would show what was assumed as if it had been found."""

import numpy as np

from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.items import changes_by_item, treatment_contrasts
from ilhte_bayes.fits.fit import Fit, require_group

_ROUNDING = 1e-9  # averages over answers of one and the same column agree to this


def refuse_same_effect(fit: Fit) -> None:
    """Refuse a model that gives every item the same effect.

    Raises
    ------
    ModelError
        With the term that lets effects differ.
    """
    name = require_group(fit, "item")
    for contrast in treatment_contrasts(fit):
        weights = changes_by_item(fit, name, contrast)
        if np.any(weights.random) or np.ptp(weights.fixed, axis=0).max() > _ROUNDING:
            return
    raise ModelError(
        "the model gives every item the same effect, by assumption: a figure of effects by item "
        f"would show nothing that was found. Write ({fit.model.roles.treatment} | {name}), or "
        "effects='item' in il.il_hte, to let them differ."
    )
