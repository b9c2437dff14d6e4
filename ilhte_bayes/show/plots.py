"""Figures, with labels in words and uncertainty always shown; one file each.

Each function returns matplotlib's axes (`ax=` to draw on yours), or with `backend="plotly"` a
figure whose points tell their names and numbers; `size="slide"` is larger than `size="paper"`.
"""

from ilhte_bayes.show.figures.calibration import calibration
from ilhte_bayes.show.figures.canvas import BLUE, GREY, ORANGE
from ilhte_bayes.show.figures.category_curves import category_curves
from ilhte_bayes.show.figures.caterpillar import caterpillar
from ilhte_bayes.show.figures.effect_by_easiness import effect_by_easiness
from ilhte_bayes.show.figures.identification import identification
from ilhte_bayes.show.figures.information import information
from ilhte_bayes.show.figures.item_curves import item_curves
from ilhte_bayes.show.figures.item_effects import item_effects
from ilhte_bayes.show.figures.model_ladder import model_ladder
from ilhte_bayes.show.figures.person_item_map import person_item_map
from ilhte_bayes.show.figures.power import power
from ilhte_bayes.show.figures.predictive import predictive
from ilhte_bayes.show.figures.prior_posterior import prior_posterior
from ilhte_bayes.show.figures.slopes import slopes

__all__ = [
    "BLUE",
    "GREY",
    "ORANGE",
    "calibration",
    "category_curves",
    "caterpillar",
    "effect_by_easiness",
    "identification",
    "information",
    "item_curves",
    "item_effects",
    "model_ladder",
    "person_item_map",
    "power",
    "predictive",
    "prior_posterior",
    "slopes",
]
