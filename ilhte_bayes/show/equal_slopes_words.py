"""Tests of equal slopes, as text and as HTML."""

from typing import TYPE_CHECKING

import pandas as pd

from ilhte_bayes.fits.intervals import p_value
from ilhte_bayes.show.html_tables import html_table, notes_html
from ilhte_bayes.show.results import digits_of
from ilhte_bayes.show.words import number, range_of, wrapped

if TYPE_CHECKING:
    from ilhte_bayes.checks.equal_slopes import EqualSlopes


def describe_equal_slopes(found: "EqualSlopes") -> str:
    """Text form."""
    lines = [_title(found), _tests(found).to_string(), "", _SLOPES, _slopes(found).to_string()]
    return "\n".join(lines + [wrapped(f"Note: {note}") for note in found.notes])


def equal_slopes_html(found: "EqualSlopes") -> str:
    """HTML form, for a notebook or a page."""
    notes = notes_html(found.notes, "Note")
    return html_table(_tests(found), _title(found)) + html_table(_slopes(found), _SLOPES) + notes


def parts(found: "EqualSlopes") -> list[tuple[str, pd.DataFrame]]:
    """Titles and tables: the tests, then the slopes."""
    return [(_title(found), _tests(found)), (_SLOPES, _slopes(found))]


_SLOPES = "Slope of 'above this threshold' (logits), 95 % intervals; common: one slope for all"


def _title(found: "EqualSlopes") -> str:
    if found.unit:
        return (
            "Own slopes at each threshold against equal slopes: gain in expected log predictive "
            f"density, one {found.unit} left out at a time"
        )
    if "p" in found.frame:
        return "Own slopes at each threshold against equal slopes: likelihood ratio"
    return "Own slopes at each threshold against equal slopes"


def _tests(found: "EqualSlopes") -> pd.DataFrame:
    frame = found.frame
    out = pd.DataFrame(index=frame.index)
    if "p" in frame:
        out["chi-squared"] = [number(x, 2) for x in frame["chi2"]]
        out["df"] = frame["df"].astype(int)
        out["p"] = [p_value(p) for p in frame["p"]]
        out["SD of slopes"] = [number(x, 2) for x in frame["sd"]]
        out["p of SD"] = [p_value(p) for p in frame["p_sd"]]
    else:
        out["gain"] = [number(x, 1) for x in frame["elpd_gain"]]
        out["SE"] = [number(x, 1) for x in frame["se"]]
    out["crossing"] = [f"{x:.1%}" for x in frame["crossing"]]
    return out


def _slopes(found: "EqualSlopes") -> pd.DataFrame:
    own = found.slopes
    digits = [digits_of(se) for se in own["se"]]

    def numbers(name: str) -> list[str]:
        return [number(x, d) for x, d in zip(own[name], digits, strict=True)]

    edges = zip(own["lower"], own["upper"], digits, strict=True)
    columns = {
        "slope": numbers("estimate"),
        "SE": numbers("se"),
        "95 % interval": [range_of(a, b, d) for a, b, d in edges],
    }
    if "shrunken" in own:
        columns["shrunken"] = numbers("shrunken")
    return pd.DataFrame(columns | {"common": numbers("common")}, index=own.index)
