"""Integrable: which group of a design can be integrated out exactly, and which is chosen."""

import numpy as np

from ilhte_bayes.errors import ModelError, NotAvailable, listed
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.likelihood.levels import column_in_use, constant_within, rows_by_level


def choose_group(
    design: Design, integrate: str, *, person: str | None, many: int = 30
) -> str | None:
    """Name of the group to integrate out, or None.

    "auto" takes the persons' group if that can be done, else the largest group, which must have
    at least `many` levels and be larger than any other.

    Raises
    ------
    ModelError
        If the group asked for does not exist, or has several random effects a level.
    """
    if design.reduced:
        require_integrable(design, "a table reduced to sum scores")
        return _counted_group(design, integrate)
    if integrate == "none" or (integrate == "auto" and not design.integrable):
        return None
    if integrate != "auto":
        require_integrable(design, f"integrate={integrate!r}")
        return _group_asked_for(design, integrate).name
    fitting = [g for g in design.groups if g.n_levels >= many and one_dimensional(design, g)]
    if person is not None:
        fitting = [g for g in fitting if g.variables[-1] == person] or fitting
    largest = max(fitting, key=lambda g: g.n_levels, default=None)
    if largest is None or largest.n_levels < max(g.n_levels for g in design.groups):
        return None
    return largest.name


def _counted_group(design: Design, integrate: str) -> str:
    """The persons of a reduced table, which cannot but be integrated out."""
    group = next(g for g in design.groups if g.multiplicity is not None)
    if integrate != "auto" and integrate != group.name:
        raise NotAvailable(
            f"integrate={integrate!r}: the table was reduced to sum scores, and each person's "
            f"ability has to be integrated out. Leave integrate out, or fit the table itself."
        )
    if not one_dimensional(design, group):
        raise ModelError(
            f"group {group.name} has {group.n_columns} random effects a level "
            f"({listed(group.columns)}), and of a reduced table only sum scores are known, which "
            f"serve one: keep (1 | ...) alone for it, or fit the table itself."
        )
    return group.name


def require_integrable(design: Design, asked: str) -> None:
    """Refuse to integrate persons out of a family whose curves `likelihood/` does not have.

    Raises
    ------
    NotAvailable
    """
    if not design.integrable:
        raise NotAvailable(
            f"{asked}: with this family of answers persons are not integrated out. Use "
            "il.laplace(model), or il.sample(model), which samples their effects; of ordered "
            "answers, family='cumulative' and 'adjacent' have both."
        )


def _group_asked_for(design: Design, integrate: str) -> Group:
    try:
        group = design.group(integrate)
    except ModelError:
        raise ModelError(
            f"integrate={integrate!r}: it is 'auto', 'none' or a group of the formula, "
            f"{listed([group.name for group in design.groups])}."
        ) from None
    if not one_dimensional(design, group):
        raise ModelError(
            f"integrate={integrate!r}: group {group.name} has {group.n_columns} random effects "
            f"a level ({listed(group.columns)}); one can be integrated out exactly. "
            "Use integrate='none', or keep (1 | ...) alone for it."
        )
    return group


def one_dimensional(design: Design, group: Group) -> bool:
    """Whether one random effect of each level enters its answers (one column, or one by arm)."""
    if group.n_columns == 1:
        return True
    if group.cut_z is not None:
        return False
    if any(len(block) > 1 for block in group.blocks):
        return False
    if not (np.count_nonzero(group.z, axis=1) == 1).all():
        return False
    return constant_within(rows_by_level(group), column_in_use(group), design.pattern)
