"""A model of a reduced table: its counts taken along the data's way, and what they do not serve."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ilhte_bayes.data.assignment import AssignmentKind, find_assignment, known_kind
from ilhte_bayes.data.cautions import arms_without_zero, look_alikes, odd_roles, renamed_levels
from ilhte_bayes.data.checks import silent_items
from ilhte_bayes.data.coding import code_response
from ilhte_bayes.data.integer_codes import encode
from ilhte_bayes.data.needed import Needed
from ilhte_bayes.data.reduction import Reduced, kind_rows
from ilhte_bayes.data.responses import Counts, read_responses
from ilhte_bayes.data.roles import Roles
from ilhte_bayes.data.rows import Rows
from ilhte_bayes.errors import DataError, ModelError, NotAvailable, listed
from ilhte_bayes.families import Family
from ilhte_bayes.formulas.design import build_design, needed_columns
from ilhte_bayes.formulas.grammar import Formula

if TYPE_CHECKING:
    from ilhte_bayes.models.model import Model


def build_reduced(
    formula: Formula,
    family: Family,
    reduced: Reduced,
    reference: Mapping[str, str] | None,
    levels: Sequence | None,
    assignment: AssignmentKind | None,
) -> dict[str, Any]:
    """As `from_table.build_from_table`, from counts; persons are then *kinds* of persons, each with their number.

    Raises
    ------
    NotAvailable
        If the family's likelihood needs more than sum scores.
    DataError, ModelError
        If the formula names a column that was not kept, or has no persons.
    """
    table, answers, persons = kind_rows(reduced)
    roles = reduced.roles
    needed = needed_columns(formula, table.columns.tolist())
    require_kept(needed.columns, table.columns.tolist())
    _require_sums(family, needed, roles)
    rows = Rows(table, None, encode(table[needed.response.column]))
    stated = (reference or {}).get(needed.response.column)
    score, coding = code_response(rows.response, needed.response, levels, stated)
    family = family.of(len(coding.levels))
    family.check(len(coding.levels), formula.response.text, coding.found(score))
    grouped_by = [name for group in needed.groups for name in group]
    found = find_assignment(
        rows,
        roles,
        kind=known_kind(assignment),
        grouped_by=grouped_by,
        formula=formula.text,
        n_persons=reduced.n_persons,
    )
    counts = Counts(answers, str(roles.person), persons)
    responses = read_responses(
        rows, needed, (score, coding), dropped=reduced.dropped, reference=reference, counts=counts
    )
    notes = [*reduced.notes, *silent_items(rows, roles, score)]
    notes += odd_roles(rows, roles, needed) + look_alikes(rows, needed)
    notes += renamed_levels(rows, needed)
    notes += arms_without_zero(responses.patterns, roles.treatment)
    notes += [found.warning] if found and found.warning else []
    return {
        "formula": formula,
        "family": family,
        "responses": responses,
        "design": build_design(formula, responses),
        "roles": roles,
        "assignment": found,
        "flow": None,
        "notes": tuple(notes),
    }


def _require_sums(family: Family, needed: Needed, roles: Roles) -> None:
    """Refuse models for which sum scores are not enough."""
    if family.name != "bernoulli":
        raise NotAvailable(
            f"family={family.name!r}: a reduced table holds sums of answers of 0 and 1, which say "
            "all only where answers are yes or no. Fit it to the table itself."
        )
    if not any(group[-1] == roles.person for group in needed.groups):
        raise ModelError(
            f"the formula has no random term for persons, (1 | {roles.person}), and a reduced "
            "table is made for one. Add it, or fit the table itself."
        )


def require_kept(needed: Sequence[str], kept: Sequence[str]) -> None:
    """Refuse columns that `il.reduce` was not told of.

    Raises
    ------
    DataError
    """
    if absent := [name for name in needed if name not in kept]:
        raise DataError(
            f"the reduced table has not kept {listed(absent)}; it has {listed(kept, 12)}. Reduce "
            f"again with covariates=[{absent[0]!r}], if it is the same in all answers of a person; "
            "columns that differ between them need the table itself."
        )


def require_persons(model: "Model", name: str) -> None:
    """Refuse what asks for each person's answers, where a reduced table holds counts.

    Raises
    ------
    NotAvailable
    """
    if model.design.reduced:
        raise NotAvailable(
            f"{name} looks at who answered what, and a reduced table has kept sum scores alone. "
            "Fit with il.quadrature(model) or il.sample(model) (--engine quadrature or nuts); for this, "
            "fit the table itself."
        )
