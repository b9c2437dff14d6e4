"""A ladder of models as text, HTML and LaTeX: one line a parameter, one column a model."""

import math
from typing import TYPE_CHECKING

import pandas as pd

from ilhte_bayes.fits.intervals import p_value
from ilhte_bayes.show.html_tables import html_table, notes_html
from ilhte_bayes.show.words import wrapped

if TYPE_CHECKING:
    from ilhte_bayes.estimands.ladder import Ladder

_PARTS = {"fixed": "Fixed effects", "variance": "Variances", "correlation": "Correlations"}


def ladder_table(ladder: "Ladder") -> pd.DataFrame:
    """Cells as shown, "-0.18 (0.09)"; index (part, row)."""
    names = list(ladder.criteria.index)
    rows: dict[tuple[str, str], list[str]] = {}
    for (part, group, parameter), row in ladder.frame.iterrows():
        digits = _digits([row[name, "se"] for name in names])
        label = f"{group}: {parameter}" if group else parameter
        rows[_PARTS[part], label] = [_cell(row[name], digits, ladder.stars) for name in names]
    for label, cells in _fit_rows(ladder).items():
        rows["Model fit", label] = cells
    heads = [f"{name} (best)" if name == ladder.best else name for name in names]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=heads)
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["part", "row"])
    return frame


def describe_ladder(ladder: "Ladder") -> str:
    """Text form."""
    table = ladder_table(ladder).rename_axis(["", ""])
    return "\n".join([table.to_string(), *map(wrapped, notes_of(ladder))])


def ladder_html(ladder: "Ladder") -> str:
    """HTML form."""
    notes = notes_html(notes_of(ladder))
    table = ladder_table(ladder).rename_axis(["", ""])
    return html_table(table, "Models: estimates (standard errors)", capital=False) + notes


def _fit_rows(ladder: "Ladder") -> dict[str, list[str]]:
    table = ladder.criteria
    drops = zip(table["bic_drop"], table["evidence"], strict=True)
    ratios = zip(table["chi2"], table["df"], strict=True)
    return {
        "parameters": [str(n) for n in table["parameters"]],
        "log-likelihood": [f"{value:.2f}" for value in table["loglik"]],
        "AIC": [f"{value:.2f}" for value in table["aic"]],
        f"BIC (n = {ladder.bic_units})": [f"{value:.2f}" for value in table["bic"]],
        "BIC lower by (evidence)": [
            "" if math.isnan(drop) else f"{drop:.2f} ({word})" for drop, word in drops
        ],
        "likelihood ratio against": list(table["against"]),
        "chi2 (df)": ["" if math.isnan(c) else f"{c:.2f} ({df:.0f})" for c, df in ratios],
        "p": ["" if math.isnan(p) else p_value(p) for p in table["p"]],
    }


def _digits(errors: list[float]) -> int:
    """Two digits after the point; more where standard errors are small."""
    known = [se for se in errors if se > 0]
    return min(6, max(2, 1 - math.floor(math.log10(min(known))))) if known else 2


def _cell(row: pd.Series, digits: int, stars: bool) -> str:
    if math.isnan(row["estimate"]):
        return ""
    star = "*" if stars and row["p"] < 0.05 else ""
    error = "-" if math.isnan(row["se"]) else f"{row['se']:.{digits}f}"
    return f"{row['estimate']:.{digits}f}{star} ({error})"


def notes_of(ladder: "Ladder") -> list[str]:
    """How to read it."""
    star = "* p < .05 (variances: one-sided Wald, weak near 0; read the likelihood ratios)."
    return [*([star] if ladder.stars else []), *ladder.notes]
