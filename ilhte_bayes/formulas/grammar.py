"""Read a formula: response, fixed part, and random terms `(columns | group)`; lme4's spelling."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ilhte_bayes.data.needed import Comparison, ResponseTerm
from ilhte_bayes.errors import FormulaError, mark_place
from ilhte_bayes.formulas.r_spelling import python_spelling

_COMPARISONS: dict[type, Comparison] = {
    ast.GtE: ">=",
    ast.Gt: ">",
    ast.LtE: "<=",
    ast.Lt: "<",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


@dataclass(frozen=True, slots=True)
class RandomTerm:
    """One `(columns | group)`; `a/b` has already become two of these."""

    columns: str  # right-hand side for formulaic, e.g. "1 + treat"
    group: tuple[str, ...]  # grouping variables, outermost first: ("school", "teacher")
    correlated: bool  # `|`, not `||`
    nested: bool  # came from `outer/inner`, so that inner ids are claimed to lie within outer ones

    @property
    def name(self) -> str:
        """Name of the group, outermost first: `school:teacher`."""
        return ":".join(self.group)

    def __str__(self) -> str:
        return f"({self.columns} {'|' if self.correlated else '||'} {self.name})"


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula; `fixed` and each `RandomTerm.columns` are in formulaic's language."""

    text: str
    response: ResponseTerm
    fixed: str
    random: tuple[RandomTerm, ...]


def parse_formula(text: str) -> Formula:
    """Parse an lme4-style formula.

    Parameters
    ----------
    text : str
        For example `"resp ~ treat * pretest + (1 | school/id) + (treat | item)"`.

    Returns
    -------
    Formula

    Raises
    ------
    FormulaError
        If it cannot be read; the message marks the place.
    """
    if not isinstance(text, str):
        raise FormulaError(
            f"the formula is a {type(text).__name__}, not text. "
            'Write it in quotes: "resp ~ treat + (1 | id) + (treat | item)".'
        )
    text = " ".join(text.split())
    if not text:
        raise FormulaError(
            'the formula is empty. Write "resp ~ treat + (1 | id) + (treat | item)".'
        )
    _check_quotes(text)
    _check_brackets(text)
    tildes = [i for i, char, depth in _scan(text) if char == "~" and depth == 0]
    if len(tildes) != 1:
        found = "no `~`" if not tildes else f"{len(tildes)} times `~`"
        raise FormulaError(
            f"the formula has {found}:\n{mark_place(text, tildes[1] if tildes else 0, None)}\n"
            'Write the response, one `~`, and the predictors: "resp ~ treat + (1 | id)".'
        )
    left, right = text[: tildes[0]].strip(), text[tildes[0] + 1 :]
    response = _parse_response(text, left)
    fixed, random = _split_right(text, tildes[0] + 1, right)
    return Formula(text=text, response=response, fixed=fixed, random=tuple(random))


def _scan(text: str) -> Iterator[tuple[int, str, int]]:
    """Yield position, character and bracket depth, skipping quoted text and `back ticks`."""
    depth, quote = 0, ""
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
            continue
        if char in "'\"`":
            quote = char
            continue
        depth -= char in ")]}"
        yield i, char, depth
        depth += char in "([{"


def _check_quotes(text: str) -> None:
    opened = None
    for i, char in enumerate(text):
        if opened is None and char in "'\"`":
            opened = i
        elif opened is not None and char == text[opened]:
            opened = None
    if opened is not None:
        raise FormulaError(
            f"this quote is never closed:\n{mark_place(text, opened)}\nClose it, or remove it."
        )


def _check_brackets(text: str) -> None:
    opened: list[int] = []
    pairs = {")": "(", "]": "[", "}": "{"}
    for i, char, _ in _scan(text):
        if char in "([{":
            opened.append(i)
        elif char in ")]}":
            if not opened or text[opened[-1]] != pairs[char]:
                raise FormulaError(
                    f"this bracket closes nothing:\n{mark_place(text, i)}\nRemove it, or open it."
                )
            opened.pop()
    if opened:
        raise FormulaError(
            f"this bracket is never closed:\n{mark_place(text, opened[-1])}\nClose it."
        )


