"""A section of the page, and the quantities that several sections need."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ilhte_bayes.checks.check import Check, check
from ilhte_bayes.errors import ModelError, NotAvailable
from ilhte_bayes.estimands.boundary_test import BoundaryTest, boundary_test
from ilhte_bayes.estimands.card import EffectCard, effect_card
from ilhte_bayes.estimands.item_variation import item_variation
from ilhte_bayes.estimands.items import (
    ItemEffects,
    changes_by_item,
    item_effects,
    treatment_contrasts,
)
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.estimands.scores import ScoreEffects, score_effects
from ilhte_bayes.estimands.variance_tests import without_column
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.models.analysis_plan import AnalysisPlan
from ilhte_bayes.show.pictures import Picture


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it; `html` is safe, everything else is escaped."""

    title: str
    intro: tuple[str, ...] = ()
    equation: tuple[str, ...] = ()  # safe
    facts: tuple[tuple[str, str], ...] = ()
    bullets: tuple[str, ...] = ()
    html: tuple[str, ...] = ()  # safe: tables
    pictures: tuple[Picture, ...] = ()
    remarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    code: str = ""
    folded: str = ""  # code that is shown when asked for


@dataclass(frozen=True, slots=True)
class Results:
    """What the page tells; None where the model, or the engine, has none."""

    fit: Fit
    effects: ItemEffects | None = None
    card: EffectCard | None = None
    scores: ScoreEffects | None = None
    variation: Result | str | None = None  # or why there is none
    test: BoundaryTest | None = None
    check: Check | None = None
    beside: tuple[Fit, ...] = ()
    plan: AnalysisPlan | None = None
    include: tuple[Any, ...] = ()


def results_of(
    fit: Fit,
    beside: Sequence[Fit] = (),
    plan: AnalysisPlan | None = None,
    include: Sequence[Any] = (),
    checks: bool = True,
) -> Results:
    """Everything that is computed for the page, as far as the model has it."""
    effects = card = scores = variation = None
    with contextlib.suppress(ModelError):  # a model without treatment or items
        effects = item_effects(fit)
        card = effect_card(fit)  # or without persons
    if effects is not None and fit.model.family.ordinal:
        with contextlib.suppress(NotAvailable):  # abilities of a free shape
            scores = score_effects(fit)
    if effects is not None and not _same_by_assumption(fit):
        variation = _variation(fit)
    tests = [each for each in include if isinstance(each, BoundaryTest)]
    test = tests[0] if tests else None
    if test is None and checks and isinstance(variation, Result):
        test = _equal_effects_test(fit)
    made = [each for each in include if isinstance(each, Check)]
    found = made[0] if made else check(fit) if checks else None
    rest = tuple(each for each in include if each is not test and each is not found)
    return Results(
        fit, effects, card, scores, variation, test, found, tuple(beside), plan, rest
    )  # fmt: skip


def _same_by_assumption(fit: Fit) -> bool:
    name = require_group(fit, "item")
    moved = [changes_by_item(fit, name, c).random.any() for c in treatment_contrasts(fit)]
    return not any(moved)


def _variation(fit: Fit) -> Result | str:
    try:
        return item_variation(fit)
    except (ModelError, NotAvailable) as reason:
        return str(reason)


def _equal_effects_test(fit: Fit) -> BoundaryTest | None:
    """Likelihood ratio against equal effects: one more fit, of a smaller model."""
    if fit.objective != "ml" or fit.model.design.logit is not None:
        return None
    name, contrasts = require_group(fit, "item"), treatment_contrasts(fit)
    moving = changes_by_item(fit, name, contrasts[0]).random.any(axis=0).nonzero()[0]
    if len(contrasts) > 1 or moving.size != 1:
        return None
    with contextlib.suppress(ModelError, NotAvailable):
        return boundary_test(without_column(fit.model, name, int(moving[0]))[0], fit)
    return None
