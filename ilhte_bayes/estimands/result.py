"""A table of results: numbers in a frame, a title, and notes on how to read it."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

# what a result is about: its place in a report
Topic = Literal["effects", "items", "variation", "assumptions", "checks", "more"]


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """Numbers that print as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        The numbers; the function that made it says what its columns are.
    title : str
        What they are, with their units.
    notes : tuple of str
        How to read them.
    across : str
        Name of the index level whose values are laid side by side when printed; "" for none.
    topic : {"effects", "items", "variation", "assumptions", "checks", "more"}
        What it is about: its place in `il.report(fit, path, include=[...])`.
    """

    frame: pd.DataFrame
    title: str
    notes: tuple[str, ...] = ()
    across: str = ""
    topic: Topic = "more"

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers."""
        return self.frame

    def to_latex(self) -> str:
        """Return a LaTeX table (package booktabs)."""
        from ilhte_bayes.show.export import to_latex

        return to_latex(self)

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        from ilhte_bayes.show.results import describe_result

        return describe_result(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.results import result_html

        return result_html(self)
