"""Models side by side: which predicts what was left out best, and by how much?"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ilhte_bayes.checks.loo import LeaveOneOut, loo
from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.fit import Fit

_SMALL_DIFFERENCE = 4.0  # on the log scale; below, standard errors cannot be trusted (see Sivula)


def loo_table(
    fits: Mapping[str, Fit | LeaveOneOut], unit: str | None = None, *, draws: int = 1000
) -> Result:
    """Compare models of the same answers by leave-one-out cross-validation.

    Parameters
    ----------
    fits : mapping
        Name -> sampled fit, or what `il.loo` gave (with refits, if need be).
    unit : {"person", "response", "item", "cluster"} or name of a group, optional
        What is left out: new persons, single answers of known persons, new items, new clusters;
        by default as in `il.loo`.
    draws : int
        About how many posterior draws of each fit to use.

    Returns
    -------
    Result
        Best first. `elpd`: expected log predictive density, higher is better; `difference` from
        the best and its `se`, from differences part by part; `p_loo`: effective number of
        parameters; `bad`: parts whose Pareto k is too large.

    Raises
    ------
    ModelError
        If fewer than two models are given, they are not fits by NUTS, or not of the same answers.

    References
    ----------
    Vehtari, Gelman & Gabry (2017), Statistics and Computing 27(5). Sivula, Magnusson, Matamoros &
    Vehtari (2025), Bayesian Analysis: when the standard error of a difference can be trusted.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    >>> few = {"draws": 100, "tune": 200, "chains": 2, "progress": False}
    >>> with_drug = il.sample(model, **few)
    >>> without = il.sample(il.Model("yy ~ late + (1 | ID)", il.load_dataset("bacteria")), **few)
    >>> found = il.loo_table({"drug": with_drug, "no drug": without}, unit="ID")
    >>> list(found.frame.columns)
    ['elpd', 'elpd_se', 'difference', 'difference_se', 'p_loo', 'bad']
    """
    if len(fits) < 2:
        raise ModelError(
            f"il.loo_table compares models, and got {len(fits)}. Give two or more, "
            "il.loo_table({'A': fit_a, 'B': fit_b})."
        )
    _require_same_answers({n: f for n, f in fits.items() if isinstance(f, Fit)})
    found = {
        name: fit if isinstance(fit, LeaveOneOut) else loo(fit, unit, draws=draws)
        for name, fit in fits.items()
    }
    parts = _aligned(found)
    best = str(max(found, key=lambda name: found[name].elpd))
    rows = {}
    for name, each in found.items():
        difference = parts[name] - parts[best]
        n = len(difference)
        rows[name] = {
            "elpd": each.elpd,
            "elpd_se": each.se,
            "difference": float(difference.sum()),
            "difference_se": float(np.sqrt(n) * difference.std(ddof=1)) if name != best else 0.0,
            "p_loo": each.p_loo,
            "bad": round(each.share_bad * n),
        }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    frame = frame.sort_values("elpd", ascending=False, kind="stable")
    left_out = found[best].unit
    title = f"Models compared by leaving out each {left_out} ({len(parts[best]):,} of them)"
    return Result(frame, title, tuple(_notes(frame, found[best], left_out)), topic="checks")


def _require_same_answers(fits: dict[str, Fit]) -> None:
    prints = {name: (fit.n_obs, _response(fit)) for name, fit in fits.items()}
    if len({*prints.values()}) > 1:
        told = [f"{name} ({n:,} answers of {response})" for name, (n, response) in prints.items()]
        raise ModelError(
            f"the models are of different answers: {listed(told)}. Predictions of different things "
            "cannot be compared; fit all of them to the same rows and response."
        )


def _response(fit: Fit) -> str:
    return fit.model.formula.response.text


def _aligned(found: Mapping[str, LeaveOneOut]) -> dict[str, np.ndarray]:
    """Densities of the same parts in the same order."""
    first = next(iter(found.values()))
    out = {}
    for name, each in found.items():
        if each.unit != first.unit or not each.frame.index.equals(first.frame.index):
            raise ModelError(
                f"model {name!r} leaves out other parts ({len(each.frame):,}, one {each.unit} at a "
                f"time) than the first ({len(first.frame):,}, one {first.unit} at a time). Give fits "
                "of the same rows, and the same unit= for all."
            )
        out[name] = each.frame["elpd"].to_numpy()
    return out


def _notes(frame: pd.DataFrame, best: LeaveOneOut, unit: str) -> list[str]:
    """How to read the table, and what the differences say."""
    notes = [
        f"{best.question[:1].upper()}{best.question[1:]}",
        "elpd: expected log predictive density, higher is better. difference: from the best model, "
        f"with its standard error (over {unit}s, the same ones in both). p_loo: effective number of "
        f"parameters. bad: {unit}s whose Pareto k is too large.",
    ]
    for name, row in frame.iloc[1:].iterrows():
        gap, se = -row["difference"], row["difference_se"]
        if gap < _SMALL_DIFFERENCE:
            notes.append(
                f"{name} predicts as well as {frame.index[0]}: a difference below "
                f"{_SMALL_DIFFERENCE:g} decides nothing. Prefer the simpler, or the one that answers "
                "your question."
            )
        elif gap < 2.0 * se:
            notes.append(
                f"{name} may predict worse than {frame.index[0]}, but {gap:.1f} is less than twice "
                "its standard error."
            )
        else:
            notes.append(f"{name} predicts worse than {frame.index[0]}, by {gap / se:.1f} SE.")
    if frame["bad"].any():
        notes.append(
            f"Some {unit}s cannot be left out by weighting. Fit again without each of them: give "
            f"il.loo(fit, {unit.split(' ')[0]!r}, refit=True) of each model in the place of its fit."
        )
    return notes
