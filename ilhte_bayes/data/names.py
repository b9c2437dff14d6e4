"""Names that can be printed anywhere: of levels, cleaned at the door; of columns, refused.

Line ends and tabs become a space; other control characters, halves of characters, and marks that
turn the direction of text around (a terminal or a page would obey them) become �. Letters of every
script, and the marks that join them, stay as they are.
"""

import re
from collections.abc import Sequence

from ilhte_bayes.errors import DataError

LONGEST = 500  # characters of a level's name: a question fits, a document does not
_LONGEST_COLUMN = 200
_ODD = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]+"
)


def printable(text: str) -> str:
    """Text without characters that are obeyed, not shown."""
    return _ODD.sub(lambda found: " " if found[0].isspace() else "�", text)


def printable_names(texts: Sequence[str]) -> list[str]:
    """Names of levels, cleaned and not endless; those that are fine stay, and all stay distinct."""
    odd = [len(text) > LONGEST or _ODD.search(text) is not None for text in texts]
    taken = {text for text, is_odd in zip(texts, odd, strict=True) if not is_odd}
    out = []
    for text, is_odd in zip(texts, odd, strict=True):
        name = (
            _distinct(_short(printable(text[: 2 * LONGEST]), len(text)), taken) if is_odd else text
        )
        taken.add(name)
        out.append(name)
    return out


def _short(name: str, length: int) -> str:
    if length <= LONGEST:
        return name
    return f"{name[: LONGEST - 40]}… ({length:,} characters)"


def _distinct(name: str, taken: set[str]) -> str:
    """The name, or with a number after it."""
    number, new = 2, name
    while new in taken:
        new, number = f"{name} ({number})", number + 1
    return new


def require_printable(columns: Sequence[str]) -> None:
    """Refuse names of columns that cannot be printed.

    Raises
    ------
    DataError
    """
    for name in columns:
        if _ODD.search(name) or len(name) > _LONGEST_COLUMN:
            short = " ".join(printable(name[:40]).split())
            raise DataError(
                f"the column {short!r}{' ...' if len(name) > 40 else ''} has a line end or another "
                f"control character in its name, or more than {_LONGEST_COLUMN} characters. Rename "
                "it first: table.rename(columns={...}), or in the first line of the file."
            )
