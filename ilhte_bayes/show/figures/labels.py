"""Names beside a few points, placed where they touch neither each other nor a point."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from ilhte_bayes.show.figures.canvas import plain

_POINT = 5.0  # half the room of a marker, in pixels
_CLEAR = (9.0, 1.0)  # pixels to other names and points: as wished, and at least
# where a name may stand: offset in points, and the side of the text that faces the point
_PLACES = [
    (7, 0, "left", "center"),
    (0, 7, "center", "bottom"),
    (0, -7, "center", "top"),
    (-7, 0, "right", "center"),
    (6, 6, "left", "bottom"),
    (-6, 6, "right", "bottom"),
    (6, -6, "left", "top"),
    (-6, -6, "right", "top"),
    (10, 14, "left", "bottom"),
    (-10, 14, "right", "bottom"),
    (10, -14, "left", "top"),
    (-10, -14, "right", "top"),
]


def extremes(*columns: np.ndarray, each: Sequence[int]) -> list[int]:
    """Positions of the largest and smallest values of each column, most extreme first."""
    out: list[int] = []
    for values, n in zip(columns, each, strict=True):
        order = np.argsort(values)
        for k in range(n):
            out += [int(order[-1 - k]), int(order[k])]
    return list(dict.fromkeys(out))


def label_points(ax: Axes, x: np.ndarray, y: np.ndarray, names: Mapping[int, object]) -> None:
    """Write the names of some points; one that finds no free place is left out."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # fixes where the axes lie
    points = [_around(at) for at in ax.transData.transform(np.column_stack([x, y]))]
    taken: list[Bbox] = []
    for at, name in names.items():
        label = ax.annotate(
            plain(name, 24),
            (x[at], y[at]),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize="small",
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )
        box = _first_free(ax, label, [*taken, *points[:at], *points[at + 1 :]])
        if box is None:
            label.remove()
        else:
            taken.append(box)


def _around(at: np.ndarray) -> Bbox:
    return Bbox.from_extents(*(at - _POINT), *(at + _POINT))


def _first_free(ax: Axes, label: Annotation, taken: list[Bbox]) -> Bbox | None:
    """Move a label to its first free place; the room it takes there."""
    inside = ax.get_window_extent()
    for clear, (right, up, horizontal, vertical) in product(_CLEAR, _PLACES):
        label.set_position((right, up))
        label.set_horizontalalignment(horizontal)  # type: ignore[arg-type]
        label.set_verticalalignment(vertical)  # type: ignore[arg-type]
        box = label.get_window_extent().padded(1.0)
        fits = inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1)
        if fits and not any(box.padded(clear).overlaps(other) for other in taken):
            return box
    return None
