"""Observed answers against those of the fitted model: sum scores, items and pairs of items."""

from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ilhte_bayes.checks.check import Check
from ilhte_bayes.checks.predictive import PredictiveCheck, predictive_check
from ilhte_bayes.checks.predictive_tests import item_slopes, standardised
from ilhte_bayes.errors import ModelError
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.show.figures.canvas import (
    BLUE,
    GREY,
    ORANGE,
    legend_of_panels,
    new_panels,
    plain,
    quiet,
)

_WIDTH, _HEIGHT = 3.9, 3.4  # inches of a panel
_MOST_SCORES = 40  # classes in a histogram of sum scores
_COLOURS = (BLUE, ORANGE, GREY, "#009E73", "#CC79A7", "#000000")
_BAND = (5, 95)  # percent of replicated tables


def predictive(
    found: Fit | PredictiveCheck | Check, *, ax: Axes | None = None, **options: Any
) -> list[Axes]:
    """Draw observed answers (lines, dots) on those of replicated tables (90 % bands).

    Parameters
    ----------
    found : Fit, PredictiveCheck or Check
        A fit is checked first, for new persons. Of a `Check`, the part about new persons.
    ax : matplotlib.axes.Axes, optional
        Axes whose place the panels take; a new figure otherwise.
    **options
        Of `il.predictive_check`, for a fit.

    Returns
    -------
    list of matplotlib.axes.Axes
        Sum scores by arm, a panel each: share of persons. Items by arm: observed share of points
        against the model's. Items: how strongly each goes with the sum score, in SDs of replicated
        tables. Pairs: how strongly they go together given the sum score, in the same unit.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> fit = il.laplace(il.il_hte(trial, response="resp >= 2", clusters=["study"]), objective="map")
    >>> panels = il.plot.predictive(fit, draws=50)
    """
    check = _checked(found, options)
    arms = check._tables.arms
    n = len(arms) + 3
    columns = min(3, n)
    rows = -(-n // columns)
    host, panels = new_panels(ax, rows, columns, (_WIDTH * columns, _HEIGHT * rows + 0.4))
    for a, (panel, arm) in enumerate(zip(panels, arms, strict=False)):
        _sum_scores(panel, check, a, arm)
    _shares(panels[len(arms)], check)
    _slopes(panels[len(arms) + 1], check)
    _pairs(host, panels[len(arms) + 2], check)
    for panel in panels[n:]:
        panel.set_visible(False)
    band = Patch(color=GREY, alpha=0.3, linewidth=0)
    seen = Line2D([], [], color="black", marker="o", markersize=4, linewidth=1.2)
    who = "new persons" if check.persons == "new" else "the same persons"
    legend_of_panels(host, [seen, band], ["observed", f"90 % of tables of {who}, from the model"])
    return panels[:n]


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


def _sum_scores(panel: Axes, check: PredictiveCheck, a: int, arm: str) -> None:
    tables = check._tables
    score, n = tables.score[:, tables.arm == a], int((tables.arm == a).sum())
    whole = bool((tables.asked == tables.asked[0]).all())
    values = np.unique(tables.score)
    single = whole and values.size <= _MOST_SCORES
    if single:
        edges = np.append(values, np.inf)
        shares = np.array([np.histogram(each, edges)[0] for each in score]) / n
    else:  # sums of different items lie between each other: classes would be uneven
        values = np.linspace(values[0], values[-1], 2 * _MOST_SCORES)
        shares = np.array([np.searchsorted(np.sort(each), values, "right") for each in score]) / n
    low, high = np.percentile(shares[1:], _BAND, axis=0)
    step: Literal["mid"] | None = "mid" if single else None
    panel.fill_between(values, low, high, step=step, color=GREY, alpha=0.3, linewidth=0)
    mark = "o-" if single else "-"
    panel.plot(values, shares[0], mark, color="black", markersize=3, linewidth=1.0)
    panel.set_title(f"Sum scores: {plain(arm)}", fontsize="medium", loc="left")
    panel.set_xlabel("sum of points" if whole else "points above what the items asked give")
    panel.set_ylabel("share of persons" if single else "share of persons up to this score")
    panel.set_ylim(bottom=0)
    quiet(panel, "y")


def _shares(panel: Axes, check: PredictiveCheck) -> None:
    """Observed against expected share of points, a dot for each item and arm."""
    for a, arm in enumerate(check._tables.arms):
        share = check._found["items"][:, a]
        middle = share[1:].mean(axis=0)
        low, high = np.percentile(share[1:], _BAND, axis=0)
        colour = _COLOURS[a % len(_COLOURS)]
        panel.vlines(middle, low, high, color=colour, alpha=0.35, linewidth=3)
        panel.plot(middle, share[0], "os^Dv*"[a % 6], color=colour, markersize=4, label=plain(arm))
    edge = panel.get_xlim()
    panel.plot(edge, edge, color=GREY, linewidth=0.8, zorder=0)
    panel.set_xlim(edge)
    panel.set_title("Items: share of points", fontsize="medium", loc="left")
    panel.set_xlabel("expected, with 90 % of tables")
    panel.set_ylabel("observed")
    if len(check._tables.arms) > 1:
        panel.legend(frameon=False, fontsize="small", loc="upper left")
    quiet(panel, "both")


def _slopes(panel: Axes, check: PredictiveCheck) -> None:
    """How strongly each item goes with the sum score, from weakest to strongest."""
    z = item_slopes(check._found)
    order = np.argsort(z[0])
    low, high = np.percentile(z[1:][:, order], _BAND, axis=0)
    at = np.arange(order.size)
    panel.fill_betweenx(at, low, high, color=GREY, alpha=0.3, linewidth=0)
    panel.plot(z[0][order], at, "o", color="black", markersize=4)
    step = max(1, -(-order.size // 30))
    names = [plain(check._tables.items[i], 16) for i in order]
    panel.set_yticks(at[::step], names[::step], fontsize="x-small")
    panel.axvline(0.0, color=GREY, linewidth=0.8)
    panel.set_title("Items: association with the sum score", fontsize="medium", loc="left")
    panel.set_xlabel("SDs from expected (right: stronger)")
    quiet(panel, "x")


def _pairs(host: Any, panel: Axes, check: PredictiveCheck) -> None:
    """Residual association of each pair of items, in the order of the table."""
    pairs = check._found["pairs"]
    z = standardised(pairs.reshape(len(pairs), -1))[0].reshape(pairs.shape[1:])
    np.fill_diagonal(z, np.nan)
    largest = max(4.0, float(np.nanmax(np.abs(z), initial=0.0)))
    image = panel.imshow(z, cmap="PuOr_r", vmin=-largest, vmax=largest, interpolation="nearest")
    host.colorbar(image, ax=panel, shrink=0.8, label="SDs from expected")
    n = z.shape[0]
    at = np.arange(0, n, max(1, -(-n // 20)))
    panel.set_xticks(at, [plain(check._tables.items[i], 12) for i in at], rotation=90)
    panel.set_yticks(at, [plain(check._tables.items[i], 12) for i in at])
    panel.tick_params(labelsize="x-small")
    panel.set_title("Pairs: together, given the sum score", fontsize="medium", loc="left")
