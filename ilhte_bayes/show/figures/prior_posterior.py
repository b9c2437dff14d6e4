"""What was believed of the main parameters before the answers were seen, and what after."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import beta as beta_distribution
from scipy.stats import gaussian_kde

from ilhte_bayes.errors import ModelError, plural
from ilhte_bayes.estimands.items import changes_by_item, treatment_contrasts
from ilhte_bayes.estimands.parameters import parameter_draws
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.models.distributions import LKJ, Flat, Prior
from ilhte_bayes.show.figures.canvas import cut
from ilhte_bayes.show.figures.drawing import (
    QUIET,
    TREATED,
    Axis,
    Backend,
    Band,
    Drawing,
    Line,
    Look,
    Mark,
    Panel,
    Rule,
    Size,
    draw,
)
from ilhte_bayes.show.model_words import part_words
from ilhte_bayes.show.words import term_words, unit_word

MOST_PANELS = 9
_PRIOR = Look(QUIET.colour, dash="--")
_FIXED = 1e-9  # draws with a smaller spread stand at an edge


def prior_posterior(
    fit: Fit,
    *,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw prior and posterior densities of the main parameters.

    The treatment's coefficients, the SDs of persons, clusters, easiness and effects, and their
    correlations: up to nine.

    Parameters
    ----------
    fit : Fit
        MAP (the normal approximation's draws) or NUTS; maximum likelihood uses no prior.
    ax : matplotlib.axes.Axes, optional
        Axes whose place the panels take; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        The first panel; `.figure` holds them all.

    Raises
    ------
    ModelError
        For a fit by maximum likelihood.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> fit = il.laplace(il.il_hte(trial, response="resp >= 2", clusters=["study"]), objective="map")
    >>> ax = il.plot.prior_posterior(fit)
    """
    if fit.objective == "ml":
        raise ModelError(
            "maximum likelihood uses no prior, so there is none to set beside the estimates. "
            "Fit il.laplace(model, objective='map') or il.sample(model)."
        )
    parameters = list(_parameters(fit))[:MOST_PANELS]
    columns = min(2, len(parameters))
    rows = -(-len(parameters) // columns)
    after = "posterior" if fit.sampled else "posterior (normal approximation)"
    drawing = Drawing(
        tuple(_panel(parameter, after) for parameter in parameters),
        (0.6 + 2.5 * columns, 0.9 + 1.5 * rows),
        columns,
        y_label="Density",
        legend_columns=2,
    )
    return draw(drawing, ax=ax, backend=backend, size=size)


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One parameter: what it is in words, its prior, its draws, the range it lives in."""

    words: str
    prior: Prior
    draws: np.ndarray
    lowest: float
    highest: float
    columns: int = 2  # of the correlation matrix it belongs to


def _parameters(fit: Fit) -> Iterator[_Parameter]:
    parameters = parameter_draws(fit)
    yield from _coefficients(fit, parameters.beta)
    groups = sorted(fit.model.design.groups, key=lambda g: g.name == _item(fit))  # items last
    for group in groups:
        draws = _sds(parameters.covariance[group.name])
        for at, column in enumerate(group.columns):
            prior = fit.model.priors[f"sd_{group.name}[{column}]"]
            words = f"{_sd_words(fit, group, column)}\n{_over(fit, group)} (logits)"
            yield _Parameter(words, prior, draws[:, at], 0.0, np.inf)
    for group in groups:
        covariance = parameters.covariance[group.name]
        sd = _sds(covariance)
        for block in group.blocks:
            for at, i in enumerate(block):
                for j in block[:at]:
                    draws = covariance[:, i, j] / np.maximum(sd[:, i] * sd[:, j], _FIXED)
                    words = _corr_words(fit, group, group.columns[j], group.columns[i])
                    prior = fit.model.priors[f"corr_{group.name}"]
                    yield _Parameter(words, prior, draws, -1.0, 1.0, len(block))


def _sds(covariance: np.ndarray) -> np.ndarray:
    """(draw, column) SDs."""
    return np.sqrt(np.maximum(np.einsum("dii->di", covariance), 0.0))


def _coefficients(fit: Fit, draws: np.ndarray) -> Iterator[_Parameter]:
    """Coefficients that the treatment changes."""
    if fit.model.roles.treatment is None or fit.model.family.nominal:
        return
    contrasts = treatment_contrasts(fit)
    changed = np.zeros(len(fit.model.design.terms), dtype=bool)
    for contrast in contrasts:
        changed |= np.any(changes_by_item(fit, _any_group(fit), contrast).fixed != 0, axis=0)
    for at in np.flatnonzero(changed):
        term = fit.model.design.terms[at]
        words = f"Coefficient of\n{cut(term_words(term), 24)} (logits)"
        yield _Parameter(words, fit.model.priors[f"beta[{term}]"], draws[:, at], -np.inf, np.inf)


def _any_group(fit: Fit) -> str:
    return _item(fit) or fit.model.design.groups[0].name


def _item(fit: Fit) -> str | None:
    try:
        return require_group(fit, "item")
    except ModelError:
        return None


def _sd_words(fit: Fit, group: Group, column: str) -> str:
    """First line of a label."""
    if group.split and group.variables[-1] == fit.model.roles.person:
        return f"SD of ability, {cut(part_words(column), 18)}"
    if column in group.shapes:
        return f"SD of the thresholds' {column}"
    if column != "Intercept":
        return f"SD of slopes of {cut(term_words(column), 18)}"
    known = {fit.model.roles.item: "SD of easiness", fit.model.roles.person: "SD of ability"}
    return known.get(group.variables[-1], "SD of levels")


def _over(fit: Fit, group: Group) -> str:
    """Second line of a label."""
    return f"over {cut(plural(unit_word(fit.model, group)), 20)}"


def _corr_words(fit: Fit, group: Group, first: str, second: str) -> str:
    def word(column: str) -> str:
        if column != "Intercept":
            return cut(term_words(column), 18)
        return "easiness" if group.variables[-1] == fit.model.roles.item else "level"

    return f"Correlation of {word(first)}\nand {word(second)} {_over(fit, group)}"


def _panel(parameter: _Parameter, after: str) -> Panel:
    draws = parameter.draws
    low, high = _range(parameter)
    marks: list[Mark] = []
    fixed = np.ptp(draws) < _FIXED
    if fixed:
        marks.append(Rule(float(draws[0]), look=TREATED, width=1.5))
    else:
        grid = np.linspace(max(low, draws.min()), min(high, draws.max()), 200)
        density = _density(draws, grid, parameter)
        marks.append(Band(grid, np.zeros_like(density), density, words=after, shade=0.25))
        marks.append(Line(grid, density, words=after))
    if not isinstance(parameter.prior, Flat):
        grid = np.linspace(low, high, 300)
        marks.append(Line(grid, _prior_density(parameter, grid), _PRIOR, "prior"))
    note = "at the edge: no spread" if fixed else ""
    x, y = Axis(parameter.words, (low, high)), Axis(limits=(0.0, None), ticks=())
    return Panel(tuple(marks), x, y, note=note)


def _density(draws: np.ndarray, at: np.ndarray, parameter: _Parameter) -> np.ndarray:
    """Kernel density, reflected at the ends of the range so that no mass leaks out."""
    kernel = gaussian_kde(draws)
    ends = [end for end in (parameter.lowest, parameter.highest) if np.isfinite(end)]
    return np.asarray(kernel(at) + sum(kernel(2.0 * end - at) for end in ends))


def _prior_density(parameter: _Parameter, at: np.ndarray) -> np.ndarray:
    prior = parameter.prior
    if isinstance(prior, LKJ):  # one correlation of a matrix: a beta distribution on (-1, 1)
        shape = prior.eta - 1.0 + parameter.columns / 2.0
        return np.asarray(beta_distribution.pdf((at + 1.0) / 2.0, shape, shape) / 2.0)
    inside = np.maximum(at, 1e-6) if parameter.lowest == 0.0 else at
    return np.asarray(np.exp(prior.log_density(inside)))


def _range(parameter: _Parameter) -> tuple[float, float]:
    """Where most of the prior and all of the posterior lie."""
    if np.isfinite(parameter.highest):
        return parameter.lowest, parameter.highest
    low, high = np.quantile(parameter.draws, [0.001, 0.999])
    room = 0.15 * (high - low) + 0.05
    if parameter.lowest == 0.0:
        return 0.0, max(high + room, _mass_below(parameter, 0.9))
    centre = float(np.median(parameter.draws))
    reach = 2.0 * float(getattr(parameter.prior, "sd", high - low))
    middle = float(getattr(parameter.prior, "mean", centre))
    return min(low - room, middle - reach), max(high + room, middle + reach)


def _mass_below(parameter: _Parameter, share: float) -> float:
    """Quantile of a prior on an SD, by adding up its density."""
    if isinstance(parameter.prior, Flat):
        return 0.0
    grid = np.geomspace(1e-4, 1e3, 4000)
    mass = np.cumsum(_prior_density(parameter, grid) * np.gradient(grid))
    return float(grid[np.searchsorted(mass, share * mass[-1])])
