"""Item-level heterogeneous treatment effects: who benefits, and on which items?

Everything public is here and loaded when first used, so that the import itself is instant.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# public name -> module that defines it
_PUBLIC = {
    "Model": "models.model",
    "il_hte": "models.il_hte",
    "laplace": "engines.laplace",
    "quadrature": "engines.quadrature",
    "sample": "engines.nuts",
    "conditional": "engines.conditional",
    "Fit": "fits.fit",
    "load": "fits.opening",
    "compare": "fits.comparison",
    "item_effects": "estimands.items",
    "effect_card": "estimands.card",
    "item_features": "estimands.item_features",
    "subscale_effects": "estimands.subscales",
    "score_effects": "estimands.scores",
    "sum_score_effect": "estimands.score_effect",
    "item_thresholds": "estimands.thresholds",
    "persons": "estimands.persons",
    "variance_shares": "estimands.variance_shares",
    "predict": "estimands.predict",
    "contrasts": "estimands.contrasts",
    "odds_ratios": "estimands.odds_ratios",
    "fixed_tests": "estimands.fixed_tests",
    "variance_tests": "estimands.variance_tests",
    "boundary_test": "estimands.boundary_test",
    "item_variation": "estimands.item_variation",
    "sd_upper_bound": "estimands.profile_sd",
    "simultaneous": "estimands.simultaneous",
    "ladder": "estimands.ladder",
    "centre": "data.centring",
    "reduce": "data.reduction",
    "read_irw": "data.irw",
    "anchors": "sensitivity.anchors",
    "placebo": "sensitivity.placebo",
    "missing_answers": "sensitivity.missing_answers",
    "absent_persons": "sensitivity.absent_persons",
    "analysis_plan": "models.analysis_plan",
    "blinded": "data.blinding",
    "loo": "checks.loo",
    "with_log_likelihood": "checks.loo",
    "loo_table": "checks.loo_table",
    "equal_slopes": "checks.equal_slopes",
    "identification": "sensitivity.identification",
    "irw_table": "sensitivity.irw",
    "lookalikes": "sensitivity.lookalikes",
    "study": "studies.study",
    "second_stage": "studies.second_stage",
    "audit": "checks.audit",
    "check": "checks.check",
    "predictive_check": "checks.predictive",
    "posterior_predictive": "checks.posterior_predictive",
    "prior_predictive": "checks.prior_predictive",
    "Trial": "studies.trial",
    "simulate": "studies.simulate",
    "power": "studies.power",
    "calibrate": "studies.calibration",
    "load_dataset": "data.datasets",
    "datasets": "data.datasets",
    "report": "show.page",
    "table": "show.export",
    "save_table": "show.export",
    "as_code": "show.peers",
}
# public namespace -> module that is it
_NAMESPACES = {"plot": "show.plots", "priors": "models.distributions", "errors": "errors"}
__all__ = [*_PUBLIC, *_NAMESPACES]

if TYPE_CHECKING:
    from ilhte_bayes import errors
    from ilhte_bayes.checks.audit import audit
    from ilhte_bayes.checks.check import check
    from ilhte_bayes.checks.equal_slopes import equal_slopes
    from ilhte_bayes.checks.loo import loo, with_log_likelihood
    from ilhte_bayes.checks.loo_table import loo_table
    from ilhte_bayes.checks.posterior_predictive import posterior_predictive
    from ilhte_bayes.checks.predictive import predictive_check
    from ilhte_bayes.checks.prior_predictive import prior_predictive
    from ilhte_bayes.data.blinding import blinded
    from ilhte_bayes.data.centring import centre
    from ilhte_bayes.data.datasets import datasets, load_dataset
    from ilhte_bayes.data.irw import read_irw
    from ilhte_bayes.data.reduction import reduce
    from ilhte_bayes.engines.conditional import conditional
    from ilhte_bayes.engines.laplace import laplace
    from ilhte_bayes.engines.nuts import sample
    from ilhte_bayes.engines.quadrature import quadrature
    from ilhte_bayes.estimands.boundary_test import boundary_test
    from ilhte_bayes.estimands.card import effect_card
    from ilhte_bayes.estimands.contrasts import contrasts
    from ilhte_bayes.estimands.fixed_tests import fixed_tests
    from ilhte_bayes.estimands.item_features import item_features
    from ilhte_bayes.estimands.item_variation import item_variation
    from ilhte_bayes.estimands.items import item_effects
    from ilhte_bayes.estimands.ladder import ladder
    from ilhte_bayes.estimands.odds_ratios import odds_ratios
    from ilhte_bayes.estimands.persons import persons
    from ilhte_bayes.estimands.predict import predict
    from ilhte_bayes.estimands.profile_sd import sd_upper_bound
    from ilhte_bayes.estimands.score_effect import sum_score_effect
    from ilhte_bayes.estimands.scores import score_effects
    from ilhte_bayes.estimands.simultaneous import simultaneous
    from ilhte_bayes.estimands.subscales import subscale_effects
    from ilhte_bayes.estimands.thresholds import item_thresholds
    from ilhte_bayes.estimands.variance_shares import variance_shares
    from ilhte_bayes.estimands.variance_tests import variance_tests
    from ilhte_bayes.fits.comparison import compare
    from ilhte_bayes.fits.fit import Fit
    from ilhte_bayes.fits.opening import load
    from ilhte_bayes.models import distributions as priors
    from ilhte_bayes.models.analysis_plan import analysis_plan
    from ilhte_bayes.models.il_hte import il_hte
    from ilhte_bayes.models.model import Model
    from ilhte_bayes.sensitivity.absent_persons import absent_persons
    from ilhte_bayes.sensitivity.anchors import anchors
    from ilhte_bayes.sensitivity.identification import identification
    from ilhte_bayes.sensitivity.irw import irw_table
    from ilhte_bayes.sensitivity.lookalikes import lookalikes
    from ilhte_bayes.sensitivity.missing_answers import missing_answers
    from ilhte_bayes.sensitivity.placebo import placebo
    from ilhte_bayes.show import plots as plot
    from ilhte_bayes.show.export import save_table, table
    from ilhte_bayes.show.page import report
    from ilhte_bayes.show.peers import as_code
    from ilhte_bayes.studies.calibration import calibrate
    from ilhte_bayes.studies.power import power
    from ilhte_bayes.studies.second_stage import second_stage
    from ilhte_bayes.studies.simulate import simulate
    from ilhte_bayes.studies.study import study
    from ilhte_bayes.studies.trial import Trial


def __getattr__(name: str):
    if name in _NAMESPACES:
        value = import_module(f"ilhte_bayes.{_NAMESPACES[name]}")
    elif name in _PUBLIC:
        value = getattr(import_module(f"ilhte_bayes.{_PUBLIC[name]}"), name)
    else:
        raise AttributeError(f"module 'ilhte_bayes' has no {name!r}; it has {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