def _parse_response(text: str, left: str) -> ResponseTerm:
    if not left:
        raise FormulaError(
            f"no response before `~`:\n{mark_place(text, 0)}\n"
            'Name the column with the answers: "resp ~ treat + ...".'
        )
    inner = left
    # I(), factor() and ordered() change nothing: answers are categories anyway
    wrapped = r"(?:I|C|(?:as\.)?(?:factor|ordered))?\s*\((.*)\)"
    while (bare := re.fullmatch(wrapped, inner)) and _one_bracket(inner):
        inner = bare.group(1).strip()
    if re.fullmatch(r"`[^`]+`", inner):
        return ResponseTerm(text=inner.strip("`"), column=inner.strip("`"))
    if re.fullmatch(r"[^\W\d][\w.]*", inner):
        return ResponseTerm(text=inner, column=inner)
    return _parse_comparison(text, left, inner)


def _parse_comparison(text: str, left: str, inner: str) -> ResponseTerm:
    """Read `resp >= 2`; Python's parser knows what a number or a quoted text is."""
    column = re.match(r"`([^`]+)`|([^\W\d][\w.]*)", inner)
    cure = 'Name one column ("resp ~ ...") or compare one with a value ("resp >= 2 ~ ...").'
    if column:
        try:
            tree = ast.parse("_" + inner[column.end() :], mode="eval").body
        except (SyntaxError, ValueError):
            tree = None
        if isinstance(tree, ast.Compare) and len(tree.ops) == 1 and isinstance(tree.left, ast.Name):
            comparison, value = _COMPARISONS.get(type(tree.ops[0])), tree.comparators[0]
            if comparison and (literal := _literal(value)) is not None:
                name = column[1] or column[2]
                return ResponseTerm(inner, name, comparison, literal)
            if comparison and isinstance(value, ast.Name):
                cure = f"Put text in quotes: \"{column[0]} == '{value.id}' ~ ...\"."
    if inner.startswith("cbind"):
        cure = "Give one row for each answer instead of cbind(successes, failures)."
    raise FormulaError(
        f"the response {left!r} cannot be read:\n{mark_place(text, 0, len(left))}\n{cure}"
    )


def _literal(value: ast.expr) -> object:
    """A number, text or truth value; None for anything else."""
    try:
        found = ast.literal_eval(value)
    except ValueError:
        return None
    return found if isinstance(found, int | float | str) else None


def _one_bracket(text: str) -> bool:
    """Whether the bracket that opens first closes last."""
    inside = [depth for _, char, depth in _scan(text) if char in "()"]
    return inside.count(0) == 2


def _split_right(text: str, offset: int, right: str) -> tuple[str, list[RandomTerm]]:
    """Split the right-hand side at its top-level `+` and `-`; a bracket holding `|` is a random term."""
    random: list[RandomTerm] = []
    fixed: list[str] = []
    cuts = [i for i, char, depth in _scan(right) if depth == 0 and char in "+-"]
    if cuts and not right[: cuts[0]].strip():
        cuts = cuts[1:] if right[cuts[0]] == "+" else cuts  # a leading sign
    signs = ["+", *(right[i] for i in cuts)]
    for sign, start, end in zip(signs, [-1, *cuts], [*cuts, len(right)], strict=True):
        piece = right[start + 1 : end].lstrip("+") if start == -1 else right[start + 1 : end]
        here = offset + start + 1 + (len(piece) - len(piece.lstrip()))
        piece = piece.strip()
        follows = right[end : end + 1]
        if not piece and follows and (start == -1 or (sign == "+" and follows == "-")):
            continue  # "y ~ -1 + x" begins with its sign; R takes "x + -1" for "x - 1"
        if not piece:
            raise FormulaError(
                f"a term is missing here:\n{mark_place(text, max(here - 1, 0))}\n"
                f"Remove the `{sign}`, or write the term."
            )
        bars = [(i, depth) for i, char, depth in _scan(piece) if char == "|"]
        if not bars:
            _check_subtracted(text, here, sign, piece)
            fixed.append(f"{sign} {python_spelling(piece, text, here)}")
        elif sign == "+" and piece[0] == "(" and piece[-1] == ")" and _one_bracket(piece):
            random.extend(_parse_random(text, here, piece))
        else:
            raise FormulaError(_not_alone(text, here, piece, bare=any(d == 0 for _, d in bars)))
    _check_repeats(text, random)
    return " ".join(fixed).removeprefix("+ ") if fixed else "1", random


def _check_subtracted(text: str, here: int, sign: str, piece: str) -> None:
    if sign == "-" and re.fullmatch(r"\d+\.?\d*", piece) and float(piece) > 1:
        raise FormulaError(
            f"a formula takes away terms, not numbers:\n{mark_place(text, here)}\n"
            f"Put arithmetic in I(): I(age - {piece})."
        )


