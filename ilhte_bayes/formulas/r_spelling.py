"""Turn the R spellings an lme4 user types into formulaic's, or say what to type instead."""

import re

from ilhte_bayes.errors import FormulaError, mark_place

# what is R's alone -> what to type here
_R_ONLY = {
    "ns": "cr(x, df=4), a natural cubic spline",
    "rcs": "cr(x, df=4), a natural cubic spline",
    "s": "bs(x, df=4) or cr(x, df=4), a spline with a fixed number of columns",
    "as.numeric": "the column's name alone, after table['x'] = table['x'].astype(float)",
    "as.integer": "the column's name alone, after table['x'] = table['x'].astype(int)",
    "as.character": "the column's name alone, after table['x'] = table['x'].astype(str)",
    "as.logical": "the column's name alone, after table['x'] = table['x'].astype(bool)",
    "relevel": "the column's name, with reference={'x': 'level'} in the call",
    "ordered": "the column's name, after table['x'] = pd.Categorical(table['x'], levels, ordered=True)",
    "ifelse": "np.where(x > 0, 1, 0)",
    "cut": "a column made beforehand with pd.cut",
    "offset": "no offset: this package has none; use a covariate with its own coefficient",
    "cbind": "one row for each answer",
    "interaction": "a:b",
}
_CALL = re.compile(r"(?<![\w.`])((?:as\.)?[A-Za-z_][\w.]*)\s*\(")


def python_spelling(piece: str, text: str) -> str:
    """Return one right-hand-side piece in formulaic's language.

    `factor(x)` and `as.factor(x)` become `C(x)`; a power inside a call, `I(age^2)`, becomes
    `I(age**2)` (outside one, `(a + b)^2` is a formula operator and stays).

    Raises
    ------
    FormulaError
        For functions that only R has, with the Python spelling.
    """
    for call in _CALL.finditer(piece):
        name = call.group(1)
        if name in _R_ONLY:
            start = max(text.find(call.group(0)), 0)
            raise FormulaError(
                f"{name}() is an R function:\n{mark_place(text, start, start + len(name))}\n"
                f"Write {_R_ONLY[name]}."
            )
    if raw := re.search(r"\b(TRUE|FALSE)\b", piece):
        start = max(text.find(raw.group(0)), 0)
        raise FormulaError(
            f"{raw.group(0)} is R's:\n{mark_place(text, start, start + len(raw.group(0)))}\n"
            "Write True or False; for raw powers write x + I(x**2) instead of poly(x, 2, raw=TRUE)."
        )
    piece = re.sub(r"(?<![\w.])(?:as\.)?factor\s*\(", "C(", piece)
    return _powers_in_calls(piece)


def _powers_in_calls(piece: str) -> str:
    """Replace `^` by `**` wherever it stands inside the brackets of a function call."""
    out: list[str] = []
    is_call: list[bool] = []
    for i, char in enumerate(piece):
        if char == "(":
            before = piece[:i].rstrip()
            is_call.append(bool(before) and (before[-1].isalnum() or before[-1] in "_."))
        elif char == ")" and is_call:
            is_call.pop()
        out.append("**" if char == "^" and any(is_call) else char)
    return "".join(out)
