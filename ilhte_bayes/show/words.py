"""Words for numbers, arms, terms and groups, shared by figures, text and page."""

import math
import re
from textwrap import fill
from typing import TYPE_CHECKING

import pandas as pd

from ilhte_bayes.errors import plural
from ilhte_bayes.formulas.contrasts import Contrast
from ilhte_bayes.formulas.design import Group

if TYPE_CHECKING:
    from ilhte_bayes.models.model import Model

MINUS = "−"
_BARE = {"true", "false", "yes", "no", "0", "1"}  # levels that do not say of what


def number(value: float, digits: int = 2) -> str:
    """A number with a true minus, none before a rounded 0; a dash where there is none."""
    if pd.isna(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace("-", MINUS) if float(text) else text.lstrip("-")


def signed(value: float, digits: int = 2) -> str:
    """As `number`, with a plus."""
    text = number(value, digits)
    return text if text.startswith((MINUS, "–")) else f"+{text}"


def range_of(lower: float, upper: float, digits: int = 2) -> str:
    """An interval: "0.31 to 0.59"; "–" where there is none."""
    if math.isnan(lower) and math.isnan(upper):
        return "–"
    return f"{number(lower, digits)} to {number(upper, digits)}"


def true_minus(text: str) -> str:
    """Text with true minus signs before numbers."""
    return re.sub(r"(?<!\w)-(?=[\d.])", MINUS, text.replace("+-", "±"))


LINE = 100  # characters of a printed line, at most


def wrapped(note: str, width: int = LINE) -> str:
    """A note for a terminal: lines of at most 100 characters; its own line ends are kept."""
    return "\n".join(
        fill(line, width, break_long_words=False, break_on_hyphens=False)
        for line in note.splitlines()
    )


def sentence(text: str) -> str:
    """First letter large, a full stop at the end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", ":")) else ".")


def about(model: "Model", text: str) -> str:
    """As `sentence`, but a column's name at the start stays as it is written in the table."""
    first = text.split(" ")[0].rstrip(":,")
    columns = {*model.responses.patterns.columns, model.formula.response.column}
    columns |= {name for group in model.design.groups for name in group.variables}
    return sentence(f"Column {text}" if first in columns else text)


def quoted(name: object) -> str:
    """A name in a sentence."""
    return f"“{name}”"


def count_of(n: int, singular: str) -> str:
    """A count: "1 item", "24 items"."""
    return f"{n:,} {singular if n == 1 else plural(singular)}"


def joined(words: list[str]) -> str:
    """A list in a sentence: "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def unit_word(model: "Model", group: Group) -> str:
    """What one level of a group is: "person", "item", or the name of its innermost variable."""
    inner = group.variables[-1]
    return {model.roles.person: "person", model.roles.item: "item"}.get(inner, inner)


def term_words(term: str) -> str:
    """A column of the design in words: `arm[T.drug]:pre` is "arm = drug × pre"."""
    levels = re.sub(r"\[(?:T\.|S\.)?([^\]]*)\]", r" = \1", term)
    return re.sub(r":(?! )", " × ", levels)  # "car: pre" is a term of one category


def arm_words(model: "Model", arm: object) -> str:
    """An arm in words: its name, or "treat = 1" for a number."""
    treatment = model.roles.treatment
    column = model.responses.patterns[treatment]
    if isinstance(column.dtype, pd.CategoricalDtype) and isinstance(arm, str):
        return arm
    named = [c.levels for c in model.responses.codings if c.column == treatment]
    if not named or isinstance(column.dtype, pd.CategoricalDtype):
        return f"{treatment} = {float(str(arm)):g}"
    name = named[0][int(float(str(arm)))]
    return name if name.casefold() not in _BARE else f"{treatment} = {name}"


def contrast_arms(model: "Model", contrast: Contrast) -> tuple[str, str]:
    """Reference and other arm of a contrast, in words."""
    return arm_words(model, contrast.from_arm), arm_words(model, contrast.to_arm)


def answer_words(model: "Model") -> str:
    """The answer whose probability is modelled, "resp >= 2", "y = 1"; ordinal, what was rated."""
    response, coding = model.formula.response, model.responses.response_coding
    if model.family.ordinal or model.family.nominal:
        return coding.column
    if response.comparison is not None:
        return response.text.replace(">=", "≥").replace("<=", "≤").replace("!=", "≠")
    return f"{coding.column} = {coding.levels[1]}"


def outcome_words(model: "Model") -> str:
    """What a treatment makes more or less likely, in a sentence: “resp ≥ 2”, or a higher answer."""
    answer = quoted(answer_words(model))
    if model.family.nominal:
        return f"each answer of {answer}"
    return f"a higher answer of {answer}" if model.family.ordinal else answer


def against_words(model: "Model") -> str:
    """Categories of a nominal answer against their reference: "car, train against bus"."""
    first, *others = model.responses.response_coding.levels
    return f"{', '.join(others)} against {first}"


def scale_words(model: "Model") -> str:
    """Categories of an ordinal answer, lowest first: "no < perhaps < yes"."""
    return " < ".join(model.responses.response_coding.levels)
