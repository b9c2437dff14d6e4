"""Left out: persons, answers, items or clusters, each with the density that is predicted."""

from typing import Protocol

import numpy as np

from ilhte_bayes.checks.leave_clusters import LeaveClusters
from ilhte_bayes.checks.leave_items import LeaveItems
from ilhte_bayes.checks.leave_persons import LeavePersons, LeaveResponses
from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.estimands.persons import person_group
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.fits.spread_draws import Values
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.likelihood.plan import Plan, make_plan
from ilhte_bayes.models.reduced import require_persons

UNITS = ("person", "response", "item", "cluster")


class LeftOut(Protocol):
    """A way to leave parts of the table out, one at a time."""

    @property
    def plan(self) -> Plan:
        """Persons integrated out."""

    @property
    def noun(self) -> str:
        """What is left out, in the singular."""

    @property
    def question(self) -> str:
        """Which prediction is judged."""

    @property
    def dim(self) -> str:
        """Name of the dim of the log-likelihood."""

    @property
    def labels(self) -> np.ndarray:
        """(part,)"""

    def log_density(self, values: Values, only: int | None = None) -> np.ndarray:
        """(part,) log density of each part given the parameters and the other parts."""

    def kept(self, k: int) -> np.ndarray:
        """(row,) how many answers of each row are left without part k."""


def left_out(fit: Fit, unit: str | None) -> LeftOut:
    """Choose what to leave out.

    Parameters
    ----------
    fit : Fit
    unit : str, optional
        "person", "response", "item", "cluster" or the name of a group. By default clusters if
        treatment was assigned by cluster, else persons.

    Raises
    ------
    ModelError
        If the unit is unknown, or the model has no such group.
    NotAvailable
        If its effects cannot be integrated out.
    """
    require_persons(fit.model, "il.loo")
    design = fit.model.design
    person = person_group(fit)
    plan = make_plan(fit.model.rows, person)
    if unit is None:
        cluster = _assigned_cluster(fit, person)
        return (
            LeavePersons(design, plan) if cluster is None else LeaveClusters(design, plan, cluster)
        )
    if unit == "person" or unit in (person, design.group(person).variables[-1]):
        return LeavePersons(design, plan)
    if unit == "response":
        return LeaveResponses(design, plan)
    item = None
    if unit == "item" or unit == fit.model.roles.item:
        item = design.group(require_group(fit, "item"))
        return LeaveItems(design, plan, item)
    if unit == "cluster":
        return LeaveClusters(design, plan, _only_cluster(fit, plan, person))
    return LeaveClusters(design, plan, _named(design, unit))


def _named(design: Design, unit: str) -> Group:
    try:
        return design.group(unit)
    except ModelError:
        raise ModelError(
            f"unit={unit!r}: it is {listed(list(UNITS))} or a group of clusters in the formula, "
            f"which has {listed([group.name for group in design.groups])}."
        ) from None


def _assigned_cluster(fit: Fit, person: str) -> Group | None:
    """Group of the clusters to which treatment was assigned, if that is what happened."""
    assignment = fit.model.assignment
    if assignment is None or assignment.unit is None:
        return None
    found = [g for g in fit.model.design.groups if g.variables[-1] == assignment.unit]
    return found[0] if found and found[0].name != person else None


def _only_cluster(fit: Fit, plan: Plan, person: str) -> Group:
    assigned = _assigned_cluster(fit, person)
    if assigned is not None:
        return assigned
    names = list(dict.fromkeys(column.group for column in plan.means.columns))
    if len(names) != 1:
        found = f"several, {listed(names)}" if names else "none"
        cure = f"Name one: unit={names[0]!r}." if names else "Leave out persons: unit='person'."
        raise ModelError(
            f"unit='cluster': of groups that persons belong to there are {found}. {cure}"
        )
    return fit.model.design.group(names[0])
