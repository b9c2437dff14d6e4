"""Shifts of absent persons and their tipping points, as text and as HTML."""

from typing import TYPE_CHECKING

import pandas as pd

from ilhte_bayes.show.html_tables import html_table, notes_html
from ilhte_bayes.show.words import wrapped

if TYPE_CHECKING:
    from ilhte_bayes.sensitivity.absent_persons import AbsentPersons


def tipping_table(found: "AbsentPersons") -> pd.DataFrame:
    """Tipping points, cells as shown."""
    frame = found.tipping
    out = pd.DataFrame(
        {
            "share absent": [_percent(x) for x in frame["share"]],
            "tipping point, SDs": [_number(x) for x in frame["tipping_sd"]],
            "logits": [_number(x) for x in frame["tipping"]],
        },
        index=frame.index,
    )
    return _plain(out)


def shifts_table(found: "AbsentPersons") -> pd.DataFrame:
    """Effects by shift, cells as shown."""
    frame = found.frame
    cells = [
        f"{row.estimate:.2f} [{row.lower:.2f}, {row.upper:.2f}]"
        for row in frame[["estimate", "lower", "upper"]].itertuples(index=False)
    ]
    out = pd.DataFrame({found.noun: cells}, index=frame.index)
    shifts = [f"{x:+g}" if x else "0" for x in out.index.get_level_values("SDs")]
    out = out.reset_index("SDs", drop=True)
    return _plain(out.assign(**{"shift, SDs": shifts})[["shift, SDs", found.noun]])


def describe_absent(found: "AbsentPersons") -> str:
    """Text form."""
    lines = [
        f"Shift of absent persons that takes the {found.noun} away",
        tipping_table(found).to_string(),
        "",
        f"Average {found.noun} over everyone (logits, 95 % intervals)",
        shifts_table(found).to_string(),
        *(wrapped(note) for note in found.notes),
    ]
    return "\n".join(lines)


def absent_html(found: "AbsentPersons") -> str:
    """HTML form."""
    notes = notes_html(found.notes)
    first = f"Shift of absent persons that takes the {found.noun} away"
    second = f"Average {found.noun} over everyone (logits, 95 % intervals)"
    return (
        html_table(tipping_table(found), first, capital=False)
        + html_table(shifts_table(found), second, capital=False)
        + notes
    )


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Without the contrast, where there is one only."""
    if frame.index.get_level_values("contrast").nunique() == 1:
        frame = frame.droplevel("contrast")
    return frame


def _percent(share: float) -> str:
    return "-" if pd.isna(share) else f"{100 * share:.1f} %"


def _number(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:+.2f}"
