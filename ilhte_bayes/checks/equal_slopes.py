"""Equal slopes: does each predictor act alike at every threshold of an ordinal response?"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ilhte_bayes.checks.loo import loo
from ilhte_bayes.checks.shrunken_slopes import ShrunkenSlopes, shrink
from ilhte_bayes.engines.refit import refit
from ilhte_bayes.errors import ModelError, NotAvailable, listed
from ilhte_bayes.fits import draw_tables
from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.intervals import normal_interval
from ilhte_bayes.formulas.cuts import terms_of, with_own_slopes
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.models.model import Model, with_parts
from ilhte_bayes.models.priors import Priors, make_priors


@dataclass(frozen=True, repr=False, eq=False)
class EqualSlopes:
    """Equal slopes against slopes of their own, predictor by predictor; prints as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index: predictor. Of fits by maximum likelihood `chi2`, `df` and `p` of the likelihood
        ratio; of posterior draws `elpd_gain`, how much better own slopes predict (leave one out,
        log scale), and its standard error `se`. By maximum likelihood also `sd`, how much slopes
        vary between thresholds (logits), and `p_sd` of the test that they do not. `crossing`: share of answers for which the fitted
        curves cross, so that a category would have a negative probability (of draws: on average).
    slopes : pandas.DataFrame
        Index (term, threshold): `estimate`, `se`, `lower`, `upper` (95 %) of the slope of "above
        this threshold", in logits; `shrunken` (maximum likelihood), moved towards their mean as
        far as chance explains their differences; `common`, `common_lower`, `common_upper`: of the
        one slope.
    fits : dict
        Predictor -> the fit with its own slopes.
    unit : str
        What was left out for `elpd_gain`; empty for maximum likelihood.
    notes : tuple of str
        What a reader must know, with what to do.
    """

    frame: pd.DataFrame
    slopes: pd.DataFrame
    fits: dict[str, Fit]
    unit: str
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the table of tests."""
        return self.frame

    def __repr__(self) -> str:
        from ilhte_bayes.show.equal_slopes_words import describe_equal_slopes

        return describe_equal_slopes(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.equal_slopes_words import equal_slopes_html

        return equal_slopes_html(self)


def equal_slopes(
    fit: Fit, terms: Sequence[str] | str | None = None, *, seed: int = 1, progress: bool = True
) -> EqualSlopes:
    """Test whether predictors have equal slopes at all thresholds (proportional odds).

    For each predictor the model is fitted again, by the same engine, with a slope of its own at
    every threshold for it alone: all other parts, random effects included, stay.

    Parameters
    ----------
    fit : Fit
        Of an ordinal model (family="cumulative") of three categories or more, by maximum
        likelihood or NUTS.
    terms : sequence of str, optional
        Variables or terms; by default every predictor of the formula. A factor's columns are
        tested together.
    seed : int
        Of refits with NUTS.
    progress : bool
        Whether refits with NUTS show a progress bar.

    Returns
    -------
    EqualSlopes

    Raises
    ------
    ModelError
        If the response is not ordinal, the fit is MAP, or a name matches no slope.

    Notes
    -----
    Likelihood ratios have (K - 2) degrees of freedom for each column. Thresholds of a categorical
    predictor stay in order in every one of its levels, by construction. Those of a continuous one
    may cross outside the bulk of its values: `crossing` says for how many answers. With NUTS the
    differences between slopes shrink towards 0, by their prior; by maximum likelihood `sd` and
    `shrunken` are of slopes drawn from one normal distribution around their mean, given their
    estimates and covariance. Its test has one parameter whatever the number of thresholds; at the
    boundary, so its p-value is simulated.

    References
    ----------
    Peterson & Harrell (1990), Appl. Stat. 39(2), 205-217.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> table = il.load_dataset("wine")
    >>> fit = il.laplace(il.Model("rating ~ contact + (1 | judge)", table, "cumulative"))
    >>> int(il.equal_slopes(fit).frame.loc["contact", "df"])
    3
    """
    model = fit.model
    _require_equal_slopes(fit)
    predictors = _predictors(model.design, terms)
    fits = {
        name: refit(fit, with_slopes(model, own), seed=seed, progress=progress)
        for name, own in predictors.items()
    }
    rows: list[dict[str, float]] = []
    tables: list[pd.DataFrame] = []
    notes: list[str] = []
    unit = ""
    for name, own in predictors.items():
        row = {"crossing": crossing_share(fits[name])}
        tables.append(slopes_by_threshold(fits[name], own, fit))
        if fit.sampled:
            gain, unit = _gain(fit, fits[name], notes)
            row |= gain
        else:
            row |= _ratio(fit, fits[name], len(own) * (model.design.n_cuts - 1))
            shrunken = _shrunken(fits[name], own)
            row |= {"sd": shrunken.sd, "p_sd": shrunken.p}
            tables[-1].insert(4, "shrunken", shrunken.slopes)
        rows.append(row)
        if row["crossing"] > 0:
            notes.append(
                f"with slopes of its own for {name}, curves cross for {row['crossing']:.1%} of the "
                "answers: that model has negative probabilities there. Compare category by "
                "category instead, family='adjacent' or 'multinomial'."
            )
    columns = ["elpd_gain", "se"] if fit.sampled else ["chi2", "df", "p", "sd", "p_sd"]
    frame = pd.DataFrame(rows, index=pd.Index(list(predictors), name="predictor"))
    slopes = pd.concat(tables)
    notes += [
        f"{name}: {problem}"
        for name, other in fits.items()
        for problem in other.problems
        if problem not in fit.problems
    ]
    return EqualSlopes(frame[[*columns, "crossing"]], slopes, fits, unit, tuple(notes))


def _require_equal_slopes(fit: Fit) -> None:
    model = fit.model
    if model.family.name != "cumulative":
        raise ModelError(
            f"equal slopes at all thresholds are an assumption of family='cumulative'; this model "
            f"is {model.family.name!r}. Build it with family='cumulative', of three categories or "
            "more."
        )
    if fit.objective == "map":
        raise ModelError(
            "il.equal_slopes compares likelihoods, and this fit is MAP. Fit il.laplace(model), or "
            "il.sample(model)."
        )
    if model.own_slopes:
        raise ModelError(
            f"the model has slopes of their own for {listed(model.own_slopes)} already. Give "
            "il.equal_slopes the model without own_slopes."
        )


def with_slopes(model: Model, terms: Sequence[str]) -> Model:
    """The model with slopes of their own for these terms; priors of the others stay."""
    design = with_own_slopes(model.design, terms)
    kept = {entry.parameter: entry for entry in model.priors}
    fresh = make_priors(design)
    priors = Priors(tuple(kept.get(entry.parameter, entry) for entry in fresh))
    return with_parts(model, design=design, priors=priors, own_slopes=tuple(terms))


def crossing_share(fit: Fit) -> float:
    """Share of answers for which two neighbouring curves cross; of draws, on average."""
    design = fit.model.design
    assert design.by_cut is not None
    answers = np.bincount(design.pattern, weights=design.count, minlength=len(design.x))
    kinds, kind = np.unique(design.by_cut.x, axis=0, return_inverse=True)
    share = np.bincount(kind.ravel(), weights=answers) / answers.sum()
    beta = flat(fit.tree, "beta") if fit.sampled else fit.mode["beta"].to_numpy()[None]
    at_cut = [
        beta @ (kinds * (design.by_cut.cut == k)).T for k in range(design.n_cuts)
    ]  # (draw, kind), without what is common to all thresholds
    crossed = np.any([low <= high for low, high in itertools.pairwise(at_cut)], axis=0)
    return float((crossed @ share).mean())


def slopes_by_threshold(own: Fit, terms: Sequence[str], common: Fit) -> pd.DataFrame:
    """Slope of each term at each threshold, beside the common one (see `EqualSlopes.slopes`)."""
    design = own.model.design
    rows, labels = [], []
    one = common.coefficients
    for term in terms:
        for at, cut in zip(_positions(design, term), design.terms, strict=False):
            row = _sum_of(own, at)
            row |= {
                "common": one.loc[term, "estimate"],
                "common_lower": one.loc[term, "lower"],
                "common_upper": one.loc[term, "upper"],
            }
            rows.append(row)
            labels.append((term, cut))
    index = pd.MultiIndex.from_tuples(labels, names=["term", "threshold"])
    return pd.DataFrame(rows, index=index)


def _positions(design: Design, term: str) -> list[list[int]]:
    """Coefficients whose sum is the slope of a term, at each threshold."""
    first = design.terms.index(term)
    later = design.terms[1 : design.n_cuts]
    return [[first], *([first, design.terms.index(f"{term}, {cut}")] for cut in later)]


def _shrunken(own: Fit, terms: Sequence[str]) -> ShrunkenSlopes:
    """Slopes of a predictor's terms as draws around the mean of each."""
    design = own.model.design
    places = [at for term in terms for at in _positions(design, term)]
    sums = np.zeros((len(places), len(design.terms)))
    for row, at in zip(sums, places, strict=True):
        row[at] = 1.0
    covariance = sums @ own.mode["beta_cov"].to_numpy() @ sums.T
    term = np.repeat(np.arange(len(terms)), design.n_cuts)
    return shrink(sums @ own.mode["beta"].to_numpy(), covariance, term)


def _predictors(design: Design, terms: Sequence[str] | str | None) -> dict[str, list[str]]:
    """Predictor -> its columns among the terms."""
    if isinstance(terms, str):
        terms = [terms]
    if terms is not None:
        return {name: terms_of(design, [name]) for name in terms}
    slopes = terms_of(design, design.terms[design.n_cuts :])
    if not slopes:
        raise ModelError(
            "the formula has no fixed slope to test. Thresholds of items are tested by fitting "
            "thresholds='item' and comparing."
        )
    out: dict[str, list[str]] = {}
    for term in slopes:
        out.setdefault(re.sub(r"\[(T\.)?.*?\]", "", term), []).append(term)
    return out


def _ratio(common: Fit, own: Fit, df: int) -> dict[str, float]:
    chi2 = max(2.0 * (own.loglik - common.loglik), 0.0)
    return {"chi2": chi2, "df": df, "p": float(stats.chi2.sf(chi2, df))}


def _gain(common: Fit, own: Fit, notes: list[str]) -> tuple[dict[str, float], str]:
    """Gain in expected log predictive density with own slopes, and what was left out."""
    try:
        before, after = loo(common), loo(own)
    except (ModelError, NotAvailable) as error:
        sentence = f"prediction is not compared: {error}"
        notes += [] if sentence in notes else [sentence]
        return {"elpd_gain": float("nan"), "se": float("nan")}, ""
    difference = after.frame["elpd"] - before.frame["elpd"]
    se = float(np.sqrt(len(difference)) * difference.std(ddof=1))
    return {"elpd_gain": float(difference.sum()), "se": se}, before.unit


def _sum_of(fit: Fit, at: Sequence[int]) -> dict[str, float]:
    """Sum of some coefficients with its standard error and interval."""
    if fit.sampled:
        found = draw_tables.summary(flat(fit.tree, "beta")[:, list(at)].sum(axis=1))
        return {name: float(value) for name, value in found.items()}
    estimate = float(fit.mode["beta"].to_numpy()[list(at)].sum())
    se = float(np.sqrt(fit.mode["beta_cov"].to_numpy()[np.ix_(at, at)].sum()))
    lower, upper = normal_interval(np.array(estimate), np.array(se))
    return {"estimate": estimate, "se": se, "lower": float(lower), "upper": float(upper)}
