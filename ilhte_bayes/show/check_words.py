"""Checks in words: question, verdict, evidence, next step."""

from textwrap import fill
from typing import TYPE_CHECKING

import pandas as pd

from ilhte_bayes.fits.intervals import p_value
from ilhte_bayes.show.html_tables import html_table, notes_html
from ilhte_bayes.show.words import sentence, true_minus, wrapped

if TYPE_CHECKING:
    from ilhte_bayes.checks.check import Check
    from ilhte_bayes.checks.predictive import PredictiveCheck

_WORDS = {"good": "nothing found", "look": "LOOK", "bad": "NO", "not checked": "not checked"}
_CONVERGED = {"good": "yes", "look": "LOOK", "bad": "NO"}
_WIDTH = 96


def describe_check(found: "Check") -> str:
    """Text form."""
    lines = []
    for question, row in found.frame.iterrows():
        lines.append(f"{question} {verdict_words(str(question), row['verdict'])}")
        lines.append(_indented(sentence(true_minus(row["evidence"]))))
        if row["next_step"]:
            lines.append(_indented(f"-> {row['next_step']}"))
    return "\n".join([*lines, "", *map(wrapped, closing_lines(found))])


def check_html(found: "Check") -> str:
    """HTML form."""
    frame = pd.DataFrame(
        {
            "verdict": [verdict_words(str(q), v) for q, v in found.frame["verdict"].items()],
            "evidence": [sentence(true_minus(text)) for text in found.frame["evidence"]],
            "next step": list(found.frame["next_step"]),
        },
        index=found.frame.index,
    )
    notes = notes_html(closing_lines(found))
    return html_table(frame, "Can this fit be believed?") + notes


def describe_predictive(found: "PredictiveCheck") -> str:
    """Text form."""
    return "\n".join([_title(found), _cells(found).to_string(), *map(wrapped, _notes(found))])


def predictive_html(found: "PredictiveCheck") -> str:
    """HTML form."""
    notes = notes_html(_notes(found))
    return html_table(_cells(found), _title(found)) + notes


def verdict_words(question: str, verdict: str) -> str:
    """The verdict in words that answer the question."""
    words = _WORDS
    if question.startswith("Did it converge"):
        words = _CONVERGED
    elif question.startswith(("Are answers", "Does Laplace")):
        words = _WORDS | {"good": "yes"}
    elif question.startswith("Does the prior"):
        words = _WORDS | {"good": "hardly"}
    return words.get(verdict, verdict)


def _indented(text: str) -> str:
    return fill(text, _WIDTH, initial_indent="   ", subsequent_indent="   ")


def closing_lines(found: "Check") -> list[str]:
    """What checks cannot say, and where more of them stands."""
    lines = ["What was not found may still be there: checks see what they look for."]
    if found.predictive:
        lines.append(
            "Tables: check.predictive['new'].items, .pairs, .people; figure: il.plot.predictive(check)."
        )
    return lines


def _title(found: "PredictiveCheck") -> str:
    who = "new persons" if found.persons == "new" else "the same persons"
    return f"Answers against {found.n_tables} tables of {who} that the fitted model gives"


def _cells(found: "PredictiveCheck") -> pd.DataFrame:
    p = [*found.frame["p"], found.overall]
    what = [*found.frame["what"], "the most unusual of them"]
    index = pd.Index([*found.frame.index, "all together"], name="")
    return pd.DataFrame({"p": [p_value(value) for value in p], "what": what}, index=index)


def _notes(found: "PredictiveCheck") -> list[str]:
    return [
        "p: share of tables at least as unusual, the observed one included. Predictive p-values are "
        "conservative.",
        "The answers are unlike the model's."
        if found.unexpected
        else "Answers like these are expected under the model, as far as these counts can tell.",
    ]
