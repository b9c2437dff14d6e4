"""What may be meant and often is not: swapped terms, ids used as numbers, levels that look alike.

And which names were changed at the door.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ilhte_bayes.data.answer_words import affirmative, look_alike, missing_words_advice
from ilhte_bayes.data.coding import Coding, missing_code_words
from ilhte_bayes.data.integer_codes import is_whole, used
from ilhte_bayes.data.names import LONGEST
from ilhte_bayes.data.needed import Needed
from ilhte_bayes.data.roles import Roles
from ilhte_bayes.data.rows import Rows
from ilhte_bayes.errors import listed

_FEW_LEVELS = 20  # ids of many persons may differ by a capital; arms do not


def swapped_terms(sizes: Mapping[str, int], n_rows: int) -> list[str]:
    """Warn of groups with about as many levels as there are rows."""
    return [
        f"{name} has {size:,} levels for {n_rows:,} rows, so most levels hold one answer and their "
        f"spread can hardly be told from chance. Check that {name} is the group you meant: columns "
        "stand before the bar and the group after it, (1 | id)."
        for name, size in sizes.items()
        if n_rows >= 20 and size > 0.6 * n_rows
    ]


def odd_roles(rows: Rows, roles: Roles, needed: Needed) -> list[str]:
    """Warn of ids used as measurements, and of the treatment used as a group."""
    ids = (roles.person, roles.item, *roles.clusters)
    notes = [
        f"column {name!r} holds the numbers of {'items' if name == roles.item else 'units'}, and "
        f"the formula takes them for a measurement. Write C({name}), or (1 | {name})."
        for name in needed.covariates
        if name in ids and name not in needed.factors and rows.coded(name).kind == "number"
    ]
    notes += [
        f"column {name!r} is used as a group and holds numbers with decimals, such as "
        f"{rows.coded(name).texts[0]}. If it is a measurement, it stands before the bar: "
        f"(columns | group)."
        for name in dict.fromkeys(name for group in needed.groups for name in group)
        if rows.coded(name).kind == "number" and not is_whole(rows.coded(name).values).all()
    ]
    if roles.treatment and (roles.treatment,) in needed.groups:
        notes.append(
            f"the treatment {roles.treatment!r} stands after a bar, as a group. Columns stand "
            f"before the bar and the group after it: ({roles.treatment} | item)."
        )
    return notes


def missing_codes(rows: Rows) -> list[str]:
    """Warn of an answer such as 9, -99 or "n/a" that counts as one."""
    column = used(rows.response)
    if column.kind == "number":
        what, advice = "number", missing_code_words(column.name, column.values)
    elif column.kind in ("text", "categorical"):
        what, advice = "word", missing_words_advice(column.name, column.texts)
    else:
        return []
    if not advice:
        return []
    return [f"the response {column.name!r} counts every {what} as an answer. {advice}"]


def yes_counts_as_no(coding: Coding, stated: bool) -> list[str]:
    """Warn where two answers in words are scored by the alphabet, and "right" comes before "wrong"."""
    levels = coding.levels
    if stated or len(levels) != 2 or affirmative(levels) != levels[0] or levels[0] == "1":
        return []
    return [
        f"{coding.column}: {levels[0]!r} is scored 0 and {levels[1]!r} 1, by the order of their "
        f"letters, so that effects are on {levels[1]!r}. If {levels[0]!r} is to count: "
        f"reference={{{coding.column!r}: {levels[1]!r}}}."
    ]


def look_alikes(rows: Rows, needed: Needed) -> list[str]:
    """Warn of levels that differ only by spaces, or among few levels by capitals."""
    notes = []
    for name in needed.columns:
        column = rows.coded(name)
        if column.values.dtype != object:
            continue
        if pair := look_alike(column.texts, capitals=column.n_values <= _FEW_LEVELS):
            notes.append(
                f"column {name!r} holds {pair[0]!r} and {pair[1]!r}, which count as two levels. If "
                f"they are one, mend it: table[{name!r}] = table[{name!r}].str.strip() takes "
                "spaces away, .str.lower() capitals."
            )
    return notes


def renamed_levels(rows: Rows, needed: Needed) -> list[str]:
    """Say which names were changed because they cannot be printed."""
    return [
        f"column {name!r} holds {len(new):,} name(s) with line ends or other control characters, or "
        f"of more than {LONGEST} characters; they are kept as, for example, {listed(new, 1)}. Give "
        "names of your own choice in the table if these do not serve."
        for name in needed.columns
        if (new := rows.coded(name).renamed)
    ]


def arms_without_zero(patterns: pd.DataFrame, treatment: str | None) -> list[str]:
    """Warn of two arms coded as numbers of which neither is 0, such as 1 and 2."""
    if treatment is None or treatment not in patterns:
        return []
    column = patterns[treatment]
    if isinstance(column.dtype, pd.CategoricalDtype):
        return []
    values = np.unique(column.to_numpy(dtype=float))
    if values.size != 2 or 0.0 in values or np.isclose(values.sum(), 0.0):
        return []
    low, high = values
    return [
        f"{treatment} is {low:g} or {high:g}, never 0: intercept, easiness and its correlation with "
        f"the effect refer to {treatment} = 0, an arm that nobody was in. Code the arms 0 and 1: "
        f"table[{treatment!r}] = (table[{treatment!r}] == {high:g}).astype(int)."
    ]
