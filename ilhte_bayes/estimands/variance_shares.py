"""How much of the latent variance lies at each level, and how alike two units make two answers."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from scipy.special import ndtri

from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.functionals import Link, estimates
from ilhte_bayes.estimands.levels import levels_above
from ilhte_bayes.estimands.parameters import ParameterDraws
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.new_values import NewRows, Values, new_rows
from ilhte_bayes.models.model import Model

LOGISTIC_VARIANCE = np.pi**2 / 3.0  # of the answer itself on the latent scale; printed as 3.29
_QUANTITIES = (
    "variance",
    "share",
    "within-unit correlation",
    "MOR, same higher unit",
    "MOR, any two",
)
_LINKS: tuple[Link, ...] = ("log", "logit", "logit", "loglog", "loglog")


def variance_shares(fit: Fit, newdata: Values = None) -> Result:
    """Variance at each level, its share of the latent total, and what units have in common.

    Parameters
    ----------
    fit : Fit
        Of binary or cumulative-logit answers, by any engine.
    newdata : mapping or pandas.DataFrame, optional
        Covariate values, `{"lep": 0}` or `{"lep": [0, 1]}`, which matter where slopes are random.
        Covariates it leaves out are at 0, or at their reference level; the notes say which.

    Returns
    -------
    Result
        Index (covariates given, level, quantity); `estimate`, `se`, `lower`, `upper` (95 %).
        Levels are the groups, outermost first, and "answer": the answer itself, with the variance
        pi^2 / 3 of a standard logistic distribution. Quantities, for two answers at these
        covariate values:

        - variance: in squared logits.
        - share: of the latent total, the sum of all levels' variances and pi^2 / 3. Of the schools
          this is the intraclass correlation; of teachers in schools it is *not* the correlation of
          two students of one teacher.
        - within-unit correlation: of two answers from one unit of this level (and so from one unit
          of each level above): variances of this level and those above over the total.
        - MOR: median odds ratio between two units, the one with the higher odds over the other,
          `exp(sqrt(2 v) 0.6745)`: of two units within the same higher unit (v is this level's
          variance), and of any two (v adds the levels above).

    Raises
    ------
    ModelError
        If items discriminate differently, or answers have no latent logistic scale.
    DataError
        If `newdata` names something else than covariates of the formula.

    Notes
    -----
    Levels above are found in the data. Crossed groups (persons and items) are above nothing of each
    other: "within-unit correlation" of an item is that of two persons' answers to it. SD173 leaves
    78 % of the variance to students beside teachers' .1314 and schools' .1880; it is 68 %.

    References
    ----------
    Snijders & Bosker (2012), Multilevel Analysis, ch. 17. Larsen & Merlo (2005), Am. J. Epidemiol.
    161(1), 81-88, on the median odds ratio. Smiley, Leighton, Guo, Ene & Bell (2015), An
    intermediate guide to estimating multilevel models for categorical data using SAS PROC GLIMMIX,
    SESUG paper SD173.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> fit = il.laplace(il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria")))
    >>> shares = il.variance_shares(fit).frame["estimate"]
    >>> bool(shares["ID", "share"] == shares["ID", "within-unit correlation"])
    True
    """
    model = fit.model
    require_latent_logistic(model, "variance_shares")
    above = levels_above(model.design)
    rows = new_rows(model.formula, model.responses, model.design, newdata)
    several = len(rows.values) > 1
    links: list[Link] = [*_LINKS * len(above), "log", "logit"]
    pieces = [
        estimates(fit, partial(_at_row, rows=rows, k=k, above=above), links, near_edge=True)
        for k in range(len(rows.values))
    ]
    index = [(level, quantity) for level in above for quantity in _QUANTITIES]
    index += [("answer", "variance"), ("answer", "share")]
    for piece in pieces:
        piece.index = pd.MultiIndex.from_tuples(index, names=["level", "quantity"])
        piece.loc[("answer", "variance"), ["se", "lower", "upper"]] = (0.0, np.nan, np.nan)
    frame = pieces[0]
    if several:
        keys = [tuple(row) for row in rows.values.itertuples(index=False)]
        names = list(map(str, rows.values.columns))
        frame = pd.concat(pieces, keys=keys, names=[*names, "level", "quantity"])
    return Result(frame, _TITLE, _notes(model, rows, above), across="quantity")


def shares_and_correlations(
    variances: Mapping[str, float],
    above: Mapping[str, Sequence[str]],
    residual: float = LOGISTIC_VARIANCE,
) -> pd.DataFrame:
    """Share, within-unit correlation and median odds ratios of given variances.

    Parameters
    ----------
    variances : mapping
        Level -> variance, in squared logits.
    above : mapping
        Level -> the levels that its units lie in, `{"teacher": ["school"], "school": []}`.
    residual : float
        Variance of the answer itself; pi^2 / 3, or 3.29 to repeat somebody's arithmetic.
    """
    made = _quantities(np.array([[variances[level] for level in above]]), above, residual)[0]
    columns = made[: len(above) * len(_QUANTITIES)].reshape(len(above), -1)
    return pd.DataFrame(columns, index=pd.Index(above, name="level"), columns=_QUANTITIES)


def require_latent_logistic(model: Model, name: str) -> None:
    """Refuse models in which an answer is not a cut of one logistic variable plus effects."""
    if model.discrimination is not None:
        raise ModelError(
            f"il.{name} of items that discriminate differently: an answer's latent variance then "
            "depends on the item. Fit the model without discrimination."
        )
    if model.family.name not in ("bernoulli", "cumulative"):
        raise ModelError(
            f"il.{name} needs binary or cumulative-logit answers; family={model.family.name!r} has "
            "no latent logistic scale. Use family='cumulative', or compare the answer with a value."
        )


def _at_row(
    parameters: ParameterDraws, rows: NewRows, k: int, above: Mapping[str, Sequence[str]]
) -> np.ndarray:
    """(draw, quantity) from the variance of what each level adds to the linear predictor."""
    z = {name: rows.z[name][k] for name in above}
    each = [np.einsum("i,dij,j->d", z[n], parameters.covariance[n], z[n]) for n in above]
    return _quantities(np.stack(each, axis=1), above)


def _quantities(
    variances: np.ndarray,
    above: Mapping[str, Sequence[str]],
    residual: float = LOGISTIC_VARIANCE,
) -> np.ndarray:
    """(draw, quantity): five for each level, then variance and share of the answer itself."""
    place = {level: k for k, level in enumerate(above)}
    total = variances.sum(axis=1) + residual
    columns = []
    for level, outer in above.items():
        own = variances[:, place[level]]
        joint = own + variances[:, [place[name] for name in outer]].sum(axis=1)
        columns += [own, own / total, joint / total]
        columns += [median_odds_ratio(own), median_odds_ratio(joint)]
    columns += [np.full(len(total), residual), residual / total]
    return np.stack(columns, axis=1)


def median_odds_ratio(variance: np.ndarray) -> np.ndarray:
    """Median of exp|u - v| for u, v independent, normal with this variance in logits."""
    return np.asarray(np.exp(np.sqrt(2.0 * np.maximum(variance, 0.0)) * ndtri(0.75)))


_TITLE = (
    "Variance by level on the latent scale (squared logits; the answer itself has pi^2/3 = 3.290), "
    "95 % intervals"
)


def _notes(model: Model, rows: NewRows, above: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    notes = []
    fixed = [f"{k} = {v}" for k, v in rows.values.iloc[0].items()] if len(rows.values) == 1 else []
    slopes = any(np.any(g.z != g.z[:1]) for g in model.design.groups)
    if slopes and (fixed or rows.held):
        notes.append(
            f"Slopes are random: variances are those at {', '.join([*fixed, *rows.held])}."
        )
    for level, outer in above.items():
        if outer:
            notes.append(
                f"Two answers of one {level} share its {' and '.join(outer)} too: their correlation "
                "adds those variances to this level's; the share does not."
            )
    tops = [level for level, outer in above.items() if not outer]
    if len(tops) > 1:
        notes.append(
            f"{' and '.join(tops)} are crossed: a correlation is that of two answers with one of "
            "these in common and the others different."
        )
    notes.append(
        "MOR: median odds ratio of two units, the higher odds over the lower; 1 if they are alike."
    )
    return tuple(notes)
