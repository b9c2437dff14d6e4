"""A drawing for the page: matplotlib's picture, and the places where it has something to tell."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ilhte_bayes.show.figures.draw_matplotlib import draw_matplotlib
from ilhte_bayes.show.figures.drawing import Drawing, Line, Panel, Points, Rule
from ilhte_bayes.show.figures.hover import curve_lines, point_lines, rule_words

_POINTS = 72.0  # an inch
_ON_A_CURVE = 13  # places that tell their numbers


@dataclass(frozen=True, slots=True)
class Spot:
    """A line on the picture (a point where both ends are one), and what it tells."""

    x1: float
    y1: float
    x2: float
    y2: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A picture as SVG, its size in points, and its spots, the uppermost last."""

    svg: str
    width: float
    height: float
    spots: tuple[Spot, ...] = ()


def draw_svg(drawing: Drawing, scale: float = 1.0) -> PagePicture:
    """Draw all panels."""
    first = draw_matplotlib(drawing, None, scale)
    figure = first.get_figure(root=True)
    assert isinstance(figure, Figure)
    picture = svg_of(figure)
    panels = zip(figure.axes, drawing.panels, strict=False)
    spots = [spot for ax, panel in panels for spot in _spots(ax, panel, drawing, figure)]
    return PagePicture(picture.svg, picture.width, picture.height, tuple(spots))


def svg_of(figure: Figure) -> PagePicture:
    """A figure of matplotlib's as SVG; the same figure twice is the same text."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "ilhte_bayes"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    width, height = figure.get_size_inches() * _POINTS
    return PagePicture(buffer.getvalue().decode(), float(width), float(height))


def _spots(ax: Axes, panel: Panel, drawing: Drawing, figure: Figure) -> Iterator[Spot]:
    """Rules first, points last: what lies above is told first."""
    rules = [_of_rule(mark, ax) for mark in panel.marks if isinstance(mark, Rule)]
    curves = [_of_curve(mark, panel, drawing) for mark in panel.marks if isinstance(mark, Line)]
    points = [_of_points(mark, panel, drawing) for mark in panel.marks if isinstance(mark, Points)]
    for found in (*rules, *curves, *points):
        for ends, lines in found:
            if lines and np.all(np.isfinite(ends)):
                yield _placed(ax, figure, ends, lines)


type _Found = Iterator[tuple[list[tuple[float, float]], list[str]]]


def _of_rule(mark: Rule, ax: Axes) -> _Found:
    if mark.words:
        along = ax.get_ylim() if mark.axis == "x" else ax.get_xlim()
        ends = [(mark.at, end) if mark.axis == "x" else (end, mark.at) for end in along]
        yield ends, [rule_words(mark)]


def _of_curve(mark: Line, panel: Panel, drawing: Drawing) -> _Found:
    n = len(mark.x)
    for k in np.unique(np.linspace(0, n - 1, min(n, _ON_A_CURVE)).astype(int)) if n else ():
        at = (float(np.asarray(mark.x)[k]), float(np.asarray(mark.y)[k]))
        yield [at, at], curve_lines(mark, panel, int(k), drawing)


def _of_points(mark: Points, panel: Panel, drawing: Drawing) -> _Found:
    for k in range(len(mark.x)):
        x, y = float(mark.x[k]), float(mark.y[k])
        ends = [(x, y), (x, y)]
        if mark.y_interval is not None:
            ends = [(x, float(side[k])) for side in mark.y_interval]
        elif mark.x_interval is not None and not mark.faint:
            ends = [(float(side[k]), y) for side in mark.x_interval]
        yield ends, point_lines(mark, panel, k, drawing)


def _placed(
    ax: Axes, figure: Figure, ends: list[tuple[float, float]], lines: list[str]
) -> Spot:  # fmt: skip
    """In points from the upper left corner, within the panel."""
    box = ax.bbox
    pixels = np.clip(ax.transData.transform(ends), (box.x0, box.y0), (box.x1, box.y1))
    points = pixels * _POINTS / figure.dpi
    height = float(figure.get_figheight()) * _POINTS
    (x1, y1), (x2, y2) = ((round(float(x), 1), round(height - float(y), 1)) for x, y in points)
    return Spot(x1, y1, x2, y2, tuple(line.replace(r"\$", "$") for line in lines))
