"""Fits side by side, as text and as HTML: one line a parameter, one cell a fit."""

import math
from html import escape
from typing import TYPE_CHECKING

import pandas as pd

from ilhte_bayes.show.html_tables import notes_html
from ilhte_bayes.show.words import wrapped

if TYPE_CHECKING:
    from ilhte_bayes.fits.comparison import Comparison


def describe_comparison(comparison: "Comparison") -> str:
    """Text form."""
    table = comparison_table(comparison)
    notes = [wrapped(f"Note: {note}") for note in comparison.notes]
    return "\n".join([title_of(comparison), table.to_string(), *notes])


def comparison_html(comparison: "Comparison") -> str:
    """HTML form, for a notebook or a page."""
    table = comparison_table(comparison)
    table.columns = table.columns.map(escape)
    table.index = table.index.map(escape)
    body = table.replace("-", "–").to_html(border=0, escape=False, classes="numbers")
    notes = notes_html(comparison.notes, "Note")
    return f"<p>{escape(title_of(comparison))}</p>{body}{notes}"


def comparison_table(comparison: "Comparison") -> pd.DataFrame:
    """Cells as shown, "1.78 [1.24, 2.32]", and differences, "+0.12"."""
    frame, columns = comparison.frame, []
    digits = [_digits(row.xs("se", level="quantity").min()) for _, row in frame.iterrows()]
    for name in comparison.names:
        own = frame[name]
        cells = [_cell(row, d) for (_, row), d in zip(own.iterrows(), digits, strict=True)]
        columns.append(pd.Series(cells, frame.index, name=name))
        if "difference" in own:
            columns.append(own["difference"].map(_difference).rename("diff."))
    return pd.concat(columns, axis="columns").rename_axis(index=None)


def title_of(comparison: "Comparison") -> str:
    """What the table shows."""
    return (
        "Estimates with 95 % intervals, in logits (correlations as they are);\ndiff.: from "
        f"{comparison.names[0]}, in its {comparison.unit}"
    )


def _digits(se: float) -> int:
    """Digits after the point that show two of the standard error's, and two at least."""
    return min(6, max(2, 1 - math.floor(math.log10(se)))) if se > 0 else 2


def _cell(row: pd.Series, digits: int) -> str:
    estimate, lower, upper = (_number(row[key], digits) for key in ("estimate", "lower", "upper"))
    if lower == upper == "-":
        return estimate if estimate == "-" else f"{estimate} [-]"
    return f"{estimate} [{lower}, {upper}]"


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _difference(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.2f}"
