"""Build the numeric columns of one right-hand side with formulaic."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula as FormulaicFormula
from formulaic import ModelSpec, model_matrix
from formulaic.errors import FactorEvaluationError

from ilhte_bayes.errors import FormulaError, mark_place
from ilhte_bayes.formulas.harmless import require_harmless

# R's elementary functions that formulaic does not define itself.
_FUNCTIONS = {"sqrt": np.sqrt, "abs": np.abs, "log1p": np.log1p, "expm1": np.expm1}
# Functions of one value at a time: their result does not depend on the other rows.
_ELEMENTWISE = {
    *_FUNCTIONS,
    "log",
    "log10",
    "log2",
    "exp",
    "exp10",
    "exp2",
    "I",
    "Q",
    "C",
    "hashed",
}
# Functions that take their centre, scale or knots from all answers, and remember them.
_STATEFUL = {"scale", "standardize", "center", "poly", "bs", "cs", "cr", "cc"}
_CONTRASTS = {"contr", "Treatment", "Poly", "Sum", "Helmert", "Diff"}
_NUMPY = {"np.where", "np.clip", "np.isin", "np.round", "np.around"}  # elementwise, no ufuncs
_KNOWN = _ELEMENTWISE | _STATEFUL | _CONTRASTS

_ARITHMETIC = "Put arithmetic and comparisons in I(): I(age > 40), I(age / 10)."
_OPERATORS = "Join terms with +, interactions with : or *, and give functions their brackets."


def variables(side: str, columns: list[str]) -> tuple[str, ...]:
    """Return the table columns that a right-hand side uses, in order of appearance.

    Raises
    ------
    FormulaError
        If it does not parse, or calls a function that is not there.
    """
    quoted = quote_dotted(side, columns)
    plain, dotted = _without_dots(quoted, columns)
    required = {dotted.get(str(name), str(name)) for name in _parse(plain).required_variables}
    # formulaic does not count a column that shares its name with one of its functions (cc, bs)
    named = {name for name in columns if re.search(as_word(name), _unquoted(side))}
    named |= {name for name in columns if f"`{name}`" in side}
    if unknown := sorted((required & _called(quoted)) - _KNOWN - set(columns)):
        raise FormulaError(
            f"there is no function {unknown[0]}() in\n  {side}\n"
            "Functions are log, exp, sqrt, abs, scale, center, poly, bs, cr, I, C, and NumPy's, "
            "as np.log2(x)."
        )
    required -= {*_FUNCTIONS, "np"}
    return tuple(sorted(required | named, key=lambda name: (side.find(name), name)))


def _without_dots(side: str, columns: list[str]) -> tuple[str, dict[str, str]]:
    """Put plain words for names with a dot, which formulaic takes for attributes; and their list."""
    known = {*columns, "np", "contr"}
    words: dict[str, str] = {}

    def word(found: re.Match[str]) -> str:
        name = found[0].strip("`")
        if "." not in name or (found[0] == name and name.split(".")[0] in known):
            return found[0]
        words[f"dotted_{len(words)}_"] = name
        return f"dotted_{len(words) - 1}_"

    return re.sub(r"`[^`]+`|(?<![\w.])[^\W\d]\w*(?:\.\w+)+(?![\w(])", word, side), words


def check_names(sides: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse columns whose names mean something else in a formula.

    Raises
    ------
    FormulaError
        For a column called as a function that the formula uses too, or `Intercept`.
    """
    taken = {"Intercept"}
    for side in sides:
        taken |= _called(side) & _KNOWN
        taken |= {"np"} if re.search(r"\bnp\.", _unquoted(side)) else set()
    if wrong := [name for name in columns if name in taken]:
        name = wrong[0]
        what = "the intercept" if name == "Intercept" else f"the function {name}"
        raise FormulaError(
            f"the column {name!r} cannot be told from {what}. Rename the column: "
            f"table.rename(columns={{{name!r}: '{name.lower()}_'}})."
        )


def _unquoted(side: str) -> str:
    """The text with what stands in quotes or back ticks left out."""
    return re.sub(r"`[^`]*`|'[^']*'|\"[^\"]*\"", "_", side)


