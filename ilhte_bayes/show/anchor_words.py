"""Anchoring assumptions in a table, and the paragraph on what each can and cannot say."""

from typing import TYPE_CHECKING

import pandas as pd

from ilhte_bayes.fits.intervals import p_value
from ilhte_bayes.show.html_tables import html_table, notes_html
from ilhte_bayes.show.words import wrapped

if TYPE_CHECKING:
    from ilhte_bayes.sensitivity.anchors import Anchors

_MOST_ITEMS = 12  # printed; the frame has all


def anchors_table(found: "Anchors") -> pd.DataFrame:
    """Average effects, cells as shown."""
    frame = found.frame
    out = pd.DataFrame(
        {
            found.noun: [_with_interval(*row) for row in _triples(frame, "effect")],
            "SE": [f"{value:.2f}" for value in frame["se"]],
            "P(> 0)": [p_value(p) for p in frame["p_positive"]],
            "change": [f"{value:+.2f}" for value in frame["change"]],
        },
        index=frame.index,
    )
    return out.droplevel("contrast") if _single(frame) else out


def anchor_items_table(found: "Anchors") -> pd.DataFrame:
    """Items' deviations, those most likely to differ first."""
    frame = found.items.sort_values("p_differs", ascending=False, kind="stable")
    if not _single(frame):
        frame = frame.sort_index(level="contrast", sort_remaining=False)
    out = pd.DataFrame(
        {
            "on its own (SE)": [
                f"{a:.2f} ({b:.2f})" for a, b in zip(frame["effect"], frame["se"], strict=True)
            ],
            "deviation, if most have none": [
                _with_interval(*row) for row in _triples(frame, "deviation")
            ],
            "P(differs)": [p_value(p) for p in frame["p_differs"]],
        },
        index=frame.index,
    )
    if "from_anchors" in frame:
        names = ("from_anchors", "from_anchors_lower", "from_anchors_upper")
        out["from the anchors"] = [
            _with_interval(*row) for row in frame[list(names)].itertuples(index=False)
        ]
    return out.droplevel("contrast") if _single(frame) else out


def describe_anchors(found: "Anchors") -> str:
    """Text form."""
    items = anchor_items_table(found)
    more = len(items) - _MOST_ITEMS
    lines = [
        f"Average {found.noun} under other anchors (logits, 95 % intervals)",
        anchors_table(found).rename_axis(None).to_string()
        if _single(found.frame)
        else anchors_table(found).to_string(),
        "",
        f"{found.noun.capitalize()} by item (logits)",
        items.head(_MOST_ITEMS).to_string(),
        *([f"... and {more} more: .items has all."] if more > 0 else []),
        "",
        wrapped(found.text),
        *(wrapped(note) for note in found.notes),
    ]
    return "\n".join(lines)


def anchors_html(found: "Anchors") -> str:
    """HTML form."""
    notes = notes_html((found.text, *found.notes))
    title = f"Average {found.noun} under other anchors (logits, 95 % intervals)"
    by_item = f"{found.noun.capitalize()} by item (logits)"
    return (
        html_table(anchors_table(found), title, capital=False)
        + html_table(anchor_items_table(found), by_item, capital=False)
        + notes
    )


def _single(frame: pd.DataFrame) -> bool:
    return frame.index.get_level_values("contrast").nunique() == 1


def _triples(frame: pd.DataFrame, first: str):
    return frame[[first, "lower", "upper"]].itertuples(index=False)


def _with_interval(value: float, lower: float, upper: float) -> str:
    if pd.isna(lower):
        return f"{value:.2f} [-]"
    return f"{value:.2f} [{lower:.2f}, {upper:.2f}]"
