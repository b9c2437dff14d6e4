"""A drawing as plotly's figure: the same marks, with names and numbers when hovering."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ilhte_bayes.show.figures.canvas import DIVERGING
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
from ilhte_bayes.show.figures.hover import point_lines
from ilhte_bayes.show.words import number

_DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}
_MARKERS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "_": "line-ew-open",
}
_PIXELS = 96  # an inch
_FONT = 13  # pixels on paper


def draw_plotly(drawing: Drawing, scale: float) -> go.Figure:
    """Draw all panels in one figure."""
    rows, columns, width, height = drawing.rows, drawing.columns, *drawing.size
    entries = len(legend_groups(drawing)) + len(drawing.legend_more)
    above = scale * (20 + 20 * -(-entries // drawing.legend_columns))  # pixels of the legend
    pixels = scale * _PIXELS * height
    # of a row's numbers, what its axis is called, and the next row's title
    below = 38 + max(20 * _lines(p.x.label) + 22 * bool(p.title) for p in drawing.panels)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_xaxes="all" if drawing.shared or drawing.shared_x else False,
        shared_yaxes="all" if drawing.shared else False,
        subplot_titles=[_text(panel.title) for panel in drawing.panels],
        x_title=_text(drawing.x_label) or None,
        y_title=_text(drawing.y_label) or None,
        row_heights=list(drawing.heights) if drawing.heights else None,
        column_widths=list(drawing.widths) if drawing.widths else None,
        horizontal_spacing=_between(drawing) if columns > 1 else None,
        vertical_spacing=min(0.9 / (rows - 1), below * scale / pixels) if rows > 1 else None,
    )
    named: set[str] = set()
    for k, panel in enumerate(drawing.panels):
        place = {"row": k // columns + 1, "col": k % columns + 1}
        reach = {
            "x": _range(drawing.panels if drawing.shared or drawing.shared_x else [panel], "x"),
            "y": _range(drawing.panels if drawing.shared else [panel], "y"),
        }
        _panel(figure, panel, place, scale, named, reach)
    for words in drawing.legend_more:
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="lines", name=_text(words),
                                    line={"color": "rgba(0,0,0,0)"}))  # fmt: skip
    figure.update_annotations(font_size=_FONT * scale)
    figure.update_layout(
        template="simple_white",
        width=scale * _PIXELS * width,
        height=pixels + above,
        font={"size": _FONT * scale},
        margin={"t": above + 22 * scale, "r": 20, "b": 60 * scale, "l": 70 * scale},
        legend={"orientation": "h" if drawing.legend_columns > 1 else "v", "x": 0.0,
                "xanchor": "left", "y": 1.0 + 24 * scale / pixels, "yanchor": "bottom"},
        showlegend=entries > 0,
        hovermode="closest",
    )  # fmt: skip
    return figure


def _panel(
    figure: go.Figure,
    panel: Panel,
    place: dict[str, int],
    scale: float,
    named: set[str],
    reach: dict[str, list[float]],
) -> None:
    for mark in panel.marks:
        for trace in _traces(mark, panel, scale, reach):
            if mark.words:
                trace.update(name=_text(mark.words), legendgroup=mark.words)
            trace.update(showlegend=bool(mark.words) and mark.words not in named)
            named |= {mark.words}
            figure.add_trace(trace, **place)
    if panel.note:
        figure.add_annotation(
            text=_text(panel.note), x=sum(reach["x"]) / 2, y=reach["y"][1], showarrow=False, **place
        )
    figure.update_xaxes(**_axis(panel.x, scale), range=reach["x"], **place)
    figure.update_yaxes(**_axis(panel.y, scale), range=reach["y"], **place)
    for mark in panel.marks:
        if isinstance(mark, Cells):
            _colour_bar(figure, mark, place)


def _traces(mark: Mark, panel: Panel, scale: float, reach: dict[str, list[float]]) -> Sequence[Any]:
    """Traces, the one that stands in the legend first."""
    look = mark.look
    line: dict[str, Any] = {"color": look.colour, "dash": _DASHES[look.dash]}
    if isinstance(mark, Points):
        return [_points(mark, panel, scale)]
    if isinstance(mark, Cells):
        return [_cells(mark)]
    line |= {"width": 1.3 * scale * mark.width} if not isinstance(mark, Band) else {}
    if isinstance(mark, Line):
        x, y = (mark.x, mark.y) if len(mark.x) else ([None], [None])  # for the legend alone
        return [go.Scatter(x=x, y=y, mode="lines", line=line)]
    if isinstance(mark, Band):
        return [_area(mark.x, mark.low, mark.high, look.colour, mark.shade)]
    upright, ends = mark.axis == "x", reach["y" if mark.axis == "x" else "x"]
    at = [mark.at, mark.at]
    drawn = go.Scatter(
        x=at if upright else ends, y=ends if upright else at, mode="lines", line=line
    )
    if mark.interval is None:
        return [drawn]
    low, high = ([end, end] for end in mark.interval)
    if upright:
        area = _area(np.array(mark.interval), ends[:1] * 2, ends[1:] * 2, look.colour, 0.14)
    else:
        area = _area(np.array(ends), low, high, look.colour, 0.14)
    return [drawn, area]


def _area(x: np.ndarray, low: Any, high: Any, colour: str, shade: float) -> go.Scatter:
    """What lies between two curves."""
    around = np.concatenate([x, np.asarray(x)[::-1]])
    edge = np.concatenate([low, np.asarray(high)[::-1]])
    return go.Scatter(
        x=around, y=edge, mode="lines", line={"width": 0, "color": colour}, fill="toself",
        fillcolor=_see_through(colour, shade), hoverinfo="skip",
    )  # fmt: skip


def _cells(mark: Cells) -> go.Heatmap:
    names = [_text(name) for name in mark.names]
    rows, columns = mark.values.shape
    hover = [
        [f"{names[j]}, {names[k]}: {number(float(mark.values[j, k]))}" for k in range(columns)]
        for j in range(rows)
    ]
    values = [[None if np.isnan(v) else float(v) for v in row] for row in mark.values]
    return go.Heatmap(
        z=values, zmin=-mark.most, zmax=mark.most, hovertext=hover, hoverinfo="text",
        colorscale=list(zip((0.0, 0.5, 1.0), DIVERGING, strict=True)),
    )  # fmt: skip


def _colour_bar(figure: go.Figure, mark: Cells, place: dict[str, int]) -> None:
    """Right of the panel, as high as it."""
    panel = figure.get_subplot(**place)
    low, high = panel.yaxis.domain
    bar = {
        "x": panel.xaxis.domain[1], "y": (low + high) / 2, "len": high - low, "thickness": 12,
        "title": {"text": _text(mark.scale), "side": "right", "font": panel.xaxis.title.font.to_plotly_json()},
    }  # fmt: skip
    figure.update_traces(colorbar=bar, selector={"type": "heatmap"}, **place)
    figure.update_xaxes(tickangle=90, **place)


def _points(mark: Points, panel: Panel, scale: float) -> go.Scatter:
    errors = {}
    for axis, centre, interval in (
        ("error_x", mark.x, mark.x_interval),
        ("error_y", mark.y, mark.y_interval),
    ):
        if interval is None:
            continue
        faint = axis == "error_x" and mark.faint
        low, high = interval
        errors[axis] = {
            "type": "data", "symmetric": False, "width": 0,
            "array": np.asarray(high) - centre, "arrayminus": centre - np.asarray(low),
            "color": _see_through(mark.look.colour, 0.35) if faint else mark.look.colour,
            "thickness": scale * (0.9 if faint or mark.size < 3 else 1.8),
        }  # fmt: skip
    hover = ["<br>".join(map(_text, point_lines(mark, panel, k))) for k in range(len(mark.x))]
    return go.Scatter(
        x=mark.x, y=mark.y, mode="markers", hovertext=hover, hoverinfo="text",
        marker={"color": mark.look.colour,
                "symbol": _MARKERS[mark.look.marker] + ("-open" if mark.hollow else ""),
                "size": 1.4 * scale * mark.size},
        **errors,
    )  # fmt: skip


def _axis(axis: Axis, scale: float) -> dict[str, Any]:
    options: dict[str, Any] = {
        "showgrid": axis.grid,
        "gridcolor": "#e6e6e6",
        "automargin": True,
        "title_font_size": _FONT * scale,
        "title_standoff": 8,
    }
    if axis.label:
        options["title_text"] = _text(axis.label)
    if axis.ticks == ():
        options["visible"] = False
    elif axis.ticks is not None:
        options |= {"tickmode": "array", "tickvals": [at for at, _ in axis.ticks]}
        options["ticktext"] = [_text(name) for _, name in axis.ticks]
    return options


def _range(panels: Sequence[Panel], which: Literal["x", "y"]) -> list[float]:
    """Limits as given, else around all that is drawn."""
    parts = [np.asarray(v, dtype=float) for panel in panels for v in _values(panel, which)]
    values = np.concatenate(parts)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    axis: Axis = getattr(panels[0], which)
    room = (0.05 if axis.margin is None else axis.margin) * ((high - low) or 1.0)
    first, last = axis.limits
    return [low - room if first is None else first, high + room if last is None else last]


def _values(panel: Panel, which: Literal["x", "y"]) -> Iterator[Any]:
    """Everything drawn along one axis."""
    for mark in panel.marks:
        if isinstance(mark, Rule):
            yield ([mark.at, *(mark.interval or ())]) if mark.axis == which else []
        elif isinstance(mark, Cells):
            yield np.arange(mark.values.shape[which == "x"])
        elif isinstance(mark, Band):
            yield from (mark.x,) if which == "x" else (mark.low, mark.high)
        else:
            yield getattr(mark, which)
            yield from getattr(mark, f"{which}_interval", None) or ()


def _between(drawing: Drawing) -> float:
    """Room between columns, for names of rows: a share of the width."""
    names = [
        line
        for k, panel in enumerate(drawing.panels)
        if k % drawing.columns and not drawing.shared
        for _, name in panel.y.ticks or ()
        for line in name.split("\n")
    ]
    pixels = 25 + 6.5 * max(map(len, names), default=0)
    return min(max(0.1, pixels / (_PIXELS * drawing.size[0])), 0.2)


def _lines(text: str) -> int:
    return text.count("\n") + 1 if text else 0


def _see_through(colour: str, shade: float) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{shade})"


def _text(text: str) -> str:
    """A text that plotly reads as it stands: no markup, no mathematics."""
    safe = escape(text.replace(r"\$", "$"), quote=False)
    return safe.replace("$", "&#36;").replace("\n", "<br>")
