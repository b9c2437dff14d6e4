"""Simulated trials of one plan, each fitted and reduced to a few numbers.

Models are built once; a trial only replaces their answers. Searches start at the truth, in units of
the standard errors of a first fit, and end with a Hessian for the larger model alone.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from ilhte_bayes.engines.laplace import laplace
from ilhte_bayes.engines.marginal.maximise import MarginalObjective, Maximum, maximise
from ilhte_bayes.engines.marginal.warm import highest, objective_like, point, scale_of
from ilhte_bayes.engines.quadrature import quadrature
from ilhte_bayes.errors import IlhteError, ModelError
from ilhte_bayes.estimands.boundary import likelihood_ratio_p
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.intervals import TAILS
from ilhte_bayes.models.il_hte import il_hte
from ilhte_bayes.models.model import Model, with_parts
from ilhte_bayes.studies.closed_form import average_df, new_item
from ilhte_bayes.studies.simulate import true_parameters
from ilhte_bayes.studies.trial import (
    Layout,
    Trial,
    draw_answers,
    draw_effects,
    lay_out,
    long_table,
)

Engine = Literal["quadrature", "laplace"]
_TRIES = 5  # first fits, of as many simulated trials, until one ends well
_AGREE = 2e-3  # likelihood ratio below 0 by more: one of the two searches did not end


class Chunk(NamedTuple):
    """Some trials of one plan."""

    number: int  # of the plan
    trial: Trial
    seed: int
    engine: Engine
    ks: range


class Prepared(NamedTuple):
    """Models of a plan with some answers in, and first fits to start from."""

    layout: Layout
    full: Fit
    null: Fit
    person: np.ndarray  # (row,) of the full model
    item: np.ndarray
    null_person: np.ndarray
    null_item: np.ndarray


def run_chunk(chunk: Chunk) -> pd.DataFrame:
    """One row a trial: estimate, se, p of both tests, a new item's interval; or why there is none."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tables nobody will read
        try:
            prepared = prepare(chunk.trial, chunk.seed, chunk.engine)
        except (IlhteError, np.linalg.LinAlgError) as error:
            rows: list[dict] = [{"failed": _reason(error)} for _ in chunk.ks]
        else:
            rows = [_one(prepared, chunk.trial, chunk.seed, k) for k in chunk.ks]
    out = pd.DataFrame(rows)
    out.insert(0, "design", chunk.number)
    out.insert(1, "trial", list(chunk.ks))
    return out


@lru_cache(maxsize=2)
def prepare(trial: Trial, seed: int, engine: Engine) -> Prepared:
    """Build the models of a plan and fit them to a trial that is not counted."""
    layout = lay_out(trial, np.random.default_rng([seed, 0]))
    problem: Exception = ModelError("no first fit was tried.")
    for k in range(_TRIES):
        rng = np.random.default_rng([seed, 0, k])
        table = long_table(
            trial, layout, draw_answers(trial, layout, draw_effects(trial, rng), rng)
        )
        # items alike in discrimination are what is fitted by maximum likelihood, whatever the truth
        options = trial.options | {"discrimination": None}
        try:
            models = [il_hte(table, effects=e, **options) for e in ("item", "constant")]
            fit = quadrature if engine == "quadrature" else laplace
            full, null = (fit(model) for model in models)
        except (IlhteError, np.linalg.LinAlgError) as error:
            problem = error
            continue
        return Prepared(layout, full, null, *_cells(full.model), *_cells(null.model))
    raise problem


def _cells(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """(row,) number of person and of item, as they stand in the trial."""
    person, item = model.design.group("id"), model.design.group("item")
    ids = np.array([int(str(label).split(":")[-1]) - 1 for label in person.labels])
    names = np.array([int(str(label)[1:]) - 1 for label in item.labels])
    return ids[person.level], names[item.level]


def with_scores(model: Model, score: np.ndarray) -> Model:
    """The model with other answers to the same questions, one each."""
    return with_parts(
        model,
        responses=replace(model.responses, score=score),
        design=replace(model.design, score=score),
    )


def _one(prepared: Prepared, trial: Trial, seed: int, k: int) -> dict[str, Any]:
    """Simulate, fit and test trial k."""
    rng = np.random.default_rng([seed, k + 1])
    layout = prepared.layout
    drawn = draw_effects(trial, rng)
    answers = draw_answers(trial, layout, drawn, rng)
    full = with_scores(prepared.full.model, answers[prepared.person, prepared.item])
    null = with_scores(prepared.null.model, answers[prepared.null_person, prepared.null_item])
    truth = true_parameters(trial, layout, drawn)
    try:
        target = objective_like(prepared.full, full)
        begin = point(target, truth), scale_of(target, prepared.full.mode)
        found = maximise(target, begin)
        smaller = objective_like(prepared.null, null)
        constant = truth.assign(sd_item=truth["sd_item"][:1]).drop_vars("corr_item")
        low = highest(smaller, point(smaller, constant), scale_of(smaller, prepared.null.mode))
    except (IlhteError, np.linalg.LinAlgError) as error:
        return {"failed": _reason(error)}
    if not found.converged:
        return {"failed": "the search for the maximum did not end"}
    if not low.converged or found.value < low.value - _AGREE:
        return {"failed": "the search for the maximum without item effects did not end"}
    return _numbers(target, found, low.value, trial)


def _reason(error: Exception) -> str:
    """First sentence of an error."""
    return f"{type(error).__name__}: {str(error).split('. ')[0]}"


def _numbers(
    target: MarginalObjective, found: Maximum, null: float, trial: Trial
) -> dict[str, Any]:
    """What is kept of one fit."""
    at = target.design.terms.index("treat")
    estimate, se = float(found.psi[at]), float(np.sqrt(found.covariance[at, at]))
    ratio = max(2.0 * (found.value - null), 0.0)
    spread = float(np.sum(found.psi[_row_of_slope(target)] ** 2))
    df = average_df(trial, spread, se)
    half = float(stats.t.ppf(TAILS[1], df)) * se
    lower, upper = new_item(trial, estimate, spread, se)
    return {
        "estimate": estimate,
        "se": se,
        "df": df,
        "p": float(2.0 * stats.t.sf(abs(estimate) / se, df)),
        "covers": abs(estimate - trial.effect) <= half,
        "sigma_zeta": np.sqrt(spread),
        "lr": ratio,
        "p_items": likelihood_ratio_p(ratio, 2, 1),
        "width": upper - lower,
        "covers_new": _share_inside(trial, lower, upper),
        "failed": "",
    }


def _row_of_slope(target: MarginalObjective) -> np.ndarray:
    """Coordinates whose squares add up to sigma_zeta^2: a row of the covariance factor."""
    k = [group.name for group in target.plan.groups].index("item")
    c, group = target.coordinates[k], target.plan.groups[k]
    mark = np.zeros((group.n_columns,) * 2)
    mark[group.columns.index("treat")] = 1.0
    return target.parts[k + 1].start + np.flatnonzero(c.from_factor(np.tril(mark)))


def _share_inside(trial: Trial, low: float, high: float) -> float:
    """Probability that a new item's effect lies within these limits."""
    if trial.sigma_zeta == 0.0:
        return float(low <= trial.effect <= high)
    edges = (np.array([low, high]) - trial.effect) / trial.sigma_zeta
    return float(np.diff(stats.norm.cdf(edges))[0])
