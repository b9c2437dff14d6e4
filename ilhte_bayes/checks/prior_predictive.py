"""Prior predictive: what tables of answers do the priors expect, before any are seen?"""

import numpy as np
import pandas as pd

from ilhte_bayes.errors import NotAvailable, require_whole
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.models.ability import require_plain
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.prior_draws import draw_from_prior
from ilhte_bayes.models.reduced import require_persons
from ilhte_bayes.models.simulated import linear_predictor, questions, thresholds

_RESIDUAL = np.pi**2 / 3  # variance of a logistic error
_LEVELS = (0.05, 0.5, 0.95)


def prior_predictive(model: Model, *, draws: int = 200, seed: int = 1) -> Result:
    """Summarise tables of answers that the priors alone would give to the same questions.

    Parameters
    ----------
    model : Model
    draws : int
    seed : int

    Returns
    -------
    Result
        Rows: share of points in the table; lowest and highest item's share; SD over persons of
        their share; share of the logit variance that each group's intercept has (intraclass
        correlation, residual pi^2 / 3). Columns: quantiles over the tables, and the observed `table`.

    Raises
    ------
    ModelError
        If a prior is flat.
    NotAvailable
        If answers have no order.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> model = il.il_hte(trial, response="resp >= 2", clusters=["study"])
    >>> found = il.prior_predictive(model, draws=20)
    >>> list(found.frame.columns)
    ['5 %', '50 %', '95 %', 'table']
    """
    require_plain(model, "prior_predictive")
    if model.family.nominal:
        raise NotAvailable(
            "prior_predictive speaks of shares of points, and family='multinomial' has no order. "
            "Compare the response with one answer, family='bernoulli'."
        )
    require_whole(draws=draws)
    require_persons(model, "il.prior_predictive")
    rng, rows = np.random.default_rng(seed), []
    design = model.design
    first, total = questions(design)
    for _ in range(draws):
        drawn = draw_from_prior(model, rng)
        eta = linear_predictor(design, drawn)[first]
        counts = model.family.draw(eta, thresholds(design, drawn, first), total, rng)
        rows.append(_shares(model, first, counts) | _correlations(model, drawn))
    quantiles = pd.DataFrame(rows).quantile(list(_LEVELS)).T
    observed = np.zeros((first.size, model.responses.n_categories))
    question = np.searchsorted(first, np.arange(design.n_rows), side="right") - 1
    np.add.at(observed, (question, design.score), design.count)
    seen = _shares(model, first, observed)
    frame = pd.DataFrame(
        {
            "5 %": quantiles[0.05],
            "50 %": quantiles[0.5],
            "95 %": quantiles[0.95],
            "table": [seen.get(name, np.nan) for name in quantiles.index],
        }
    )
    return Result(
        frame.rename_axis("quantity"),
        f"What the priors expect of a table of answers ({draws} tables drawn)",
        (
            "5 %, 50 %, 95 %: quantiles over the tables drawn from the priors. table: the one at hand, "
            "where it can be counted.",
            "A table far outside says that priors and answers disagree; priors that put most tables "
            "near 0 or 1 say that they were not meant.",
        ),
        topic="checks",
    )


def _shares(model: Model, first: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    """Shares of the points that could be had: in all, by item, and their SD over persons."""
    design, top = model.design, counts.shape[1] - 1
    points, possible = counts @ np.arange(top + 1), counts.sum(axis=1) * top
    out = {"share of points": float(points.sum() / possible.sum())}
    names = {group.variables[-1]: group for group in design.groups}
    if (item := names.get(str(model.roles.item))) is not None:
        own = _by_level(item.level[first], points, possible)
        out |= {"lowest item": float(own.min()), "highest item": float(own.max())}
    if (person := names.get(str(model.roles.person))) is not None:
        out["SD over persons"] = float(_by_level(person.level[first], points, possible).std())
    return out


def _by_level(level: np.ndarray, points: np.ndarray, possible: np.ndarray) -> np.ndarray:
    return np.asarray(np.bincount(level, points) / np.maximum(np.bincount(level, possible), 1.0))


def _correlations(model: Model, drawn) -> dict[str, float]:
    """Share of each group's intercept in the variance of the logits."""
    sd = {}
    for group in model.design.groups:
        if "Intercept" in group.columns:
            at = group.columns.index("Intercept")
            sd[group.name] = float(drawn[f"sd_{group.name}"].to_numpy()[at])
    total = sum(value**2 for value in sd.values()) + _RESIDUAL
    return {f"variance share of {name}": value**2 / total for name, value in sd.items()}
