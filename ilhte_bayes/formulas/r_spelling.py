"""Turn the R spellings an lme4 user types into formulaic's, or say what to type instead."""

import re

from ilhte_bayes.errors import FormulaError, mark_place

_NATURAL = "cr(x, df=3, constraints='center'), a natural cubic spline"
_SMOOTH = "bs(x, df=4), a spline with a fixed number of columns"
_BEFOREHAND = "a column made beforehand with pandas"

# what formulaic lacks -> what to type here
_ELSEWHERE = {
    "ns": _NATURAL,
    "rcs": _NATURAL,
    "s": _SMOOTH,
    "te": _SMOOTH,
    "ti": _SMOOTH,
    "t2": _SMOOTH,
    "gp": _SMOOTH,
    "mo": "C(x), one coefficient for each level",
    "me": "x alone; measurement error has no place in this grammar",
    "as.numeric": "x alone, after table['x'] = table['x'].astype(float)",
    "as.integer": "x alone, after table['x'] = table['x'].astype(int)",
    "as.double": "x alone, after table['x'] = table['x'].astype(float)",
    "as.character": "x alone, after table['x'] = table['x'].astype(str)",
    "as.logical": "x alone, after table['x'] = table['x'].astype(bool)",
    "relevel": "x alone, and say reference={'x': 'level'} (--reference x=level)",
    "ordered": "x alone, after table['x'] = pd.Categorical(table['x'], levels, ordered=True)",
    "as.ordered": "x alone, after table['x'] = pd.Categorical(table['x'], levels, ordered=True)",
    "ifelse": "np.where(x > 0, 1, 0)",
    "pmax": "np.maximum(x, 0)",
    "pmin": "np.minimum(x, 0)",
    "cut": f"{_BEFOREHAND}: table['x3'] = pd.cut(table['x'], 3)",
    "lag": f"{_BEFOREHAND}: the order of rows means nothing here",
    "is.na": f"{_BEFOREHAND}: table['x_missing'] = table['x'].isna()",
    "offset": "the formula without it: offsets are not available",
    "cbind": "one row for each answer",
    "interaction": "a:b",
    "dummy": "I(x == 'level')",
    "c": "a list in square brackets, ['a', 'b']",
}
_CALL = re.compile(r"(?<![\w.`])([A-Za-z_][\w.]*)\s*\(")


def python_spelling(piece: str, text: str, here: int) -> str:
    """Return one right-hand-side piece in formulaic's language.

    `factor(x)` and `as.factor(x)` become `C(x)`; a power inside a call, `I(age^2)`, becomes
    `I(age**2)` (outside one, `(a + b)^2` is a formula operator and stays).

    Parameters
    ----------
    piece : str
        A term of the right-hand side.
    text : str
        The whole formula, and `here` the place of the piece in it: to mark what is wrong.

    Raises
    ------
    FormulaError
        For what only R has, with the Python spelling.
    """

    def refuse(found: re.Match[str], what: str, cure: str) -> FormulaError:
        start, end = here + found.start(), here + found.end()
        return FormulaError(f"{what}:\n{mark_place(text, start, end)}\n{cure}")

    bare = _blank_quoted(piece)
    for call in _CALL.finditer(bare):
        name = call[1]
        if name in _ELSEWHERE:
            found = re.compile(re.escape(name)).match(bare, call.start())
            assert found is not None
            raise refuse(found, f"{name}() is not available", f"Write {_ELSEWHERE[name]}.")
    if found := re.search(r"[A-Za-z][\w.]*:{2,3}", bare):
        cure = "Write the function alone; bs, cr, poly and scale are here."
        raise refuse(found, "R's packages are not available", cure)
    if found := re.search(r"%\w+%", bare):
        raise refuse(found, f"{found[0]} is R's", "Write an interaction, a:b.")
    if found := re.search(r"\b(TRUE|FALSE)\b", bare):
        cure = "Write True or False; for plain powers, x + I(x**2)."
        raise refuse(found, f"{found[0]} is R's", cure)
    if found := re.search(r"(?<![\w.)\]`])\.(?![\w.])", bare):
        raise refuse(
            found,
            "`.` for all other columns is not available",
            "Name the columns: which ones matter is a decision worth seeing in the formula.",
        )
    piece = re.sub(r"(?<![\w.`])(?:as\.)?factor\s*\(", "C(", piece)
    return _powers_in_calls(piece, text, here)


def _blank_quoted(text: str) -> str:
    """The text with what stands in quotes or back ticks blanked, at its old length."""
    return re.sub(r"`[^`]*`|'[^']*'|\"[^\"]*\"", lambda found: "_" * len(found[0]), text)


def _powers_in_calls(piece: str, text: str, here: int) -> str:
    """Replace `^` by `**` inside the brackets of a call; refuse the power of a single column.

    In a formula `age^2` is `age:age`, that is `age`: R drops it silently, and nobody means that.
    """
    out: list[str] = []
    is_call: list[bool] = []
    for i, char in enumerate(piece):
        if char == "(":
            before = piece[:i].rstrip()
            is_call.append(bool(before) and (before[-1].isalnum() or before[-1] in "_."))
        elif char == ")" and is_call:
            is_call.pop()
        power = char == "^" or (char == "*" and piece[i + 1 : i + 2] == "*")
        base = re.search(r"([^\W\d][\w.]*|`[^`]+`)\s*$", piece[:i]) if power else None
        if base and not any(is_call):
            start = here + base.start()
            raise FormulaError(
                f"as a formula this power is {base[1]} itself:\n"
                f"{mark_place(text, start, here + i + 1)}\n"
                f"For the square of a column write I({base[1]}**2)."
            )
        out.append("**" if char == "^" and any(is_call) else char)
    return "".join(out)
