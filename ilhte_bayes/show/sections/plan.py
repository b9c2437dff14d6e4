"""The page's section on the analysis plan: each result planned or exploratory, and what differs."""

from collections.abc import Iterator

import pandas as pd

from ilhte_bayes.estimands.card import EffectCard
from ilhte_bayes.estimands.planned import plan_differences
from ilhte_bayes.estimands.scores import ScoreEffects
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.models.analysis_plan import AnalysisPlan
from ilhte_bayes.models.planned_results import Planned, plain_target
from ilhte_bayes.show.html_tables import html_table
from ilhte_bayes.show.plan_words import differences_table, seal_words
from ilhte_bayes.show.sections.section import Results, Section

_WORDS = {
    "primary": "planned, primary",
    "secondary": "planned, secondary",
    "exploratory": "exploratory",
}


def results_table(
    plan: AnalysisPlan, fit: Fit, card: EffectCard | None, scores: ScoreEffects | None
) -> pd.DataFrame:
    """Each result on the page, planned or exploratory; then what was planned and is not there."""
    shown = _on_page(fit, card, scores)
    rows = {str(each): _WORDS[plan.label(each.kind, each.target, each.scale)] for each in shown}
    for each in (*plan.primary, *plan.secondary):
        if str(each) not in rows:
            label = _WORDS[plan.label(each.kind, each.target, each.scale)]
            rows[str(each)] = f"{label}; not on this page"
    table = pd.DataFrame({"plan": list(rows.values())}, index=pd.Index(list(rows), name="result"))
    order = {"planned, primary": 0, "planned, secondary": 1}
    place = [order.get(text.split(";")[0], 2) for text in table["plan"]]
    return table.iloc[pd.Series(place).argsort(kind="stable")]


def _on_page(fit: Fit, card: EffectCard | None, scores: ScoreEffects | None) -> list[Planned]:
    out: list[Planned] = []
    if card is not None:
        targets, scales = (card.frame.index.get_level_values(k) for k in ("target", "scale"))
        pairs = dict.fromkeys(zip(targets, scales, strict=True))
        out += [_effect(str(target), str(scale)) for target, scale in pairs]
        out += [Planned("item effects", "", "logits"), Planned("SD of effects", "", "logits")]
    if scores is not None:
        out += [_effect("these items", "score points"), _effect("these items", "probability")]
    terms = [term for term in fit.model.design.terms if ":" in term]
    out += [Planned("coefficient", term) for term in terms]
    return out


def _effect(target: str, scale: str) -> Planned:
    return Planned("effect", plain_target(target), scale)


def plan_parts(
    plan: AnalysisPlan, fit: Fit, card: EffectCard | None, scores: ScoreEffects | None
) -> tuple[str, dict[str, pd.DataFrame], tuple[str, ...]]:
    """Opening sentence, tables by caption, and notes of the section."""
    differences = plan_differences(plan, fit)
    intro = (
        f"Plan “{plan.title}”, written {plan.date}. Answers then: {plan.answers}. SHA-256 "
        f"{seal_words(plan)}."
    )
    n = int((~differences["same"]).sum())
    notes = [f"{n} part(s) of the analysis differ from the plan: say why."]
    if n == 0:
        notes = ["Done as planned, as far as a program can tell."]
    if plan.changed:
        notes.append(
            "The plan's file was changed after it was saved: what it says here may not be what was "
            "planned."
        )
    notes.append(
        "Exclusions are compared by the reader: a fit knows only the rows it left out as incomplete."
    )
    tables = {
        "Results, planned or exploratory": results_table(plan, fit, card, scores),
        "Plan and what was done": differences_table(differences),
    }
    return intro, tables, tuple(notes)


def plan(results: Results) -> Iterator[Section]:
    """What was planned, and what was done."""
    if results.plan is None:
        return
    intro, tables, notes = plan_parts(results.plan, results.fit, results.card, results.scores)
    html = tuple(html_table(table, caption) for caption, table in tables.items())
    yield Section("Planned and done", (intro,), html=html, notes=notes)
