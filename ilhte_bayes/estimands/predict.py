"""Probabilities at covariate values, in new or known units, typical or averaged over."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from ilhte_bayes.estimands.chances import (
    chances,
    integration_error,
    logit_names,
    logits,
    quantities_of,
)
from ilhte_bayes.estimands.functionals import Link
from ilhte_bayes.estimands.item_sample import normal_words
from ilhte_bayes.estimands.joint_draws import JointDraws, joint_draws, joint_estimates
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.estimands.settings import (
    UNITS,
    Average,
    Setting,
    make_settings,
    read_average,
    read_newdata,
    setting_words,
)
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.new_values import Values
from ilhte_bayes.models.ability import require_plain

TYPICAL, AVERAGE, OBSERVED = UNITS["typical"], UNITS["population"], UNITS["observed"]
OBSERVED_DRAWS = 1_000  # to average over where every answer is predicted: error 3 % of an SE


def predict(
    fit: Fit,
    newdata: Values = None,
    *,
    average: Average | Sequence[Average] = ("typical", "population"),
) -> Result:
    """Probabilities of the answers at values of covariates, for known or new persons, items, ...

    Parameters
    ----------
    fit : Fit
        By any engine and of any family; items that discriminate alike, normal abilities.
    newdata : mapping or pandas.DataFrame, optional
        `{"lep": [0, 1], "treatment": 1}`: every combination; or a table, a row for each wanted.
        Groups may be named too, `{"item": ["q1", "q7"]}`: of levels in the table the estimated
        effects are used, with their uncertainty; others are new units.
    average : {"population", "typical", "observed"}, or several of these
        What happens to all that `newdata` does not name:

        - "population": averaged over. Random effects over their normal distributions, covariates
          over the answers of the table. What a share in the population estimates; it lies nearer
          to .5 than the typical unit's.
        - "typical": random effects are 0 (the median school, person and item), covariates 0 or at
          their reference level.
        - "observed": averaged over the answers of the table, each with its own covariates and
          with the effects estimated for its own person, item, ...

    Returns
    -------
    Result
        Index (columns of newdata, quantity, unit); `estimate`, `se`, `lower`, `upper` (95 %).
        Quantities are probabilities of each answer; of ordinal answers also cumulative ones,
        `P(Y <= 1)`, and the expected score (categories count 0, 1, ...); for typical units also
        logits. Notes say what was averaged over.

    Raises
    ------
    DataError
        If `newdata` names something else than covariates, groups and levels of the table.
    NotAvailable
        If items discriminate differently, or the shape of abilities was left free.

    Notes
    -----
    Random effects of all levels add up to one normal variable (of adjacent and multinomial answers,
    to a vector), so that averages are integrals of one (or K - 1) dimensions: see
    `estimands.averages`. Intervals of a maximised fit are made on the logit scale (delta method);
    where effects of known levels enter, they are quantiles of draws from its normal approximation.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> fit = il.laplace(il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria")))
    >>> il.predict(fit, {"trt": ["placebo", "drug"]}).frame.index.names
    FrozenList(['trt', 'quantity', 'unit'])
    """
    model = fit.model
    require_plain(model, "predict")
    averages = [read_average(a) for a in ([average] if isinstance(average, str) else average)]
    given = read_newdata(model, newdata)
    pieces, notes = [], []
    for each in averages:
        settings = make_settings(model, given.to_dict("records"), each)
        pieces.append(_frame(fit, given, settings, each))
        notes += setting_words(model, given, each)
        notes += [note for note in draw_words(fit, settings) if note not in notes]
    row = np.concatenate([np.arange(len(p)) // (len(p) // len(given)) for p in pieces])
    notes += normal_words(fit)
    frame = pd.concat(pieces).iloc[np.argsort(row, kind="stable")]
    across = "unit" if frame.index.is_unique else ""
    return Result(frame, "Predicted answers, 95 % intervals", tuple(notes), across=across)


def _frame(
    fit: Fit, given: pd.DataFrame, settings: list[Setting], average: Average
) -> pd.DataFrame:
    """Estimates of every quantity in every setting."""
    model, made = fit.model, quantities_of(fit.model)
    names, links = list(made.names), list(made.links)
    if average == "typical":
        extra = logit_names(model)
        straight: Link = "identity"
        names, links = [*extra, *names], [*[straight] * len(extra), *links]

    def values(draws: JointDraws) -> np.ndarray:
        columns = []
        for setting in settings:
            columns += [logits(model, setting, draws)] if average == "typical" else []
            columns.append(chances(model, setting, draws) @ made.weights.T)
        return np.hstack(columns)

    rows = list(given.itertuples(index=False, name=None))
    index = [(*row, name, UNITS[average]) for row, name in product(rows, names)]
    frame = joint_estimates(fit, values, links * len(rows), *draws_wanted(settings))
    frame.index = pd.MultiIndex.from_tuples(
        index, names=[*map(str, given.columns), "quantity", "unit"]
    )
    return frame


def draws_wanted(settings: list[Setting]) -> tuple[list[str], int | None]:
    """Groups whose random effects are needed, and how many draws (None for all)."""
    groups = list(dict.fromkeys(name for setting in settings for name in setting.levels))
    many = any(setting.pattern.size > 1 and setting.levels for setting in settings)
    return groups, OBSERVED_DRAWS if many else None


def draw_words(fit: Fit, settings: list[Setting]) -> list[str]:
    """How the numbers were made, where that matters: draws of a maximised fit, random points."""
    groups, n = draws_wanted(settings)
    words = []
    if groups and not fit.sampled:
        words.append(
            f"With estimated effects: means and quantiles of {n or 2000:,} draws from the normal "
            "approximation at the mode."
        )
    if fit.model.design.n_categories:
        one = joint_draws(fit, groups, n=1)
        one = JointDraws(one.beta[:1], *(_first(v) for v in (one.covariance, one.effects)))
        error = integration_error(fit.model, settings, one)
        if error:
            words.append(
                "Averages over random effects are by quasi-Monte Carlo, 4,096 points: standard "
                f"error {error:.1g}."
            )
    return words


def _first(draws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values[:1] for name, values in draws.items()}
