"""Observed answers against those of the fitted model: sum scores, items and pairs of items."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ilhte_bayes.checks.check import Check
from ilhte_bayes.checks.predictive import PredictiveCheck, predictive_check
from ilhte_bayes.checks.predictive_tests import item_slopes, standardised
from ilhte_bayes.errors import ModelError
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.show.figures.canvas import cut
from ilhte_bayes.show.figures.drawing import (
    QUIET,
    REFERENCE,
    TREATED,
    Axis,
    Backend,
    Band,
    Cells,
    Drawing,
    Line,
    Look,
    Mark,
    Panel,
    Points,
    Rule,
    Size,
    draw,
    stairs,
)

_WIDTH, _HEIGHT = 3.7, 3.3  # inches of a panel
_MOST_SCORES = 40  # classes in a histogram of sum scores
_MOST_NAMES = 24  # items named along an axis
_ARMS = (
    REFERENCE,
    TREATED,
    Look("#009E73", "^"),
    Look("#CC79A7", "D"),
    Look("#000000", "v"),
)
_OBSERVED = Look("#000000")
_BAND = (2.5, 97.5)  # percent of replicated tables
_LESS = -2.0  # SDs, below which a pair of items is marked


def predictive(
    found: Fit | PredictiveCheck | Check,
    *,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
    **options: Any,
) -> Any:
    """Draw observed answers on those of replicated tables, 95 % of which lie in grey.

    Parameters
    ----------
    found : Fit, PredictiveCheck or Check
        A fit is checked first, for new persons. Of a `Check`, the part about new persons.
    ax : matplotlib.axes.Axes, optional
        Axes whose place the panels take; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}
    **options
        Of `il.predictive_check`, for a fit.

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        The first panel; `.figure` holds them all. Sum scores by arm, a panel each: share of
        persons. Items by arm: observed share of points against the model's. Items: how strongly
        each goes with the sum score, in SDs of replicated tables. Pairs: how strongly they go
        together given the sum score, in the same unit.

    Raises
    ------
    ModelError
        If a `Check` has no replicated answers.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> fit = il.laplace(il.il_hte(trial, response="resp >= 2", clusters=["study"]), objective="map")
    >>> panels = il.plot.predictive(fit, draws=50)
    """
    check = _checked(found, options)
    who = "new persons" if check.persons == "new" else "the same persons"
    band = f"95 % of tables of {who}, from the model"
    scores = [_sum_scores(check, a, arm, band) for a, arm in enumerate(check.tables.arms)]
    panels = (*scores, _shares(check), _slopes(check, band), _pairs(check))
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    inches = (_WIDTH * columns, _HEIGHT * rows + 0.4)
    drawing = Drawing(panels, inches, columns, legend_columns=3)
    return draw(drawing, ax=ax, backend=backend, size=size)


def _checked(found: Fit | PredictiveCheck | Check, options: dict[str, Any]) -> PredictiveCheck:
    if isinstance(found, Fit):
        return predictive_check(found, **options)
    if isinstance(found, PredictiveCheck):
        return found
    if "new" not in found.predictive:
        raise ModelError(
            "this check has no replicated answers, since they cannot be made for its model: print "
            "it to read why."
        )
    return found.predictive["new"]


def _sum_scores(check: PredictiveCheck, a: int, arm: str, band: str) -> Panel:
    tables = check.tables
    score, n = tables.score[:, tables.arm == a], int((tables.arm == a).sum())
    whole = bool((tables.asked == tables.asked[0]).all())
    values = np.unique(tables.score).astype(float)
    single = whole and values.size <= _MOST_SCORES
    if not single:  # sums of different items lie between each other: classes would be uneven
        values = np.linspace(values[0], values[-1], 2 * _MOST_SCORES)
        shares = np.array([np.searchsorted(np.sort(each), values, "right") for each in score]) / n
    else:
        shares = np.array([np.histogram(each, [*values, np.inf])[0] for each in score]) / n
    low, high = np.percentile(shares[1:], _BAND, axis=0)
    x = values
    if single:
        between = (values[1:] + values[:-1]) / 2
        edges = np.concatenate([values[:1] - 0.5, between, values[-1:] + 0.5])
        (x, low), (_, high) = stairs(edges, low), stairs(edges, high)
    marks: list[Mark] = [
        Band(x, low, high, QUIET, band, shade=0.3),
        Line(values, shares[0], _OBSERVED, "observed", width=1.0),
    ]
    if single:
        marks.append(Points(values, shares[0], _OBSERVED, words="observed", size=3.0))
    label = "sum of points" if whole else "points above what the items asked give"
    share = "share of persons" if single else "share of persons up to this score"
    return Panel(
        tuple(marks),
        Axis(label),
        Axis(share, (0.0, None), grid=True),
        title=f"Sum scores: {cut(arm)}",
    )


def _shares(check: PredictiveCheck) -> Panel:
    """Observed against expected share of points, a dot for each item and arm."""
    names = tuple(str(name) for name in check.tables.items)
    found, arms = check.counted["items"], check.tables.arms
    ends = np.array([found.min(), found.max()])
    marks: list[Mark] = [Line(ends, ends, QUIET, width=0.8)]
    for a, arm in enumerate(arms):
        share = found[:, a]
        low, high = np.percentile(share[1:], _BAND, axis=0)
        middle = share[1:].mean(axis=0)
        words = cut(arm) if len(arms) > 1 else ""
        called = tuple(f"{name}, {arm}" for name in names)
        look = _ARMS[a % len(_ARMS)]
        marks.append(Points(middle, share[0], look, (low, high), names=called, words=words, size=4))
    return Panel(
        tuple(marks),
        Axis("expected (95 % of tables)", grid=True),
        Axis("observed", grid=True),
        title="Items: share of points",
    )


def _slopes(check: PredictiveCheck, band: str) -> Panel:
    """How strongly each item goes with the sum score, from weakest to strongest."""
    z = item_slopes(check.counted)
    order = np.argsort(z[0])
    low, high = np.percentile(z[1:][:, order], _BAND, axis=0)
    at = np.arange(order.size, dtype=float)
    names = tuple(cut(check.tables.items[i], 16) for i in order)
    middle = z[1:, order].mean(axis=0)
    ticks = tuple((float(k), names[k]) for k in range(0, order.size, -(-order.size // _MOST_NAMES)))
    marks = (
        Rule(0.0),
        Points(middle, at, QUIET, (low, high), names=names, words=band, size=1.0),
        Points(z[0][order], at, _OBSERVED, names=names, words="observed", size=4.0),
    )
    return Panel(
        marks,
        Axis("SDs from expected (right: stronger)", grid=True),
        Axis("", (-0.6, order.size - 0.4), ticks),
        title="Items: association with the sum score",
    )


def _pairs(check: PredictiveCheck) -> Panel:
    """Residual association of each pair of items, in the order of the table."""
    pairs = check.counted["pairs"]
    z = standardised(pairs.reshape(len(pairs), -1))[0].reshape(pairs.shape[1:])
    np.fill_diagonal(z, np.nan)
    largest = max(4.0, float(np.nanmax(np.abs(z), initial=0.0)))
    names = tuple(cut(name, 12) for name in check.tables.items)
    cells = Cells(z, names, largest, "SDs from expected")
    row, column = np.nonzero(np.nan_to_num(z) < _LESS)
    called = tuple(f"{names[j]}, {names[k]}: less" for j, k in zip(row, column, strict=True))
    less = Points(  # both ends of the colours are dark in grey
        column, row, Look("#000000", "_"), names=called, words="pairs below −2 SD", size=3.5
    )
    x, y = cells.axes
    marks = (cells, less) if row.size else (cells,)
    return Panel(marks, x, y, title="Pairs: together, given the sum score")
