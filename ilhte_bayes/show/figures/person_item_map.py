"""Persons and items on one scale (a Wright map), in both arms."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ilhte_bayes.estimands.persons import persons
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.intervals import TAILS
from ilhte_bayes.formulas.contrasts import Contrast
from ilhte_bayes.show.figures import curves
from ilhte_bayes.show.figures.canvas import LONGEST, chosen_contrast, cut
from ilhte_bayes.show.figures.drawing import (
    REFERENCE,
    TREATED,
    Axis,
    Backend,
    Band,
    Drawing,
    Line,
    Look,
    Mark,
    Panel,
    Points,
    Size,
    draw,
    stairs,
)
from ilhte_bayes.show.people import arms_of

_N_VALUES = 40  # plausible values of each person
_N_BINS = 30


def person_item_map(
    fit: Fit,
    *,
    contrast: str | None = None,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw where persons are and where items are, on one scale: a Wright map by arm.

    Parameters
    ----------
    fit : Fit
        With one ability a person (see `il.persons`).
    contrast : str, optional
        With several arms, the one to draw, `"drug v placebo"`; the first by default.
    ax : matplotlib.axes.Axes, optional
        Axes whose place the panels take; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        The upper panel; `.figure` holds both. Above: the share of persons along ability, from 40
        plausible values of each (estimates of single persons would lie too close together), with
        95 % of what the values say. Below: an item stands where a person of its arm gives the
        answer with probability one half, of ordinal answers each threshold, with 95 % intervals;
        easy items left. Ability is counted from the average of the arm, so that all of a
        treatment's effect is in the items.

    Raises
    ------
    ModelError
        If persons have several abilities.
    NotAvailable
        For multinomial answers, and for slopes that differ by threshold.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> fit = il.laplace(il.il_hte(trial, response="resp >= 2", clusters=["study"]), objective="map")
    >>> ax = il.plot.person_item_map(fit)
    """
    curves.require_curves(fit, "person-item maps")
    chosen = chosen_contrast(fit, contrast)
    logits = curves.item_logits(fit, chosen)
    names = curves.arm_names(fit, chosen)
    people = _people(fit, chosen, names)
    items, ticks, above = _items(logits, names)
    longest = max(len(name) for _, name in ticks)
    words = "Ability, and place of the item (logits from the average of the arm)"
    y = Axis("Item", (-0.7, len(ticks) - 0.3), ticks)
    drawing = Drawing(
        (
            Panel(tuple(people), Axis(), Axis("Persons (share a logit)", (0.0, None))),
            Panel(tuple(items), Axis(words, grid=True), y, title=above),
        ),
        (5.4 + 0.06 * max(0, longest - 8), 2.6 + 0.27 * len(ticks)),
        1,
        shared_x=True,
        heights=(1.4, max(1.2, 0.27 * len(ticks))),
        legend_columns=2,
    )
    return draw(drawing, ax=ax, backend=backend, size=size)


def _people(fit: Fit, contrast: Contrast, names: tuple[str, str]) -> list[Mark]:
    """Distribution of ability in each arm; of all where persons were in several arms."""
    own = persons(fit, draws=_N_VALUES)
    values = own.plausible_values(_N_VALUES).to_numpy()
    arm = _arm_of_persons(fit, own.group, contrast)
    parts = [values] if arm is None else [values[arm == k] for k in (0, 1)]
    parts = [part - part.mean(axis=0) for part in parts]
    edges = np.linspace(min(p.min() for p in parts), max(p.max() for p in parts), _N_BINS + 1)
    looks = (Look(TREATED.colour),) if arm is None else (REFERENCE, TREATED)
    called = ("all persons",) if arm is None else tuple(f"persons, {name}" for name in names)
    marks: list[Mark] = []
    for part, look, words in zip(parts, looks, called, strict=True):
        share = np.stack([np.histogram(column, edges, density=True)[0] for column in part.T])
        x, middle = stairs(edges, share.mean(axis=0))
        low, high = (stairs(edges, end)[1] for end in np.quantile(share, TAILS, axis=0))
        marks.append(Band(x, low, high, look, words, shade=0.18))
        marks.append(Line(x, middle, look, words, width=1.2))
    return marks


def _arm_of_persons(fit: Fit, group: str, contrast: Contrast) -> np.ndarray | None:
    """(person,) 0 in the reference arm, 1 in the other, 2 elsewhere; None where arms change."""
    arms = arms_of(fit.model)
    if arms is None:
        return None
    level = fit.model.design.group(group).level
    first = np.zeros(level.max() + 1, dtype=int)
    first[level] = arms.of_row
    if np.any(first[level] != arms.of_row):
        return None
    reference, treated = curves.contrast_arms(fit.model, contrast)
    place = {reference: 0, treated: 1}
    return np.array([place.get(word, 2) for word in arms.words])[first]


def _items(
    logits: curves.ItemLogits, names: tuple[str, str]
) -> tuple[list[Mark], tuple[tuple[float, str], ...], str]:
    """Places of items in both arms, names of rows, and what else to know."""
    n_items, n_cuts = logits.cuts.shape[1:]
    places = [(logits.cuts - level[:, :, None]) / logits.slope[:, :, None] for level in logits.arms]
    order = np.argsort(np.median(places[0], axis=0).mean(axis=1), kind="stable")
    labels = [cut(logits.items[k], LONGEST) for k in order]
    what = "thresholds" if n_cuts > 1 else "items"
    marks: list[Mark] = []
    for values, look, name, shift in zip(
        places, (REFERENCE, TREATED), names, (-0.14, 0.14), strict=True
    ):
        low, middle, high = (part[order].ravel() for part in curves.band(values))
        rows = np.repeat(np.arange(n_items), n_cuts) + shift
        numbered = [f", threshold {k + 1}" if n_cuts > 1 else "" for k in range(n_cuts)]
        points = tuple(f"{logits.items[k]}, {name}{own}" for k in order for own in numbered)
        words = f"{what}, {name}, 95 % intervals"
        marks.append(Points(middle, rows, look, (low, high), names=points, words=words, size=4.0))
    above = "Intervals are too narrow: SD of effects at 0" if logits.too_narrow else ""
    return marks, tuple(enumerate(labels)), above
