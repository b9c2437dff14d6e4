"""A drawing on matplotlib's axes."""

import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ilhte_bayes.show.figures.canvas import (
    DIVERGING,
    legend_above,
    legend_of_panels,
    new_axes,
    new_panels,
)
from ilhte_bayes.show.figures.drawing import (
    Axis,
    Band,
    Cells,
    Drawing,
    Line,
    Mark,
    Panel,
    Points,
    Rule,
    legend_groups,
)
from ilhte_bayes.show.figures.labels import label_points

_LINES = ("axes.linewidth", "xtick.major.width", "ytick.major.width", "xtick.major.size",
          "ytick.major.size", "lines.linewidth", "font.size")  # fmt: skip
MANY = 14  # names along an axis of several panels, above which they are small


def draw_matplotlib(drawing: Drawing, ax: Axes | None, scale: float) -> Axes:
    """Draw all panels; the first one's axes."""
    defaults: Any = mpl.rcParamsDefault
    larger: Any = {name: scale * defaults[name] for name in _LINES if scale != 1}
    with mpl.rc_context(larger):
        made = (_single if len(drawing.panels) == 1 else _several)(drawing, ax, scale)
        interactive = mpl.is_interactive()
    # Pyplot turns this on when it starts, here with a notebook's first figure; turned off again by
    # the end of the settings, the notebook would show no other.
    mpl.interactive(interactive)
    return made


def _single(drawing: Drawing, ax: Axes | None, scale: float) -> Axes:
    width, height = drawing.size
    ax = ax if ax is not None else new_axes(scale * width, scale * height)
    _panel(ax, drawing.panels[0], scale, several=False)
    if drawing.x_label:
        ax.set_xlabel(_text(drawing.x_label))
    if drawing.y_label:
        ax.set_ylabel(_text(drawing.y_label))
    handles, words = _legend(drawing, scale)
    if words:
        legend_above(ax, handles, words, ncols=drawing.legend_columns)
    _tags(ax, drawing.panels[0])
    return ax


def _several(drawing: Drawing, ax: Axes | None, scale: float) -> Axes:
    width, height = drawing.size
    options: dict[str, Any] = {"sharex": drawing.shared or drawing.shared_x}
    options["sharey"] = drawing.shared
    if drawing.heights:
        options["height_ratios"] = drawing.heights
    if drawing.widths:
        options["width_ratios"] = drawing.widths
    host, axes = new_panels(
        ax, drawing.rows, drawing.columns, (scale * width, scale * height), **options
    )
    shown = len(drawing.panels)
    for own, panel in zip(axes, drawing.panels, strict=False):
        _panel(own, panel, scale, several=True)
    for empty in axes[shown:]:
        empty.remove()
    if drawing.shared:
        for lowest in axes[max(0, shown - drawing.columns) : shown]:
            lowest.tick_params(labelbottom=True)
    if drawing.x_label:
        host.supxlabel(_text(drawing.x_label), fontsize="medium")
    if drawing.y_label:
        host.supylabel(_text(drawing.y_label), fontsize="medium")
    handles, words = _legend(drawing, scale)
    if words:
        legend_of_panels(host, handles, words, ncols=drawing.legend_columns)
    for own, panel in zip(axes, drawing.panels, strict=False):
        _tags(own, panel)
    return axes[0]


def _panel(ax: Axes, panel: Panel, scale: float, *, several: bool) -> None:
    for mark in panel.marks:
        _mark(ax, mark, scale)
    small: dict[str, Any] = {"fontsize": "small"} if several else {}
    if panel.title:
        ax.set_title(_text(panel.title), fontsize="small", pad=3 * scale)
    if panel.note:
        ax.text(0.5, 0.9, _text(panel.note), transform=ax.transAxes, ha="center", va="top",
                fontsize="x-small", color=panel.marks[0].look.colour)  # fmt: skip
    ax.set_axisbelow(True)
    for which, own in (("x", panel.x), ("y", panel.y)):
        if own.label:
            getattr(ax, f"set_{which}label")(_text(own.label), **small)
        _ticks(ax, which, own, 5 if several else 7)
        if own.grid:
            ax.grid(axis=which, color="0.9", linewidth=0.6 * scale)  # type: ignore[arg-type]
    hidden = ["top", "right"] + ([] if panel.y.ticks != () else ["left"])
    for side in hidden:
        ax.spines[side].set_visible(False)
    if several:
        ax.tick_params(labelsize="small")
    for axis in (ax.xaxis, ax.yaxis):
        if len(axis.get_ticklabels()) > MANY:
            axis.set_tick_params(labelsize="x-small")
    if any(isinstance(mark, Cells) for mark in panel.marks):
        ax.tick_params(axis="x", labelrotation=90)


