"""Persons: the ability of each, exactly, given each posterior draw of everything else."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import ndtri

from ilhte_bayes.errors import ModelError, require_whole
from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.intervals import TAILS
from ilhte_bayes.fits.progress import steps
from ilhte_bayes.fits.spread_draws import SpreadDraws, Values, spread_draws, spread_samples
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.integrable import choose_group, one_dimensional, require_integrable
from ilhte_bayes.likelihood.persons import Arguments, arguments
from ilhte_bayes.likelihood.plan import Plan, make_plan
from ilhte_bayes.likelihood.unit_summaries import (
    add_probabilities,
    draw_theta,
    fine_grid,
    moment_grid,
    unit_moments,
)
from ilhte_bayes.models.ability import require_plain

# SDs from the mean between which quantiles of 2.5 % and 97.5 % are looked for
_PLACES = np.arange(1.0, 3.01, 0.4)


@dataclass(frozen=True, repr=False)
class Persons:
    """What the answers say of every person; prints as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index: the group's levels. `deviation`: the random effect, how far a person stands above
        what arm, clusters and covariates predict; `ability`: that prediction and the deviation
        together. Each with its posterior mean, `_sd`, `_lower` and `_upper` (95 %, equal-tailed),
        in logits. `answers`: how many each rests on.
    group : str
        Name of the group, `"id"` or `"school:id"`.
    n_draws : int
        Draws of the parameters that the numbers are averages over.
    notes : tuple of str
        How to read the table.
    """

    frame: pd.DataFrame
    group: str
    n_draws: int
    notes: tuple[str, ...]
    _fit: Fit = field(repr=False)

    def plausible_values(self, n: int = 10, *, seed: int = 1) -> pd.DataFrame:
        """Exact draws of every person's ability.

        Parameters
        ----------
        n : int
            Columns: one draw of ability for each of n posterior draws, spread evenly over the
            chains.
        seed : int

        Returns
        -------
        pandas.DataFrame
            (person, n), in logits. Analyse each column by itself and combine as multiply imputed
            data (Rubin's rules): means of persons would be too close together.

        Raises
        ------
        ModelError
            If n is no whole number of at least 1.
        """
        require_whole(n=n)
        draws = spread_draws(self._fit, self.group, n)
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(len(draws))[:n] if len(draws) > n else np.arange(len(draws))
        chosen = np.sort(np.resize(chosen, n))
        out = np.empty((len(self), n))
        for k, at in enumerate(steps(chosen, n, "plausible values")):
            out[:, k], _ = _one_draw(self._plan, draws[at], rng)
        return pd.DataFrame(out, index=self.frame.index, columns=pd.RangeIndex(1, n + 1))

    @cached_property
    def _plan(self) -> Plan:
        return make_plan(self._fit.model.rows, self.group)

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.frame

    def to_latex(self) -> str:
        """Return a LaTeX table (package booktabs)."""
        from ilhte_bayes.show.export import to_latex

        return to_latex(self)

    def __getitem__(self, column: str) -> pd.Series:
        return self.frame[column]

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        from ilhte_bayes.show.person_tables import describe_persons

        return describe_persons(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.person_tables import persons_html

        return persons_html(self)


def persons(fit: Fit, group: str | None = None, *, draws: int = 500) -> Persons:
    """Ability of every person, with its uncertainty.

    Given one draw of the parameters, a person's ability has a known density, whether persons were
    integrated out or sampled. Means and SDs are averages of the conditional ones over draws
    (Rao-Blackwell), and the interval belongs to the average of the conditional distributions:
    no error from drawing abilities is added. Memory does not grow with persons times draws.

    Parameters
    ----------
    fit : Fit
        Sampled; or maximised, whose parameters are then drawn from their normal approximation.
    group : str, optional
        Group of one random effect a level; by default the group that was integrated out, else
        the persons.
    draws : int
        Draws of the parameters to average over, spread evenly over the chains. 500 leave an
        error of a twentieth of that part of a person's SD that comes from the parameters.

    Returns
    -------
    Persons
        In logits.

    Raises
    ------
    ModelError
        If the group has several random effects a level, or draws are fewer than 1.

    Notes
    -----
    Moments are exact up to the grid (relative error below 1e-6), probabilities to 1e-4, limits of
    intervals to 0.005 of the person's SD. A spread of persons estimated at 0 counts as 0.01 logit.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    >>> children = il.persons(il.laplace(model, objective="map"), draws=100)
    >>> len(children)
    50
    """
    require_plain(fit.model, "persons")
    require_whole(draws=draws)
    name = person_group(fit, group)
    plan = make_plan(fit.model.rows, name)
    sampled = spread_draws(fit, name, draws)
    own = summarise(plan, sampled)
    design = fit.model.design
    level = design.group(name).level
    answers = np.bincount(level, weights=design.count, minlength=plan.n_persons).astype(int)
    frame = pd.DataFrame(
        {column: values[plan.person_unit] for column, values in own.items()},
        index=pd.Index(plan.group.labels, name=name),
    ).assign(answers=answers)
    return Persons(frame, name, len(sampled), _notes(fit, plan), fit)


def person_group(fit: Fit, group: str | None = None) -> str:
    """Name of the group whose effects have a density on a grid, given everything else."""
    model = fit.model
    require_integrable(model.design, "a person's ability given the answers")
    if group is None:
        integrated = fit.tree["posterior"].attrs.get("integrated", "") if fit.sampled else ""
        found = integrated or choose_group(model.design, "auto", person=model.roles.person, many=2)
        if not found:
            raise ModelError(
                "no group has one random effect a level, so there is no single ability of a "
                "person. fit.random_effects(group) has the effects of each group."
            )
        return found
    own = model.design.group(group)
    if not one_dimensional(model.design, own):
        raise ModelError(
            f"group {own.name} has {own.n_columns} random effects a level: there is no single "
            f"ability. fit.random_effects({own.name!r}) has each of them."
        )
    return own.name


def _notes(fit: Fit, plan: Plan) -> tuple[str, ...]:
    out = []
    if not fit.sampled:
        out.append(
            "parameters are drawn from the normal approximation at the mode; abilities given them "
            "are exact. il.sample has the posterior."
        )
    if fit.model.design.reduced:
        out.append(
            "the table was reduced: each row is a kind of persons, numbered as in Reduced.kinds; "
            "they share arm, clusters, covariates, items and sum score, and so the estimate."
        )
    if not plan.means.terms and not plan.means.columns:
        out.append(
            "nothing in the model is the same in all answers of a level: ability is the deviation "
            "alone."
        )
    return tuple(out)


def at_draw(plan: Plan, values: Values, make_grid) -> tuple[Grid, Arguments]:
    """Grid and arguments of the likelihood for one draw."""
    mean = plan.means.value(values.beta, values.effects)
    grid = make_grid(plan, mean, values.sd)
    return grid, arguments(plan, grid, values.beta, values.effects, values.sd)


def summarise(plan: Plan, draws: SpreadDraws) -> dict[str, np.ndarray]:
    """Mean, SD and interval of deviation and ability, each (unit,), averaged over draws."""
    moments = _average_moments(plan, draws)
    (deviation, deviation_sd), (ability, ability_sd) = moments["deviation"], moments["ability"]
    places = np.concatenate([-_PLACES[::-1], _PLACES])
    points = (
        ability[:, None] + ability_sd[:, None] * places,
        deviation[:, None] + deviation_sd[:, None] * places,
    )
    total = (np.zeros(points[0].shape), np.zeros(points[1].shape))
    for values in steps(draws, len(draws), "persons: intervals"):
        grid, at = at_draw(plan, values, fine_grid)
        add_probabilities(plan, grid, at, (ability, ability_sd), points, total)
    out: dict[str, np.ndarray] = {}
    for name, x, sums in zip(("ability", "deviation"), points, total, strict=True):
        lower, upper = _quantiles(x, sums / len(draws))
        mean, sd = moments[name]
        out |= {name: mean, f"{name}_sd": sd, f"{name}_lower": lower, f"{name}_upper": upper}
    return {name: out[name] for name in sorted(out, key=lambda n: not n.startswith("deviation"))}


def _average_moments(plan: Plan, draws: SpreadDraws) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean and SD of the mixture over draws."""
    n = len(draws)
    first = {name: np.zeros(plan.n_units) for name in ("deviation", "ability")}
    between = {name: np.zeros(plan.n_units) for name in first}
    within = np.zeros(plan.n_units)
    for k, values in enumerate(steps(draws, n, "persons: means")):
        grid, at = at_draw(plan, values, moment_grid)
        _, mean, variance = unit_moments(plan, grid, at)
        within += variance / n
        here = {"ability": mean, "deviation": mean - at.mean[plan.units.unit_mean]}
        for name, value in here.items():  # Welford: no difference of large sums
            change = value - first[name]
            first[name] += change / (k + 1)
            between[name] += change * (value - first[name])
    return {name: (first[name], np.sqrt(within + between[name] / n)) for name in first}


def _quantiles(points: np.ndarray, probability: np.ndarray) -> Iterable[np.ndarray]:
    """Limits of the interval, between points on the probit scale, where the curve is straight."""
    probit = ndtri(np.clip(probability, 1e-12, 1.0 - 1e-12))
    rows, half = np.arange(len(points)), points.shape[1] // 2
    for tail, part in zip(TAILS, (slice(0, half), slice(half, None)), strict=True):
        x, w, target = points[:, part], probit[:, part], ndtri(tail)
        k = np.clip((w < target).sum(axis=1) - 1, 0, half - 2)
        rise = np.maximum(w[rows, k + 1] - w[rows, k], 1e-12)
        share = np.clip((target - w[rows, k]) / rise, 0.0, 1.0)
        yield x[rows, k] + share * (x[rows, k + 1] - x[rows, k])


def _one_draw(
    plan: Plan, values: Values, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A draw of theta for each level of the group, and its mean given the rest."""
    order = np.argsort(plan.person_unit, kind="stable")
    start = np.searchsorted(plan.person_unit[order], np.arange(plan.n_units + 1))
    grid, at = at_draw(plan, values, moment_grid)
    _, mean, variance = unit_moments(plan, grid, at)
    window = (mean, np.sqrt(variance))
    grid, at = at_draw(plan, values, fine_grid)
    theta = draw_theta(plan, grid, at, window, (start, order), rng.random(plan.n_persons))
    return theta, at.mean[plan.units.unit_mean][plan.person_unit]


def effect_draws(fit: Fit, group: str, *, n: int | None = None, seed: int = 1) -> np.ndarray:
    """(draw, level, column) random effects of a group: one exact draw each if integrated out.

    Of n draws spread over the chains; of all, by default.
    """
    posterior = fit.draws["posterior"]
    if f"re_{group}" in posterior:
        chosen = slice(None) if n is None else spread_samples(posterior.to_dataset(), n)
        return np.asarray(flat(fit.draws, f"re_{group}")[chosen])
    plan = make_plan(fit.model.rows, person_group(fit, group))
    total = posterior.sizes["chain"] * posterior.sizes["draw"]
    draws = spread_draws(fit, group, total if n is None else n)
    rng = np.random.default_rng(seed)
    out = np.zeros((len(draws), plan.n_persons, len(plan.classes)))
    column = _column(plan)
    for k, values in enumerate(steps(draws, len(draws), f"effects of {group}")):
        theta, mean = _one_draw(plan, values, rng)
        out[k, np.arange(plan.n_persons), column] = theta - mean
    return out


def _column(plan: Plan) -> np.ndarray:
    """(level,) which of the group's columns each level uses."""
    of_unit = plan.units.table_class.repeat(np.diff(plan.units.unit_start))
    return np.asarray(of_unit[plan.person_unit])


def random_effects_table(fit: Fit, group: str) -> pd.DataFrame:
    """Random effects of an integrated group, in the shape of `Fit.random_effects`."""
    own = persons(fit, group)
    plan = own._plan
    index = pd.MultiIndex.from_arrays(
        [plan.group.labels, np.array(plan.classes)[_column(plan)]], names=[own.group, "term"]
    )
    sd = own.frame["deviation_sd"].to_numpy()
    return pd.DataFrame(
        {"estimate": own.frame["deviation"].to_numpy(), "sd": sd, "se": sd}, index=index
    )
