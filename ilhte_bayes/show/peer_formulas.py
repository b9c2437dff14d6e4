"""A model's formula as other programs spell it: codings, dummies, random terms."""

import re
from collections.abc import Iterator

import pandas as pd

from ilhte_bayes.formulas.grammar import RandomTerm
from ilhte_bayes.models.model import Model

_LEVEL = re.compile(r"(?:C\()?([A-Za-z_][\w.]*)\)?\[(?:T\.)?(.*)\]")


def answer(model: Model) -> str:
    """Name of the response in other programs' formulas."""
    binary = not (model.family.ordinal or model.family.nominal)
    column = model.formula.response.column
    if binary and (model.formula.response.comparison is not None or not _zero_one(model)):
        return f"{re.sub(r'[^A-Za-z0-9_]', '_', column)}_is_1"
    return column


def _zero_one(model: Model) -> bool:
    return model.responses.response_coding.levels == ("0", "1")


def answer_test(model: Model) -> tuple[str, str] | None:
    """Comparison and value that make a binary answer; None where it is 0 and 1 already."""
    response = model.formula.response
    if response.comparison is not None:
        value = response.value
        return response.comparison, str(value) if _is_number(value) else f'"{_quoted(value)}"'
    if _zero_one(model):
        return None
    return "==", f'"{_quoted(model.responses.response_coding.levels[1])}"'


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _quoted(value: object) -> str:
    """A text between double quotes, in R and in Python."""
    return str(value).replace("\\", "\\\\").replace('"', '\\"')


def grouping(model: Model) -> list[str]:
    """Columns of ids."""
    return list(dict.fromkeys(name for g in model.design.groups for name in g.variables))


def factors(model: Model) -> dict[str, tuple[str, ...]]:
    """Levels of each covariate that is a factor here, the reference first."""
    kinds = model.responses.patterns.dtypes
    return {
        coding.column: coding.levels
        for coding in model.responses.codings
        if coding.column in kinds and isinstance(kinds[coding.column], pd.CategoricalDtype)
    }


def levels_text(levels: tuple[str, ...]) -> str:
    """Levels between quotes, with commas."""
    return ", ".join(f'"{_quoted(level)}"' for level in levels)


def r_lines(model: Model, *, apart: bool) -> list[str]:
    """R lines before the model: answer, factors with their reference, dummies."""
    column, test = model.formula.response.column, answer_test(model)
    levels = model.responses.response_coding.levels
    lines = []
    if model.family.ordinal:
        lines.append(
            f"d${column} <- factor(d${column}, levels = c({levels_text(levels)}), ordered = TRUE)"
        )
    elif model.family.nominal:
        lines.append(f'd${column} <- relevel(factor(d${column}), ref = "{_quoted(levels[0])}")')
    elif test is not None:
        lines.append(f"d${answer(model)} <- as.integer(d${column} {test[0]} {test[1]})")
    for name, own in factors(model).items():
        lines.append(f"d${name} <- factor(d${name}, levels = c({levels_text(own)}))")
    if apart:
        for dummy, pieces in dummies(model).items():
            tests = [f'(d${name} == "{_quoted(level)}")' if level is not None else f"d${name}"
                     for name, level in pieces]  # fmt: skip
            product = tests[0][1:-1] if len(tests) == 1 else " * ".join(tests)
            lines.append(
                f"d${dummy} <- as.{'integer' if len(tests) == 1 else 'numeric'}({product})"
            )
    return lines


def r_fixed(model: Model) -> str:
    """Fixed part in R."""
    return r_spelling(model.formula.fixed)


def r_spelling(side: str) -> str:
    """Formulaic's spellings in R's."""
    side = re.sub(r"\bC\(", "factor(", side.removeprefix("1 + "))
    return side.replace("**", "^")


def r_random(model: Model, *, apart: bool) -> str:
    """Random terms in lme4's grammar; each uncorrelated column in a term of its own if apart."""
    return " + ".join(
        piece for term in model.formula.random for piece in _terms(model, term, apart=apart)
    )


def _terms(model: Model, term: RandomTerm, *, apart: bool) -> Iterator[str]:
    columns = r_spelling(term.columns) or "1"
    if term.correlated or not apart:
        yield f"({columns} {'|' if term.correlated else '||'} {term.name})"
        return
    for column, dummy in columns_of(model, term):
        yield f"(1 | {term.name})" if column == "Intercept" else f"(0 + {dummy} | {term.name})"


def columns_of(model: Model, term: RandomTerm) -> Iterator[tuple[str, str]]:
    """Columns of a random term, and what they are called where factors are taken apart."""
    dummies = {column: dummy for column, dummy, _ in _pieces(model, term)}
    for column in _columns(model, term):
        yield column, dummies.get(column, r_spelling(column))


def dummies(model: Model, *, every: bool = False) -> dict[str, list[tuple[str, str | None]]]:
    """Columns of 0 and 1 that random terms need where factors are taken apart.

    Of uncorrelated terms, or of all, but those of an SD for each arm where every program has it.
    """
    return {
        dummy: pieces
        for term in model.formula.random
        if (not term.correlated or every) and not (every and model.design.group(term.name).split)
        for _, dummy, pieces in _pieces(model, term)
    }


def _pieces(
    model: Model, term: RandomTerm
) -> Iterator[tuple[str, str, list[tuple[str, str | None]]]]:
    """Columns with levels in them: column, name of a dummy, what it is a product of."""
    for column in _columns(model, term):
        found = [_LEVEL.fullmatch(part) for part in column.split(":")]
        if not any(found):
            continue
        pieces: list[tuple[str, str | None]] = [
            (match[1], match[2]) if match else (part, None)
            for match, part in zip(found, column.split(":"), strict=True)
        ]
        name = "_by_".join(f"{a}_{b}" if b is not None else a for a, b in pieces)
        yield column, re.sub(r"\W", "_", name), pieces


def _columns(model: Model, term: RandomTerm) -> tuple[str, ...]:
    """Random columns of one term of the formula (a group may have several terms)."""
    group = model.design.group(term.name)
    own = [column for column in group.columns if column not in group.shapes]
    if model.family.nominal:  # "car: treat", for each category
        own = list(dict.fromkeys(column.split(": ", 1)[1] for column in own))
    wanted = {piece.strip() for piece in term.columns.split("+")}
    intercept = "0" not in wanted
    sole = sum(other.name == term.name for other in model.formula.random) == 1
    if sole:
        return tuple(own)
    names = {piece.removeprefix("C(").removesuffix(")") for piece in wanted}
    return tuple(
        column
        for column in own
        if (column == "Intercept" and intercept)
        or column in wanted
        or ((match := _LEVEL.fullmatch(column)) is not None and match[1] in names)
    )
