"""Probabilities at covariate values: in a typical unit, and averaged over all units."""

from functools import partial

import numpy as np
import pandas as pd
from scipy.special import expit

from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.functionals import Link, estimates
from ilhte_bayes.estimands.parameters import ParameterDraws
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.estimands.variance_shares import require_latent_logistic
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.new_values import NewRows, Values, new_rows
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.priors import is_intercept

TYPICAL, AVERAGE = "typical unit", "average over units"
# Trapezoid rule for the mean of expit(a + s Z), Z normal: with step h its error is about
# exp(-2 pi^2 / (s h)) (the integrand's poles lie at distance pi / s), below 1e-8 for SDs up to 10;
# Gauss-Hermite with as many nodes errs by 1e-4 there.
_NODES = np.linspace(-8.5, 8.5, 171)
_WEIGHTS = np.exp(-0.5 * _NODES**2) / np.exp(-0.5 * _NODES**2).sum()


def predict(fit: Fit, at: Values = None) -> Result:
    """Logits and probabilities of the answers at covariate values.

    Parameters
    ----------
    fit : Fit
        Of binary or cumulative-logit answers, by any engine.
    at : mapping or pandas.DataFrame, optional
        `{"lep": [0, 1], "treatment": 1}`: every combination; or a table, a row for each wanted.
        Covariates it leaves out are at 0, or at their reference level; the notes say which.

    Returns
    -------
    Result
        Index (covariates given, quantity, unit); `estimate`, `se`, `lower`, `upper` (95 %).
        Quantities are the logit and the probability of the upper answer; of ordinal answers the
        cumulative logits and probabilities, `P(Y <= 1)`, and each category's, `P(Y = 1)`.
        Units:

        - "typical unit": all random effects 0, the median school, person and item.
        - "average over units": the mean probability over the population of units of every level
          (random effects integrated out), what a share in the population estimates. It lies
          nearer to .5 than the typical unit's.

    Raises
    ------
    ModelError
        If items discriminate differently, or abilities are not normal.
    DataError
        If `at` names something else than covariates and levels of the table.

    Notes
    -----
    The random effects of all levels add up to one normal variable, with variance z' Sigma z summed
    over levels at these covariate values, so that the average is a one-dimensional integral.
    Intervals of a maximised fit are made on the logit scale (delta method): of a typical unit they
    are the Wald interval of the logit, transformed.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> fit = il.laplace(il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria")))
    >>> il.predict(fit, {"trt": ["placebo", "drug"]}).frame.index.names
    FrozenList(['trt', 'quantity', 'unit'])
    """
    model = fit.model
    _require_normal(model)
    rows = new_rows(model.formula, model.responses, model.design, at)
    quantities, links = _quantities(model)
    pieces = [
        estimates(fit, partial(_values, model=model, rows=rows, k=k), links)
        for k in range(len(rows.values))
    ]
    given = rows.values
    index = pd.MultiIndex.from_tuples(
        [
            (*row, *quantity)
            for row in given.itertuples(index=False, name=None)
            for quantity in quantities
        ],
        names=[*map(str, given.columns), "quantity", "unit"],
    )
    frame = pd.concat(pieces).set_index(index)
    return Result(frame, "Logits and probabilities, 95 % intervals", _notes(rows), across="unit")


def odds_ratios(fit: Fit) -> Result:
    """Odds ratio for one unit more of each column: exp of its coefficient, within a unit.

    Parameters
    ----------
    fit : Fit
        By any engine.

    Returns
    -------
    Result
        Index term, without intercept or thresholds; `odds_ratio`, `lower`, `upper` (95 %).

    Notes
    -----
    exp of a coefficient's estimate and interval: an odds ratio between answers within the same
    units, not between averages over units. Of ordinal answers it is that of being above a
    threshold, any of them; PROC GLIMMIX models being at or below it, and prints 1 over it. With
    family="adjacent" it is that of a category against the one below, with "multinomial" of the
    category named against the first.
    """
    design = fit.model.design
    table = np.exp(fit.coefficients[["estimate", "lower", "upper"]].iloc[design.n_cuts :])
    table = table[[not is_intercept(str(term)) for term in table.index]]
    table = table.rename(columns={"estimate": "odds_ratio"})
    which = "of the upper answer"
    if design.n_categories:
        which = "of each step up" if design.n_cuts else "of a category against the first"
    elif fit.model.family.ordinal:
        which = "of an answer above any threshold (PROC GLIMMIX: at or below it, 1 over these)"
    notes = ["They compare answers within the same units (random effects held fixed)."]
    if fit.model.own_slopes:
        notes.append(
            "A term with a threshold in its name is a difference of slopes: its ratio is that of the "
            "odds ratio there to the one at the first threshold."
        )
    return Result(table, f"Odds ratios {which}, 95 % intervals", tuple(notes))


