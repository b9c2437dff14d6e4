"""All sections of the page in reading order: results first, then how they came about."""

from collections.abc import Iterator

from ilhte_bayes.show import question_and_answer as told
from ilhte_bayes.show.sections import participants, repeat
from ilhte_bayes.show.sections.checks import checks, diagnostics, misfit_note
from ilhte_bayes.show.sections.effects import card, scores
from ilhte_bayes.show.sections.estimates import before_and_after, beside, estimates, model
from ilhte_bayes.show.sections.included import identification, included
from ilhte_bayes.show.sections.items import figures, items
from ilhte_bayes.show.sections.methods import methods
from ilhte_bayes.show.sections.plan import plan
from ilhte_bayes.show.sections.section import Results, Section
from ilhte_bayes.show.sections.summary import summary
from ilhte_bayes.show.sections.variation import variation
from ilhte_bayes.show.text import method_words
from ilhte_bayes.show.words import about, sentence, true_minus


def sections(results: Results) -> list[Section]:
    """Everything below the headline."""
    fit = results.fit
    return [
        summary(results),
        *plan(results),
        *_results(results),
        *checks(results),
        model(fit),
        estimates(fit),
        *before_and_after(fit),
        diagnostics(fit),
        *beside(results),
        *included(results, "models"),
        methods(results),
        participants.people(fit.model),
        participants.data(fit.model),
        participants.balance(fit.model),
        repeat.recipe_section(results),
        *repeat.elsewhere(fit.model),
    ]


def _results(results: Results) -> Iterator[Section]:
    yield from card(results)
    yield from scores(results)
    yield from included(results, "effects")
    yield from items(results)
    yield from figures(results)
    yield from included(results, "items")
    yield from variation(results)
    yield from identification(results)
    yield from included(results, "assumptions")
    yield from included(results, "more")


def lead(results: Results, *, title: str | None = None) -> dict[str, object]:
    """Headline, question and answer."""
    fit = results.fit
    problems = [about(fit.model, true_minus(problem)) for problem in fit.problems]
    return {
        "title": title or told.title_of(fit.model),
        "question": told.question(fit.model),
        "answers": told.answers(fit, results.effects, results.card),
        "problems": [*problems, *misfit_note(results.check)],
        "method": sentence(method_words(fit)),
    }