def _not_alone(text: str, here: int, piece: str, *, bare: bool) -> str:
    """Our sentence for a random term without brackets of its own, or joined to something."""
    cure = (
        f"Write ... + ({piece})."
        if bare
        else 'Write it as "... + (1 | id)": nothing before its bracket, and nothing multiplied '
        "with it or taken from it."
    )
    return (
        f"a random term {'needs brackets' if bare else 'stands by itself'}:\n"
        f"{mark_place(text, here, here + len(piece))}\n{cure}"
    )


def _parse_random(text: str, here: int, piece: str) -> list[RandomTerm]:
    inner = piece[1:-1]
    bars = [i for i, char, depth in _scan(inner) if char == "|" and depth == 0]
    double = len(bars) == 2 and bars[1] == bars[0] + 1
    if not bars or (len(bars) > 1 and not double):
        raise FormulaError(
            f"this random term cannot be read:\n{mark_place(text, here, here + len(piece))}\n"
            "Write (columns | group), for example (1 + treat | item)."
        )
    columns, group = inner[: bars[0]].strip(), inner[bars[-1] + 1 :].strip()
    if not columns or not group:
        side = "no columns before" if not columns else "no group after"
        raise FormulaError(
            f"this random term has {side} the bar:\n"
            f"{mark_place(text, here, here + len(piece))}\n"
            "Write (columns | group), for example (1 | id)."
        )
    place = here + 1 + inner.find(group, bars[-1] + 1)
    spelled = python_spelling(columns, text, here + 1 + inner.find(columns))
    groups = _parse_group(text, place, group)
    return [
        RandomTerm(columns=spelled, group=names, correlated=not double, nested=len(groups) > 1)
        for names in groups
    ]


def _parse_group(text: str, place: int, group: str) -> list[tuple[str, ...]]:
    """`a/b/c` -> (a), (a, b), (a, b, c); `a:b` -> (a, b); several groups from one term."""
    paths: list[tuple[str, ...]] = []
    outer: tuple[str, ...] = ()
    for level in _split_at(group, "/"):
        names = tuple(_group_name(text, place, group, name) for name in _split_at(level, ":"))
        outer = (*outer, *(name for name in names if name not in outer))
        paths.append(outer)
    return paths


def _split_at(text: str, separator: str) -> list[str]:
    cuts = [i for i, char, depth in _scan(text) if char == separator and depth == 0]
    return [text[a + 1 : b].strip() for a, b in zip([-1, *cuts], [*cuts, len(text)], strict=True)]


def _group_name(text: str, place: int, group: str, name: str) -> str:
    name = re.sub(r"^(?:as\.)?(?:factor|C)\s*\(\s*(.*?)\s*\)$", r"\1", name)
    if name.startswith("`") and name.endswith("`") and len(name) > 2:
        return name.strip("`")
    if re.fullmatch(r"[^\W\d][\w.]*", name):
        return name
    mark = mark_place(text, place, place + len(group))
    if re.fullmatch(r"[\d.]+", name):
        raise FormulaError(
            f"the group after the bar is the number {name}:\n{mark}\n"
            "Columns stand before the bar and the group after it: (1 | id), not (id | 1)."
        )
    parts = [part.strip() for part in re.split(r"[*+]", name)]
    if len(parts) == 2 and all(re.fullmatch(r"[^\W\d][\w.]*", part) for part in parts):
        both = f" + (1 | {':'.join(parts)})" if "*" in name else ""
        cure = f"Write (1 | {parts[0]}) + (1 | {parts[1]}){both}."
    else:
        cure = (
            "A group is a column, columns joined by `:` (school:item), or nested ones by `/` "
            "(school/teacher)."
        )
    raise FormulaError(f"the group {group!r} cannot be read:\n{mark}\n{cure}")


def _check_repeats(text: str, random: list[RandomTerm]) -> None:
    seen: set[tuple[str, frozenset[str]]] = set()
    for term in random:
        key = (term.columns.replace(" ", ""), frozenset(term.group))
        if key in seen:
            inner = ":".join(term.group)
            raise FormulaError(
                f"the random term ({term.columns} | {inner}) appears twice in\n  {text}\n"
                "Two copies of one term cannot be told apart: keep one. `a/b` already contains "
                "`a`; for the inner ids alone write `a:b`."
            )
        seen.add(key)
