"""Formulas are Python expressions: only those that compute columns are run.

A saved fit holds its formula, and a formula may come from a stranger: it must neither open files nor
run anything else. What is allowed is named here; everything else is refused before it is evaluated.
"""

import builtins
import re

import numpy as np

from ilhte_bayes.errors import FormulaError

# NumPy's functions that compute numbers from numbers, apart from its ufuncs
_OF_NUMBERS = {
    "where", "clip", "isin", "round", "around", "mean", "std", "var", "median", "sum", "min", "max",
    "quantile", "percentile", "nanmean", "nanstd", "nanmedian", "pi", "e", "inf", "nan",
}  # fmt: skip
# Methods and attributes of a column
_OF_COLUMNS = {
    "mean", "std", "var", "median", "sum", "min", "max", "quantile", "rank", "abs", "clip", "isin",
    "round", "between", "astype", "fillna", "isna", "notna", "eq", "ne", "ge", "gt", "le", "lt",
    "str", "lower", "upper", "strip", "startswith", "endswith", "contains", "len", "cat", "codes",
}  # fmt: skip
_BUILTINS = {"abs", "bool", "float", "int", "len", "list", "max", "min", "round", "set", "tuple"}
_QUOTED = r"`[^`]*`|'[^']*'|\"[^\"]*\""


def require_harmless(side: str) -> None:
    """Refuse a right-hand side that could do more than compute columns.

    Raises
    ------
    FormulaError
        That names what is not allowed.
    """
    if strings := re.search(r"(?<![\w`])[fF][rR]?['\"]|(?<![\w`])[rR][fF]['\"]", side):
        _refuse(strings[0] + "...", side)
    bare = re.sub(_QUOTED, "_", side)
    if word := re.search(r"__\w*|:=", bare):
        _refuse(word[0], side)
    for base, name in re.findall(r"([^\W\d][\w.]*|[)\]_])\s*\.\s*([^\W\d]\w*)", bare):
        if base == "contr":
            continue
        if base == "np":
            if name not in _OF_NUMBERS and not isinstance(getattr(np, name, None), np.ufunc):
                _refuse(f"np.{name}", side)
        elif name not in _OF_COLUMNS:
            _refuse(f".{name}", side)
    called = set(re.findall(r"(?<![\w.])([^\W\d]\w*)\s*\(", bare))
    if wrong := sorted(called & set(dir(builtins)) - _BUILTINS):
        _refuse(wrong[0], side)


def _refuse(what: str, side: str) -> None:
    raise FormulaError(
        f"{what!r} is not allowed in a formula:\n  {side}\n"
        "Formulas only compute columns: log(x), np.log2(x), I(x > 40), scale(x), x.mean(). Make "
        "anything else a column of the table first."
    )
