"""Which variables a design's column is made of: `C(treat)[T.1]:pre` of treat, times pre."""

import re
from collections.abc import Iterable

from ilhte_bayes.formulas.columns import as_word


def factors_of(term: str, columns: Iterable[str]) -> list[tuple[str, ...]]:
    """Table columns in each factor of a term.

    Parameters
    ----------
    term : str
        As in `Design.terms` or `Group.columns`; of nominal answers ("mid: treat") and of slopes of
        their own ("treat, > 1") too.
    columns : iterable of str
        Columns of the table that the formula may use.

    Returns
    -------
    list of tuple
        One tuple for each factor; "Intercept" has one empty factor.

    Examples
    --------
    >>> factors_of("mid: C(treat)[T.1]:pre", ["treat", "pre"])
    [('treat',), ('pre',)]
    """
    plain = re.sub(r"\[[^\]]*\]", "", term).rsplit(": ", 1)[-1].split(", ")[0]
    words = {name: as_word(name) for name in map(str, columns)}
    return [
        tuple(name for name, word in words.items() if re.search(word, factor))
        for factor in plain.split(":")
    ]


def uses(term: str, name: str | None, columns: Iterable[str]) -> bool:
    """Whether a variable is in a term."""
    return name is not None and any(name in factor for factor in factors_of(term, columns))
