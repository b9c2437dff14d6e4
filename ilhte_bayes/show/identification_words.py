"""Identification as text and as HTML: tables, and a paragraph ready for a paper."""

from html import escape
from typing import TYPE_CHECKING

import pandas as pd

from ilhte_bayes.fits.intervals import p_words
from ilhte_bayes.show.html_tables import html_table, notes_html
from ilhte_bayes.show.words import number, range_of, signed, wrapped

if TYPE_CHECKING:
    from ilhte_bayes.sensitivity.identification import Identification

_QUANTITIES = {
    "sigma_b": "SD of easiness, first arm",
    "sigma_zeta": "SD of effects over items",
    "rho": "correlation of both, rho",
    "sd_ratio": "SD of easiness, second arm / first",
    "sd_ratio_modes": "the same, from modes (IRW)",
}

_FEWEST_TABLES = 39  # the smallest p-value of so many is .05


def describe_identification(found: "Identification") -> str:
    """Text form."""
    lines = [
        *[_beta_title(found), beta_table(found).to_string(), ""],
        *[_EASINESS, easiness_cells(found).to_string(), ""],
        wrapped(found.paragraph),
        *(wrapped(f"Note: {note}") for note in found.notes),
    ]
    return "\n".join(lines)


def identification_html(found: "Identification") -> str:
    """HTML form, for a notebook or a page."""
    notes = notes_html(found.notes, "Note")
    return (
        html_table(beta_table(found), _beta_title(found))
        + html_table(easiness_cells(found), _EASINESS)
        + f"<p>{escape(found.paragraph)}</p>"
        + notes
    )


_EASINESS = "Items: easiness and effects (logits, 95 % intervals)"


def _beta_title(found: "Identification") -> str:
    return f"{found.contrast}\nTreatment x {found.covariate}, beta_3 (logits per unit of it, 95 % intervals)"


def beta_table(found: "Identification") -> pd.DataFrame:
    """Cells of beta_3, with what items alone would give."""
    words = {
        "M_B": "M_B, the same effect on all items",
        "M_C": "M_C, an effect for each item",
        "M_B - M_C": "M_B - M_C",
    }
    rows = {
        words[str(name)]: _cells(row["estimate"], row["se"], row["lower"], row["upper"])
        for name, row in found.beta_3.iterrows()
    }
    low, high = found.pure.range
    spread = float(found.pure.simulated.std(ddof=1)) if found.pure.simulated.size > 1 else 0.0
    rows["M_B if only items differed (SE: SD over tables)"] = _cells(
        found.pure.mean, spread, low, high
    )
    return pd.DataFrame.from_dict(rows, orient="index", columns=["beta_3", "SE", "95 %"])


def _cells(estimate: float, se: float, lower: float, upper: float) -> list[str]:
    return [
        number(estimate, 3),
        number(se, 3),
        "–" if lower != lower else range_of(lower, upper, 3),
    ]


def easiness_cells(found: "Identification") -> pd.DataFrame:
    """Cells of the items' SDs, one column for each model."""
    table = found.easiness
    out = {}
    for model in ("M_A", "M_C"):
        rows = table.loc[model]
        out[model] = [
            number(row["estimate"])
            + ("" if row["lower"] != row["lower"] else f" [{range_of(row['lower'], row['upper'])}]")
            for _, row in rows.iterrows()
        ]
    return pd.DataFrame(out, index=[_QUANTITIES[name] for name in table.loc["M_A"].index])


def identification_paragraph(found: "Identification") -> str:
    """What was found in words, and nothing the fits do not support."""
    return " ".join([_items(found), _expected(found), _verdict(found), _rule(found)])


def _items(found: "Identification") -> str:
    ratio = found.easiness.loc[("M_A", "sd_ratio")]
    rho = found.easiness.loc[("M_A", "rho")]
    spread = found.easiness.loc[("M_A", "sigma_zeta")]
    text = (
        f"The {found.noun}s vary over items with an estimated SD of "
        f"{number(spread['estimate'])} logits"
    )
    if found.ratio_test is not None:
        statistic, p = found.ratio_test
        text += f" (likelihood ratio {statistic:.2f}, boundary mixture {p_words(p)})"
    if spread["estimate"] == 0.0:
        return f"{text}: easiness spreads alike in both arms by this estimate."
    return (
        f"{text}; their correlation with easiness is {signed(rho['estimate'])}"
        f"{_within(rho)}, and the SD of easiness in the second arm is "
        f"{number(ratio['estimate'])} times that in the first{_within(ratio)}."
    )


def _within(row: pd.Series) -> str:
    if row["lower"] != row["lower"]:
        return ", without an interval" if row["estimate"] else ""
    return f" (95 % interval {range_of(row['lower'], row['upper'])})"


def _expected(found: "Identification") -> str:
    pure = found.pure
    low, high = pure.range
    return (
        f"In {pure.simulated.size} simulated tables in which only items differ, M_B, which gives all "
        f"items the same {found.noun}, finds an interaction of {signed(pure.mean, 3)} on average "
        f"(95 % of tables: {range_of(low, high, 3)})."
    )


def _verdict(found: "Identification") -> str:
    pure, free = found.pure, found.beta_3.loc["M_C"]
    here = f"The {signed(pure.observed, 3)} it finds in this table"
    low, high = pure.range
    n = pure.simulated.size
    if pure.p >= 0.05 and n < _FEWEST_TABLES and not low <= pure.observed <= high:
        text = (
            f"{here} lies outside all or nearly all of these {n} tables, which are too few for a "
            "p-value below .05: use n=200"
        )
    elif pure.p < 0.05:
        text = f"{here} lies outside what items alone would produce ({p_words(pure.p)})"
    else:
        text = (
            f"{here} lies within what items alone would produce ({p_words(pure.p)}): it is no "
            f"evidence that the {found.noun} varies with {found.covariate}, nor that it does not"
        )
    own = f"an {found.noun}" if found.noun[0] in "aeiou" else f"a {found.noun}"
    return (
        f"{text}. With {own} of its own for each item (M_C) the interaction is "
        f"{signed(free['estimate'], 3)} (95 % interval {range_of(free['lower'], free['upper'], 3)})."
    )


def _rule(found: "Identification") -> str:
    main = found.fits["M_A+"].coefficients
    before = set(found.fits["M_A"].model.design.terms)
    slope = float(main.loc[next(t for t in main.index if t not in before), "estimate"])
    way = "below" if slope > 0 else "above"
    rho, r = _needed(found)
    text = (
        "M_B's interaction is free of items where easiness spreads alike in both arms (ratio 1, "
        "rho = -sigma_zeta / (2 sigma_b)"
    )
    if r > 0:
        text += f", here {signed(rho)}"
    return (
        f"{text}), not where rho = 0; with a ratio above 1 it comes out {way} M_C's, for "
        f"{found.covariate} goes with {'higher' if slope > 0 else 'lower'} ability here."
    )


def _needed(found: "Identification") -> tuple[float, float]:
    """Rho at which the ratio would be 1, and r."""
    easiness = found.easiness.loc["M_A"]["estimate"]
    if easiness["sigma_b"] <= 0:
        return 0.0, 0.0
    r = float(easiness["sigma_zeta"] / easiness["sigma_b"])
    return -r / 2.0, r
