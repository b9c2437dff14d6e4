"""Tables of results as text and as HTML: an estimate and its interval in one cell."""

import math
from typing import TYPE_CHECKING

import pandas as pd

from ilhte_bayes.fits.intervals import p_value
from ilhte_bayes.show.html_tables import html_table, notes_html
from ilhte_bayes.show.words import wrapped

if TYPE_CHECKING:
    from ilhte_bayes.estimands.result import Result

_WORDS = {"se": "SE", "lr": "LR", "mc_error": "MC error", "p_wald": "p (Wald)", "p_lr": "p (LR)"}
_PROBABILITIES = ("p", "p_wald", "p_lr", "p_positive", "p_other_sign", "p_negligible")


def describe_result(result: "Result") -> str:
    """Text form."""
    return "\n".join([result.title, result_table(result).to_string(), *map(wrapped, result.notes)])


def result_html(result: "Result") -> str:
    """HTML form."""
    notes = notes_html(result.notes)
    return html_table(result_table(result), result.title, capital=False) + notes


def result_table(result: "Result") -> pd.DataFrame:
    """Cells as shown."""
    frame = result.frame
    if result.across:
        cells = pd.Series([_with_interval(row) for _, row in frame.iterrows()], index=frame.index)
        table = cells.unstack(result.across, sort=False).fillna("-")
        return table.rename_axis(columns=None)
    digits = [digits_of(row.get("se", math.nan)) for _, row in frame.iterrows()]
    out = {}
    for name in frame.columns:
        if name in ("upper", "upper_all"):
            continue
        if name == "lower_all":
            pairs = zip(frame["lower_all"], frame["upper_all"], digits, strict=True)
            out["band, all items"] = [_interval(a, b, d) for a, b, d in pairs]
            continue
        if name == "lower":
            pairs = zip(frame["lower"], frame["upper"], digits, strict=True)
            out["95 % interval"] = [_interval(a, b, d) for a, b, d in pairs]
            continue
        out[_WORDS.get(name, name.replace("_", " "))] = [
            _cell(name, value, d) for value, d in zip(frame[name], digits, strict=True)
        ]
    return pd.DataFrame(out, index=frame.index)


def digits_of(se: float) -> int:
    """Digits after the point that show two of the standard error's, and three at least."""
    return min(6, max(3, 1 - math.floor(math.log10(se)))) if se > 0 else 3


def _with_interval(row: pd.Series) -> str:
    if math.isnan(row["estimate"]):
        return "-"
    text = f"{row['estimate']:.3f}"
    if "lower" not in row or row["se"] == 0.0:
        return text
    if math.isnan(row["lower"]):
        return f"{text} [-]"
    return f"{text} [{row['lower']:.3f}, {row['upper']:.3f}]"


def _interval(lower: float, upper: float, digits: int) -> str:
    return "-" if math.isnan(lower) else f"{lower:.{digits}f} to {upper:.{digits}f}"


def _cell(name: str, value: object, digits: int) -> str:
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "-"
    if name in _PROBABILITIES:
        return p_value(value)
    if name == "df":
        return "inf" if math.isinf(value) else f"{value:.0f}"
    return f"{value:.{2 if name in ('t', 'z', 'chi2') else digits}f}"
