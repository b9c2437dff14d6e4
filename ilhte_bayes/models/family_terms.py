"""The terms that a family adds to a design: thresholds, slopes at each, a column a category."""

from collections.abc import Sequence
from dataclasses import replace

from ilhte_bayes.data.responses import Responses
from ilhte_bayes.errors import ModelError
from ilhte_bayes.families import Family
from ilhte_bayes.formulas.cuts import (
    Thresholds,
    terms_of,
    with_group_cuts,
    with_own_slopes,
)
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.formulas.logits import Logits, with_correlated_logits


def complete_design(
    design: Design,
    family: Family,
    responses: Responses,
    item: str | None,
    thresholds: Thresholds,
    own_slopes: Sequence[str],
    logits: Logits,
) -> Design:
    """Add the terms that a family has of its own.

    Thresholds, common or around them by item, own slopes; a column for each category, with random effects of
    different categories independent or correlated.
    """
    if thresholds not in ("common", "item"):
        raise ModelError(
            f"thresholds={thresholds!r}; it is 'common' (the same for all items) or 'item' (each "
            "item its own, around the common ones); on the command line --thresholds item."
        )
    if logits not in ("independent", "correlated"):
        raise ModelError(
            f"logits={logits!r}; it is 'independent' (random effects of different categories are "
            "not correlated) or 'correlated'."
        )
    design = family.complete(design, responses.response_coding.levels)
    design = replace(design, compiled=family.compiled)
    if own_slopes:
        design = with_own_slopes(design, terms_of(design, own_slopes))
    if logits == "correlated":
        if not family.nominal:
            raise ModelError(
                f"logits='correlated' is about family='multinomial', where each category has its "
                f"own random effects; family {family.name!r} has one set of them. Drop it."
            )
        design = with_correlated_logits(design)
    if thresholds == "common":
        return design
    if design.n_cuts < 2:
        raise ModelError(
            "thresholds='item' needs ordinal answers, family='cumulative' (--family cumulative), of "
            "three categories or more: with two, an item's only threshold is its easiness. Use "
            "thresholds='common'."
        )
    if item is None:
        raise ModelError(
            "thresholds='item': which column is the item is not known. Say roles={'item': ...}."
        )
    return with_group_cuts(design, design.group(item).name)
