"""Is a variance above 0? The Wald test that PROC GLIMMIX prints, and the likelihood ratio."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import norm

from ilhte_bayes.engines.fixed_only import fixed_only_loglik
from ilhte_bayes.engines.laplace import laplace
from ilhte_bayes.engines.quadrature import quadrature
from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.boundary import likelihood_ratio_p
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.models.model import Model, with_parts


def variance_tests(fit: Fit) -> Result:
    """Test every variance: Wald, one-sided, beside the likelihood ratio of a fit without it.

    Parameters
    ----------
    fit : Fit
        By maximum likelihood. The model is fitted once more for each variance.

    Returns
    -------
    Result
        Index (group, column); `variance`, `se` (squared logits), `z` and `p_wald` (one-sided),
        `chi2` (likelihood ratio), `df` (parameters that go: the variance and its correlations),
        `p_lr`.

    Raises
    ------
    ModelError
        If the fit is not one by maximum likelihood.

    Notes
    -----
    Wald's test takes the estimate of a variance for normal. Near 0 it is not: the test is weak
    there, and p-values near .05 may come with likelihood ratios that leave no doubt. The likelihood
    ratio refers to the 50:50 mixture of chi2 with df - 1 and df degrees of freedom
    (see `estimands.boundary`).

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> fit = il.laplace(il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria")))
    >>> list(il.variance_tests(fit).frame.columns)
    ['variance', 'se', 'z', 'p_wald', 'chi2', 'df', 'p_lr']
    """
    if fit.objective != "ml":
        raise ModelError(
            "tests of variances belong to maximum likelihood; this fit is "
            f"{'a posterior' if fit.sampled else 'MAP'}. Test il.laplace(fit.model), or read the "
            "intervals of fit.variance_components."
        )
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for group in fit.model.design.groups:
        for k, column in enumerate(group.columns):
            variance, se = variance_with_error(fit, group.name, column)
            smaller, dropped = without_column(fit.model, group.name, k)
            statistic = _statistic(fit, smaller)
            rows[group.name, column] = {
                **wald_of_variance(variance, se),
                "chi2": statistic,
                "df": float(dropped),
                "p_lr": likelihood_ratio_p(statistic, dropped, 1),
            }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["group", "column"])
    notes = [
        "Wald: one-sided; weak near 0, where the estimate of a variance is not normal. The "
        "likelihood ratio (LR) is the better test: against a fit without the variance and its "
        "correlations (df in all), 50:50 mixture of chi2 with df - 1 and df.",
    ]
    if fit.engine == "quadrature" and len(fit.model.design.groups) > 1:
        notes.append(
            "Without the variance of the group that was integrated out, both log-likelihoods are "
            "Laplace's."
        )
    return Result(frame, "Tests of variances (squared logits)", tuple(notes))


def wald_of_variance(variance: float, se: float) -> dict[str, float]:
    """Is a variance above 0? One-sided, as SD173 has it."""
    z = variance / se
    return {"variance": variance, "se": se, "z": z, "p_wald": float(norm.sf(z))}


def variance_with_error(fit: Fit, group: str, column: str) -> tuple[float, float]:
    """A variance and its standard error (delta method; missing at 0); of draws, mean and SD."""
    name = fit.model.design.group(group).name
    if fit.sampled:
        values = fit.tree["posterior"][f"sd_{name}"].sel({f"{name}_column": column}) ** 2
        return float(values.mean()), float(values.std(ddof=1))
    row = fit.variance_components.loc[(name, f"sd[{column}]")]
    return float(row["estimate"] ** 2), float(2.0 * row["estimate"] * row["se"])


def without_column(model: Model, group: str, k: int) -> tuple[Model, int]:
    """The model without one random column, and how many parameters went with it."""
    design = model.design
    found = design.group(group)
    block = next(block for block in found.blocks if k in block)
    groups = []
    for each in design.groups:
        if each.name != found.name:
            groups.append(each)
        elif each.n_columns > 1:
            groups.append(_without(each, k))
    return with_parts(model, design=replace(design, groups=tuple(groups))), len(block)


def _without(group: Group, k: int) -> Group:
    keep = [j for j in range(group.n_columns) if j != k]
    place = {j: at for at, j in enumerate(keep)}
    blocks = [tuple(place[j] for j in block if j != k) for block in group.blocks]
    return replace(
        group,
        columns=tuple(group.columns[j] for j in keep),
        blocks=tuple(block for block in blocks if block),
        z=np.ascontiguousarray(group.z[:, keep]),
        cut_z=None if group.cut_z is None else group.cut_z[:, keep],
        logit=None if group.logit is None else group.logit[keep],
    )


def _statistic(fit: Fit, smaller: Model) -> float:
    """Twice the gain in log-likelihood, both approximated in one way where that can be."""
    left = [group.name for group in smaller.design.groups]
    if not left:
        gain = fit.loglik - fixed_only_loglik(smaller)
    elif fit.engine == "laplace":
        gain = fit.loglik - laplace(smaller).loglik
    elif fit.mode.attrs["integrated"] in left:
        integrated = str(fit.mode.attrs["integrated"])
        gain = fit.loglik - quadrature(smaller, integrate=integrated).loglik
    else:
        gain = float(fit.mode.attrs["laplace_loglik"]) - laplace(smaller).loglik
    return max(2.0 * gain, 0.0)
