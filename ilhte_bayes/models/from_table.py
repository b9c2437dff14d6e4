"""The parts of a model, from a table of answers: checked rows, responses, design, notes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from ilhte_bayes.data.assignment import AssignmentKind, find_assignment, known_kind
from ilhte_bayes.data.cautions import (
    arms_without_zero,
    look_alikes,
    missing_codes,
    odd_roles,
    renamed_levels,
    swapped_terms,
    yes_counts_as_no,
)
from ilhte_bayes.data.checks import check_nesting, check_trial
from ilhte_bayes.data.coding import Coding, code_response, require_order
from ilhte_bayes.data.flow import flow_by_arm
from ilhte_bayes.data.open_table import Table, open_table
from ilhte_bayes.data.responses import Responses, read_responses
from ilhte_bayes.data.roles import Roles, read_roles
from ilhte_bayes.data.rows import Rows, complete_rows
from ilhte_bayes.errors import DataError
from ilhte_bayes.families import Family
from ilhte_bayes.formulas.design import build_design, group_sizes, needed_columns
from ilhte_bayes.formulas.grammar import Formula


def build_from_table(
    formula: Formula,
    family: Family,
    table: pd.DataFrame,
    roles: Roles | Mapping | None,
    reference: Mapping[str, str] | None,
    levels: Sequence | None,
    roster: Table | None,
    assignment: AssignmentKind | None,
) -> dict[str, Any]:
    """Take a table along the data's way: checked rows, responses, design."""
    needed = needed_columns(formula, table.columns.tolist())
    stored = table.attrs.get("ilhte", {})
    kind = known_kind(assignment) or stored.get("assignment")
    read = read_roles(roles, table, set(needed.columns), stored.get("roles"))
    rows, dropped = complete_rows(table, needed, read.item, read.treatment)
    response = formula.response
    if family.ordinal:
        require_order(rows.response, response, levels)
    score, coding = code_response(
        rows.response,
        response,
        levels,
        (reference or {}).get(response.column),
        ordinal=family.ordinal,
        nominal=family.nominal,
    )
    family = family.of(len(coding.levels))
    family.check(len(coding.levels), response.text, coding.found(score))
    notes = [*_check_paths(rows, formula), *check_trial(rows, read, score, needed.groups)]
    notes += odd_roles(rows, read, needed) + look_alikes(rows, needed)
    notes += renamed_levels(rows, needed) + ([] if family.nominal else missing_codes(rows))
    if rows.response.kind == "text" and response.comparison is None:
        stated = levels is not None or response.column in (reference or {})
        notes += yes_counts_as_no(coding, stated)
    grouped_by = [name for group in needed.groups for name in group]
    found = find_assignment(rows, read, kind=kind, grouped_by=grouped_by, formula=formula.text)
    flow = _flow(rows, read, formula, roster)
    responses = read_responses(rows, needed, (score, coding), dropped=dropped, reference=reference)
    responses = _with_named_arms(responses, read.treatment, stored.get("arms"))
    del rows, score  # the largest things here; the design has its own
    design = build_design(formula, responses, intercept=not family.ordinal)
    notes += swapped_terms(group_sizes(design), responses.n_obs)
    notes += arms_without_zero(responses.patterns, read.treatment)
    notes += [found.warning] if found and found.warning else []
    return {
        "formula": formula,
        "family": family,
        "responses": responses,
        "design": design,
        "roles": read,
        "assignment": found,
        "flow": flow,
        "notes": tuple(notes),
    }


def _with_named_arms(
    responses: Responses, treatment: str | None, arms: tuple[str, str] | None
) -> Responses:
    """Record what 0 and 1 of a numeric treatment stand for, where a bundled set says so."""
    if arms is None or treatment is None or treatment not in responses.patterns:
        return responses
    if not set(responses.patterns[treatment].unique()) <= {0, 1}:
        return responses
    return replace(responses, codings=(*responses.codings, Coding(treatment, tuple(arms))))


def _check_paths(rows: Rows, formula: Formula) -> list[str]:
    """Check the deepest path of every `a/b` term."""
    paths = [term.group for term in formula.random if term.nested]
    deepest = [p for p in paths if not any(len(q) > len(p) and q[: len(p)] == p for q in paths)]
    return [note for path in dict.fromkeys(deepest) if (note := check_nesting(rows, path))]


def _flow(rows: Rows, roles: Roles, formula: Formula, roster: Table | None) -> pd.DataFrame | None:
    """Persons by arm, where some rows were dropped or the caller says who was randomised."""
    if roles.person is None or roles.treatment is None:
        if roster is not None:
            raise DataError(
                "a roster says nothing before person and treatment are known. Say "
                "roles={'treatment': ..., 'person': ...}."
            )
        return None
    if roster is None and rows.kept is None:
        return None
    paths = [term.group for term in formula.random if term.group[-1] == roles.person]
    within = max(paths, key=len, default=(roles.person,))[:-1]
    return flow_by_arm(rows, roles, within, None if roster is None else open_table(roster))
