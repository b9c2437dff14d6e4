"""Tables as HTML: one header line, numbers aligned, a dash for what is missing, true minus signs."""

from collections.abc import Iterable
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ilhte_bayes.show.words import number, range_of, sentence, term_words, true_minus

if TYPE_CHECKING:
    from ilhte_bayes.fits.fit import Fit


_LONG = 40  # characters
_MANY = 8  # columns that may not fit a printed page on one line


def html_table(
    frame: pd.DataFrame, caption: str = "", *, digits: int = 2, capital: bool = True
) -> str:
    """A table that scrolls inside its own box.

    Parameters
    ----------
    frame : pandas.DataFrame
        Index names and column names become the header; repeated outer labels are left out.
    caption : str
        What the table shows; read aloud, and printed above it.
    digits : int
        Of floats; other cells are shown as they are.
    capital : bool
        Whether the names of columns begin with a capital letter.
    """
    names = [escape(_capital(str(name or ""))) for name in frame.index.names]
    columns = [str(name) for name in frame.columns]
    columns = [escape(_capital(name) if capital else name) for name in columns]
    kinds = [' class="text"' if _is_text(frame.iloc[:, k]) else "" for k in range(len(columns))]
    head = "".join(f'<th scope="col" class="text">{name}</th>' for name in names)
    head += "".join(f'<th scope="col"{k}>{c}</th>' for k, c in zip(kinds, columns, strict=True))
    labels = _labels(frame.index)
    rows = []
    for label, values in zip(labels, frame.itertuples(index=False, name=None), strict=True):
        cells = "".join(f'<th scope="row" class="text">{_label(text)}</th>' for text in label)
        cells += "".join(
            f"<td{_long(value) or kind}>{escape(cell(value, digits))}</td>"
            for kind, value in zip(kinds, values, strict=True)
        )
        rows.append(f"<tr>{cells}</tr>")
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    many = ' class="many"' if frame.shape[1] > _MANY else ""
    name = escape(caption or "table", quote=True)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{name}"><table{many}>{title}'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _long(value: object) -> str:
    """A cell that holds a sentence may have several lines."""
    return ' class="text long"' if isinstance(value, str) and len(value) > _LONG else ""


def notes_html(notes: Iterable[str], lead: str = "") -> str:
    """Notes as paragraphs below a table; `lead` stands before each, in bold."""
    first = f"<b>{escape(lead)}</b> " if lead else ""
    return "".join(f"<p>{first}{escape(sentence(note))}</p>" for note in notes)


def cell(value: object, digits: int = 2) -> str:
    """One cell as text."""
    if value is None or value is pd.NA:
        return "–"
    if isinstance(value, float | np.floating):
        return number(float(value), digits)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return f"{value:,}".replace("-", "−")
    text = str(value)
    return "–" if text == "-" else true_minus(text)


def estimates_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Estimate, standard error and interval, ready to be shown."""
    return pd.DataFrame(
        {
            "estimate": frame["estimate"],
            "SE": frame["se"],
            "95 % interval": [
                "-" if pd.isna(low) else range_of(low, high)
                for low, high in zip(frame["lower"], frame["upper"], strict=True)
            ],
        },
        index=frame.index,
    )


def fixed_tables(fit: "Fit", unit: str = "") -> list[str]:
    """Thresholds, if the answers are ordinal, and coefficients."""
    n_cuts, table = fit.model.design.n_cuts, estimates_table(fit.coefficients)
    out = []
    if n_cuts:
        out.append(html_table(table[:n_cuts].rename_axis("threshold"), f"Thresholds{unit}"))
    if len(table) > n_cuts or not n_cuts:
        out.append(html_table(table[n_cuts:], f"Coefficients{unit}"))
    return out


def components_table(frame: pd.DataFrame) -> pd.DataFrame:
    """SDs and correlations in words: `sd[treat]` is "SD of treat"."""
    out = estimates_table(frame)
    words = [(group, _component(parameter)) for group, parameter in frame.index]
    out.index = pd.MultiIndex.from_tuples(words, names=["group", "parameter"])
    return out


def _component(parameter: str) -> str:
    kind, _, inside = parameter.removesuffix("]").partition("[")
    if kind == "sd":
        return f"SD of {term_words(inside)}"
    first, second = _pair(inside)
    return f"correlation of {term_words(first)} and {term_words(second)}"


def _pair(inside: str) -> tuple[str, str]:
    """Split `a[T.x],b` at the comma that stands in no bracket."""
    depth = np.cumsum([(c == "[") - (c == "]") for c in inside])
    at = next(k for k, c in enumerate(inside) if c == "," and depth[k] == 0)
    return inside[:at], inside[at + 1 :]


def _labels(index: pd.Index) -> list[tuple[str, ...]]:
    """Row labels; an outer label that only repeats the one above is left empty."""
    rows = [row if isinstance(row, tuple) else (row,) for row in index]
    full = [tuple(str(label) for label in row) for row in rows]
    out = full[:1]
    for above, row in pairwise(full):
        same = next((k for k, (a, b) in enumerate(zip(above, row, strict=True)) if a != b), 0)
        out.append(("",) * min(same, len(row) - 1) + row[min(same, len(row) - 1) :])
    return out


def _label(text: str) -> str:
    return f"<span>{escape(text)}</span>"  # on one line up to a width set by the page


def _is_text(column: pd.Series) -> bool:
    """Whether most cells begin with a letter: words stand left, numbers right."""
    return sum(str(value)[:1].isalpha() for value in column) > len(column) / 2


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
