"""Persons as text and as HTML: the first and the last by ability, and how to get the rest."""

from typing import TYPE_CHECKING

import pandas as pd

from ilhte_bayes.show.html_tables import html_table, notes_html
from ilhte_bayes.show.words import wrapped

if TYPE_CHECKING:
    from ilhte_bayes.estimands.persons import Persons

_AT_EACH_END = 5


def describe_persons(persons: "Persons") -> str:
    """Text form."""
    return "\n".join(
        [title_of(persons), _shown(persons).to_string(), *map(wrapped, _sentences(persons))]
    )


def persons_html(persons: "Persons") -> str:
    """HTML form, for a notebook."""
    notes = notes_html(_sentences(persons))
    return html_table(_shown(persons), title_of(persons)) + notes


def title_of(persons: "Persons") -> str:
    """What the table shows."""
    return f"{len(persons):,} levels of {persons.group} by ability (logits), 95 % intervals"


def _shown(persons: "Persons") -> pd.DataFrame:
    """Interval in one column; of a long table the lowest and the highest."""
    ordered = persons.frame.sort_values("ability", kind="stable")
    if len(ordered) > 2 * _AT_EACH_END:
        ordered = pd.concat([ordered.head(_AT_EACH_END), ordered.tail(_AT_EACH_END)])
    return cells(ordered)


def cells(ordered: pd.DataFrame) -> pd.DataFrame:
    """Cells as shown: intervals in one column each."""
    columns = {}
    for name in ("ability", "deviation"):
        columns[name] = [f"{x:.2f}" for x in ordered[name]]
        columns[f"SD of {name}"] = [f"{x:.2f}" for x in ordered[f"{name}_sd"]]
        ends = zip(ordered[f"{name}_lower"], ordered[f"{name}_upper"], strict=True)
        columns[f"interval of {name}"] = [f"{low:.2f} to {high:.2f}" for low, high in ends]
    columns["answers"] = list(ordered["answers"])
    return pd.DataFrame(columns, index=ordered.index)


def _sentences(persons: "Persons") -> list[str]:
    n = len(persons)
    out, own = list(remarks(persons))[:1], list(persons.notes)
    if n > 2 * _AT_EACH_END:
        out.append(
            f"Shown: the {_AT_EACH_END} lowest and the {_AT_EACH_END} highest of {n:,}; .frame "
            "has everyone, .plausible_values(10) draws of ability for further analyses."
        )
    return out + own


def remarks(persons: "Persons") -> tuple[str, ...]:
    """How to read a table of all of them."""
    how = (
        "deviation: above what arm, clusters and covariates predict; ability: with that "
        f"prediction. Averages over {persons.n_draws} draws of the parameters."
    )
    return (how, *persons.notes)
