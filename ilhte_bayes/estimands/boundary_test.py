"""Does an effect vary? The likelihood ratio of two nested models, and what it is compared with."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import chi2

from ilhte_bayes.engines.refit import fit_by, refit
from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.bootstrap import bootstrap_ratios
from ilhte_bayes.estimands.boundary import bootstrap_p, halved_size, likelihood_ratio_p
from ilhte_bayes.estimands.nesting import Added, added, nested
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.comparison import same_answers
from ilhte_bayes.fits.fit import Engine, Fit
from ilhte_bayes.models.model import Model


@dataclass(frozen=True, repr=False, eq=False)
class BoundaryTest(Result):
    """A likelihood ratio and its p-values; prints as a table.

    Attributes
    ----------
    statistic : float
        The likelihood ratio, twice the difference of log-likelihoods.
    simulated : (trial,) array
        Likelihood ratios of simulated trials, missing where a refit failed; empty without
        `bootstrap`.
    """

    statistic: float = np.nan
    simulated: np.ndarray | None = None

    def p(self, reference: str) -> float:
        """P-value by "chi-squared", "mixture", "bootstrap" or "halved"."""
        return float(self.frame.loc[reference, "p"])


def boundary_test(
    null: Fit | Model,
    full: Fit | Model,
    *,
    bootstrap: int = 0,
    seed: int = 1,
    engine: Literal["laplace", "quadrature"] = "laplace",
    progress: bool = True,
) -> BoundaryTest:
    """Test whether what a larger model has more is 0, where variances of 0 are at an edge.

    Parameters
    ----------
    null, full : Fit or Model
        Nested, of the same answers: `(1 | item)` within `(treat | item)` for item-level effects.
        Fits by maximum likelihood; models are fitted here.
    bootstrap : int
        Trials to simulate under the null; 0 for none, 1,000 for a p-value.
    seed : int
        Of the simulated trials.
    engine : {"laplace", "quadrature"}
        For models; beside a fit, the fit's.
    progress : bool
        Whether to say on standard error how far the bootstrap is, with the time left.

    Returns
    -------
    BoundaryTest
        Rows `chi-squared`, `mixture`, `halved` (where one variance is tested) and `bootstrap`;
        columns `lr`, `distribution`, `p`, `mc_error` (Monte Carlo standard error), `word`.

    Raises
    ------
    ModelError
        If a fit is not by maximum likelihood, the answers differ, or the models are not nested.

    Notes
    -----
    A variance cannot be below 0, so that under the null half of its estimates are 0 and chi2 is too
    cautious. One variance: 1/2 chi2_0 + 1/2 chi2_1. A slope whose variance is tested with its q
    covariances: 1/2 chi2_q + 1/2 chi2_{q+1}. Both hold for many levels (items); several variances,
    or another one at 0 under the null, have mixtures whose weights depend on the design, and only
    the bootstrap is offered. `halved` is half of chi2's p-value, as in the IRW vignette: with a
    correlation it rejects 6.6 % of true nulls at 5 % as levels grow without end. With 8 to 200
    items it rejected 4.3 to 5.5 %, the mixture 3.0 to 5.0 % (benchmarks/boundary_rates.csv).

    The bootstrap simulates persons, items and answers under the null's estimates, fits both models
    to each, and counts: p = (1 + #{LR* >= LR}) / (1 + B).

    References
    ----------
    Self & Liang (1987), J. Am. Stat. Assoc. 82, 605-610; Stram & Lee (1994), Biometrics 50,
    1171-1177; Davison & Hinkley (1997), Bootstrap Methods, ch. 4.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> same = il.il_hte(trial, response="resp >= 2", clusters=["study"], effects="constant")
    >>> own = il.il_hte(trial, response="resp >= 2", clusters=["study"])
    >>> list(il.boundary_test(same, own).frame.index)
    ['chi-squared', 'mixture', 'halved']
    """
    if bootstrap < 0:
        raise ModelError(f"bootstrap={bootstrap}; it is a number of trials, 1000 say, or 0.")
    small, large = _fitted(null, full, engine)
    _check(small, large)
    more = added(small, large)
    statistic = max(2.0 * (large.loglik - small.loglik), 0.0)
    refused = why_no_mixture(small, more)
    rows = _closed_forms(statistic, more, refused)
    simulated = np.zeros(0)
    notes = _notes(more, refused, [small, large])
    if bootstrap:
        simulated = bootstrap_ratios(small, large, bootstrap, seed=seed, progress=progress)
        rows["bootstrap"] = _by_bootstrap(statistic, simulated)
        notes += _failures(statistic, simulated)
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("reference")
    frame.insert(0, "lr", statistic)
    title = f"Likelihood ratio test: is {_in_words(more)} 0?"
    return BoundaryTest(
        frame, title, tuple(notes), statistic=statistic, simulated=simulated, topic="variation"
    )


def _fitted(null: Fit | Model, full: Fit | Model, engine: Engine) -> tuple[Fit, Fit]:
    """Both as fits, by one engine."""
    if engine not in ("laplace", "quadrature"):
        raise ModelError(f"engine={engine!r}; it is 'laplace' or 'quadrature'.")
    for model in (null, full):
        if isinstance(model, Fit) and model.objective != "ml":
            found = "a posterior" if model.sampled else "MAP"
            raise ModelError(
                f"likelihood ratios belong to maximum likelihood; a fit given here is {found}. Give "
                "il.laplace(fit.model), or read il.item_variation(fit) of draws."
            )
    if isinstance(full, Fit):
        return (null if isinstance(null, Fit) else refit(full, null)), full
    if isinstance(null, Fit):
        return null, refit(null, full)
    first = fit_by(engine, full)
    return refit(first, null), first


def _check(null: Fit, full: Fit) -> None:
    if not same_answers(null, full):
        raise ModelError(
            f"the models are fitted to different answers ({null.n_obs:,} and {full.n_obs:,}): rows "
            "with missing values are dropped by the columns a formula uses. Drop them first: "
            "table.dropna(subset=[...]) with the columns of both formulas."
        )
    if null.engine != full.engine or null.mode.attrs.get("integrated") != full.mode.attrs.get(
        "integrated"
    ):
        raise ModelError(
            f"the smaller model is fitted by il.{null.engine} and the larger by il.{full.engine}, or "
            "another group is integrated out: their log-likelihoods differ by the approximation "
            "too. Fit both in one way."
        )
    if not nested(null, full):
        swapped = nested(full, null)
        raise ModelError(
            f"{null.model.formula.text!r} is not a special case of {full.model.formula.text!r}: "
            + (
                "it is the larger one. Give the smaller model first."
                if swapped
                else "some of its terms, random columns or correlations are not in the larger "
                "model, or their families differ. Drop them, or add them to the larger one."
            )
        )


def why_no_mixture(null: Fit, more: Added) -> str:
    """Why the mixture of chi2 does not hold, in a sentence; empty where it does."""
    if not more.variances:
        return "No variance is tested: chi-squared is the reference, without an edge."
    if len(more.variances) > 1:
        return (
            f"{len(more.variances)} variances are tested together: the weights of their mixture "
            "depend on the design. Use bootstrap=1000, or test one variance at a time."
        )
    if bool(null.mode["psi_held"].any()):
        return (
            "A variance, or a correlation, is at the edge of its range under the null already: the "
            "mixture does not hold beside it. Use bootstrap=1000."
        )
    return ""


def _closed_forms(statistic: float, more: Added, refused: str) -> dict[str, dict]:
    """Rows of p-values that need no simulation."""
    k, naive = more.n, float(chi2.sf(statistic, more.n))
    edge = bool(more.variances)
    rows: dict[str, dict] = {
        "chi-squared": _row(
            f"chi2({k})", naive, "too cautious: ignores the edge" if edge else "no edge: it holds"
        )
    }
    if not edge:
        return rows
    if refused:
        rows["mixture"] = _row("not known", np.nan, "see the note")
        return rows
    rows["mixture"] = _row(
        f"1/2 chi2({k - 1}) + 1/2 chi2({k})",
        likelihood_ratio_p(statistic, k, 1),
        "cautious with few levels",
    )
    rows["halved"] = _row(
        f"chi2({k}), p halved",
        0.5 * naive,
        f"IRW's; {100 * halved_size(k):.1f} % as levels grow",
    )
    return rows


def _row(distribution: str, p: float, word: str, error: float = np.nan) -> dict:
    return {"distribution": distribution, "p": p, "mc_error": error, "word": word}


def _by_bootstrap(statistic: float, simulated: np.ndarray) -> dict:
    p, error = bootstrap_p(statistic, simulated)
    n = int(np.isfinite(simulated).sum())
    return _row(f"{n:,} simulated trials", p if n else np.nan, "right at this size", error)


def _failures(statistic: float, simulated: np.ndarray) -> list[str]:
    """How many refits failed, and how far they could move the p-value."""
    failed = int((~np.isfinite(simulated)).sum())
    if not failed:
        return [f"All {simulated.size:,} simulated trials were fitted by both models."]
    low, high = (
        bootstrap_p(statistic, np.where(np.isfinite(simulated), simulated, instead))[0]
        for instead in (-1.0, np.finfo(float).max)
    )
    return [
        f"{failed:,} of {simulated.size:,} simulated trials could not be fitted and are not "
        f"counted; had all of them stayed below the ratio, or reached it, p would be {low:.3f} or "
        f"{high:.3f}."
    ]


def _in_words(more: Added) -> str:
    """What is tested, by name."""
    parts = [f"beta[{term}]" for term in more.terms]
    parts += [f"sd_{group}[{column}]" for group, column in more.variances]
    text = ", ".join(parts)
    n = len(more.covariances)
    if not n:
        return text
    pairs = f"{n} correlation{'s' if n > 1 else ''}"
    return f"{text} (with {pairs})" if text else pairs


def _notes(more: Added, refused: str, fits: list[Fit]) -> list[str]:
    notes = [f"LR is twice the difference of log-likelihoods; parameters tested: {more.n}."]
    notes += [refused] if refused else []
    if more.variances and not refused:
        notes.append(
            "The mixture holds as the number of levels (items) grows; with few, bootstrap=1000 is "
            "the reference."
        )
    unfinished = [fit for fit in fits if not fit.mode.attrs["converged"]]
    notes += [f"{fit.model.formula.text}: {fit.problems[0]}" for fit in unfinished if fit.problems]
    return notes
