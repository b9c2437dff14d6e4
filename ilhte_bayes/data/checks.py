"""What must hold of a trial's table once treatment, person and item are known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ilhte_bayes.data.integer_codes import Coded, cross
from ilhte_bayes.data.roles import IRW_WAVE, Roles
from ilhte_bayes.data.rows import Rows
from ilhte_bayes.data.within import restarts, varies_within
from ilhte_bayes.errors import DataError, listed_plainly

_MOST_ARMS = 10  # a treatment with more values is a dose


def check_trial(
    rows: Rows, roles: Roles, score: np.ndarray, groups: Sequence[tuple[str, ...]]
) -> tuple[str, ...]:
    """Refuse or warn about a table whose rows contradict the trial's design.

    Parameters
    ----------
    rows : Rows
    roles : Roles
        Breaches are errors where the caller stated the roles, warnings where they were recognised.
    score : np.ndarray
        Scored answers by row.
    groups : sequence of tuple of str
        The formula's grouping variables, outermost first: `("school", "id")`.

    Returns
    -------
    tuple of str
        Warnings.
    """
    notes = []
    if roles.person is not None and roles.person in rows:
        persons, merged = _persons(rows, roles, roles.person, groups)
        checks = (_two_arms, _answered_twice)
        notes = [found for check in checks if (found := check(rows, roles, persons)) is not None]
        if notes and roles.given:
            raise DataError(notes[0])
        notes += [merged] if merged else []
    return (*notes, *silent_items(rows, roles, score))


@dataclass(frozen=True, slots=True)
class _Persons:
    """Who answered, row by row; ids that restart within clusters are told apart."""

    code: np.ndarray  # (row,) int32, -1 where unknown
    columns: tuple[str, ...]  # that together identify a person


def _persons(
    rows: Rows, roles: Roles, person: str, groups: Sequence[tuple[str, ...]]
) -> tuple[_Persons, str | None]:
    """Persons as the formula tells them apart; or by cluster if ids restart there, with a note."""
    path = max((group for group in groups if group[-1] == person), key=len, default=(person,))
    clusters = [name for name in roles.clusters if name != person and name in rows]
    if len(path) > 1 or not clusters:
        return _Persons(_joint(rows, path), path), None
    cluster = clusters[-1]
    if not restarts(rows.coded(cluster).code, rows.coded(person).code):
        return _Persons(rows.coded(person).code, path), None
    merged = (
        f"ids in column {person!r} restart in each {cluster}, and the formula takes those with "
        f"the same id for one. Write (1 | {cluster}/{person}) instead of (1 | {person})."
    )
    by_cluster = _Persons(_joint(rows, (cluster, person)), (cluster, person))
    return by_cluster, merged if path in groups else None


def _joint(rows: Rows, path: tuple[str, ...]) -> np.ndarray:
    """Code of a path's levels by row; -1 where one of its columns is missing."""
    code = rows.coded(path[0]).code
    for name in path[1:]:
        inner = rows.coded(name).code
        known = (code >= 0) & (inner >= 0)
        joint = np.full(code.size, -1, dtype=np.int32)
        joint[known] = cross(code[known], inner[known])[0]
        code = joint
    return code


def _two_arms(rows: Rows, roles: Roles, persons: _Persons) -> str | None:
    if roles.treatment is None or roles.treatment not in rows or roles.crossover:
        return None
    arm = rows.coded(roles.treatment)
    mixed = np.flatnonzero(varies_within(persons.code, arm.code))
    if not mixed.size:
        return None
    first = [int(np.flatnonzero(persons.code == person)[0]) for person in mixed[:3]]
    who = [" in ".join(_value(rows, name, at) for name in persons.columns[::-1]) for at in first]
    several = f"{mixed.size} persons are" if mixed.size > 1 else "one person is"
    return (
        f"{several} in more than one arm of {roles.treatment!r}: {listed_plainly(who, mixed.size)}. "
        "Each person belongs to one arm: mend these rows, or declare that persons were meant to "
        "change arm: crossover=True in il_hte, roles={..., 'crossover': True} in Model, "
        "--crossover on the command line."
    )


def _value(rows: Rows, name: str, row: int) -> str:
    column = rows.coded(name)
    return f"{name} {column.texts[column.code[row]]}"


def _answered_twice(rows: Rows, roles: Roles, persons: _Persons) -> str | None:
    if roles.item is None or roles.item not in rows:
        return None
    keys = [roles.item]
    keys += [roles.occasion] if roles.occasion else []
    keys += [roles.treatment] if roles.crossover and roles.treatment else []
    key = _key([persons.code, *(rows.coded(name).code for name in keys)])
    again = _repeated(key)
    if not again.any():
        return None
    examples = rows.at(_examples(key, again))
    identity = [*persons.columns, *keys]
    shown = examples[[*identity, *_told_apart(examples, identity, rows.response.name)]]
    return (
        f"{int(again.sum()):,} row(s) answer an item that the same person has already answered, "
        f"for example\n{shown.to_string()}\n"
        f"Keep one row for each person and item{_occasion_cure(rows, roles)}."
    )


def _occasion_cure(rows: Rows, roles: Roles) -> str:
    if roles.occasion is not None:
        return f" on each {roles.occasion}"
    column = IRW_WAVE if IRW_WAVE in rows else "wave"
    return (
        f", or name the column that tells the occasions apart: occasion={column!r} in il_hte, "
        f"roles={{..., 'occasion': {column!r}}} in Model, --occasion {column} on the command line"
    )


