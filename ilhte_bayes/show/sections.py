"""What stands on the page, section by section, ready for the template."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ilhte_bayes.errors import ModelError, NotAvailable
from ilhte_bayes.estimands.card import EffectCard, effect_card
from ilhte_bayes.estimands.items import ItemEffects, item_effects
from ilhte_bayes.estimands.scores import ScoreEffects, score_effects
from ilhte_bayes.fits.comparison import compare
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.models.analysis_plan import AnalysisPlan
from ilhte_bayes.models.model import Model
from ilhte_bayes.show import answers as told
from ilhte_bayes.show import diagnosis, integration, recipe
from ilhte_bayes.show.card_words import card_tables_html
from ilhte_bayes.show.comparison import comparison_table
from ilhte_bayes.show.equal_effects import all_equal
from ilhte_bayes.show.html_tables import components_table, fixed_tables, html_table
from ilhte_bayes.show.model_words import equation_html, model_sentences, noun_of
from ilhte_bayes.show.peers import peers_code
from ilhte_bayes.show.people import arms_table, balance_table
from ilhte_bayes.show.pictures import Picture, by_contrast, priors
from ilhte_bayes.show.plan_section import plan_parts
from ilhte_bayes.show.score_tables import expected_scores, score_table
from ilhte_bayes.show.text import dropped_rows, items_table, method_words, trivial
from ilhte_bayes.show.words import about, joined, number, plural, sentence, true_minus


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


@dataclass(frozen=True, slots=True)
class Results:
    """Quantities that several sections need; None where the model has none."""

    fit: Fit
    effects: ItemEffects | None = field(default=None)
    card: EffectCard | None = field(default=None)
    scores: ScoreEffects | None = field(default=None)
    beside: tuple[Fit, ...] = ()
    plan: AnalysisPlan | None = None


def results_of(fit: Fit, beside: Sequence[Fit] = (), plan: AnalysisPlan | None = None) -> Results:
    """Item effects and card, as far as the model has them."""
    effects = card = scores = None
    with contextlib.suppress(ModelError):  # a model without treatment or items
        effects = item_effects(fit)
        card = effect_card(fit)  # or without persons
    if effects is not None and fit.model.family.ordinal:
        with contextlib.suppress(NotAvailable):  # abilities of a free shape
            scores = score_effects(fit)
    return Results(fit, effects, card, scores, tuple(beside), plan)


def sections(results: Results) -> list[Section]:
    """All sections in reading order."""
    fit = results.fit
    out = [
        _people(fit.model),
        _data(fit.model),
        _model(fit),
        *_plan(results),
        _balance(fit.model),
        *_card(results),
        *_scores(results),
        *_items(results),
        *_figures(results),
        _estimates(fit),
        *_beside(results),
        _diagnosis(fit),
        _recipe(results),
        *_elsewhere(fit.model),
    ]
    return [section for section in out if section is not None]


def _people(model: Model) -> Section:
    tables = []
    if model.flow is not None:
        flow = model.flow.rename_axis("arm")
        tables.append(html_table(flow, "Persons by arm, from start to analysis"))
    tables.append(html_table(arms_table(model), "In the analysis"))
    notes = tuple(about(model, text) for text in dropped_rows(model))
    return Section("Who took part", html=tuple(tables), notes=notes)


def _data(model: Model) -> Section:
    responses, roles = model.responses, model.roles
    facts = [("Table", _source(model))]
    parts = {"treatment": roles.treatment, "person": roles.person, "item": roles.item}
    named = [f"{role} {column}" for role, column in parts.items() if column]
    named += [f"occasion {roles.occasion}"] if roles.occasion else []
    named += [f"clusters {', '.join(roles.clusters)}"] if roles.clusters else []
    if named:
        facts.append(("Columns", sentence("; ".join(named))))
    codings = [c for c in (responses.response_coding, *responses.codings) if not trivial(c.levels)]
    facts += [("Coding", str(coding)) for coding in codings]
    if model.assignment:
        facts.append(("Assignment", about(model, model.assignment.sentence)))
        facts.append(("Arms", _assigned(model)))
    notes = tuple(about(model, note) for note in model.notes)
    return Section("Data and coding", facts=tuple(facts), notes=notes)


def _source(model: Model) -> str:
    if recipe.is_bundled(model.source):
        from ilhte_bayes.data.datasets import REGISTRY

        return f"{model.source}: {REGISTRY[model.source].title}, bundled with ilhte_bayes."
    return model.source or "A table in memory."


def _assigned(model: Model) -> str:
    kind = model.assignment.kind if model.assignment else None
    if kind == "randomised":
        return "Randomised: results speak of effects."
    if kind == "observational":
        return "Not randomised: results speak of differences between groups."
    return "Whether they were randomised was not stated; results speak of effects as if they were."


def _model(fit: Fit) -> Section:
    facts = [
        ("Formula", fit.model.formula.text),
        ("Estimated by", sentence(method_words(fit))),
    ]
    tables: tuple[str, ...] = ()
    if fit.objective != "ml":
        tables = (html_table(fit.model.priors.to_frame(), "Priors, in logits"),)
    return Section(
        "The model",
        facts=tuple(facts),
        equation=tuple(equation_html(fit.model)),
        bullets=tuple(model_sentences(fit)),
        html=tables,
    )


def _plan(results: Results) -> Iterator[Section]:
    """What was planned, and what was done."""
    if results.plan is None:
        return
    intro, tables, notes = plan_parts(results.plan, results.fit, results.card, results.scores)
    html = tuple(html_table(table, caption) for caption, table in tables.items())
    yield Section("Planned and done", (intro,), html=html, notes=notes)


def _balance(model: Model) -> Section:
    title = "Arms compared at baseline"
    table = balance_table(model)
    if table is None:
        return Section(title, ("The arms cannot be compared person by person here.",))
    if table.empty:
        text = "The model has no covariates of persons, so there is nothing to compare here."
        return Section(title, (text,))
    intro = (
        "Covariates of the model, once for each person: mean (SD), or share. The standardised "
        "difference is that of means from the first arm, in pooled SDs; values beyond ±0.1 "
        "deserve a look."
    )
    return Section(title, (intro,), html=(html_table(table, "Covariates by arm", capital=False),))


def _card(results: Results) -> Iterator[Section]:
    card = results.card
    if card is None:
        return
    intro = (
        f"The same {card.noun} answers four questions: on these items; on all items of the kind "
        "these were drawn from; on one new item of that kind; on the average of a new test. "
        f"Intervals (95 %) of the last two also hold the spread of {plural(card.noun)} between "
        "items."
    )
    title = f"The {card.noun}, for four questions"
    unit, *notes = card.notes
    tables = tuple(card_tables_html(card))
    yield Section(title, (intro,), html=tables, remarks=(unit,), notes=tuple(map(sentence, notes)))


def _scores(results: Results) -> Iterator[Section]:
    """Ordinal answers: what the effect is in points and probabilities."""
    scores = results.scores
    if scores is None:
        return
    table = score_table(scores.test, scores.noun)
    by_item = score_table(expected_scores(scores.frame), scores.noun)
    unit, *notes = scores.notes
    yield Section(
        f"The {scores.noun} in score points",
        (
            "What answers are expected to be in each arm: the sum of scores over a test, and the "
            "share of answers at each category or above; then the score of one answer, by item.",
        ),
        html=(
            html_table(table, "Tests", capital=False),
            html_table(by_item, "Expected score by item", capital=False),
        ),
        remarks=(unit,),
        notes=tuple(map(sentence, notes)),
    )


def _items(results: Results) -> Iterator[Section]:
    effects = results.effects
    if effects is None:
        return
    noun = effects.noun
    title, notes = f"{noun.capitalize()} by item", tuple(map(sentence, effects.notes))
    if all_equal(results.fit):
        yield Section(title, notes=notes)
        return
    intro = [
        "Logits with 95 % intervals. Easiness is an item's deviation from the average item in "
        f"the reference arm; difficulty is its negative. An item's {noun} borrows strength from "
        "the other items: the less its own answers say, the closer it lies to the average.",
    ]
    if effects.frame.index.nlevels == 1 and effects.frame["lower"].notna().all():
        wrong = effects.false_signs(effects.frame.index.tolist())
        many = "none" if wrong < 0.05 else number(wrong, 1)
        intro.append(
            f"Expected number of wrong signs among these {len(effects)} estimates: {many}."
        )
    frame = effects.frame.sort_values("effect", ascending=False)
    if frame.index.nlevels > 1:
        order = effects.average.index
        frame = frame.reset_index().sort_values(
            ["contrast", "effect"],
            ascending=[True, False],
            key=lambda c: c.map({k: n for n, k in enumerate(order)}) if c.name == "contrast" else c,
        )
        frame = frame.set_index(effects.frame.index.names)
    yield Section(
        title,
        tuple(intro),
        pictures=tuple(by_contrast(results.fit, effects, "item_effects")),
        html=(html_table(items_table(frame, noun), f"{noun.capitalize()} by item, in logits"),),
        notes=notes,
    )


def _figures(results: Results) -> Iterator[Section]:
    noun = noun_of(results.fit.model)
    if results.effects is not None:
        if found := tuple(by_contrast(results.fit, results.effects, "effect_by_easiness")):
            yield Section(f"{noun.capitalize()} and easiness", pictures=found)
        if found := tuple(by_contrast(results.fit, results.effects, "item_curves")):
            yield Section("Items by arm", pictures=found)
    if results.fit.objective != "ml":
        yield Section("Before and after", pictures=(priors(results.fit),))


def _estimates(fit: Fit) -> Section:
    kind = "Posterior means, SDs and" if fit.sampled else "Estimates, standard errors and"
    scale = (
        ""
        if fit.sampled
        else ", made on the log scale for SDs and the atanh scale for correlations"
    )
    intro = (
        f"{kind} 95 % intervals, in logits{scale}. A dash: not available, because the estimate "
        "lies at the edge of its range."
    )
    return Section(
        "All estimates",
        (intro,),
        html=(
            *fixed_tables(fit),
            html_table(
                components_table(fit.variance_components), "Spread between levels, correlations"
            ),
        ),
    )


def _beside(results: Results) -> Iterator[Section]:
    """The same parameters from other fits."""
    if not results.beside:
        return
    found = compare(*results.beside, results.fit)
    names = found.names
    intro = (
        f"Estimates with 95 % intervals, in logits. Diff.: from {names[0]}, in its {found.unit}."
    )
    yield Section(
        f"{joined(list(names))} side by side",
        (intro,),
        html=(html_table(comparison_table(found), joined(list(names))),),
        notes=tuple(sentence(note) for note in found.notes),
    )


def _diagnosis(fit: Fit) -> Section:
    return Section("Diagnostics", (diagnosis.verdict(fit),), facts=tuple(diagnosis.checks(fit)))


def _recipe(results: Results) -> Section:
    fit = results.fit
    took = integration.times(fit)
    facts = [
        ("Versions", f"{recipe.versions(fit)}."),
        ("Seed", recipe.seed(fit)),
        (
            "Data",
            f"Fingerprint {fit.model.responses.fingerprint()[:16]} (SHA-256, first 16 digits).",
        ),
        (
            "Time",
            f"{number(fit.seconds)} s{f' ({took})' if took else ''}, after "
            f"{number(fit.compile_seconds)} s of compiling, or of loading compiled code.",
        ),
    ]
    return Section("How to repeat it", facts=tuple(facts), code=recipe.code(fit, results.beside))


def _elsewhere(model: Model) -> Iterator[Section]:
    """Categories, whose signs and names differ between programs: the model in others' code."""
    if (model.family.ordinal or model.family.nominal) and model.formula.response.comparison is None:
        intro = "The same model, by approximations and priors of their own; the table is d."
        yield Section("In other programs", (intro,), code=peers_code(model))


def lead(results: Results, *, title: str | None = None) -> dict[str, object]:
    """Headline, question and answer."""
    fit = results.fit
    return {
        "title": title or told.title_of(fit.model),
        "question": told.question(fit.model),
        "answers": told.answers(fit, results.effects, results.card),
        "problems": [about(fit.model, true_minus(problem)) for problem in fit.problems],
        "method": sentence(method_words(fit)),
    }