def _ticks(ax: Axes, which: str, axis: Axis, most: int) -> None:
    if axis.ticks is not None:
        places, names = [at for at, _ in axis.ticks], [_text(name) for _, name in axis.ticks]
        getattr(ax, f"set_{which}ticks")(places, names)
    else:  # as many at every size
        getattr(ax, f"{which}axis").set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
    if axis.margin is not None:
        getattr(ax, f"set_{which}margin")(axis.margin)
    if axis.limits != (None, None):
        getattr(ax, f"set_{which}lim")(*axis.limits)


def _mark(ax: Axes, mark: Mark, scale: float) -> None:
    look = mark.look
    if isinstance(mark, Points):
        _points(ax, mark, scale)
    elif isinstance(mark, Cells):
        colours = LinearSegmentedColormap.from_list("house", DIVERGING)
        image = ax.imshow(mark.values, cmap=colours, vmin=-mark.most, vmax=mark.most,
                          interpolation="nearest")  # fmt: skip
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
        bar.set_label(_text(mark.scale), fontsize="small")
        bar.ax.tick_params(labelsize="small")
    elif isinstance(mark, Line):
        ax.plot(mark.x, mark.y, color=look.colour, linestyle=look.dash,
                linewidth=scale * mark.width)  # fmt: skip
    elif isinstance(mark, Band):
        ax.fill_between(mark.x, mark.low, mark.high, color=look.colour, alpha=mark.shade,
                        linewidth=0)  # fmt: skip
    else:
        upright = mark.axis == "x"
        if mark.interval is not None:
            span = ax.axvspan if upright else ax.axhspan
            span(*mark.interval, color=look.colour, alpha=0.14, linewidth=0)
        line = ax.axvline if upright else ax.axhline
        line(mark.at, color=look.colour, linestyle=look.dash, linewidth=scale * mark.width)


def _points(ax: Axes, mark: Points, scale: float) -> None:
    colour = mark.look.colour
    level: dict[str, Any] = {"linewidth": (1.8 if mark.size > 3 else 0.9) * scale}
    if mark.faint:
        level = {"linewidth": 0.7 * scale, "alpha": 0.35}
    if mark.x_interval is not None:
        ax.hlines(mark.y, *mark.x_interval, color=colour, **level)
    if mark.y_interval is not None:
        ax.vlines(mark.x, *mark.y_interval, color=colour, linewidth=1.5 * scale, alpha=0.8)
    ax.plot(mark.x, mark.y, mark.look.marker, color=colour, markersize=mark.size * scale,
            linestyle="none", markerfacecolor="white" if mark.hollow else colour)  # fmt: skip


def _legend(drawing: Drawing, scale: float) -> tuple[list[Any], list[str]]:
    groups = legend_groups(drawing)
    handles: list[Any] = [
        tuple(part for mark in own for part in _handles(mark, scale)) for own in groups.values()
    ]
    more = drawing.legend_more
    return [*handles, *(Line2D([], [], linewidth=0) for _ in more)], [
        _text(words) for words in [*groups, *more]
    ]


def _handles(mark: Mark, scale: float) -> list[Any]:
    """What stands for a mark in the legend, the lowest first."""
    look = mark.look
    if isinstance(mark, Band):
        return [Patch(color=look.colour, alpha=mark.shade, linewidth=0)]
    if isinstance(mark, Points):
        drawn = mark.x_interval is not None or mark.y_interval is not None
        return [Line2D([], [], color=look.colour, marker=look.marker,
                       markersize=mark.size * scale, linewidth=1.5 * scale if drawn else 0,
                       markerfacecolor="white" if mark.hollow else look.colour)]  # fmt: skip
    if isinstance(mark, Cells):
        return [Patch(color=look.colour)]
    line = Line2D([], [], color=look.colour, linestyle=look.dash, linewidth=scale * mark.width)
    if isinstance(mark, Rule) and mark.interval is not None:
        return [Patch(color=look.colour, alpha=0.14, linewidth=0), line]
    return [line]


def _tags(ax: Axes, panel: Panel) -> None:
    marks: Sequence[Points] = [mark for mark in panel.marks if isinstance(mark, Points)]
    for mark in marks:
        if mark.tags:
            label_points(ax, np.asarray(mark.x), np.asarray(mark.y), mark.tags)


def _text(text: str) -> str:
    """A text as drawn: its dollar signs are no mathematics."""
    return re.sub(r"(?<!\\)\$", r"\\$", text)
