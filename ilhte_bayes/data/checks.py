"""What must hold of a trial's table once treatment, person and item are known."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ilhte_bayes.data.roles import Roles
from ilhte_bayes.errors import DataError, listed


def check_trial(table: pd.DataFrame, roles: Roles, score: pd.Series) -> tuple[str, ...]:
    """Refuse or warn about a table whose rows contradict the trial's design.

    Parameters
    ----------
    table : pd.DataFrame
        Complete rows.
    roles : Roles
        Breaches are errors where the caller stated the roles, warnings where they were recognised.
    score : pd.Series
        Scored answers, aligned with `table`.

    Returns
    -------
    tuple of str
        Warnings.
    """
    breaches = [
        sentence
        for check in (_two_arms, _answered_twice)
        if (sentence := check(table, roles)) is not None
    ]
    if breaches and roles.given:
        raise DataError(breaches[0])
    return (*breaches, *_constant_items(table, roles, score))


def person_keys(table: pd.DataFrame, roles: Roles) -> list[str]:
    """Columns that together identify a person: ids may restart within clusters."""
    clusters = [name for name in roles.clusters if name != roles.person]
    return [*clusters, str(roles.person)] if ids_restart(table, roles) else [str(roles.person)]


def ids_restart(table: pd.DataFrame, roles: Roles) -> bool:
    """Whether most person ids appear in more than one cluster, as numbers that restart do."""
    if roles.person is None or not roles.clusters:
        return False
    return shared_share(table, roles.clusters[-1], roles.person) > 0.5


def shared_share(table: pd.DataFrame, outer: str, inner: str) -> float:
    """Share of `inner` ids that appear in more than one level of `outer`."""
    pairs = table[[inner, outer]].drop_duplicates()
    return float((pairs[inner].value_counts() > 1).mean())


def _two_arms(table: pd.DataFrame, roles: Roles) -> str | None:
    if roles.treatment is None or roles.person is None or roles.crossover:
        return None
    pairs = table[[*person_keys(table, roles), roles.treatment]].drop_duplicates()
    arms = pairs.groupby(person_keys(table, roles), observed=True).size()
    mixed = arms.index[arms > 1].tolist()
    if not mixed:
        return None
    return (
        f"column {roles.treatment!r} takes several values within {len(mixed)} person(s) of column "
        f"{roles.person!r}, first {listed(mixed, 3)}. Each person belongs to one arm: keep one "
        "value for each, or say roles={..., 'crossover': True} if persons were meant to change arm."
    )


def _answered_twice(table: pd.DataFrame, roles: Roles) -> str | None:
    if roles.person is None or roles.item is None:
        return None
    keys = [*person_keys(table, roles), roles.item]
    keys += [roles.occasion] if roles.occasion else []
    if roles.crossover and roles.treatment is not None:
        keys.append(roles.treatment)
    again = table.duplicated(keys, keep=False)
    if not again.any():
        return None
    shown = table.loc[again, keys].sort_values(keys[:-1]).head(4)
    return (
        f"{int(again.sum())} rows answer an item that the same person has already answered, "
        f"for example\n{shown.to_string()}\nKeep one row for each person and item, or name the "
        "column that tells the occasions apart: roles={..., 'occasion': 'wave'}."
    )


def _constant_items(table: pd.DataFrame, roles: Roles, score: pd.Series) -> list[str]:
    """Items whose answers are all alike within an arm: their effect rests on the other items."""
    if roles.item is None or roles.treatment is None:
        return []
    if table[roles.treatment].nunique() > 10:
        return []  # a dose, not arms
    cells = score.groupby([table[roles.item], table[roles.treatment]], observed=True)
    spread = cells.agg(["min", "max"])
    constant = spread.index[spread["min"] == spread["max"]].tolist()
    if not constant:
        return []
    cases = [f"{item} where {roles.treatment} = {arm}" for item, arm in constant]
    shown = ", ".join(cases[:5]) + (f" and {len(cases) - 5} more" if len(cases) > 5 else "")
    return [
        f"every answer is the same for {shown}. Such an item's effect is learned from the other "
        "items alone: read it with its interval, or drop the item from the table."
    ]


def check_nesting(table: pd.DataFrame, path: tuple[str, ...]) -> str | None:
    """Check that the inner ids of `outer/inner` lie within outer ones.

    Ids that restart in every outer level (teacher 1, 2, 3 in each school) are read as different
    units, as lme4 does, and a note says so. A few ids in two outer levels are a mistake.
    """
    for outer, inner in zip(path[:-1], path[1:], strict=True):
        share = shared_share(table, outer, inner)
        if share == 0:
            continue
        if share > 0.5:
            return (
                f"ids in column {inner!r} restart in each {outer!r}: they are read as different "
                f"units, named {outer}:{inner}."
            )
        pairs = table[[inner, outer]].drop_duplicates()
        counts = pairs[inner].value_counts()
        first = counts.index[counts > 1][0]
        places = pairs.loc[pairs[inner] == first, outer].tolist()
        raise DataError(
            f"column {inner!r} is not nested in {outer!r}: {int((counts > 1).sum())} of "
            f"{counts.size} ids appear in several of them, first {first!r} in {listed(places, 4)}. "
            f"Mend the ids; or, if units really moved, write (1 | {outer}) + (1 | {inner}) "
            f"instead of (1 | {outer}/{inner})."
        )
    return None


def swapped_terms(sizes: Mapping[str, int], n_rows: int) -> list[str]:
    """Warn of groups with about as many levels as there are rows."""
    return [
        f"{name} has {size:,} levels for {n_rows:,} rows, so most levels hold one answer and their "
        f"spread can hardly be told from chance. Check that {name} is the group you meant: columns "
        "stand before the bar and the group after it, (1 | id)."
        for name, size in sizes.items()
        if n_rows >= 20 and size > 0.6 * n_rows
    ]


def flow_by_arm(
    table: pd.DataFrame, complete: np.ndarray, roles: Roles, roster: pd.DataFrame | None
) -> pd.DataFrame:
    """Persons by arm: randomised (from the roster), with any row, and in the analysis."""
    person, arm = str(roles.person), str(roles.treatment)
    have = table.dropna(subset=[person, arm])
    seen = have.groupby(arm, observed=True)[person].nunique()
    kept = table.loc[complete].groupby(arm, observed=True)[person].nunique()
    flow = pd.DataFrame({"in the table": seen, "in the analysis": kept}).fillna(0).astype(int)
    if roster is not None:
        if absent := [name for name in (person, arm) if name not in roster.columns]:
            raise DataError(
                f"the roster lacks column(s) {listed(absent)}; it has "
                f"{listed(map(str, roster.columns), 10)}. Name person and arm as in the table."
            )
        randomised = roster.groupby(arm, observed=True)[person].nunique()
        flow.insert(0, "randomised", randomised.reindex(flow.index.union(randomised.index)))
        unknown = set(have[person]) - set(roster[person])
        if unknown:
            raise DataError(
                f"{len(unknown)} person(s) of the table are not on the roster, first "
                f"{listed(sorted(unknown, key=str), 3)}. The roster lists everyone randomised: "
                "add them, or mend the ids."
            )
    flow.index.name = arm
    return flow
