"""A figure before it is drawn: marks, axes and labels in words, the same for every way to draw it.

A function of `il.plot` computes a `Drawing`, and `draw` hands it to matplotlib or to plotly.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes

from ilhte_bayes.errors import ModelError, NotAvailable, listed
from ilhte_bayes.show.figures.canvas import BLUE, GREY, ORANGE

# "svg" is for the page: a picture, and the places that tell their numbers (`PagePicture`)
Backend = Literal["matplotlib", "plotly", "svg"]
Size = Literal["paper", "slide"]

# How many times larger than on paper texts, lines and inches are.
SCALES: dict[str, float] = {"paper": 1.0, "slide": 1.6}


@dataclass(frozen=True, slots=True)
class Look:
    """Colour, marker and dash together, so that arms stay apart without colours, too."""

    colour: str
    marker: str = "o"
    dash: Literal["-", "--", ":", "-."] = "-"


REFERENCE, TREATED = Look(ORANGE, "s", "--"), Look(BLUE, "o", "-")
QUIET, AVERAGE = Look(GREY), Look(ORANGE, "s", "--")


@dataclass(frozen=True, slots=True)
class Points:
    """Estimates, with intervals along x, y or both."""

    x: np.ndarray
    y: np.ndarray
    look: Look = TREATED
    x_interval: tuple[np.ndarray, np.ndarray] | None = None
    y_interval: tuple[np.ndarray, np.ndarray] | None = None
    names: tuple[str, ...] = ()  # of every point, read when hovering
    tags: Mapping[int, str] = field(default_factory=dict)  # names written beside some points
    words: str = ""  # in the legend
    size: float = 5.0
    faint: bool = False  # whether the interval along x is only hinted at
    hollow: bool = False  # an estimate without an interval


@dataclass(frozen=True, slots=True)
class Line:
    """A curve."""

    x: np.ndarray
    y: np.ndarray
    look: Look = TREATED
    words: str = ""
    width: float = 1.5


@dataclass(frozen=True, slots=True)
class Band:
    """The area between two curves: an interval at every x."""

    x: np.ndarray
    low: np.ndarray
    high: np.ndarray
    look: Look = TREATED
    words: str = ""
    shade: float = 0.2


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line across the panel, at a value of x or y, with an interval around it."""

    at: float
    axis: Literal["x", "y"] = "x"
    look: Look = QUIET
    interval: tuple[float, float] | None = None
    words: str = ""
    width: float = 0.8


@dataclass(frozen=True, slots=True)
class Cells:
    """A number for every row and column, as a colour: from below 0 over white to above 0."""

    values: np.ndarray  # (row, column), the first row on top; nan: nothing is drawn
    names: tuple[str, ...]  # of rows and of columns
    most: float  # how far from 0 the darkest colours stand
    scale: str = ""  # what colours mean
    look: Look = TREATED
    words: str = ""

    @property
    def axes(self) -> tuple["Axis", "Axis"]:
        """Both axes, with as many names as there is room for."""
        n, step = len(self.names), -(-len(self.names) // 20)
        ticks = tuple((float(k), self.names[k]) for k in range(0, n, step))
        return Axis("", (-0.5, n - 0.5), ticks), Axis("", (n - 0.5, -0.5), ticks)


Mark = Points | Line | Band | Rule | Cells


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis is called, and what of it is shown."""

    label: str = ""
    limits: tuple[float | None, float | None] = (None, None)
    ticks: tuple[tuple[float, str], ...] | None = None  # None: chosen; (): no ticks, and no line
    grid: bool = False
    margin: float | None = None  # share of the range left free at both ends


@dataclass(frozen=True, slots=True)
class Panel:
    """One set of axes."""

    marks: tuple[Mark, ...]
    x: Axis = Axis()
    y: Axis = Axis()
    title: str = ""
    note: str = ""  # a line inside, at the top


@dataclass(frozen=True, slots=True)
class Drawing:
    """A whole figure; sizes in inches on paper."""

    panels: tuple[Panel, ...]
    size: tuple[float, float]
    columns: int = 1
    x_label: str = ""  # of all panels
    y_label: str = ""
    shared: bool = False  # whether panels share both axes
    shared_x: bool = False  # or the horizontal one alone
    legend_columns: int = 1
    heights: tuple[float, ...] | None = None  # of the rows, relative
    widths: tuple[float, ...] | None = None  # of the columns, relative
    legend_more: tuple[str, ...] = ()  # remarks that stand in the legend

    @property
    def rows(self) -> int:
        """Rows of panels."""
        return -(-len(self.panels) // self.columns)


def draw(
    drawing: Drawing, *, ax: Axes | None = None, backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:  # fmt: skip
    """Draw on `ax` or a figure of its own: the (first) axes, or plotly's figure.

    Raises
    ------
    ModelError
        If backend or size is none of those that are there, or plotly is given axes.
    NotAvailable
        If plotly is not installed.
    """
    if size not in SCALES:
        raise ModelError(f"size={size!r}; it is one of {listed(list(SCALES))}.")
    if backend == "matplotlib":
        from ilhte_bayes.show.figures.draw_matplotlib import draw_matplotlib

        return draw_matplotlib(drawing, ax, SCALES[size])
    if backend == "svg":
        from ilhte_bayes.show.figures.draw_svg import draw_svg

        return draw_svg(drawing, SCALES[size])
    if backend != "plotly":
        raise ModelError(f"backend={backend!r}; it is one of 'matplotlib', 'plotly'.")
    if ax is not None:
        raise ModelError(
            "ax= is for matplotlib's axes, and backend='plotly' makes a figure of its own. Leave "
            "one of them out."
        )
    try:
        from ilhte_bayes.show.figures.draw_plotly import draw_plotly
    except ImportError as missing:
        raise NotAvailable(
            "backend='plotly' needs the package plotly. Install it: "
            "pip install 'ilhte-bayes[plotly]', or leave backend out."
        ) from missing
    return draw_plotly(drawing, SCALES[size])


def stairs(edges: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Curve that is as high as each class from its lower edge to its upper one."""
    return np.repeat(edges, 2)[1:-1], np.repeat(heights, 2)


def legend_groups(drawing: Drawing) -> dict[str, list[Mark]]:
    """Marks of each entry of the legend, the first of a kind in each."""
    out: dict[str, list[Mark]] = {}
    for panel in drawing.panels:
        for mark in panel.marks:
            if mark.words and type(mark) not in map(type, out.setdefault(mark.words, [])):
                out[mark.words].append(mark)
    return out
