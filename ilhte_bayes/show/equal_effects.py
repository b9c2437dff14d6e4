"""Models that give every item the same effect: a sentence in place of a figure of the assumption."""

import numpy as np

from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.items import changes_by_item, treatment_contrasts
from ilhte_bayes.fits.fit import Fit, require_group

_ROUNDING = 1e-9  # averages over answers of one and the same column agree to this


def all_equal(fit: Fit) -> bool:
    """Whether the model gives every item the same effect, by assumption."""
    name = require_group(fit, "item")
    for contrast in treatment_contrasts(fit):
        weights = changes_by_item(fit, name, contrast)
        if np.any(weights.random) or np.ptp(weights.fixed, axis=0).max() > _ROUNDING:
            return False
    return True


def refuse_equal(fit: Fit) -> None:
    """Refuse to draw effects by item where they are equal by assumption.

    Raises
    ------
    ModelError
        With the term that lets effects differ.
    """
    if all_equal(fit):
        raise ModelError(
            "the model gives every item the same effect, by assumption: a figure of effects by "
            "item would show nothing that was found. Write "
            f"({fit.model.roles.treatment} | {require_group(fit, 'item')}), or effects='item' in "
            "il.il_hte, to let them differ."
        )
