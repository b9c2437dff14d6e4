"""Score effects as text and as HTML: a line for each outcome, both arms and the effect."""

from typing import TYPE_CHECKING

import pandas as pd

from ilhte_bayes.show.html_tables import html_table, notes_html
from ilhte_bayes.show.words import number, range_of, wrapped

if TYPE_CHECKING:
    from ilhte_bayes.estimands.scores import ScoreEffects


def score_table(frame: pd.DataFrame, noun: str) -> pd.DataFrame:
    """Cells as shown: both arms, by name where there are two with names, and the effect."""
    contrasts = frame.index.get_level_values("contrast").unique()
    reference, other = "reference arm", "other arm"
    if len(contrasts) == 1:
        frame = frame.droplevel("contrast")
        names = str(contrasts[0]).split(" v ")
        if len(names) == 2 and not names[1].replace(".", "").isdigit():  # not "treat 1 v 0"
            other, reference = names
    return pd.DataFrame(
        {
            reference: [number(value) for value in frame["reference"]],
            other: [number(value) for value in frame["treated"]],
            noun: [number(value) for value in frame["effect"]],
            "95 % interval": [
                range_of(a, b) for a, b in zip(frame["lower"], frame["upper"], strict=True)
            ],
        },
        index=frame.index,
    )


def describe_scores(scores: "ScoreEffects") -> str:
    """Text form: tests, then the expected score by item, then notes."""
    return "\n".join(
        [
            title_of(scores),
            score_table(scores.test, scores.noun).to_string(),
            "",
            "Expected score by item (.frame has the probabilities of each category or higher, too)",
            score_table(expected_scores(scores.frame), scores.noun).to_string(),
            *map(wrapped, scores.notes),
        ]
    )


def scores_html(scores: "ScoreEffects") -> str:
    """HTML form, for a notebook."""
    notes = notes_html(scores.notes)
    tables = html_table(score_table(scores.test, scores.noun), title_of(scores))
    by_item = score_table(expected_scores(scores.frame), scores.noun)
    return f"{tables}{html_table(by_item, 'Expected score by item')}{notes}"


def expected_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of expected scores."""
    return frame.xs("expected score", level="outcome")


def title_of(scores: "ScoreEffects") -> str:
    """What the tables show."""
    contrasts = scores.frame.index.get_level_values("contrast").unique()
    title = f"{scores.noun.capitalize()} in score points and probabilities, 95 % intervals"
    return f"{title} ({contrasts[0]})" if len(contrasts) == 1 else title