def average_probability(logit: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Mean of expit(logit + u) over u ~ N(0, variance); arrays of one shape."""
    sd = np.sqrt(np.maximum(variance, 0.0))
    return np.asarray(expit(logit[..., None] + sd[..., None] * _NODES) @ _WEIGHTS)


def _require_normal(model: Model) -> None:
    require_latent_logistic(model, "predict")
    if model.ability != "normal":
        raise ModelError(
            "il.predict averages over normal random effects, and this model leaves the shape of "
            "ability free. Fit it with ability='normal', or use fit.persons()."
        )


def _quantities(model: Model) -> tuple[list[tuple[str, str]], list[Link]]:
    """(quantity, unit) of each value that `_values` returns, and its scale."""
    name, levels = model.formula.response.text, model.responses.response_coding.levels
    if not model.design.n_cuts:
        both = [(f"P({_event(model)})", unit) for unit in (TYPICAL, AVERAGE)]
        return [("logit", TYPICAL), *both], ["identity", "logit", "logit"]
    cumulative = [f"P({name} <= {level})" for level in levels[:-1]]
    single = [f"P({name} = {level})" for level in levels]
    probabilities = [(text, unit) for unit in (TYPICAL, AVERAGE) for text in [*cumulative, *single]]
    logits = [(f"logit {text}", TYPICAL) for text in cumulative]
    straight: Link = "identity"
    bounded: Link = "logit"
    links = [straight] * len(logits) + [bounded] * len(probabilities)
    return [*logits, *probabilities], links


def _event(model: Model) -> str:
    """What the probability is of: "use = Y", "resp >= 2"."""
    response = model.formula.response
    if response.comparison is not None:
        return response.text
    return f"{response.text} = {model.responses.response_coding.levels[1]}"


def _values(parameters: ParameterDraws, model: Model, rows: NewRows, k: int) -> np.ndarray:
    """(draw, quantity) at row k: logits, then probabilities of a typical and an average unit."""
    design = model.design
    if design.by_cut is None:
        eta = parameters.beta @ rows.x[k]
        average = average_probability(eta, _variance(parameters, model, rows, k, 0))
        return np.stack([eta, expit(eta), average], axis=1)
    at_cut = [rows.x[k] + rows.own[k] * (design.by_cut.cut == c) for c in range(design.n_cuts)]
    logits = parameters.beta[:, : design.n_cuts] - parameters.beta @ np.stack(at_cut, axis=1)
    variances = [_variance(parameters, model, rows, k, cut) for cut in range(design.n_cuts)]
    average = average_probability(logits, np.stack(variances, axis=1))
    return np.hstack([logits, *map(_with_categories, (expit(logits), average))])


def _with_categories(below: np.ndarray) -> np.ndarray:
    """Cumulative probabilities, (draw, cut), and beside them those of the categories."""
    ones = np.ones((len(below), 1))
    return np.hstack([below, np.diff(np.hstack([0.0 * ones, below, ones]), axis=1)])


def _variance(
    parameters: ParameterDraws, model: Model, rows: NewRows, k: int, cut: int
) -> np.ndarray:
    """(draw,) variance of all random effects together at a threshold."""
    total = np.zeros(len(parameters.beta))
    for group in model.design.groups:
        z = rows.z[group.name][k]
        z = z if group.cut_z is None else z + group.cut_z[cut]
        total += np.einsum("i,dij,j->d", z, parameters.covariance[group.name], z)
    return total


def _notes(rows: NewRows) -> tuple[str, ...]:
    notes = [f"Held: {', '.join(rows.held)}."] if rows.held else []
    return (
        *notes,
        "Typical unit: all random effects 0. Average over units: the mean probability over the "
        "population of units of every level.",
    )
