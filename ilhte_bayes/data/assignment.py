"""At which level was treatment assigned: persons, or clusters of persons?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from ilhte_bayes.data.roles import Roles

AssignmentKind = Literal["randomised", "observational"]

# With fewer clusters than this, "constant within cluster" may be chance or a copy of the arm.
_FEWEST_CLUSTERS = 4


@dataclass(frozen=True, slots=True)
class Assignment:
    """The level at which the arm varies, as found in the table."""

    kind: AssignmentKind | None  # stated by the caller or by a bundled set; None if nobody said
    unit: str | None  # column within which the arm is constant; None if it varies within persons
    n_units: int
    sentence: str
    warning: str | None = None

    @property
    def noun(self) -> str:
        """What a difference between arms may be called."""
        return "difference" if self.kind == "observational" else "effect"


def find_assignment(
    table: pd.DataFrame,
    roles: Roles,
    *,
    kind: AssignmentKind | None,
    grouped_by: Sequence[str],
    formula: str,
) -> Assignment | None:
    """Find the coarsest column within which the arm is constant.

    Parameters
    ----------
    table : pd.DataFrame
        Complete rows.
    roles : Roles
    kind : {"randomised", "observational"}, optional
    grouped_by : sequence of str
        Variables for which the formula has a random term.
    formula : str
        For the sentence that tells what to add.
    """
    arm = roles.treatment
    if arm is None or arm not in table:
        return None
    clusters = [name for name in _candidates(table, roles) if _constant_within(table, arm, name)]
    clusters.sort(key=lambda name: int(table[name].nunique()))
    n_persons = int(table[roles.person].nunique()) if roles.person else 0
    verb = "randomised" if kind != "observational" else "assigned"
    if clusters:
        unit, size = clusters[0], int(table[clusters[0]].nunique())
        return Assignment(
            kind=kind,
            unit=unit,
            n_units=size,
            sentence=f"{arm} is constant within {size} {_plural(unit)}: cluster-{verb}.",
            warning=None
            if unit in grouped_by
            else (
                f"{arm} is constant within each of {size} {_plural(unit)}, and the model has no "
                f"term for {unit}: its standard errors would treat persons of one {unit} as if "
                f"they had been assigned one by one. Write {formula} + (1 | {unit})."
            ),
        )
    if roles.person is not None and _constant_within(table, arm, roles.person):
        return Assignment(
            kind=kind,
            unit=roles.person,
            n_units=n_persons,
            sentence=f"{arm} is constant within {n_persons} persons ({roles.person}): "
            f"{verb} person by person.",
        )
    if roles.person is None:
        return Assignment(
            kind, None, len(table), f"{arm} varies from row to row; no column was named as person."
        )
    return Assignment(
        kind, None, n_persons, f"{arm} varies within persons ({roles.person}): a crossover."
    )


def _plural(name: str) -> str:
    return name if name.endswith("s") else f"{name}s"


def _candidates(table: pd.DataFrame, roles: Roles) -> list[str]:
    """Columns that could be clusters of persons: named ones, else id-like ones in the table."""
    person = roles.person
    n_persons = int(table[person].nunique()) if person else len(table)
    named = [name for name in roles.clusters if name in table]
    taken = {roles.treatment, person, roles.item, roles.occasion, *named}
    found = []
    for name in table.columns:
        column = table[name]
        id_like = not (
            pd.api.types.is_float_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype)
        )
        if name in taken or not id_like:
            continue
        size = int(column.nunique())
        if not _FEWEST_CLUSTERS <= size <= n_persons / 3:
            continue
        if person is None or _constant_within(table, str(name), person):
            found.append(str(name))
    return named + found


def _constant_within(table: pd.DataFrame, value: str, group: str) -> bool:
    pairs = table[[group, value]].drop_duplicates()
    return len(pairs) == int(pairs[group].nunique()) and len(pairs) > int(pairs[value].nunique())
