"""What a reader is told who points at a mark: its name, and its numbers with intervals."""

import numpy as np

from ilhte_bayes.show.figures.drawing import Axis, Drawing, Line, Panel, Points, Rule
from ilhte_bayes.show.words import number, range_of


def point_lines(mark: Points, panel: Panel, k: int, drawing: Drawing | None = None) -> list[str]:
    """Name of a point, and what is known of it along each axis that has numbers."""
    lines = [mark.names[k]] if mark.names else []
    for values, interval, axis, common in (
        (mark.x, mark.x_interval, panel.x, drawing.x_label if drawing else ""),
        (mark.y, mark.y_interval, panel.y, drawing.y_label if drawing else ""),
    ):
        if axis.ticks is not None:  # names in place of numbers
            continue
        text = number(float(values[k]))
        if interval is not None:
            text += f", 95 % {range_of(float(interval[0][k]), float(interval[1][k]))}"
        lines.append(_labelled(axis, common, text))
    return lines


def curve_lines(mark: Line, panel: Panel, k: int, drawing: Drawing) -> list[str]:
    """Which curve, in which panel, and where this place on it lies."""
    lines = [text for text in (panel.title, mark.words) if text]
    x = number(float(np.asarray(mark.x)[k]))
    y = number(float(np.asarray(mark.y)[k]))
    return [*lines, _labelled(panel.x, drawing.x_label, x), _labelled(panel.y, drawing.y_label, y)]


def rule_words(mark: Rule) -> str:
    """What stands in the legend, with the numbers of its interval."""
    if mark.interval is None or not mark.words.endswith("interval"):
        return mark.words
    return f"{mark.words} {range_of(*mark.interval)}"


def _labelled(axis: Axis, common: str, text: str) -> str:
    label = (axis.label or common).split(" (")[0]
    return f"{label}: {text}" if label else text
