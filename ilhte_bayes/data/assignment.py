"""At which level was treatment assigned: persons, or clusters of persons?"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from ilhte_bayes.data.integer_codes import Coded, encode, is_whole
from ilhte_bayes.data.roles import Roles
from ilhte_bayes.data.rows import Rows
from ilhte_bayes.data.within import varies_within
from ilhte_bayes.errors import DataError, listed, plural

AssignmentKind = Literal["randomised", "observational"]

# With fewer clusters than this, "constant within cluster" may be chance or a copy of the arm.
_FEWEST_CLUSTERS = 4
# Names that only clusters of persons have: their columns count however few levels there are.
_CLUSTERS = (
    "school", "class", "classroom", "teacher", "site", "centre", "center", "clinic", "hospital",
    "village", "district", "cluster", "study",
)  # fmt: skip
_FEWEST_NEARLY = 6  # fewer clusters say nothing of how arms were given
_SAMPLE = 2000  # rows looked at before a whole column is


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


def known_kind(stated: str | None) -> AssignmentKind | None:
    """What the caller says of how arms were given.

    Raises
    ------
    DataError
        If it is neither of the two words.
    """
    if stated is None or stated in get_args(AssignmentKind):
        return stated  # type: ignore[return-value]
    raise DataError(
        f"assignment={stated!r}; it is 'randomised' (results speak of effects) or "
        "'observational' (of differences)."
    )


def find_assignment(
    rows: Rows,
    roles: Roles,
    *,
    kind: AssignmentKind | None,
    grouped_by: Sequence[str],
    formula: str,
    n_persons: int | None = None,
) -> Assignment | None:
    """Find the coarsest column within which the arm is constant.

    Parameters
    ----------
    rows : Rows
    roles : Roles
    kind : {"randomised", "observational"}, optional
    grouped_by : sequence of str
        Variables for which the formula has a random term.
    formula : str
        For the sentence that tells what to add.
    n_persons : int, optional
        Persons, where the table's stand for several each (`data.reduction`).
    """
    if roles.treatment is None or roles.treatment not in rows:
        return None
    arm = rows.coded(roles.treatment)
    known = roles.person is not None and roles.person in rows
    person = rows.coded(str(roles.person)) if known else None
    found_units = _candidates(rows, roles, grouped_by, person, arm)
    clusters = [unit for unit in found_units if _constant(unit, arm)]
    verb = "randomised" if kind == "randomised" else "assigned"
    if clusters:
        unit = min(clusters, key=lambda cluster: cluster.n_values)
        found = f"{unit.n_values} {plural(unit.name)}"
        sentence = f"{arm.name} is constant within {found}: cluster-{verb}."
        warning = None if unit.name in grouped_by else _no_term(arm.name, unit, formula)
        if unit.n_values <= arm.n_values and (arm.n_values == 2 or arm.kind != "number"):
            warning = _same_as_arm(arm, unit)  # of a dose there is still a trend
        return Assignment(kind, unit.name, unit.n_values, sentence, warning)
    if person is None:
        sentence = f"{arm.name} varies from row to row; no column was named as person."
        return Assignment(kind, None, len(rows), sentence)
    if not varies_within(person.code, arm.code).any():
        n = person.n_values if n_persons is None else n_persons
        found = f"{n} persons ({person.name})"
        sentence = f"{arm.name} is constant within {found}: {verb} person by person."
        return Assignment(kind, person.name, n, sentence, _nearly(rows, roles, person, arm))
    sentence = f"{arm.name} varies within persons ({person.name}): a crossover."
    return Assignment(kind, None, person.n_values, sentence)


def _nearly(rows: Rows, roles: Roles, person: Coded, arm: Coded) -> str | None:
    """A warning where all but a few clusters are in one arm: slips, or persons who changed sides."""
    first_row = np.unique(person.code, return_index=True)[1]  # a person is in one arm
    for unit in (rows.coded(name) for name in roles.clusters if name in rows):
        codes = {"unit": unit.code, "person": person.code, "arm": arm.code}
        pairs = pd.DataFrame({name: code[first_row] for name, code in codes.items()})
        pairs = pairs[(pairs >= 0).all(axis=1)]
        counts = pairs.groupby(["unit", "arm"]).size().unstack(fill_value=0)
        of_arm, size = counts.sum() / counts.to_numpy().sum(), counts.sum(axis=1)
        mixed = counts[(counts > 0).sum(axis=1) > 1]
        by_chance = sum((of_arm[a] ** size).sum() for a in counts.columns)  # units in one arm
        few = 0 < len(mixed) <= max(1, len(counts) // 10)
        if not few or len(counts) < _FEWEST_NEARLY or by_chance > len(counts) / 2:
            continue
        first = mixed.index[0]
        rare = mixed.loc[first].where(mixed.loc[first] > 0).idxmin()
        who = pairs.query("unit == @first and arm == @rare")["person"]
        named = listed([person.texts[p] for p in who], 3)
        return (
            f"{arm.name} is the same for everybody in {len(counts) - len(mixed)} of {len(counts)} "
            f"{plural(unit.name)}, but not in {unit.texts[first]}: {person.name} {named} "
            f"{'has' if len(who) == 1 else 'have'} {arm.texts[rare]}. Persons count as assigned one "
            f"by one. If whole {plural(unit.name)} were assigned, standard errors are too small: "
            f"mend or drop these rows."
        )
    return None


def _no_term(arm: str, unit: Coded, formula: str) -> str:
    term = unit.name if unit.name.isidentifier() else f"`{unit.name}`"
    return (
        f"{arm} is constant within each of {unit.n_values} {plural(unit.name)}, and the model "
        f"has no term for {unit.name}: answers with the same {unit.name} would count as "
        f"independent, and standard errors come out too small. Write {formula} + (1 | {term})."
    )


def _same_as_arm(arm: Coded, unit: Coded) -> str:
    """That each arm is one cluster, so that no model can tell the two apart."""
    return (
        f"{arm.name} and {unit.name} cannot be told apart: there are {unit.n_values} "
        f"{plural(unit.name)} for {arm.n_values} arms, so a difference between arms may be one "
        f"between {plural(unit.name)}, however many persons answer. Standard errors of the "
        f"difference leave that out without a term for {unit.name}, and cannot estimate it with "
        f"one. Add {plural(unit.name)} to each arm, or report a difference between "
        f"{plural(unit.name)}."
    )


def _candidates(
    rows: Rows, roles: Roles, grouped_by: Sequence[str], person: Coded | None, arm: Coded
) -> list[Coded]:
    """Columns that could be clusters of persons: named ones, else id-like ones in the table."""
    named = [rows.coded(name) for name in roles.clusters if name in rows]
    taken = {*roles.columns}
    most = (person.n_values if person is not None else len(rows)) / 3
    start = rows.first(_SAMPLE)
    arm_first = encode(start[arm.name])
    person_first = None if person is None else _glance(start[person.name])
    found = []
    for name in rows.table.columns:
        glance = None if name in taken else _glance(start[name])
        if glance is None or varies_within(glance.code, arm_first.code).any():
            continue
        if person_first is not None and varies_within(person_first.code, glance.code).any():
            continue
        unit = rows.look(name)
        if unit.n_values > most or not (
            name in grouped_by or _named_as_cluster(str(name)) or _several_in_each_arm(unit, arm)
        ):
            continue
        if person is None or not varies_within(person.code, unit.code).any():
            found.append(unit)
    return named + found


def _glance(start: pd.Series) -> Coded | None:
    """The first rows of a column, if it may hold ids: no fractions, not yes and no."""
    if isinstance(start.dtype, pd.CategoricalDtype):
        return Coded(str(start.name), start.cat.codes.to_numpy(), np.empty(0), "categorical")
    try:
        column = encode(start)
    except DataError:  # lists and the like
        return None
    fractions = column.kind == "number" and not is_whole(column.values).all()
    return None if fractions or column.kind in ("bool", "other") else column


def _named_as_cluster(name: str) -> bool:
    """Whether a word of a column's name is one for clusters of persons: "school", "school_id"."""
    words = re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    return any(word.removesuffix("s") in _CLUSTERS or word in _CLUSTERS for word in words)


def _several_in_each_arm(unit: Coded, arm: Coded) -> bool:
    """Whether each arm has two levels or more; else the column describes arms (a dose, a form)."""
    if unit.n_values < _FEWEST_CLUSTERS:
        return False
    known = (unit.code >= 0) & (arm.code >= 0)
    arm_of = np.full(unit.n_values, -1)
    arm_of[unit.code[known]] = arm.code[known]
    return bool((np.bincount(arm_of[arm_of >= 0], minlength=arm.n_values) >= 2).all())


def _constant(unit: Coded, arm: Coded) -> bool:
    """Whether the arm never varies within a unit; one unit for each arm is enough."""
    return unit.n_values >= max(arm.n_values, 2) and not varies_within(unit.code, arm.code).any()
