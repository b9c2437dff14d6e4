"""How many persons of each arm were randomised, are in the table, and are in the analysis."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ilhte_bayes.data.integer_codes import Coded, cross, encode, used
from ilhte_bayes.data.open_table import require_columns
from ilhte_bayes.data.roles import Roles
from ilhte_bayes.data.rows import Rows
from ilhte_bayes.errors import DataError, listed_plainly


def flow_by_arm(
    rows: Rows, roles: Roles, within: Sequence[str], roster: pd.DataFrame | None
) -> pd.DataFrame:
    """Persons by arm: randomised (from the roster), with any row, and in the analysis.

    Ids may start again `within` each unit of these columns, as the formula's `school/id` says.

    Raises
    ------
    DataError
        If the roster lacks a column, or a person of the table.
    """
    person, arm = str(roles.person), str(roles.treatment)
    who, where = used(encode(rows.table[person])), encode(rows.table[arm])
    outer = [encode(rows.table[name]) for name in within]
    counts = {"in the table": _by_arm(who, where, outer)}
    outer = [rows.coded(name) for name in within]
    counts["in the analysis"] = _by_arm(rows.coded(person), rows.coded(arm), outer)
    if roster is not None:
        require_columns(roster, (person, arm), cure="The roster names person and arm as the table.")
        everyone = encode(roster[person])
        outer = [encode(roster[name]) for name in within if name in roster]
        counts = {"randomised": _by_arm(everyone, encode(roster[arm]), outer), **counts}
        _check_on_roster(who, everyone)
    flow = pd.DataFrame(counts).fillna(0).astype(int)
    flow.index.name = arm
    return flow


def _by_arm(person: Coded, arm: Coded, outer: Sequence[Coded]) -> pd.Series:
    """Number of persons in each arm."""
    known = np.all([c.code >= 0 for c in (person, arm, *outer)], axis=0)
    who = person.code[known]
    for unit in outer:
        who = cross(unit.code[known], who)[0]
    _, arm_at, _ = cross(arm.code[known], who)
    return pd.Series(np.bincount(arm_at, minlength=arm.n_values), index=arm.texts)


def _check_on_roster(who: Coded, everyone: Coded) -> None:
    on_roster = set(everyone.texts)
    if unknown := [person for person in who.texts if person not in on_roster]:
        raise DataError(
            f"{len(unknown):,} person(s) of the table are not on the roster, first "
            f"{listed_plainly(unknown[:3], len(unknown))}. The roster lists everyone randomised: "
            "add them, or mend the ids."
        )
