"""The effect card, and of ordinal answers the effect in score points."""

from collections.abc import Iterator

from ilhte_bayes.errors import plural
from ilhte_bayes.show.card_words import card_tables_html
from ilhte_bayes.show.html_tables import html_table
from ilhte_bayes.show.score_tables import expected_scores, score_table
from ilhte_bayes.show.sections.section import Results, Section
from ilhte_bayes.show.words import sentence


def card(results: Results) -> Iterator[Section]:
    """The four targets on four scales."""
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
    yield Section(
        title,
        (intro,),
        html=tables,
        remarks=(unit, *map(sentence, notes)),
    )


def scores(results: Results) -> Iterator[Section]:
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
        remarks=(unit, *map(sentence, notes)),
    )
