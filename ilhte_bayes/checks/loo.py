"""Leave one out: how well are a person, an answer, an item or a cluster predicted by the rest?"""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from ilhte_bayes.checks.left_out import LeftOut, left_out
from ilhte_bayes.checks.refit_left_out import exact_density
from ilhte_bayes.errors import ModelError, listed, require_whole
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.progress import steps
from ilhte_bayes.fits.spread_draws import spread_draws, spread_positions
from ilhte_bayes.models.ability import require_plain

_FEWEST = 100  # draws
_NAME = "answers"  # of the variable in group `log_likelihood`


@dataclass(frozen=True, repr=False)
class LeaveOneOut:
    """Expected log predictive density, estimated by leaving parts out; prints in words.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index: what was left out. `elpd`: its log predictive density from the rest; `p_loo`: how
        much lower than with it; `pareto_k`; `exact`: whether the model was fitted again without.
    unit : str
        "person", "response", "item" or "cluster (school)".
    question : str
        Which prediction is judged.
    n_draws : int
    good_k : float
        Largest Pareto k at which the estimate from all data can be trusted.
    problems : tuple of str
        What a reader must know before using the numbers, with what to do.
    tree : xarray.DataTree
        Groups `posterior` and `log_likelihood` (float32): `az.loo(result.tree)`.
    arviz : arviz_stats.ELPDData
        What `az.compare({"A": a.arviz, "B": b.arviz})` takes; with the refits, if any.
    """

    frame: pd.DataFrame
    unit: str
    question: str
    n_draws: int
    good_k: float
    problems: tuple[str, ...]
    tree: xr.DataTree
    arviz: Any

    @property
    def elpd(self) -> float:
        """Sum of the log predictive densities."""
        return float(self.frame["elpd"].sum())

    @property
    def se(self) -> float:
        """Standard error of `elpd`, from the scatter between parts."""
        n = len(self.frame)
        return float(np.sqrt(n) * self.frame["elpd"].std(ddof=1))

    @property
    def p_loo(self) -> float:
        """Effective number of parameters: how much leaving out costs."""
        return float(self.frame["p_loo"].sum())

    @property
    def share_bad(self) -> float:
        """Share of parts whose Pareto k is too large, those fitted again not counted."""
        return float(((self.frame["pareto_k"] > self.good_k) & ~self.frame["exact"]).mean())

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.frame

    def __repr__(self) -> str:
        from ilhte_bayes.show.loo_words import describe_loo

        return describe_loo(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.loo_words import loo_html

        return loo_html(self)


def with_log_likelihood(fit: Fit, unit: str | None = None, *, draws: int = 1000) -> xr.DataTree:
    """Draws with a group `log_likelihood`, for ArviZ: `az.loo(tree)`, `az.compare({...})`.

    Parameters
    ----------
    fit : Fit
        Sampled.
    unit : {"person", "response", "item", "cluster"} or name of a group, optional
        See `loo`.
    draws : int
        About how many, spread evenly over the chains.

    Returns
    -------
    xarray.DataTree
        `posterior` at these draws, and `log_likelihood` with one variable `answers` (chain, draw,
        unit), float32.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    >>> fit = il.sample(model, draws=100, tune=200, chains=2, progress=False)
    >>> tree = il.with_log_likelihood(fit, "ID")
    >>> dict(tree["log_likelihood"].to_dataset().sizes)
    {'chain': 2, 'draw': 100, 'ID': 50}
    """
    require_plain(fit.model, "loo")
    return _tree(fit, left_out(fit, unit), draws)


def loo(
    fit: Fit, unit: str | None = None, *, draws: int = 1000, refit: bool = False, seed: int = 1
) -> LeaveOneOut:
    """Leave-one-out cross-validation by Pareto-smoothed importance sampling.

    What is left out decides which question is answered, and abilities are never conditioned on:

    - "person": all answers of a new person. log p(y_j | items, clusters), ability integrated out.
    - "response": one answer, given the person's other answers. Answers of a person hang together
      through ability: log p(y_j) - log p(y_j without the answer) at each draw. (The version that
      conditions on a draw of ability judges something else, and fails at its tails.)
    - "item": all answers to a new item. Abilities from the other items; the item's easiness and
      effect integrated over the population of items.
    - "cluster": all answers in a new cluster, its effect integrated out too. The unit to use where
      treatment was assigned by cluster: only clusters are independent there.

    Parameters
    ----------
    fit : Fit
        Sampled.
    unit : str, optional
        One of these, or the name of a group of clusters ("school"). By default "cluster" if
        treatment was assigned by cluster, else "person".
    draws : int
        About how many posterior draws to use, spread evenly over the chains. Seconds of processor
        time for 1,000 of them, 500 persons x 20 items with a covariate: persons 1, answers 1,
        clusters 12, items 96; it grows with the answers. Take 200 for a look.
    refit : bool
        Fit the model again without each part whose Pareto k is too large: exact, one fit each.
    seed : int
        Of refits.

    Returns
    -------
    LeaveOneOut

    Raises
    ------
    ModelError
        If the fit has no posterior draws, or the unit is unknown.
    NotAvailable
        If the unit's effects cannot be integrated out.

    References
    ----------
    Vehtari, Gelman & Gabry (2017), Statistics and Computing 27(5). Merkle, Furr & Rabe-Hesketh
    (2019), Psychometrika 84(3): why abilities must be integrated out. Vehtari et al. (2024),
    J. Mach. Learn. Res. 25(72): Pareto k.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    >>> fit = il.sample(model, draws=100, tune=200, chains=2, progress=False)
    >>> found = il.loo(fit, "ID")
    >>> found.unit, len(found.frame)
    ('person', 50)
    """
    require_plain(fit.model, "loo")
    own = left_out(fit, unit)
    tree = _tree(fit, own, draws)
    found = _psis(tree)
    values = tree["log_likelihood"][_NAME].to_numpy()
    samples = values.shape[0] * values.shape[1]
    log_mean = logsumexp(values.reshape(samples, -1).astype(float), axis=0) - np.log(samples)
    elpd, k = np.asarray(found.elpd_i, dtype=float).copy(), np.asarray(found.pareto_k, dtype=float)
    bad = np.flatnonzero(~(k <= found.good_k))
    exact = np.zeros(elpd.size, dtype=bool)
    if refit:
        for at in steps(bad, bad.size, f"refits without each of {bad.size} {own.noun}s"):
            elpd[at] = exact_density(fit, own, int(at), draws=draws, seed=seed + int(at))
            exact[at] = True
        found = _updated(found, elpd, k, exact, log_mean)
    frame = pd.DataFrame(
        {"elpd": elpd, "p_loo": log_mean - elpd, "pareto_k": k, "exact": exact},
        index=pd.Index(own.labels, name=own.dim),
    )
    problems = _problems(own, frame[~exact], float(found.good_k), unit)
    return LeaveOneOut(
        frame, own.noun, own.question, samples, float(found.good_k), problems, tree, found
    )


def _tree(fit: Fit, own: LeftOut, draws: int) -> xr.DataTree:
    """Posterior and log-likelihood at spread draws."""
    if not fit.sampled:
        raise ModelError(
            "leave-one-out needs posterior draws, and this fit was maximised. Use "
            "il.sample(model); fits by maximum likelihood have .aic."
        )
    require_whole(_FEWEST, draws=draws)
    posterior = fit.tree["posterior"].to_dataset()
    if posterior.sizes["chain"] * posterior.sizes["draw"] < _FEWEST:
        raise ModelError(
            f"leave-one-out needs {_FEWEST} draws to see the tail of the weights, and this fit has "
            f"{posterior.sizes['chain'] * posterior.sizes['draw']}. Use il.sample(model)."
        )
    thinned = posterior.isel(draw=spread_positions(posterior, draws))
    chosen = spread_draws(fit, own.plan.group.name, draws)
    out = np.empty((len(chosen), own.labels.size), dtype=np.float32)
    for k, values in enumerate(steps(chosen, len(chosen), f"leaving out each {own.noun}")):
        out[k] = own.log_density(values)
    shaped = out.reshape(thinned.sizes["chain"], thinned.sizes["draw"], -1)
    loglik = xr.Dataset(
        {_NAME: (("chain", "draw", own.dim), shaped)},
        coords={"chain": thinned["chain"], "draw": thinned["draw"], own.dim: own.labels},
    )
    return xr.DataTree.from_dict({"posterior": thinned, "log_likelihood": loglik})


def _psis(tree: xr.DataTree) -> Any:
    """ArviZ's leave-one-out, without its warnings: they are said in words instead."""
    import arviz as az

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return az.loo(tree, pointwise=True, var_name=_NAME)


def _updated(
    found: Any, elpd: np.ndarray, k: np.ndarray, exact: np.ndarray, log_mean: np.ndarray
) -> Any:
    """ArviZ's record with refitted parts in place, whose Pareto k counts as 0."""
    return replace(
        found,
        elpd=float(elpd.sum()),
        se=float(np.sqrt(elpd.size) * elpd.std(ddof=1)),
        p=float((log_mean - elpd).sum()),
        elpd_i=found.elpd_i.copy(data=elpd),
        pareto_k=found.pareto_k.copy(data=np.where(exact, 0.0, k)),
        warning=bool((k[~exact] > found.good_k).any()),
    )


def _problems(
    own: LeftOut, frame: pd.DataFrame, good_k: float, unit: str | None
) -> tuple[str, ...]:
    """What to know, with what to do."""
    bad = frame.index[~(frame["pareto_k"] <= good_k)]
    if not len(bad):
        return ()
    given = f"unit={unit!r}, " if unit else ""
    return (
        f"{len(bad)} {own.noun}(s) have Pareto k above {good_k:.2f}, {listed(list(bad))}: without "
        "them the posterior would be another one, and their part of the sum cannot be trusted. "
        f"il.loo(fit, {given}refit=True) fits the model again without each of them"
        + (", which takes a while." if len(bad) > 10 else "."),
    )
