"""Do effects differ between items? Their SD, how large it may be, and a test of equal effects."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from ilhte_bayes.estimands.boundary_test import BoundaryTest
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.intervals import p_words
from ilhte_bayes.show.html_tables import html_table
from ilhte_bayes.show.results import result_table
from ilhte_bayes.show.sections.included import included_html
from ilhte_bayes.show.sections.section import Results, Section
from ilhte_bayes.show.words import count_of, number, range_of, sentence

# The mixture rejects 3.4 and 3.0 % of true nulls at 5 % with 8 and 20 items, 4.7 % with 40
# (benchmarks/boundary_rates.csv).
_MANY_ITEMS = 40
_LARGE = 0.15  # a p-value that the bootstrap would hardly bring below .05

TITLES = {
    "effect": "Do effects differ between items?",
    "difference": "Do groups differ more on some items than on others?",
}


def variation(results: Results) -> Iterator[Section]:
    """SD of effects over items, its upper bound, and the test of equal effects."""
    if results.effects is None or results.variation is None:
        return
    title = TITLES[results.effects.noun]
    tables: list[str] = []
    notes: list[str] = []
    if isinstance(results.variation, Result):
        found = results.variation
        tables.append(_table(found))
        notes += found.notes
    if results.test is not None:
        test = results.test
        tables.append(_table(test))
        notes += test.notes
    tables += included_html(results, "variation")
    intro = (variation_words(results),)
    yield Section(title, intro, html=tuple(tables), remarks=tuple(map(sentence, notes)))


def _table(found: Result) -> str:
    """As it prints, without columns that hold nothing."""
    known = replace(found, frame=found.frame.dropna(axis="columns", how="all"))
    return html_table(result_table(known), found.title, capital=False)


def variation_words(results: Results) -> str:
    """What the fit says on it, and what it does not; empty where items have one effect."""
    if results.effects is None or results.variation is None:
        return ""
    noun = results.effects.noun
    if isinstance(results.variation, str):
        if results.fit.objective == "map":
            return (
                f"Whether {noun}s differ between items was not tested: this fit is MAP, whose prior "
                "keeps their SD off 0. Draws (il.sample) or maximum likelihood have an upper bound."
            )
        return sentence(results.variation)
    frame = results.variation.frame
    parts = _of_draws(frame, noun) if results.fit.sampled else _of_maximum(frame, noun)
    if results.test is not None:
        parts.append(_test_words(results.test, results.fit, noun))
    return " ".join(part for part in parts if part)


def _of_maximum(frame: pd.DataFrame, noun: str) -> list[str]:
    out = []
    for contrast, row in frame.iterrows():
        which = f" ({contrast})" if len(frame) > 1 else ""
        bound = row["upper_bound"]
        most = (
            f"one-sided 95 % upper bound {number(bound)}"
            if np.isfinite(bound)
            else "without an upper bound"
        )
        out.append(
            f"The SD of {noun}s over items{which} was estimated at {number(row['estimate'])} "
            f"logits ({most})."
        )
    return out


def _of_draws(frame: pd.DataFrame, noun: str) -> list[str]:
    """Each contrast under the fit's own prior, which is the middle one of three."""
    several = frame.index.nlevels > 1
    parts = dict(list(frame.groupby(level="contrast", sort=False))) if several else {"": frame}
    out = []
    for contrast, part in parts.items():
        own = part.iloc[len(part) // 2]
        which = f" ({contrast})" if several else ""
        out.append(
            f"The SD of {noun}s over items{which} has posterior mean {number(own['estimate'])} "
            f"logits, 95 % credible interval {range_of(own['lower'], own['upper'])}; 95 % of draws "
            f"lie below {number(own['upper_bound'])}. Draws of an SD are above 0 by construction, "
            "so that the interval is no test of equal effects.".replace("effects", f"{noun}s")
        )
        if np.isfinite(own.get("bf_zero", np.nan)):
            out.append(_bayes_factor(float(own["bf_zero"]), noun))
    return out


def _bayes_factor(factor: float, noun: str) -> str:
    other = f"if {noun}s are equal than if they differ"
    if factor < 1.0:
        factor, other = 1.0 / factor, f"if {noun}s differ than if they are equal"
    return (
        f"Under the fit's prior the answers are {number(factor, 1)} times as probable {other} "
        "(Bayes factor; it depends on the prior, see the table)."
    )


def _test_words(test: BoundaryTest, fit: Fit, noun: str) -> str:
    """The likelihood ratio by its best reference."""
    known = [name for name in ("bootstrap", "mixture") if name in test.frame.index]
    known = [name for name in known if np.isfinite(test.p(name))]
    if not known:
        return (
            "A p-value for equal ones needs the bootstrap here (il.boundary_test(..., "
            "bootstrap=1000)): see the note."
        )
    p, name = test.p(known[0]), known[0]
    how = {"bootstrap": "parametric bootstrap", "mixture": "boundary mixture of chi-squared"}[name]
    text = f"likelihood ratio {number(test.statistic)}, {p_words(p)}, {how}"
    items = fit.model.design.group(str(fit.model.roles.item)).n_levels
    if name == "mixture" and items < _MANY_ITEMS:
        text += (
            f", which rejects too seldom with few items, here {count_of(items, 'item')}; "
            "il.boundary_test(..., bootstrap=1000) is right at this size"
        )
        if 0.05 <= p < _LARGE:
            return f"Whether {noun}s differ between items is open ({text})."
    if p < 0.05:
        return f"A model with equal {noun}s on all items fits worse ({text})."
    return (
        f"Equal {noun}s on all items were not rejected ({text}), which does not show that they are "
        "equal."
    )