def _told_apart(examples: pd.DataFrame, identity: list[str], response: str) -> list[str]:
    """The response, and up to three columns in which repeated answers differ."""
    rest = [name for name in examples.columns if name not in (*identity, response)]
    groups = examples.groupby(identity, observed=True, dropna=False)
    return [
        response,
        *[name for name in rest if (groups[name].nunique(dropna=False) > 1).any()][:3],
    ]


def _repeated(key: np.ndarray) -> np.ndarray:
    """(row,) whether an earlier row holds the same key; -1 is passed over."""
    again = np.zeros(key.size, dtype=bool)
    size = int(key.max(initial=0)) + 1
    if size < 8 * key.size:  # as many cells as persons times items: a table of them is cheap
        seen = np.zeros(size + 1, dtype=bool)
        seen[key] = True
        if np.count_nonzero(seen[:-1]) == np.count_nonzero(key >= 0):
            return again
    order = np.argsort(key, kind="stable")
    key = key[order]
    again[order[1:]] = (key[1:] == key[:-1]) & (key[1:] >= 0)
    return again


def _key(parts: Sequence[np.ndarray]) -> np.ndarray:
    """One number for the codes of a row; -1 where one of them is missing."""
    largest = math.prod(int(part.max(initial=0)) + 1 for part in parts)
    whole: Any = np.int32 if largest <= np.iinfo(np.int32).max else np.int64
    key = parts[0].astype(whole)
    unknown = parts[0] < 0
    for part in parts[1:]:
        key *= int(part.max(initial=0)) + 1
        key += part
        unknown |= part < 0
    key[unknown] = -1
    return key


def _examples(key: np.ndarray, again: np.ndarray) -> np.ndarray:
    """Up to four rows: the first two repeated answers, each after the row that it repeats."""
    pairs = [np.flatnonzero(key == repeated)[:2] for repeated in np.unique(key[again])[:2]]
    return np.concatenate(pairs)


def silent_items(rows: Rows, roles: Roles, score: np.ndarray) -> list[str]:
    """Items without a difference to see in an arm: their effect rests on the other items."""
    if roles.item is None or roles.treatment is None:
        return []
    item, arm = rows.coded(roles.item), rows.coded(roles.treatment)
    if arm.n_values > _MOST_ARMS:
        return []
    cell = item.code * np.int32(arm.n_values) + arm.code
    cell[(item.code < 0) | (arm.code < 0)] = -1
    size = item.n_values * arm.n_values
    seen = np.zeros(size + 1, dtype=bool)
    seen[cell] = True  # -1 marks the extra entry at the end
    varies = varies_within(cell, score)
    varies = np.append(varies, np.zeros(size - varies.size, dtype=bool))
    alike, absent = np.flatnonzero(seen[:-1] & ~varies), np.flatnonzero(~seen[:-1])
    notes = []
    if alike.size:
        notes.append(
            f"every answer is the same for {_cells(item, arm, alike)}. Such answers bound the "
            "item's effect on one side only; its size leans on the other items: read it with its "
            "interval, or drop the item from the table."
        )
    if absent.size:
        notes.append(
            f"there are no answers for {_cells(item, arm, absent)}. The effect on such an item is "
            "learned from the other items alone: drop the item if that was not meant."
        )
    return notes


def _cells(item: Coded, arm: Coded, cells: np.ndarray) -> str:
    items, arms = item.texts, arm.texts
    named = [
        f"{items[cell // arm.n_values]} where {arm.name} = {arms[cell % arm.n_values]}"
        for cell in cells[:5].tolist()
    ]
    return listed_plainly(named, cells.size)


def check_nesting(rows: Rows, path: tuple[str, ...]) -> str | None:
    """Check that the inner ids of `outer/inner` lie within outer ones.

    Ids that restart in every outer level (teacher 1, 2, 3 in each school) are read as different
    units, as lme4 does, and a note says so. Ids found here and there in two outer levels are a
    mistake.
    """
    notes = []
    outside, outer = rows.coded(path[0]).code, path[0]
    for inner in path[1:]:
        inside = rows.coded(inner)
        several = np.flatnonzero(varies_within(inside.code, outside))
        if several.size and not restarts(outside, inside.code):
            raise DataError(_not_nested(rows, path, inner, several))
        if several.size:
            notes.append(
                f"ids in column {inner!r} restart in each {outer}: they are read as different "
                f"units, named {outer}:{inner}."
            )
        outside, outer = cross(outside, inside.code)[0], f"{outer}:{inner}"
    return " ".join(notes) or None


def _not_nested(rows: Rows, path: tuple[str, ...], inner: str, several: np.ndarray) -> str:
    at = path.index(inner)
    outer, outside, inside = path[at - 1], rows.coded(path[at - 1]), rows.coded(inner)
    first = int(several[0])
    places = np.unique(outside.code[inside.code == first])
    where = listed_plainly([outside.texts[place] for place in places[:3]], places.size)
    above = ":".join(path[:at])
    return (
        f"column {inner!r} is not nested in {outer!r}: {several.size:,} of its {inside.n_values:,} "
        f"ids appear in more than one {outer}, first {inner} {inside.texts[first]} in {outer} {where}. "
        f"Mend the ids. If units really moved, write (1 | {above}) + (1 | {inner}) instead of "
        f"(1 | {'/'.join(path[: at + 1])}); if they are numbered anew in each, (1 | {above}) + "
        f"(1 | {above}:{inner})."
    )
