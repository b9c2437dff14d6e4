"""Figures, with labels in words and uncertainty always shown (matplotlib); one file each."""

from ilhte_bayes.show.figures.canvas import BLUE, GREY, ORANGE
from ilhte_bayes.show.figures.effect_by_easiness import effect_by_easiness
from ilhte_bayes.show.figures.identification import identification
from ilhte_bayes.show.figures.item_curves import item_curves
from ilhte_bayes.show.figures.item_effects import item_effects
from ilhte_bayes.show.figures.prior_posterior import prior_posterior
from ilhte_bayes.show.figures.slopes import slopes

__all__ = [
    "BLUE",
    "GREY",
    "ORANGE",
    "effect_by_easiness",
    "identification",
    "item_curves",
    "item_effects",
    "prior_posterior",
    "slopes",
]
