"""Which column plays treatment, person, item, occasion or cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import pandas as pd

from ilhte_bayes.data.open_table import require_columns
from ilhte_bayes.errors import DataError, listed

# Names used by the Item Response Warehouse (IRW), taken as roles where nothing else is said.
IRW_TREATMENT, IRW_PERSON, IRW_ITEM = "treat", "id", "item"
IRW_CLUSTER, IRW_WAVE, IRW_BASELINE, IRW_COVARIATE = "cluster_id", "wave", "std_baseline", "cov_"


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of the columns that play a part in the trial's design.

    Parameters
    ----------
    treatment, person, item : str, optional
        The arm, who answered, and what was asked.
    occasion : str, optional
        When it was asked, for items answered more than once by a person.
    clusters : tuple of str
        Schools, sites, studies: outermost first.
    crossover : bool
        Whether persons are meant to appear in more than one arm.
    given : bool
        Whether the caller stated them (then breaches are errors) or they were recognised by name.
    covariates : tuple of str
        Measured before treatment: IRW's `std_baseline` and `cov_*`. In the table, and in the
        model only if the formula says so.
    """

    treatment: str | None = None
    person: str | None = None
    item: str | None = None
    occasion: str | None = None
    clusters: tuple[str, ...] = ()
    crossover: bool = False
    given: bool = True
    covariates: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the design: all but the covariates."""
        one = (self.treatment, self.person, self.item, self.occasion)
        return tuple(name for name in one if name) + self.clusters


def read_roles(
    roles: Roles | Mapping | None,
    table: pd.DataFrame,
    used: set[str],
    stored: Mapping | None = None,
) -> Roles:
    """Roles as stated by the caller, or recognised from a bundled set's own and from IRW names.

    Parameters
    ----------
    roles : Roles or mapping, optional
        What the caller stated.
    table : pd.DataFrame
    used : set of str
        Columns that the formula uses; only these are recognised by name.
    stored : mapping, optional
        Roles that came with a bundled data set.

    Raises
    ------
    DataError
        If a role is unknown, its column is not there, or one column plays two.
    """
    if roles is not None:
        stated = roles if isinstance(roles, Roles) else _from_mapping(roles)
        named = (*stated.columns, *stated.covariates)
        require_columns(table, named, cure="Correct the name in roles.")
        check_distinct(stated)
        return stated if stated.covariates else replace(stated, covariates=_baseline(table))
    stored, columns = stored or {}, set(table.columns)

    def recognise(role: str, irw: str) -> str | None:
        for name in (stored.get(role), irw):
            if name in columns and name in used:
                return str(name)
        return None

    clusters = tuple(stored.get("clusters", ())) or (IRW_CLUSTER,)
    return Roles(
        treatment=recognise("treatment", IRW_TREATMENT),
        person=recognise("person", IRW_PERSON),
        item=recognise("item", IRW_ITEM),
        occasion=IRW_WAVE if IRW_WAVE in columns and IRW_WAVE in used else None,
        clusters=tuple(name for name in clusters if name in columns),
        given=False,
        covariates=_baseline(table),
    )


def _baseline(table: pd.DataFrame) -> tuple[str, ...]:
    names = table.columns.tolist()
    return tuple(n for n in names if n == IRW_BASELINE or n.startswith(IRW_COVARIATE))


def check_distinct(roles: Roles) -> None:
    """Refuse a column with two roles.

    Raises
    ------
    DataError
    """
    columns = roles.columns
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise DataError(
            f"column {listed(twice)} plays two roles. Treatment, person, item, occasion and "
            "clusters are columns of their own: name another for one of the roles, or leave that "
            "role out."
        )


def _from_mapping(roles: Mapping) -> Roles:
    if not isinstance(roles, Mapping):
        raise DataError(
            f"roles is a {type(roles).__name__}. Write a mapping: roles={{'treatment': 'treat', "
            "'person': 'id', 'item': 'item'}."
        )
    known = [field.name for field in fields(Roles) if field.name != "given"]
    if unknown := [key for key in roles if key not in known]:
        raise DataError(
            f"roles has no {listed(unknown)}; the roles are {listed(known, 10)}. Name one of these."
        )
    several = {}
    for key in ("clusters", "covariates"):
        names = roles.get(key) or ()
        several[key] = (names,) if isinstance(names, str) else tuple(names)
    return replace(Roles(), **{**dict(roles), **several})