def _called(side: str) -> set[str]:
    """Names that stand before a bracket."""
    return set(re.findall(r"(?<![\w.])([^\W\d]\w*)\s*\(", _unquoted(side)))


def factors(side: str) -> set[str]:
    """Columns that a right-hand side turns into levels, `C(x)`."""
    return {name.strip("`") for name in re.findall(r"\bC\(\s*(`[^`]+`|[\w.]+)", side)}


def as_word(name: str) -> str:
    """Pattern of a column's name where it stands as a variable, not as a function or a method."""
    return rf"(?<![\w.]){re.escape(name)}(?![\w(]|\s*\(|\.\w|\s*=[^=])"


def quote_dotted(side: str, columns: list[str]) -> str:
    """Put back ticks around column names with a dot, which R allows and Python does not."""
    for name in columns:
        if "." in name and re.fullmatch(r"[^\W\d][\w.]*", name):
            side = re.sub(rf"(?<![\w.`]){re.escape(name)}(?![\w.`(])", f"`{name}`", side)
    return side


def build_columns(
    side: str, patterns: pd.DataFrame, pattern: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray]:
    """Evaluate a right-hand side once for each covariate pattern.

    Parameters
    ----------
    side : str
        Right-hand side in formulaic's language.
    patterns : pd.DataFrame
        (pattern, covariate), coded.
    pattern : np.ndarray
        (answer,) int, the pattern of every single answer. Needed by functions of a whole column,
        such as `scale(x)` or `poly(x, 2)`, whose result depends on how often each value occurs.

    Returns
    -------
    names : tuple of str
        Column names, formulaic's: `Intercept`, `trt[T.drug]`, `treat:pretest`.
    matrix : np.ndarray
        (pattern, column) float64.

    Raises
    ------
    FormulaError
        If formulaic cannot parse or evaluate it.
    """
    return columns_where(side, patterns, pattern, patterns)


def columns_where(
    side: str, patterns: pd.DataFrame, pattern: np.ndarray, changed: pd.DataFrame
) -> tuple[tuple[str, ...], np.ndarray]:
    """As `build_columns`, for the same covariate patterns with some values changed.

    Levels of factors, and the centre and scale of transforms, stay those of the data.
    """
    side = quote_dotted(side, list(map(str, patterns.columns)))
    calls = _calls(side)
    if calls <= _ELEMENTWISE | _STATEFUL:
        return _evaluate(side, patterns, changed, _learned(side, patterns, pattern))
    # some other function, which may look at all answers: give it all of them
    names, matrix = _evaluate(
        side,
        patterns.iloc[pattern].reset_index(drop=True),
        changed.iloc[pattern].reset_index(drop=True),
        {},
    )
    first = np.full(len(patterns), -1)
    first[pattern[::-1]] = np.arange(pattern.size)[::-1]
    return names, matrix[first]


def columns_at(
    side: str, patterns: pd.DataFrame, pattern: np.ndarray, new: pd.DataFrame
) -> tuple[tuple[str, ...], np.ndarray]:
    """As `build_columns`, for covariate values of the caller's choice, (row, column).

    Levels of factors, and the centre and scale of transforms, stay those of the data.

    Raises
    ------
    FormulaError
        If a function's result depends on all answers and is not remembered.
    """
    side = quote_dotted(side, list(map(str, patterns.columns)))
    if unknown := _calls(side) - _ELEMENTWISE - _STATEFUL:
        raise FormulaError(
            f"{sorted(unknown)[0]!r} in {side!r} may look at all rows, so its value for new rows "
            "is not known. Make it a column of the table first."
        )
    return _evaluate(side, patterns, new, _learned(side, patterns, pattern))


def require_elementwise(sides: Sequence[str], patterns: pd.DataFrame) -> None:
    """Refuse functions of a whole column, where its answers are counted and not there one by one.

    Raises
    ------
    FormulaError
    """
    for side in sides:
        quoted = quote_dotted(side, list(map(str, patterns.columns)))
        if whole := sorted(_calls(quoted) - _ELEMENTWISE):
            raise FormulaError(
                f"{whole[0]}() in {side!r} looks at a whole column, which a reduced table no "
                "longer has. Make it a column of the table before il.reduce."
            )


