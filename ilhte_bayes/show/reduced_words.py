"""A reduced table as text: what it holds, and what it no longer does."""

from typing import TYPE_CHECKING

from ilhte_bayes.errors import listed
from ilhte_bayes.show.words import count_of, number

if TYPE_CHECKING:
    from ilhte_bayes.data.reduction import Reduced

_KEPT = 4  # items shown


def describe_reduced(reduced: "Reduced") -> str:
    """Sizes, arms, and the first items."""
    roles = reduced.roles
    arm = str(roles.treatment)
    n_items = len(set(reduced.item.tolist()))
    lines = [
        f"{count_of(reduced.n_answers, 'answer')} ({reduced.response}) of "
        f"{count_of(reduced.n_persons, 'person')} ({roles.person}) to "
        f"{count_of(n_items, 'item')} ({roles.item}),",
        f"counted: {count_of(reduced.persons.size, 'kind')} of persons, alike in arm ({arm}), "
        + "".join(f"{name}, " for name in (*roles.clusters, *roles.covariates))
        + "items answered and sum score.",
    ]
    for name in (*roles.clusters, *roles.covariates):
        found = reduced.kinds[name].unique()
        lines.append(f"  {name}: {len(found):,} values, {listed(found.tolist(), 4)}")
    lines.append(f"  sets of items answered: {len(set(reduced.booklet.tolist())):,}")
    if reduced.dropped.n_rows:
        by = ", ".join(f"{name} ({n:,})" for name, n in reduced.dropped.by_column.items())
        lines.append(f"  left out: {reduced.dropped.n_rows:,} rows with a missing value: {by}")
    lines += [f"  note: {note}" for note in reduced.notes]
    share = reduced.item_totals()["share"].unstack(arm)
    shown = share.head(_KEPT).map(lambda value: number(float(value), 3))
    rest = f"\n... {len(share) - _KEPT:,} more items" if len(share) > _KEPT else ""
    text = f"Share of {reduced.response} by item and {arm}\n{shown.to_string()}{rest}"
    end = (
        "Serves models with equal discriminations, persons integrated out: il.quadrature and\n"
        "il.sample. Which person answered what is not kept."
    )
    return "\n".join(lines) + f"\n\n{text}\n\n{end}"
