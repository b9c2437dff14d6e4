"""What must hold of a trial's table once treatment, person and item are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.data.coded import Coded, cross, encode, is_whole, used
from ilhte_bayes.data.needed import Needed
from ilhte_bayes.data.roles import IRW_WAVE, Roles
from ilhte_bayes.data.rows import Rows
from ilhte_bayes.data.tables import require_columns
from ilhte_bayes.data.within import restarts, varies_within
from ilhte_bayes.errors import DataError

_MOST_ARMS = 10  # a treatment with more values is a dose
_FEW_LEVELS = 20  # ids of many persons may differ by a capital; arms do not


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
    return (*notes, *_silent_items(rows, roles, score))


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


def listed_plainly(names: Sequence[str], total: int) -> str:
    """Names joined by commas, saying how many were left out."""
    left = total - len(names)
    return ", ".join(names) + (f" and {left} more" if left > 0 else "")


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
    key = parts[0].astype(np.int64)
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


def _silent_items(rows: Rows, roles: Roles, score: np.ndarray) -> list[str]:
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
            f"every answer is the same for {_cells(item, arm, alike)}. Such an item's effect is "
            "learned from the other items alone: read it with its interval, or drop the item "
            "from the table."
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


def look_alikes(rows: Rows, needed: Needed) -> list[str]:
    """Warn of levels that differ only by spaces, or among few levels by capitals."""
    notes = []
    for name in needed.columns:
        column = rows.coded(name)
        if column.values.dtype != object:
            continue
        fold = str.casefold if column.n_values <= _FEW_LEVELS else str
        seen: dict[str, str] = {}
        for text in column.texts:
            first = seen.setdefault(fold(" ".join(text.split())), text)
            if first != text:
                notes.append(
                    f"column {name!r} holds {first!r} and {text!r}, which count as two levels. If "
                    f"they are one, mend it: table[{name!r}] = table[{name!r}].str.strip() takes "
                    "spaces away, .str.lower() capitals."
                )
                break
    return notes


def flow_by_arm(rows: Rows, roles: Roles, roster: pd.DataFrame | None) -> pd.DataFrame:
    """Persons by arm: randomised (from the roster), with any row, and in the analysis.

    Raises
    ------
    DataError
        If the roster lacks a column, or a person of the table.
    """
    person, arm = str(roles.person), str(roles.treatment)
    who, where = used(encode(rows.table[person])), encode(rows.table[arm])
    counts = {"in the table": _by_arm(who, where)}
    counts["in the analysis"] = _by_arm(rows.coded(person), rows.coded(arm))
    if roster is not None:
        require_columns(roster, (person, arm), cure="The roster names person and arm as the table.")
        everyone = encode(roster[person])
        counts = {"randomised": _by_arm(everyone, encode(roster[arm])), **counts}
        _check_on_roster(who, everyone)
    flow = pd.DataFrame(counts).fillna(0).astype(int)
    flow.index.name = arm
    return flow


def _by_arm(person: Coded, arm: Coded) -> pd.Series:
    """Number of persons in each arm."""
    known = (person.code >= 0) & (arm.code >= 0)
    _, arm_at, _ = cross(arm.code[known], person.code[known])
    return pd.Series(np.bincount(arm_at, minlength=arm.n_values), index=arm.texts)


def _check_on_roster(who: Coded, everyone: Coded) -> None:
    on_roster = set(everyone.texts)
    if unknown := [person for person in who.texts if person not in on_roster]:
        raise DataError(
            f"{len(unknown):,} person(s) of the table are not on the roster, first "
            f"{listed_plainly(unknown[:3], len(unknown))}. The roster lists everyone randomised: "
            "add them, or mend the ids."
        )