def _calls(side: str) -> set[str]:
    """Functions and attributes that a right-hand side uses, but for NumPy's elementwise ones."""
    bare = _unquoted(side)
    calls = set(re.findall(r"([^\W\d][\w.]*)\s*\(", bare))
    known = {name for name in calls if name in _NUMPY or name.split(".")[0] in _CONTRASTS}
    known |= {name for name in calls if isinstance(getattr(np, name[3:], None), np.ufunc)}
    attributes = re.findall(r"([^\W\d]\w*|[)\]])\.([^\W\d]\w*)", bare)
    return (calls - known) | {name for base, name in attributes if base not in {"np", "contr"}}


def _learned(side: str, patterns: pd.DataFrame, pattern: np.ndarray) -> dict[str, Any]:
    """What `scale`, `poly` and their like learn of a whole column, by their expression."""
    state: dict[str, Any] = {}
    for expression in {factor.expr for term in _parse(side) for factor in term.factors}:
        if not _calls(expression) & _STATEFUL:
            continue
        used = list(variables(f"{{{expression}}}", patterns.columns.tolist()))
        answers = patterns[used].iloc[pattern].reset_index(drop=True)
        with _in_words(expression):
            matrix = model_matrix(f"0 + {{{expression}}}", answers, context=_FUNCTIONS)
        state |= matrix.model_spec.transform_state
    return state


def _evaluate(
    side: str, frame: pd.DataFrame, changed: pd.DataFrame, state: Mapping[str, Any]
) -> tuple[tuple[str, ...], np.ndarray]:
    """Columns of `changed`, with levels learned from `frame` and transforms from `state`."""
    with _in_words(side):
        spec = ModelSpec.from_spec(_parse(side), transform_state=dict(state), na_action="ignore")
        matrix = spec.get_model_matrix(frame, context=_FUNCTIONS)
        if changed is not frame:
            matrix = matrix.model_spec.get_model_matrix(changed, context=_FUNCTIONS)
        numbers = np.ascontiguousarray(matrix.to_numpy(dtype=float))
    return tuple(str(name) for name in matrix.columns), numbers


@contextmanager
def _in_words(side: str) -> Iterator[None]:
    """Turn what formulaic raises into a sentence; log(0) is reported later, with its column."""
    try:
        with np.errstate(all="ignore"):
            yield
    except FactorEvaluationError as error:
        factor = re.search(r"`(.*?)`", str(error))
        raise FormulaError(
            f"{factor[1] if factor else side!r} cannot be evaluated "
            f"({str(error).split('[')[-1].rstrip(']')}). Functions are Python's: log(x), "
            "np.log2(x), scale(x), poly(x, 2), bs(x, df=4), C(x)."
        ) from None
    except FormulaError:
        raise
    except Exception as error:  # the formula's own Python may raise anything
        raise FormulaError(
            f"{side!r} cannot be evaluated ({error}). Compute it as a column of the table, and name "
            "that column in the formula."
        ) from None


def _parse(side: str) -> FormulaicFormula:
    require_harmless(side)
    try:
        formula = FormulaicFormula(side)
        formula.required_variables  # noqa: B018  (parses the Python inside calls)
        return formula
    except Exception as error:  # of any type: its tokenizer meets text it never foresaw
        raise FormulaError(_unparsed(side, error)) from None


def _unparsed(side: str, error: Exception) -> str:
    """Our sentence for formulaic's syntax errors, with the place marked."""
    plain = re.sub(r"\x1b?\[[\d;]*m", "", str(error))
    marked = re.search(r"⧛(.+?)⧚|⧛(.+)", plain, flags=re.DOTALL)
    text = next((part for part in (marked.groups() if marked else ()) if part), "")
    at = side.find(text) if text else 0
    if at < 0:
        at, text = 0, side
    reason = plain.splitlines()[0].partition(" (tip")[0].rstrip(".") if plain else "no formula"
    arithmetic = re.search(r"Unknown operator|[Nn]umeric", reason)
    return (
        f"this part of the formula does not parse ({reason}):\n"
        f"{mark_place(side, at, at + max(len(text), 1))}\n"
        f"{_ARITHMETIC if arithmetic else _OPERATORS}"
    )
