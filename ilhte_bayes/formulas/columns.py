"""Build the numeric columns of one right-hand side with formulaic."""

import re

import numpy as np
import pandas as pd

from ilhte_bayes.errors import FormulaError, mark_place

# R's elementary functions that formulaic does not define itself.
_FUNCTIONS = {"sqrt": np.sqrt, "abs": np.abs, "log1p": np.log1p, "expm1": np.expm1}


def variables(side: str, columns: list[str]) -> tuple[str, ...]:
    """Return the table columns that a right-hand side uses, in order of appearance."""
    quoted = quote_dotted(side, columns)
    required = {str(name) for name in _parse(quoted).required_variables} - set(_FUNCTIONS) - {"np"}
    # formulaic does not count a column that shares its name with one of its functions (cc, bs)
    named = {name for name in columns if re.search(_as_word(name), side)}
    required -= {name.split(".")[0] for name in named if "." in name} - set(columns)
    return tuple(sorted(required | named, key=lambda name: side.find(name)))


def _as_word(name: str) -> str:
    """Pattern of a column's name where it stands as a variable, not as a function or a method."""
    return rf"(?<![\w.]){re.escape(name)}(?![\w(]|\.\w|\s*=[^=])"


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
    if _only_looks_up(_parse(side)):
        return _evaluate(side, patterns, changed)
    names, matrix = _evaluate(
        side,
        patterns.iloc[pattern].reset_index(drop=True),
        changed.iloc[pattern].reset_index(drop=True),
    )
    first = np.full(len(patterns), -1)
    first[pattern[::-1]] = np.arange(pattern.size)[::-1]
    return names, matrix[first]


def _parse(side: str):
    from formulaic import Formula
    from formulaic.errors import FormulaParsingError, FormulaSyntaxError

    try:
        formula = Formula(side)
        formula.required_variables  # noqa: B018  (parses the Python inside calls)
        return formula
    except (FormulaParsingError, FormulaSyntaxError, SyntaxError, ValueError) as error:
        raise FormulaError(_unparsed(side, error)) from None


def _only_looks_up(formula) -> bool:
    methods = {factor.eval_method.value for term in formula for factor in term.factors}
    return methods <= {"lookup", "literal"}


def _evaluate(
    side: str, frame: pd.DataFrame, changed: pd.DataFrame
) -> tuple[tuple[str, ...], np.ndarray]:
    from formulaic import model_matrix
    from formulaic.errors import FactorEvaluationError, FormulaicError

    try:
        matrix = model_matrix(side, frame, context=_FUNCTIONS, na_action="ignore")
        if changed is not frame:
            matrix = matrix.model_spec.get_model_matrix(changed, context=_FUNCTIONS)
    except FactorEvaluationError as error:
        factor = re.search(r"`(.*?)`", str(error))
        raise FormulaError(
            f"{factor.group(1) if factor else side!r} cannot be evaluated "
            f"({str(error).split('[')[-1].rstrip(']')}). Functions are Python's: log(x), "
            "np.log2(x), scale(x), poly(x, 2), bs(x, df=4), C(x)."
        ) from None
    except FormulaicError as error:
        raise FormulaError(f"{side!r} cannot be evaluated ({error}).") from None
    names = tuple(str(name) for name in matrix.columns)
    return names, np.ascontiguousarray(matrix.to_numpy(dtype=float))


def _unparsed(side: str, error: Exception) -> str:
    """Our sentence for formulaic's syntax errors, with the place marked."""
    plain = re.sub(r"\x1b?\[[\d;]*m", "", str(error))
    marked = re.search(r"⧛(.+?)⧚|⧛(.+)", plain, flags=re.DOTALL)
    text = next((part for part in (marked.groups() if marked else ()) if part), "")
    at = side.find(text) if text else 0
    if at < 0:
        at, text = 0, side
    reason = plain.splitlines()[0].rstrip(".") if plain else "it is not a formula"
    return (
        f"this part of the formula does not parse ({reason}):\n"
        f"{mark_place(side, at, at + max(len(text), 1))}\n"
        "Join terms with +, interactions with : or *, and give functions their brackets."
    )
