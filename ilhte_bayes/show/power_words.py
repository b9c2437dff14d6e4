"""Power as tables: simulated, with Monte Carlo errors, and the closed form in brackets."""

import math
import textwrap
from html import escape
from typing import Protocol

import pandas as pd

from ilhte_bayes.show.html_tables import html_table

_WIDTH = 96


class Found(Protocol):
    """What is printed."""

    @property
    def frame(self) -> pd.DataFrame:
        """Numbers by design."""

    @property
    def engine(self) -> str:
        """How trials were fitted."""

    @property
    def differing(self) -> list[str]:
        """Columns that tell designs apart."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences under the tables."""


def describe_power(found: Found) -> str:
    """Text form."""
    lines = []
    for title, table in _tables(found):
        lines += [title, table.to_string(index=False), ""]
    for note in found.notes:
        lines += textwrap.wrap(note, _WIDTH)
    return "\n".join(lines)


def power_html(found: Found) -> str:
    """HTML form."""
    tables = "".join(
        str(html_table(table.set_index(table.columns[0]), title, capital=False))
        for title, table in _tables(found)
    )
    return tables + "".join(f"<p>{escape(note)}</p>" for note in found.notes)


def _tables(found: Found) -> list[tuple[str, pd.DataFrame]]:
    frame = found.frame
    which = pd.DataFrame({name: frame[name] for name in found.differing})
    fixed = [
        f"{name} {frame[name].iloc[0]:g}"
        for name in ("effect", "sigma_zeta")
        if name not in found.differing
    ]
    n = int(frame["n"].max())
    title = f"Power, {n} trials each, by {found.engine}" + (
        f"; {', '.join(fixed)}" if fixed else ""
    )
    power, estimates = which.copy(), which.copy()
    power["average effect"] = _cells(frame, "power")
    power["sigma_zeta > 0"] = _cells(frame, "power_items")
    power["SE"] = _cells(frame, "se", 3)
    power["floor"] = [f"{value:.3f}" for value in frame["floor"]]
    power["at most"] = [f"{value:.2f}" for value in frame["highest"]]
    estimates["bias"] = _cells(frame, "bias", 3)
    estimates["coverage"] = _cells(frame, "coverage")
    estimates["new item: width"] = _cells(frame, "width")
    estimates["coverage "] = _cells(frame, "coverage_new")
    estimates["at 0"] = [_share(value) for value in frame.get("at_zero", [math.nan] * len(frame))]
    estimates["failed"] = frame["failed"]
    return [(title, power), ("Estimates of the average effect, and of one new item's", estimates)]


def _cells(frame: pd.DataFrame, name: str, digits: int = 2) -> list[str]:
    """Simulated value, its Monte Carlo error, and the closed form."""
    if name not in frame:
        return ["-"] * len(frame)
    out = []
    for _, row in frame.iterrows():
        text = "-"
        if not math.isnan(row[name]):
            text = f"{row[name]:.{digits}f} ± {row[f'{name}_mc']:.{digits}f}"
        if f"{name}_closed" in frame:
            text += f" ({row[f'{name}_closed']:.{digits}f})"
        out.append(text)
    return out


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.0f} %"
